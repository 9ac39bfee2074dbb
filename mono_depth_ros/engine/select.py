# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Choose where a network runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import importlib
import logging
from pathlib import Path
from typing import Any

from mono_depth_ros.engine.base import Engine
from mono_depth_ros.engine.beside import give_way, has_run
from mono_depth_ros.engine.checks import check_model, CheckedModel, warm_up
from mono_depth_ros.errors import (
    BackendUnavailableError,
    ConfigError,
    EngineError,
    ModelError,
    PlanMissingError,
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


# Gets what is missing; True says that it is there now, so that loading is tried once more.
OnMissingPlan = Callable[[PlanMissingError], bool]

# In the order of `auto`: the fastest on its hardware goes first.
BACKENDS = (
    Backend('tensorrt', 'TensorRTEngine', 'pip install tensorrt pycuda'),
    Backend('openvino', 'OpenVINOEngine', 'pip install openvino'),
    Backend('onnxruntime', 'OnnxRuntimeEngine', 'pip install onnxruntime'),
    Backend('torch', 'TorchEngine', 'pip install torch safetensors'),
)


def load_engine(
    model_path: Path,
    backend: str = 'auto',
    *,
    input_size: tuple[int, int] | None = None,
    precision: str = 'auto',
    threads: int = 0,
    engines_path: Path | None = None,
    on_missing_plan: OnMissingPlan | None = None,
    without: str = '',
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
    engines_path : Path, optional
        Folder of the TensorRT plans; that of the default store by default.
    on_missing_plan : callable, optional
        Called where TensorRT works but has no plan of this network yet. If it returns True,
        TensorRT is tried again; otherwise the next backend stands in, whatever ``backend`` says.
        Without it, ``auto`` goes on with a warning and ``tensorrt`` raises.
    without : str
        A backend that ``auto`` leaves out.

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
    model = check_model(Path(model_path), input_size, engines_path)
    if backend == 'auto':
        backends = tuple(each for each in BACKENDS if each.name != without)
        return _load_first(model, precision, threads, on_missing_plan, backends)
    for candidate in BACKENDS:
        if candidate.name == backend:
            return _load_named(candidate, model, precision, threads, on_missing_plan)
    names = ', '.join(candidate.name for candidate in BACKENDS)
    raise ConfigError(f'backend must be one of auto, {names}, got {backend!r}')


def _load_named(
    backend: Backend,
    model: CheckedModel,
    precision: str,
    threads: int,
    on_missing_plan: OnMissingPlan | None,
) -> Engine:
    """Load with one backend; where its plan is missing and somebody takes care, with another."""
    try:
        return _load(backend, model, precision, threads, on_missing_plan)
    except PlanMissingError as error:
        if on_missing_plan is None:
            raise
        others = tuple(other for other in BACKENDS if other.name != backend.name)
        try:
            return _load_first(model, 'auto', threads, None, others)
        except (EngineError, ModelError) as other:
            raise EngineError(f'{error}; meanwhile {other}') from error


def _load(
    backend: Backend,
    model: CheckedModel,
    precision: str,
    threads: int,
    on_missing_plan: OnMissingPlan | None,
) -> Engine:
    """Load, check and warm up one engine, or close it and raise."""
    engine_class = backend.load_class()
    try:
        engine: Engine = engine_class(model, precision, threads)
    except PlanMissingError as error:
        if on_missing_plan is None or not on_missing_plan(error):
            raise
        engine = engine_class(model, precision, threads)
    try:
        give_way(backend.name, lambda: warm_up(engine))
        has_run(backend.name)
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


def _load_first(
    model: CheckedModel,
    precision: str,
    threads: int,
    on_missing_plan: OnMissingPlan | None,
    backends: tuple[Backend, ...],
) -> Engine:
    failures: list[EngineError | ModelError] = []
    for backend in backends:
        try:
            engine = _load(backend, model, precision, threads, on_missing_plan)
        except (EngineError, ModelError) as error:
            failures.append(error)
            # Worth a warning: a faster engine is one command away, and nobody is building it.
            alone = isinstance(error, PlanMissingError) and on_missing_plan is None
            level = logging.WARNING if alone else logging.INFO
            logger.log(level, 'passed over %s: %s', backend.name, error)
            if isinstance(error, PlanMissingError):
                precision = 'auto'  # it was the wish for TensorRT; a stand-in has its own
        else:
            return engine
    raise _summary(model, failures)


def _summary(model: CheckedModel, failures: list[EngineError | ModelError]) -> Exception:
    """Make one error of what each backend said; those that are installed matter most."""
    tried = [error for error in failures if not isinstance(error, BackendUnavailableError)]
    if not tried:
        return BackendUnavailableError(
            'no backend is installed: `pip install openvino` gives the fastest one for a CPU'
        )
    said = '; '.join(str(error) for error in tried)
    kind = ModelError if all(isinstance(error, ModelError) for error in tried) else EngineError
    return kind(f'no installed backend runs {model.path}: {said}')
