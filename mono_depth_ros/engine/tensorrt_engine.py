# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Run a network with TensorRT: the fastest engine on an NVIDIA GPU.

One stream, page-locked host memory and device memory allocated once; a frame is a copy of uint8
up, one `execute_async_v3`, and a copy of float32 down. CUDA graphs would save a little launch
time, but pycuda (2026.1) has no stream capture, so there is no switch for them.

Only calls that exist in TensorRT 10.0 and in 11 are used; docs/tensorrt_api.md lists them.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from mono_depth_ros.engine import durable
from mono_depth_ros.engine.base import check_input
from mono_depth_ros.engine.checks import brief, CheckedModel
from mono_depth_ros.engine.cuda import CudaError, first_gpu, Gpu, new_stream, Transfer
from mono_depth_ros.engine.plans import PlanFolder, PlanKey
from mono_depth_ros.engine.store_reader import StoreReader
from mono_depth_ros.engine.tensorrt_log import LOG, NO_MEMORY
from mono_depth_ros.errors import EngineError, PlanMissingError
from mono_depth_ros.manifest import INPUT, OUTPUT
import numpy as np
from numpy.typing import NDArray
import tensorrt as trt

logger = logging.getLogger(__name__)


def chosen_precision(model: CheckedModel, wanted: str) -> str:
    """Return the precision that ``auto`` means: that of a Q/DQ graph, else fp16."""
    if model.quantised:
        if wanted not in ('auto', 'int8'):
            raise EngineError(
                f'{model.path.name} has Q/DQ nodes and runs in int8, not in {wanted}: '
                'set precision to auto'
            )
        return 'int8'
    return 'fp16' if wanted == 'auto' else wanted


def _runnable_precision(model: CheckedModel, precision: str, folder: PlanFolder) -> str:
    """Return fp16 instead of an int8 that nobody has calibrated this network for."""
    if precision != 'int8' or model.quantised:
        return precision
    why = folder.read(folder.int8_path(durable.sha256(model.path)))
    if isinstance(why, bytes):
        return precision
    logger.warning(
        '%s has no INT8 form (%s) and runs in fp16: `mono_depth build --model %s --precision int8 '
        '--calibration IMAGES` makes one',
        model.manifest.name,
        why,
        model.path,
    )
    return 'fp16'


def plan_folder(model: CheckedModel) -> PlanFolder:
    """Return the folder of the plans: that of the store in use, by default that of ROS_HOME."""
    return PlanFolder(model.engines_path or StoreReader().engines_path)


def plan_key(model: CheckedModel, precision: str) -> PlanKey:
    """Return the key of the plan of a network on this machine."""
    gpu = first_gpu()
    return PlanKey(
        onnx=durable.sha256(model.path),
        input_size=model.input_size,
        precision=precision,
        tensorrt=trt.__version__,
        gpu=gpu.name,
        compute_capability=gpu.compute_capability,
    )


class TensorRTEngine:
    """
    A plan, loaded; for one input size.

    Any thread may use it, one at a time: the CUDA context is pushed around each piece of work.
    Two may be alive at once, as in a swap.

    Raises
    ------
    PlanMissingError
        If there is no plan for this network, precision, TensorRT and GPU, or it does not load.
    EngineError
        If there is no GPU, its memory is used up, or the plan is not one of this network.

    """

    backend = 'tensorrt'

    def __init__(self, model: CheckedModel, precision: str = 'auto', threads: int = 0) -> None:
        self.manifest = model.manifest
        self.input_size = model.input_size
        self._gpu: Gpu = first_gpu()
        self.device = self._gpu.name
        self._stream: Any = None
        self._image: Transfer | None = None
        self._output: Transfer | None = None
        self._context: trt.IExecutionContext | None = None
        self._engine: trt.ICudaEngine | None = None
        self._runtime: trt.Runtime | None = None
        self._depth: NDArray[np.float32] = np.zeros(self.input_size, np.float32)
        folder = plan_folder(model)
        self.precision = _runnable_precision(model, chosen_precision(model, precision), folder)
        key = plan_key(model, self.precision)
        path = folder.plan_path(key.digest)
        plan = folder.read(path)
        if isinstance(plan, str):
            raise _missing(model, key, folder, plan)
        try:
            with self._gpu.active():
                self._load(plan, path)
                self._allocate()
        except _StalePlanError as error:
            self.close()
            folder.discard(path)
            raise _missing(model, key, folder, str(error)) from error
        except CudaError as error:
            self.close()
            raise EngineError(
                f'tensorrt cannot load {model.path}: {brief(error)}: end other programs that use '
                'the GPU, or choose a smaller input_size'
            ) from error
        except Exception:
            self.close()
            raise

    def _load(self, plan: bytes, path: Path) -> None:
        """Make an engine of the plan, and check that it is one of this network."""
        self._runtime = trt.Runtime(LOG)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:  # its type does not say that it may be
            why = LOG.explain(f'{path.name} does not load')
            # A full GPU says nothing about the plan.
            raise EngineError(why) if NO_MEMORY in why else _StalePlanError(why)
        check_plan(self._engine, self.input_size)
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise EngineError(LOG.explain('no room to run the engine'))

    def _allocate(self) -> None:
        """Allocate everything a frame needs, and tell TensorRT where it is."""
        assert self._engine is not None and self._context is not None
        self._stream = new_stream()
        self._image = Transfer((1, *self.input_size, 3), np.uint8)
        self._output = Transfer((1, *self.input_size), np.float32)
        if -1 in _sides(
            self._engine.get_tensor_shape(INPUT)
        ) and not self._context.set_input_shape(INPUT, (1, *self.input_size, 3)):
            raise EngineError(LOG.explain(f'the plan refuses input {self.input_size}'))
        for name, transfer in ((INPUT, self._image), (OUTPUT, self._output)):
            if not self._context.set_tensor_address(name, transfer.address):
                raise EngineError(LOG.explain(f'TensorRT refuses memory for {name}'))

    def infer(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network on one image; see `Engine.infer`."""
        check_input(rgb, self.input_size)
        context, image, output = self._context, self._image, self._output
        if context is None or image is None or output is None:
            raise EngineError('tensorrt engine is closed')
        assert image.host is not None and output.host is not None
        image.host[0] = rgb
        try:
            with self._gpu.active():
                image.upload(self._stream)
                started = context.execute_async_v3(self._stream.handle)
                output.download(self._stream)
                # Even if nothing started: the copy up may still read what the next frame writes.
                self._stream.synchronize()
        except CudaError as error:
            raise EngineError(
                f'tensorrt failed on a frame: {brief(error)}: `mono_depth doctor --gpu` looks '
                'closer; a GPU that fell off needs a restart'
            ) from error
        if not started:
            raise EngineError(LOG.explain('tensorrt failed on a frame'))
        # Out of page-locked memory, which is freed with the engine; the view outlives it.
        self._depth[:] = output.host[0]
        return self._depth

    def close(self) -> None:
        """Free the engine and its memory; the last output stays valid as long as it is held."""
        try:
            with self._gpu.active():
                self._free()
        except CudaError as error:  # a GPU that is gone took its memory along
            logger.warning('tensorrt engine not closed cleanly: %s', brief(error))

    def _free(self) -> None:
        # In this order: each of these uses the one after it.
        self._context = None
        self._engine = None
        self._runtime = None
        for transfer in (self._image, self._output):
            if transfer is not None:
                transfer.free()
        self._image = self._output = None
        self._stream = None


class _StalePlanError(Exception):
    """A plan does not load here, or is not one of this network; it has to be built again."""


def check_plan(engine: trt.ICudaEngine, input_size: tuple[int, int]) -> None:
    """
    Check names, directions, types, shapes and profiles of a plan before its first frame.

    Raises
    ------
    _StalePlanError
        If they are not those of this package at this input size.

    """
    wanted = {
        INPUT: (trt.TensorIOMode.INPUT, trt.DataType.UINT8, (1, *input_size, 3)),
        OUTPUT: (trt.TensorIOMode.OUTPUT, trt.DataType.FLOAT, (1, *input_size)),
    }
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    if set(names) != set(wanted):
        raise _StalePlanError(f'the plan has the tensors {names}, expected {list(wanted)}')
    for name, (mode, kind, shape) in wanted.items():
        found = engine.get_tensor_mode(name), engine.get_tensor_dtype(name)
        if found != (mode, kind):
            raise _StalePlanError(f'{name} of the plan is {found}, expected {(mode, kind)}')
        if engine.get_tensor_location(name) != trt.TensorLocation.DEVICE:
            raise _StalePlanError(f'{name} of the plan is not in device memory')
        sides = _sides(engine.get_tensor_shape(name))
        free = any(side == -1 for side in sides)
        fits = len(sides) == len(shape) and all(
            side in (-1, length) for side, length in zip(sides, shape, strict=True)
        )
        if not fits:
            raise _StalePlanError(f'{name} of the plan is {sides}, expected {shape}')
        if free and mode == trt.TensorIOMode.INPUT:
            _check_profile(engine, name, shape)


def _check_profile(engine: trt.ICudaEngine, name: str, shape: tuple[int, ...]) -> None:
    """Raise unless the optimisation profile of a plan with free sides takes this shape."""
    if engine.num_optimization_profiles < 1:
        raise _StalePlanError('the plan has free sides and no optimisation profile')
    lowest, _, highest = map(_sides, engine.get_tensor_profile_shape(name, 0))
    sides = zip(lowest, shape, highest, strict=True)
    if not all(low <= side <= high for low, side, high in sides):
        raise _StalePlanError(f'the profile of the plan takes {lowest} to {highest}, not {shape}')


def _sides(dims: trt.Dims) -> tuple[int, ...]:
    """Return the lengths of a tensor; its type has no iterator."""
    return tuple(int(dims[axis]) for axis in range(len(dims)))


def _missing(model: CheckedModel, key: PlanKey, folder: PlanFolder, why: str) -> PlanMissingError:
    """Make the error that says what to build."""
    height, width = key.input_size
    command = f'mono_depth build --model {model.path} --input-size {height}x{width}'
    if key.precision != 'fp16':
        command += f' --precision {key.precision}'
    return PlanMissingError(
        f'no TensorRT plan of {model.manifest.name} for {key.gpu} ({key.precision}, '
        f'{height}x{width}): {why}; `{command}` builds it',
        key=key.digest,
        model_path=str(model.path),
        input_size=key.input_size,
        precision=key.precision,
        engines_path=str(folder.path),
    )
