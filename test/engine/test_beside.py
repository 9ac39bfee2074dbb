# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Engines that are loaded beside a running one give way to it, and to nothing once they run."""

import os
from pathlib import Path
import subprocess
import sys
import threading

from mono_depth_ros.engine import openvino_compile
from mono_depth_ros.engine.beside import beside_images, give_way, has_run, LOWEST_PRIORITY
from mono_depth_ros.engine.select import load_engine
from mono_depth_ros.model.registry import resolve_model
import pytest

pytestmark = pytest.mark.skipif(
    not Path('/proc/self/schedstat').is_file(), reason='needs schedstat of Linux'
)

needs_a_lower_priority = pytest.mark.skipif(
    os.getpriority(os.PRIO_PROCESS, 0) >= LOWEST_PRIORITY,
    reason='runs at the lowest priority: nothing could give way',
)

# Loads engines one after the other, the last one beside images. Runs that one, and prints how
# often threads of a lower priority had a turn meanwhile (proc(5), schedstat). How long those are
# would say nothing: on a busy machine others do their work. Threads that live on without a turn
# are no harm: those of OpenVINO that have read what was compiled never run again.
LOADS = """
import os, sys, time
from pathlib import Path
import numpy as np
from mono_depth_ros.engine.beside import beside_images
from mono_depth_ros.engine.select import load_engine

mine = os.getpriority(os.PRIO_PROCESS, 0)

def turns_of_lower_threads():
    found = {}
    for task in Path('/proc/self/task').iterdir():
        try:
            if os.getpriority(os.PRIO_PROCESS, int(task.name)) > mine:
                found[task.name] = int((task / 'schedstat').read_text().split()[2])
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has just ended
    return found

def turns_at_rest():
    # A thread that was woken has its turn within this time, however busy the machine is.
    turns = None
    while turns != (turns := turns_of_lower_threads()):
        time.sleep(0.5)
    return turns

path, *before, backend = sys.argv[1:]
engines = [load_engine(path, name, threads=2) for name in before]
with beside_images():
    engine = load_engine(path, backend, threads=2)
image = np.random.default_rng(0).integers(0, 256, (*engine.input_size, 3), np.uint8)
begun = turns_at_rest()
for _ in range(30):
    engine.infer(image)
print(sum(turns - begun.get(name, 0) for name, turns in turns_at_rest().items()))
"""


@needs_a_lower_priority
@pytest.mark.parametrize(
    'backends', ['openvino openvino', 'onnxruntime openvino', 'onnxruntime onnxruntime']
)
def test_what_was_loaded_with_low_priority_does_not_run_with_it(backends):
    for name in backends.split():
        pytest.importorskip(name, reason=f'{name} is not installed')
    command = [sys.executable, '-c', LOADS, str(resolve_model('indoor').path), *backends.split()]

    done = subprocess.run(command, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == 0


@needs_a_lower_priority
def test_reading_and_trying_give_way_and_the_compiler_s_second_chance_does_not(
    write_tiny, monkeypatch
):
    pytest.importorskip('openvino', reason='openvino is not installed')
    from mono_depth_ros.engine import select

    load_engine(write_tiny(), 'openvino').close()
    seen = {}

    def watch(module, name):
        real = getattr(module, name)

        def call(*arguments, **options):
            seen[name] = os.getpriority(os.PRIO_PROCESS, 0)
            return real(*arguments, **options)

        monkeypatch.setattr(module, name, call)

    watch(select, 'warm_up')
    watch(openvino_compile, '_run_compiler')
    monkeypatch.setattr(openvino_compile, 'IDLE_LIMIT_S', 0.01)
    mine = os.getpriority(os.PRIO_PROCESS, 0)

    with beside_images():
        load_engine(write_tiny(), 'openvino').close()

    assert seen == {'warm_up': 19, '_run_compiler': mine}
    assert os.getpriority(os.PRIO_PROCESS, 0) == mine


def test_only_who_is_beside_images_and_has_its_threads_gives_way():
    mine = threading.get_native_id()
    has_run('one that ran')
    assert give_way('one that ran', threading.get_native_id) == mine
    with beside_images():
        assert give_way('one that ran', threading.get_native_id) != mine
        assert give_way('one that did not', threading.get_native_id) == mine


def test_what_goes_wrong_there_is_told_here():
    has_run('one that ran')
    with beside_images(), pytest.raises(ZeroDivisionError):
        give_way('one that ran', lambda: 1 / 0)
