# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Choose where a network runs."""

from __future__ import annotations

from dataclasses import dataclass
import importlib
import logging
from pathlib import Path
from typing import Any

from mono_depth_ros.engine.base import Engine
from mono_depth_ros.engine.checks import check_model, CheckedModel, warm_up
from mono_depth_ros.errors import (
    BackendUnavailableError,
    ConfigError,
    EngineError,
    ModelError,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Backend:
    """Where the engine class of a backend is, and what to say when its libraries are not."""

    name: str
    engine: str
    remedy: str

    def load_class(self) -> Any:
        """
        Import the engine class; raise BackendUnavailableError if its libraries are missing.

        A library that is there but broken (a missing CUDA, another numpy) raises it too.
        """
        try:
            module = importlib.import_module(f'mono_depth_ros.engine.{self.name}_engine')
        except (ImportError, OSError) as error:
            missing = isinstance(error, ModuleNotFoundError)
            state = 'is not installed' if missing else 'does not load'
            raise BackendUnavailableError(
                f'the backend {self.name} {state} ({error}): {self.remedy}'
            ) from error
        return getattr(module, self.engine)


def _pip(extra: str) -> str:
    return f"pip install 'mono_depth_ros[{extra}]'"


# In the order of `auto`: the fastest on its hardware goes first.
BACKENDS = (
    Backend('tensorrt', 'TensorRTEngine', _pip('tensorrt')),
    Backend('openvino', 'OpenVINOEngine', _pip('openvino')),
    Backend('onnxruntime', 'OnnxRuntimeEngine', _pip('onnxruntime')),
    Backend('torch', 'TorchEngine', _pip('torch')),
)


def load_engine(
    model_path: Path,
    backend: str = 'auto',
    *,
    input_size: tuple[int, int] | None = None,
    precision: str = 'auto',
    threads: int = 0,
) -> Engine:
    """
    Load a network, check it, and warm it up.

    Parameters
    ----------
    model_path : Path
        ONNX file in the form of this package.
    backend : str
        A backend by name, or ``auto``: the first of tensorrt, openvino, onnxruntime, torch that
        is installed and runs this network.
    input_size : tuple of int, optional
        (height, width) of the network input [px]; by default that of the manifest.
    precision : str
        ``fp32``, ``fp16``, ``int8``, or ``auto``, which the backend chooses.
    threads : int
        CPU threads; 0 lets the backend choose.

    Raises
    ------
    ModelError
        If the file is missing, damaged, or not what the package can run.
    ConfigError
        If the backend is unknown or the network cannot run at ``input_size``.
    BackendUnavailableError
        If the backend is not installed; the message says how to install it.
    EngineError
        If the backend, or for ``auto`` every one that is installed, fails to load the network.

    """
    model = check_model(Path(model_path), input_size)
    if backend == 'auto':
        return _load_first(model, precision, threads)
    for candidate in BACKENDS:
        if candidate.name == backend:
            return _load(candidate, model, precision, threads)
    names = ', '.join(candidate.name for candidate in BACKENDS)
    raise ConfigError(f'backend must be one of auto, {names}, got {backend!r}')


def _load(backend: Backend, model: CheckedModel, precision: str, threads: int) -> Engine:
    """Load, check and warm up one engine, or close it and raise."""
    engine: Engine = backend.load_class()(model, precision, threads)
    try:
        warm_up(engine)
    except Exception:
        engine.close()
        raise
    logger.info(
        '%s %s runs on %s (%s, %s) at %dx%d',
        engine.manifest.name,
        engine.manifest.version,
        engine.backend,
        engine.device,
        engine.precision,
        *engine.input_size,
    )
    return engine


def _load_first(model: CheckedModel, precision: str, threads: int) -> Engine:
    failures: list[EngineError | ModelError] = []
    for backend in BACKENDS:
        try:
            engine = _load(backend, model, precision, threads)
        except (EngineError, ModelError) as error:
            failures.append(error)
            logger.info('passed over %s: %s', backend.name, error)
        else:
            return engine
    raise _summary(model, failures)


def _summary(model: CheckedModel, failures: list[EngineError | ModelError]) -> Exception:
    """Make one error of what each backend said; those that are installed matter most."""
    tried = [error for error in failures if not isinstance(error, BackendUnavailableError)]
    if not tried:
        return BackendUnavailableError(
            f'no backend is installed: {_pip("openvino")} gives the fastest one for a CPU'
        )
    said = '; '.join(str(error) for error in tried)
    kind = ModelError if all(isinstance(error, ModelError) for error in tried) else EngineError
    return kind(f'no installed backend runs {model.path}: {said}')
