# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Processes under measurement: their commands, their lives, their memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
import signal
import subprocess
import sys
import time

from mono_depth_ros.cli.processes import node_command
from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.ros_environment import private_environment

WARM_UP_S = 2.0


@dataclass(frozen=True)
class Setup:
    """What every measurement of a benchmark shares."""

    images: str
    model: Path
    backend: str
    seconds: float
    environment: dict[str, str] = field(default_factory=private_environment)


def depth_node_command(setup: Setup) -> list[str]:
    """Return the command of the depth node under test."""
    return node_command('depth_node', {'model': setup.model, 'backend': setup.backend})


def player_command(setup: Setup, rate: float) -> list[str]:
    """Return the command of the camera."""
    played = {'source': setup.images, 'rate': rate, 'preload': 16, 'limit': 16}
    return node_command('camera_player', {**played, 'size': '640x480'})


def sink_command(seconds: float, result: Path) -> list[str]:
    """Return the command of the process that receives depth."""
    options = ['--seconds', str(seconds), '--warm-up', str(WARM_UP_S), '--json', str(result)]
    return [*this_module(), 'sink', *options]


def this_module() -> list[str]:
    """Return the command of the processes of this benchmark."""
    return [sys.executable, '-m', 'mono_depth_ros.nodes.benchmark_nodes']


@contextmanager
def running(command: list[str], setup: Setup) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process for the length of a block; end it as Ctrl-C would."""
    process = subprocess.Popen(command, env=setup.environment)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def watch_memory(
    node: subprocess.Popen[bytes], until: subprocess.Popen[bytes]
) -> dict[str, float]:
    """
    Sample the resident memory of a node [MB] until another process ends.

    Returns
    -------
    dict
        ``highest``; ``growth`` between the end of the first quarter and the end; ``growth of
        peaks`` between the highest of the second and that of the last quarter.

    """
    samples = []
    while until.poll() is None:
        time.sleep(0.5)
        if node.poll() is not None:
            until.kill()
            raise MonoDepthError(f'the node ended with status {node.returncode}; see above')
        samples.append(resident_memory(node.pid))
    # A node that has just started still fills its buffers.
    quarter = len(samples) // 4
    peaks = max(samples[quarter : 2 * quarter + 1]), max(samples[-quarter - 1 :])
    return {
        'highest': max(samples),
        'growth': samples[-1] - samples[quarter],
        'growth of peaks': peaks[1] - peaks[0],
    }


def resident_memory(pid: int) -> float:
    """Return the resident memory of a process [MB]."""
    for line in Path(f'/proc/{pid}/status').read_text().splitlines():
        if line.startswith('VmRSS:'):
            return int(line.split()[1]) / 1024
    return float('nan')
