# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Networks compiled by a process of their own."""

import os
import signal
import subprocess

from mono_depth_ros.engine import openvino_compile
from mono_depth_ros.engine.beside import beside_images
from mono_depth_ros.engine.openvino_compile import compile_elsewhere
from mono_depth_ros.engine.select import load_engine
from mono_depth_ros.errors import EngineError, ModelError
import numpy as np
import pytest

pytest.importorskip('openvino', reason='openvino is not installed')


@pytest.fixture
def children(monkeypatch):
    """Return the outcomes of the processes that compile."""
    real, ended = openvino_compile._run_compiler, []

    def run(*job, **options):
        ended.append(real(*job, **options))
        return ended[-1]

    monkeypatch.setattr(openvino_compile, '_run_compiler', run)
    return ended


def test_what_a_child_compiled_answers_bit_for_bit_the_same(write_tiny, noise, children):
    rgb = noise(64, 96)
    here = load_engine(write_tiny(), 'openvino', input_size=(64, 96))
    assert children == []

    with beside_images():
        beside = load_engine(write_tiny(), 'openvino', input_size=(64, 96))

    assert [child.returncode for child in children] == [0]
    np.testing.assert_array_equal(beside.infer(rgb), here.infer(rgb))
    assert beside.infer(rgb).shape == (64, 96)


def test_a_child_that_fails_is_no_reason_to_fail(write_tiny, noise, monkeypatch, caplog):
    caplog.set_level('INFO')
    monkeypatch.setattr(openvino_compile, '__name__', 'mono_depth_ros.nowhere')

    with beside_images():
        engine = load_engine(write_tiny(), 'openvino')

    assert np.isfinite(engine.infer(noise(32, 64))).all()
    assert 'No module named mono_depth_ros.nowhere' in caplog.text


def test_a_compiler_that_takes_too_long_is_not_waited_for(write_tiny, monkeypatch, caplog):
    caplog.set_level('INFO')
    monkeypatch.setattr(openvino_compile, 'IDLE_LIMIT_S', 0.01)
    monkeypatch.setattr(openvino_compile, 'LIMIT_S', 0.02)

    with beside_images():
        load_engine(write_tiny(), 'openvino').close()

    assert 'timed out after 0.02 seconds' in caplog.text


def test_a_compiler_that_the_images_starve_gets_a_second_chance(write_tiny, monkeypatch, children):
    monkeypatch.setattr(openvino_compile, 'IDLE_LIMIT_S', 0.01)

    with beside_images():
        load_engine(write_tiny(), 'openvino').close()

    assert [child.returncode for child in children] == [0]


@pytest.mark.skipif(not hasattr(os, 'SCHED_IDLE'), reason='needs the scheduler of Linux')
@pytest.mark.parametrize('idle', [True, False])
def test_a_compiler_gets_what_the_images_leave_over_of_one_core(tmp_path, monkeypatch, idle):
    asks = tmp_path / 'asks.py'
    # The limits are set once the process runs.
    asks.write_text(
        'import os, sys\n'
        'sys.stdin.read()\n'
        'print(os.sched_getscheduler(0) == os.SCHED_IDLE, len(os.sched_getaffinity(0)))\n'
    )
    monkeypatch.setattr(openvino_compile, '__name__', 'asks')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))

    answer = openvino_compile._run_compiler(b'', 30.0, idle=idle)

    cores = 1 if idle else len(os.sched_getaffinity(0))
    assert answer.stdout.decode().split() == [str(idle), str(cores)]


def test_a_compiler_that_crashes_takes_nothing_with_it(write_tiny, monkeypatch):
    crashed = subprocess.CompletedProcess([], -signal.SIGSEGV, b'', b'')
    monkeypatch.setattr(openvino_compile, '_run_compiler', lambda *_, **__: crashed)

    with beside_images(), pytest.raises(EngineError, match='its process was ended by SIGSEGV'):
        load_engine(write_tiny(), 'openvino')


def test_what_is_no_network_is_refused_in_plain_words(tmp_path, children):
    (tmp_path / 'net.onnx').write_bytes(b'nonsense')

    with beside_images(), pytest.raises(ModelError, match='not a readable ONNX file'):
        load_engine(tmp_path / 'net.onnx', 'openvino')

    assert children == []


def test_nothing_is_compiled_elsewhere_unless_asked(tmp_path, children):
    assert compile_elsewhere(tmp_path / 'net.onnx', {}, {}) == b''
    assert children == []
