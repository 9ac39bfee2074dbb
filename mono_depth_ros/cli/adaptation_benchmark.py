# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What an adaptation cycle costs the depth node beside it."""

from __future__ import annotations

from itertools import chain, islice
import json
from pathlib import Path
import tempfile
from typing import Any

from mono_depth_ros.cli.measuring import (
    depth_node_command,
    player_command,
    running,
    Setup,
    sink_command,
)
from mono_depth_ros.errors import MonoDepthError

RATE = 15.0
# Images of the recording that are offered to the cycle; without one, walks through rendered rooms
# at so many images a second.
FRAMES, WALKS, WALK_RATE = 150, 3, 2.0
# Longer than any cycle; it ends with the cycle.
LONGEST_S = 3600.0


def measure_adaptation(setup: Setup, steps: int, recording: str = '') -> dict[str, Any]:
    """
    Measure the depth node at 15 Hz and 640x480, alone and then beside one cycle.

    Parameters
    ----------
    setup : Setup
        The camera, the network, and how long to measure the node alone.
    steps : int
        Updates of the cycle, with the defaults of the adaptation node otherwise.
    recording : str
        What the cycle adapts to; walks through rendered rooms if empty.

    Returns
    -------
    dict
        ``idle`` and ``busy``, each with the share of images answered and p50 and p99 [ms];
        ``cycle``, how it ended, its seconds and its peak memory [MB].

    Raises
    ------
    MonoDepthError
        If the cycle ends before it has trained, or the node does not answer.

    """
    from mono_depth_ros.adaptation.cycle_process import CycleProcess

    player = player_command(setup, RATE)
    with tempfile.TemporaryDirectory() as folder:
        job = write_job(Path(folder), str(setup.model), steps, recording)
        results = [Path(folder) / f'{name}.json' for name in ('idle', 'busy')]
        with running(player, setup), running(depth_node_command(setup), setup):
            with running(sink_command(setup.seconds, results[0]), setup) as receiver:
                receiver.wait()
            with running(sink_command(LONGEST_S, results[1]), setup):
                outcome = CycleProcess(job).wait()
        # A cycle that trained has been measured, whatever came of it.
        if 'training_seconds' not in outcome.details:
            raise MonoDepthError(f'the cycle was {outcome.state}: {outcome.reason}')
        if not all(result.is_file() for result in results):
            raise MonoDepthError('the depth node did not answer; see above')
        idle, busy = (summary(json.loads(result.read_text())) for result in results)
    details = outcome.details
    cycle = {
        'state': outcome.state,
        'reason': outcome.reason,
        'steps': details.get('steps'),
        'seconds': details.get('seconds'),
        'training_seconds': details.get('training_seconds'),
        'peak_memory_mb': details.get('peak_memory_mb'),
    }
    return {'idle': idle, 'busy': busy, 'cycle': cycle}


def write_job(folder: Path, model: str, steps: int, recording: str) -> Any:
    """Collect frames as the adaptation node does, and return the job of a cycle."""
    from mono_depth_ros.adaptation.config import AdapterConfig, BufferConfig
    from mono_depth_ros.adaptation.offline import collect
    from mono_depth_ros.adaptation.outcome import CycleJob
    from mono_depth_ros.adaptation.target_frame import write_frame
    from mono_depth_ros.frames import open_frames
    from mono_depth_ros.model.registry import resolve_model

    frames = folder / 'frames'
    frames.mkdir()
    size = resolve_model(model).manifest.input_size
    # Recordings are as dense as they are: only what looks alike is left out.
    config = BufferConfig(min_gap_s=0.0)
    walks = [recording] if recording else [f'procedural:indoor:{seed}' for seed in range(WALKS)]
    sources = (open_frames(walk, rate=WALK_RATE) for walk in walks)
    images = list(islice(chain.from_iterable(sources), FRAMES))
    for frame in collect(images, size, 'none', config).snapshot():
        write_frame(frames, frame)
    adapter = AdapterConfig(steps=steps)
    return CycleJob(str(frames), store=str(folder / 'store'), model=model, adapter=adapter)


def summary(report: dict[str, Any]) -> dict[str, float]:
    """Return what matters of the report of a sink."""
    depth = report['depth']
    return {
        'sent': report['sent'],
        'answered': depth['arrived'] / max(report['sent'], 1),
        'p50': depth['p50'],
        'p99': depth['p99'],
    }


def adaptation_summary(report: dict[str, Any]) -> str:
    """Say in a few lines what was measured."""
    idle, busy, cycle = report['idle'], report['busy'], report['cycle']
    lines = [
        f'{name}: {100 * row["answered"]:.1f} % of {row["sent"]} images at {RATE:g} Hz answered, '
        f'p50 {row["p50"]:.1f} ms, p99 {row["p99"]:.1f} ms'
        for name, row in (('node alone', idle), ('beside the cycle', busy))
    ]
    lines.append(
        f'cycle of {cycle["steps"]} updates: {cycle["state"]} after {cycle["seconds"]} s, '
        f'{cycle["peak_memory_mb"]} MB at most; p99 grew by a factor of '
        f'{busy["p99"] / idle["p99"]:.1f}'
    )
    return '\n'.join(lines)
