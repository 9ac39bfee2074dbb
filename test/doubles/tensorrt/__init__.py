# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A double of ``tensorrt``: the part of it that the package uses; see the README beside it."""

from __future__ import annotations

import enum
import hashlib
import json
import os
import signal
import threading
import time
from typing import Any

import numpy as np
import onnx
from pycuda.machine import ContractError, machine

__version__ = str(machine.setting('tensorrt'))
MAJOR = int(__version__.split('.')[0])
MAGIC = b'pretended plan\n'


class DataType(enum.Enum):
    FLOAT = 0
    HALF = 1
    INT8 = 2
    INT32 = 3
    BOOL = 4
    UINT8 = 5
    FP8 = 6
    BF16 = 7
    INT64 = 8


class TensorIOMode(enum.Enum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class TensorLocation(enum.Enum):
    DEVICE = 0
    HOST = 1


class MemoryPoolType(enum.Enum):
    WORKSPACE = 0


if MAJOR < 11:

    class BuilderFlag(enum.Enum):
        FP16 = 0
        INT8 = 1
        REFIT = 4
        TF32 = 6

    class NetworkDefinitionCreationFlag(enum.IntEnum):
        EXPLICIT_BATCH = 0
        STRONGLY_TYPED = 1
else:

    class BuilderFlag(enum.Enum):  # type: ignore[no-redef]
        REFIT = 4
        TF32 = 6

    class NetworkDefinitionCreationFlag(enum.IntEnum):  # type: ignore[no-redef]
        STRONGLY_TYPED = 1


class ILogger:
    class Severity(enum.Enum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2
        INFO = 3
        VERBOSE = 4

    def __init__(self) -> None:
        self._made = True

    def log(self, severity: ILogger.Severity, msg: str) -> None:
        raise NotImplementedError


class IProgressMonitor:
    def __init__(self) -> None:
        self._made = True

    def phase_start(self, phase_name: str, parent_phase: str, num_steps: int) -> None:
        raise NotImplementedError

    def step_complete(self, phase_name: str, step: int) -> bool:
        raise NotImplementedError

    def phase_finish(self, phase_name: str) -> None:
        raise NotImplementedError


class Dims:
    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape

    def __len__(self) -> int:
        return len(self._shape)

    def __getitem__(self, index: int) -> int:
        return self._shape[index]


class IHostMemory(bytes):
    @property
    def nbytes(self) -> int:
        return len(self)


def _check_logger(logger: ILogger) -> None:
    """TensorRT keeps the first logger of a process; another one is ignored, or dangles."""
    _check_made(logger)
    if machine.logger not in (None, logger):
        raise ContractError('a second logger in one process')
    machine.logger = logger


def _check_made(thing: Any) -> None:
    """Subclasses in Python must call __init__ of their base, or pybind11 refuses them."""
    if not getattr(thing, '_made', False):
        raise TypeError(f'__init__() of the base of {type(thing).__name__} was not called')


class _Live:
    """Counts as alive until it is collected."""

    def __init__(self) -> None:
        machine.live[type(self).__name__] += 1

    def __del__(self) -> None:
        machine.live[type(self).__name__] -= 1


class INetworkDefinition(_Live):
    def __init__(self, flags: int) -> None:
        super().__init__()
        self.typed = MAJOR >= 11 or bool(flags & 2)
        self.model: onnx.ModelProto | None = None


class ParserError:
    def __init__(self, operator: str, desc: str) -> None:
        self._operator, self._desc = operator, desc

    def node_operator(self) -> str:
        return self._operator

    def desc(self) -> str:
        return self._desc


class OnnxParser(_Live):
    def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
        super().__init__()
        self._network, self._logger = network, logger
        self._errors: list[ParserError] = []

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> ParserError:
        return self._errors[index]

    def parse(self, model: bytes, path: str | None = None) -> bool:
        graph = onnx.load_from_string(bytes(model))
        unknown = machine.setting('unsupported')
        if unknown and any(node.op_type == unknown for node in graph.graph.node):
            self._errors.append(ParserError(unknown, f'No importer registered for op: {unknown}'))
            return False
        onnx.checker.check_model(graph, full_check=True)
        _check_graph(graph, self._network.typed)
        self._network.model = graph
        return True


def _check_graph(model: onnx.ModelProto, typed: bool) -> None:
    """Refuse what TensorRT would refuse, or what would not do what its author thinks."""
    if not typed:
        raise ContractError('a weakly typed network ignores the types of the graph')
    graph = model.graph
    for value in (*graph.input, *graph.output):
        if any(not dim.dim_value for dim in value.type.tensor_type.shape.dim):
            raise ContractError(f'{value.name} has free sides and there is no profile for them')
    bytes_in = {
        v.name for v in graph.input if v.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    }
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        to = [attribute.i for attribute in node.attribute if attribute.name == 'to']
        if bytes_in & set(node.input) and (node.op_type != 'Cast' or to[0] not in (1, 10)):
            raise ContractError(f'{node.op_type} reads uint8: TensorRT only casts it to float')
        if node.op_type in ('QuantizeLinear', 'DequantizeLinear') and len(node.input) > 2:
            if not (onnx.numpy_helper.to_array(constants[node.input[1]]) > 0).all():
                raise ContractError(f'{node.name} has a scale that is not positive')
            zero = onnx.numpy_helper.to_array(constants[node.input[2]])
            if zero.dtype != np.int8 or zero.any():
                raise ContractError(f'{node.name} is not symmetric int8: TensorRT refuses it')
            if (constants.get(node.input[0]) or onnx.TensorProto()).data_type == 6:
                raise ContractError(f'{node.name} dequantises an int32 bias: TensorRT refuses it')


class ITimingCache:
    def __init__(self, known: dict[str, Any]) -> None:
        self.known = known

    def serialize(self) -> IHostMemory:
        return IHostMemory(json.dumps(self.known).encode())


class IBuilderConfig(_Live):
    def __init__(self, logger: ILogger) -> None:
        super().__init__()
        self._logger = logger
        self.progress_monitor: IProgressMonitor | None = None
        self.builder_optimization_level = 3
        self.flags = {BuilderFlag.TF32}
        self.pools: dict[MemoryPoolType, int] = {}
        self._cache: ITimingCache | None = None

    def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
        self.pools[pool] = pool_size

    def set_flag(self, flag: BuilderFlag) -> None:
        self.flags.add(flag)

    def clear_flag(self, flag: BuilderFlag) -> None:
        self.flags.discard(flag)

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache:
        try:
            known = json.loads(serialized_timing_cache or b'{}')
        except ValueError:
            known = {'machine': 'damaged'}
        return ITimingCache(known)

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        if not ignore_mismatch and cache.known.get('machine', _machine_name()) != _machine_name():
            self._logger.log(
                ILogger.Severity.ERROR, 'The timing cache is of a different compute capability'
            )
            return False
        self._cache = cache
        return True

    def get_timing_cache(self) -> ITimingCache | None:
        return self._cache


def _machine_name() -> str:
    return f'{__version__} {machine.setting("gpu")} {machine.setting("compute_capability")}'


class Builder(_Live):
    def __init__(self, logger: ILogger) -> None:
        super().__init__()
        _check_logger(logger)
        machine.need_context('Builder')
        self._logger = logger

    def create_network(self, flags: int = 0) -> INetworkDefinition:
        return INetworkDefinition(flags)

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig(self._logger)

    def build_serialized_network(
        self, network: INetworkDefinition, config: IBuilderConfig
    ) -> IHostMemory | None:
        machine.need_context('build_serialized_network')
        if network.model is None:
            raise ContractError('a network is built before it was parsed')
        if MemoryPoolType.WORKSPACE not in config.pools:
            raise ContractError('without a workspace limit a build may take all memory there is')
        if machine.setting('crash'):
            os.kill(os.getpid(), signal.SIGSEGV)
        if machine.setting('build_error'):
            self._logger.log(ILogger.Severity.ERROR, machine.setting('build_error'))
            return None
        if not self._optimise(network.model, config):
            return None
        header = json.dumps({'machine': _machine_name(), 'flags': sorted(map(str, config.flags))})
        return IHostMemory(MAGIC + header.encode() + b'\n' + network.model.SerializeToString())

    def _optimise(self, model: onnx.ModelProto, config: IBuilderConfig) -> bool:
        """Take time over every layer, in a thread of its own, and report it."""
        monitor = config.progress_monitor
        if monitor is not None:
            _check_made(monitor)
        cache = config.get_timing_cache()
        finished: list[bool] = []
        steps = int(machine.setting('steps'))
        # Timings depend on the shape of a layer, not on its weights.
        names = [f'{node.op_type} {node.output[0]}' for node in model.graph.node]
        layer = [hashlib.sha256(name.encode()).hexdigest()[:12] for name in names]

        def work() -> None:
            if monitor:
                monitor.phase_start('Building the engine', None, 2)
                monitor.phase_start('Timing', 'Building the engine', steps)
            for step in range(steps):
                mine = layer[step::steps]
                known = set(cache.known.get('layers', [])) if cache else set()
                if not known or not set(mine) <= known:
                    time.sleep(float(machine.setting('step_s')))
                if monitor and monitor.step_complete('Timing', step) is not True:
                    monitor.phase_finish('Timing')
                    monitor.phase_finish('Building the engine')
                    return
            if monitor:
                monitor.phase_finish('Timing')
                monitor.step_complete('Building the engine', 0)
                monitor.step_complete('Building the engine', 1)
                monitor.phase_finish('Building the engine')
            finished.append(True)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if finished and cache is not None:
            known = sorted({*cache.known.get('layers', []), *layer})
            cache.known = {'machine': _machine_name(), 'layers': known}
        return bool(finished)


class Runtime(_Live):
    def __init__(self, logger: ILogger) -> None:
        super().__init__()
        _check_logger(logger)
        self._logger = logger

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
        machine.need_context('deserialize_cuda_engine')
        if machine.setting('load_error'):
            self._logger.log(ILogger.Severity.ERROR, machine.setting('load_error'))
            return None
        data = bytes(serialized_engine)
        try:
            magic, header, network = data.split(b'\n', 2)
            if magic + b'\n' != MAGIC:
                raise ValueError
            made_on = json.loads(header)['machine']
            model = onnx.load_from_string(network)
            onnx.checker.check_model(model)
        except Exception:
            self._logger.log(
                ILogger.Severity.ERROR,
                'Serialization assertion stdVersionRead == kSERIALIZATION_VERSION failed: '
                'magic tag does not match',
            )
            return None
        if made_on != _machine_name():
            self._logger.log(
                ILogger.Severity.ERROR,
                'The engine plan file is not compatible with this version of TensorRT, '
                f'expecting {_machine_name()} got {made_on}, please rebuild.',
            )
            return None
        return ICudaEngine(model, header, self._logger)


class ICudaEngine(_Live):
    def __init__(self, model: onnx.ModelProto, header: bytes, logger: ILogger) -> None:
        super().__init__()
        self._model, self._header, self._logger = model, header, logger
        self._tensors = [
            *((value, TensorIOMode.INPUT) for value in model.graph.input),
            *((value, TensorIOMode.OUTPUT) for value in model.graph.output),
        ]

    @property
    def num_io_tensors(self) -> int:
        return len(self._tensors)

    @property
    def num_optimization_profiles(self) -> int:
        return 1

    def _find(self, name: str) -> Any:
        return next(item for item in self._tensors if item[0].name == name)

    def get_tensor_name(self, index: int) -> str:
        return str(self._tensors[index][0].name)

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return self._find(name)[1]

    def get_tensor_dtype(self, name: str) -> DataType:
        kinds = {1: DataType.FLOAT, 2: DataType.UINT8, 10: DataType.HALF}
        return kinds[self._find(name)[0].type.tensor_type.elem_type]

    def get_tensor_shape(self, name: str) -> Dims:
        dims = self._find(name)[0].type.tensor_type.shape.dim
        return Dims(tuple(dim.dim_value or -1 for dim in dims))

    def get_tensor_location(self, name: str) -> TensorLocation:
        return TensorLocation.DEVICE

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Dims]:
        return [self.get_tensor_shape(name)] * 3

    @property
    def refittable(self) -> bool:
        return 'BuilderFlag.REFIT' in json.loads(self._header)['flags']

    def serialize(self) -> IHostMemory:
        return IHostMemory(MAGIC + self._header + b'\n' + self._model.SerializeToString())

    def create_execution_context(self) -> IExecutionContext | None:
        machine.need_context('create_execution_context')
        return IExecutionContext(self, self._model, self._logger)


class IExecutionContext(_Live):
    def __init__(self, engine: ICudaEngine, model: onnx.ModelProto, logger: ILogger) -> None:
        import onnxruntime

        super().__init__()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._engine, self._logger = engine, logger
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=['CPUExecutionProvider']
        )
        self._addresses: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        return tuple(shape) == tuple(self._engine.get_tensor_shape(name))

    def set_tensor_address(self, name: str, memory: int) -> bool:
        if not isinstance(memory, int):
            raise TypeError('set_tensor_address(): incompatible function arguments')
        if name not in ('image', 'depth'):
            self._logger.log(ILogger.Severity.ERROR, f'{name} is no input or output')
            return False
        machine.block(memory, f'set_tensor_address of {name}')
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        machine.need_context('execute_async_v3')
        if set(self._addresses) != {'image', 'depth'}:
            raise ContractError('execute_async_v3 before every tensor has an address')
        if machine.setting('frame_error'):
            self._logger.log(ILogger.Severity.ERROR, machine.setting('frame_error'))
            return False
        kinds = {'image': np.uint8, 'depth': np.float32}
        blocks = {}
        for name, kind in kinds.items():
            shape = tuple(self._engine.get_tensor_shape(name))
            block = machine.block(self._addresses[name], f'tensor {name}')
            if block.nbytes != int(np.prod(shape)) * np.dtype(kind).itemsize:
                raise ContractError(f'{name} has memory of {block.nbytes} bytes for {shape}')
            blocks[name] = block.view(kind).reshape(shape)

        def run() -> None:
            blocks['depth'][...] = self._session.run(['depth'], {'image': blocks['image']})[0]
            blocks['depth'] *= np.float32(machine.setting('gain'))
            machine.frames += 1

        machine.queue(stream_handle, run)
        return True


class Refitter(_Live):
    def __init__(self, engine: ICudaEngine, logger: ILogger) -> None:
        super().__init__()
        _check_logger(logger)
        machine.need_context('Refitter')
        if not engine.refittable:
            raise TypeError('pybind11::init(): factory function returned nullptr')
        self.engine = engine
        self.weights: list[onnx.TensorProto] | None = None

    def refit_cuda_engine(self) -> bool:
        machine.need_context('refit_cuda_engine')
        if self.weights is None:
            raise ContractError('an engine is refitted before it was given weights')
        if machine.setting('refit') != 'stale':
            graph = self.engine._model.graph
            del graph.initializer[:]
            graph.initializer.extend(self.weights)
        return True


class OnnxParserRefitter(_Live):
    def __init__(self, refitter: Refitter, logger: ILogger) -> None:
        super().__init__()
        self._refitter = refitter
        self._errors: list[ParserError] = []

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> ParserError:
        return self._errors[index]

    def refit_from_bytes(self, model: bytes, path: str | None = None) -> bool:
        new = onnx.load_from_string(bytes(model)).graph.initializer
        old = self._refitter.engine._model.graph.initializer
        same = [(t.name, tuple(t.dims)) for t in new] == [(t.name, tuple(t.dims)) for t in old]
        if machine.setting('refit') == 'fails' or not same:
            self._errors.append(ParserError('Conv', 'Failed to set weights: count mismatch'))
            return False
        self._refitter.weights = list(new)
        return True
