# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Engines that are loaded beside the running one give way to it, and to nothing once they run."""

from concurrent.futures import Future
import os
from pathlib import Path

from mono_depth_ros.config import EngineConfig
import numpy as np
import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('openvino', reason='openvino is not installed')
from mono_depth_ros.nodes.engine_loader import EngineLoader

SIZE = (480, 640)


def threads():
    """Return niceness, and CPU time used in ticks, of each thread of this process (proc(5))."""
    found = {}
    for task in Path('/proc/self/task').iterdir():
        fields = (task / 'stat').read_text().rpartition(')')[2].split()
        found[task.name] = int(fields[16]), int(fields[11]) + int(fields[12])
    return found


@pytest.mark.skipif(not Path('/proc/self/task').is_dir(), reason='Linux only')
def test_what_was_loaded_with_low_priority_does_not_run_with_it(red_network):
    loader = EngineLoader(EngineConfig(model=str(red_network), backend='openvino'))
    first = loader.load(SIZE)
    loaded = Future()

    assert loader.load_again(SIZE, loaded.set_result)
    second, before = loaded.result(60).result(), threads()
    image = np.random.default_rng(0).integers(0, 256, (*first.engine.input_size, 3), np.uint8)
    while sum(ticks for _, ticks in threads().values()) < 50 + sum(t for _, t in before.values()):
        second.engine.infer(image)

    mine = os.getpriority(os.PRIO_PROCESS, 0)
    nice = [name for name, (niceness, _) in before.items() if niceness > mine]
    after = threads()
    used = sum(after[name][1] - before[name][1] for name in nice)
    loader.close()
    for estimator in (first, second):
        estimator.engine.close()
    assert nice or mine == 19  # the loader itself
    assert used <= 2
