# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Networks compiled by a process of their own."""

import signal
import subprocess

from mono_depth_ros.engine import openvino_compile
from mono_depth_ros.engine.openvino_compile import beside_images, compile_elsewhere
from mono_depth_ros.engine.select import load_engine
from mono_depth_ros.errors import EngineError, ModelError
import numpy as np
import pytest

pytest.importorskip('openvino', reason='openvino is not installed')


@pytest.fixture
def children(monkeypatch):
    """Return the outcomes of the processes that compile."""
    real, ended = subprocess.run, []

    def run(command, **options):
        ended.append(real(command, **options))
        return ended[-1]

    monkeypatch.setattr(subprocess, 'run', run)
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
    monkeypatch.setattr(openvino_compile, 'LIMIT_S', 0.01)

    with beside_images():
        load_engine(write_tiny(), 'openvino').close()

    assert 'timed out after 0.01 seconds' in caplog.text


def test_a_compiler_that_crashes_takes_nothing_with_it(write_tiny, monkeypatch):
    crashed = subprocess.CompletedProcess([], -signal.SIGSEGV, b'', b'')
    monkeypatch.setattr(subprocess, 'run', lambda *_, **__: crashed)

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
