# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Swap two networks under load again and again, and count what happens to the images."""

from __future__ import annotations

import json
from pathlib import Path
import sys
import tempfile
from typing import Any

from mono_depth_ros.cli.measuring import running, Setup, watch_memory
from mono_depth_ros.cli.processes import node_command
from mono_depth_ros.engine.store import VersionStore
from mono_depth_ros.errors import MonoDepthError
import numpy as np

RATE = 30.0


def measure_reloads(setup: Setup, reloads: int) -> dict[str, Any]:
    """
    Swap the network and a variant of it in a running depth node, one after the other.

    Returns
    -------
    dict
        What `ReloadProbe.measure` counts, and the memory of the node [MB].

    Raises
    ------
    MonoDepthError
        If the node ends, or refuses a reload.

    """
    with tempfile.TemporaryDirectory() as folder:
        store, result = VersionStore(Path(folder) / 'store'), Path(folder) / 'probe.json'
        store.promote(store.add(setup.model))
        store.add(write_variant(setup.model, Path(folder) / 'variant.onnx'))
        # Reliable, so that no part of an image is lost on the way. The queues, of two images
        # and of one, still drop what a busy machine comes too late for.
        reliable = {'qos_overrides./image_rect.subscription.reliability': 'reliable'}
        settings = {'model': setup.model, 'backend': setup.backend, 'store': store.root}
        node = node_command('depth_node', {**settings, **reliable})
        probe = [sys.executable, '-m', 'mono_depth_ros.nodes.reload_probe', '--rate', str(RATE)]
        probe += ['--store', str(store.root), '--reloads', str(reloads)]
        probe += ['--json', str(result), '--backend', setup.backend]
        with running(node, setup) as process, running(probe, setup) as until:
            memory = watch_memory(process, until)
        if not result.is_file():
            raise MonoDepthError('the reloads did not end; see above')
        report: dict[str, Any] = json.loads(result.read_text())
    return report | {'memory': memory}


def write_variant(model: Path, path: Path) -> Path:
    """Write a network whose depth differs from that of another a little, and everywhere."""
    import onnx
    from onnx import numpy_helper

    network = onnx.load(model)
    weights = [t for t in network.graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    largest = max(weights, key=lambda tensor: int(np.prod(tensor.dims)))
    changed = numpy_helper.to_array(largest) * np.float32(1.2)
    largest.CopyFrom(numpy_helper.from_array(changed, largest.name))
    onnx.save(network, path)
    return path


def reload_summary(report: dict[str, Any]) -> str:
    """Say in three lines what happened."""
    took, memory, stolen = report['seconds a reload'], report['memory'], report['stolen']
    return (
        f'{report["reloads"]} reloads in {report["seconds"]:.0f} s ({took["p50"]:.2f} s each, at '
        f'most {took["max"]:.2f} s): {report["sent"]} images sent, {report["lost"]} lost, at most '
        f'{report["lost in a row"]} in a row\n'
        f'the machine: {report["never sent"]} ticks of the camera never came, '
        f'{100 * report["lost without reloads"]:.1f} % of the images are lost without reloads, '
        f'{100 * report["lost without reloads afterwards"]:.1f} % afterwards, '
        f'{"unknown" if stolen is None else f"{100 * stolen:.1f} %"} of CPU time stolen\n'
        f'answers of neither network: {report["of neither network"]}, of the other one after a '
        f'swap: {report["of the other network after a swap"]}; memory {memory["highest"]:.0f} MB, '
        f'{memory["growth of peaks"]:+.1f} MB over the run'
    )
