# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The choice of a backend: the first that works, and why the others did not."""

import importlib
import logging
import sys

from mono_depth_ros.engine.select import load_engine
from mono_depth_ros.errors import (
    BackendUnavailableError,
    ConfigError,
    EngineError,
    ModelError,
)
import numpy as np
import pytest


@pytest.fixture
def hide(monkeypatch):
    """Return a function that makes packages look as if they were not installed."""

    def hide_packages(*names: str) -> None:
        for name in names:
            monkeypatch.setitem(sys.modules, name, None)
            module = f'mono_depth_ros.engine.{name}_engine'
            monkeypatch.delitem(sys.modules, module, raising=False)

    return hide_packages


def test_auto_takes_the_first_that_is_installed_and_says_what_it_passed_over(
    write_tiny, hide, caplog
):
    pytest.importorskip('onnxruntime')
    hide('tensorrt', 'openvino')

    with caplog.at_level(logging.INFO):
        engine = load_engine(write_tiny(), threads=1)

    assert engine.backend == 'onnxruntime'
    assert 'passed over openvino: the backend openvino is not installed' in caplog.text
    assert 'tiny 0 runs on onnxruntime (CPU, fp32) at 32x64' in caplog.text


def test_auto_goes_on_where_an_installed_backend_fails(write_tiny, monkeypatch, caplog):
    pytest.importorskip('onnxruntime')
    openvino_engine = pytest.importorskip('mono_depth_ros.engine.openvino_engine')

    def fail(*arguments: object) -> None:
        raise EngineError('openvino cannot load it: out of luck')

    monkeypatch.setattr(openvino_engine, 'OpenVINOEngine', fail)

    with caplog.at_level(logging.INFO):
        engine = load_engine(write_tiny(), threads=1)

    assert engine.backend == 'onnxruntime'
    assert 'passed over openvino: openvino cannot load it: out of luck' in caplog.text


@pytest.mark.parametrize('backend', ['tensorrt', 'openvino', 'onnxruntime', 'torch'])
def test_a_named_backend_that_is_missing_says_how_to_install_it(write_tiny, hide, backend):
    hide(backend)

    with pytest.raises(BackendUnavailableError, match=f'pip install {backend}'):
        load_engine(write_tiny(), backend)


def test_a_backend_whose_libraries_are_broken_says_why(write_tiny, monkeypatch):
    real = importlib.import_module

    def broken(name: str, *rest: object) -> object:
        if name.endswith('openvino_engine'):
            raise ImportError('libtbb.so.12: cannot open shared object file')
        return real(name, *rest)

    monkeypatch.setattr(importlib, 'import_module', broken)

    with pytest.raises(BackendUnavailableError, match=r'openvino does not load \(libtbb'):
        load_engine(write_tiny(), 'openvino')


def test_without_any_backend_auto_names_one_to_install(write_tiny, hide):
    hide('tensorrt', 'openvino', 'onnxruntime', 'torch')

    with pytest.raises(BackendUnavailableError, match='no backend .* `pip install openvino`'):
        load_engine(write_tiny())


def test_when_every_backend_fails_the_error_has_all_reasons(write_tiny, hide):
    hide('tensorrt')
    path = write_tiny(offset=float('nan'))

    with pytest.raises(ModelError, match='no finite depth on openvino.*no finite .* onnxruntime'):
        load_engine(path, threads=1)


def test_an_engine_that_fails_its_warm_up_is_closed(write_tiny, monkeypatch):
    module = pytest.importorskip('mono_depth_ros.engine.onnxruntime_engine')
    closed = []
    monkeypatch.setattr(
        module.OnnxRuntimeEngine, 'infer', lambda self, rgb: np.zeros((2, 2), np.float32)
    )
    monkeypatch.setattr(module.OnnxRuntimeEngine, 'close', lambda self: closed.append(True))

    with pytest.raises(EngineError, match=r'returned \(2, 2\) float32 for tiny, expected'):
        load_engine(write_tiny(), 'onnxruntime')

    assert closed


def test_an_unknown_backend_is_a_wrong_setting(write_tiny):
    with pytest.raises(ConfigError, match="backend must be one of auto, tensorrt.*got 'tpu'"):
        load_engine(write_tiny(), 'tpu')


def test_choosing_openvino_does_not_import_torch(write_tiny):
    pytest.importorskip('openvino')
    import subprocess

    code = (
        'import sys; from mono_depth_ros.engine.select import load_engine; '
        f'load_engine({str(write_tiny())!r}, "openvino"); print("torch" in sys.modules)'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == 'False'
