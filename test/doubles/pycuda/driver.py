# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A double of ``pycuda.driver``: the part of it that the package uses."""

from __future__ import annotations

import threading
from typing import Any
import warnings

import numpy as np

from pycuda.machine import ContractError, machine


class Error(Exception):
    """Base of the errors of pycuda."""


class LogicError(Error):
    """A handle or argument is wrong."""


class MemoryError(Error):
    """Memory is used up."""


class RuntimeError(Error):
    """Something else went wrong."""


def init(flags: int = 0) -> None:
    if machine.setting('no_driver'):
        raise RuntimeError('cuInit failed: no CUDA-capable device is detected')
    machine.initialised = True


def get_version() -> tuple[int, ...]:
    return (12, 6, 0)


def get_driver_version() -> int:
    return 12060


def mem_get_info() -> tuple[int, int]:
    machine.need_context('mem_get_info')
    total = int(machine.setting('memory_mb')) << 20
    return total - machine.used(), total


class Device:
    def __init__(self, ordinal: int) -> None:
        _need_init('Device')
        if ordinal >= machine.setting('devices'):
            raise LogicError('cuDeviceGet failed: invalid device ordinal')

    @staticmethod
    def count() -> int:
        _need_init('Device.count')
        return int(machine.setting('devices'))

    def name(self) -> str:
        return str(machine.setting('gpu'))

    def compute_capability(self) -> tuple[int, int]:
        major, minor = machine.setting('compute_capability')
        return major, minor

    def retain_primary_context(self) -> Context:
        machine.retained += 1
        if machine.retained > 1:
            raise ContractError('the primary context is retained twice and released never')
        return Context()


class Context:
    def __init__(self) -> None:
        self.thread = threading.get_ident()

    def push(self) -> None:
        machine.stack.append(self)

    @staticmethod
    def pop() -> None:
        if not machine.stack:
            raise LogicError('context::pop failed: cannot pop non-current context')
        machine.stack.pop()

    def detach(self) -> None:
        raise ContractError('the primary context is shared: releasing it harms others')


class _Owned:
    """Belongs to the context that was current when it was made."""

    kind = ''

    def __init__(self) -> None:
        self._context = machine.need_context(self.kind)
        self._valid = True
        machine.live[self.kind] += 1

    def free(self) -> None:
        if not self._valid:
            raise LogicError(f'{self.kind}::free failed: invalid resource handle')
        if not machine.may_free(self._context):
            warnings.warn(
                f'{self.kind} in out-of-thread context could not be cleaned up',
                UserWarning,
                stacklevel=2,
            )
            machine.leaked.append(self.kind)
        self._valid = False
        machine.live[self.kind] -= 1
        self._release()

    def _release(self) -> None:
        raise NotImplementedError

    def __del__(self) -> None:
        if getattr(self, '_valid', False):
            self.free()


class Stream(_Owned):
    kind = 'stream'

    def __init__(self, flags: int = 0) -> None:
        super().__init__()
        self._handle = machine.new_address()
        machine.streams[self._handle] = []

    @property
    def handle(self) -> int:
        return self._handle

    def synchronize(self) -> None:
        machine.need_context('Stream.synchronize')
        machine.wait(self._handle)

    def _release(self) -> None:
        if machine.streams.pop(self._handle):
            raise ContractError('a stream is destroyed before its work was waited for')


class DeviceAllocation(_Owned):
    kind = 'device memory'

    def __init__(self, size: int) -> None:
        super().__init__()
        self._address = machine.allocate(size)

    def __int__(self) -> int:
        if not self._valid:
            raise ContractError('device memory is used after it was freed')
        return self._address

    __index__ = __int__

    def _release(self) -> None:
        if any(machine.streams.values()):
            raise ContractError('device memory is freed while a stream still works')
        del machine.memory[self._address]


class PagelockedHostAllocation(_Owned):
    kind = 'page-locked memory'

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        super().__init__()
        self._memory = np.zeros(shape, dtype)
        self.__array_interface__ = self._memory.__array_interface__
        machine.pinned[self._memory.ctypes.data] = self._memory.nbytes

    def _release(self) -> None:
        if any(machine.streams.values()):
            raise ContractError('page-locked memory is freed while a stream still works')
        del machine.pinned[self._memory.ctypes.data]
        # Whoever still reads it sees that it is gone.
        self._memory.view(np.uint8)[...] = 0xDD


def pagelocked_empty(shape: Any, dtype: Any, order: str = 'C', mem_flags: int = 0) -> np.ndarray:
    return np.asarray(PagelockedHostAllocation(shape, dtype))


def mem_alloc(bytes: int) -> DeviceAllocation:
    machine.need_context('mem_alloc')
    if machine.used() + bytes > int(machine.setting('memory_mb')) << 20:
        raise MemoryError('cuMemAlloc failed: out of memory')
    return DeviceAllocation(bytes)


def memcpy_htod_async(dest: Any, src: Any, stream: Any = None) -> None:
    target, source = _check_copy(dest, src, stream, 'memcpy_htod_async')

    def copy() -> None:
        target[: source.size] = source

    machine.queue(stream.handle, copy)


def memcpy_dtoh_async(dest: Any, src: Any, stream: Any = None) -> None:
    source, target = _check_copy(src, dest, stream, 'memcpy_dtoh_async')

    def copy() -> None:
        target[...] = source[: target.size]

    machine.queue(stream.handle, copy)


def _check_copy(
    device: Any, host: np.ndarray, stream: Any, what: str
) -> tuple[np.ndarray, np.ndarray]:
    machine.need_context(what)
    if stream is None:
        raise ContractError(f'{what} without a stream waits for everybody on the GPU')
    if not isinstance(device, DeviceAllocation):
        raise TypeError(f'{what} takes device memory, got {type(device).__name__}')
    if machine.pinned.get(host.ctypes.data) != host.nbytes:
        raise ContractError(f'{what} of memory that is not page-locked is not asynchronous')
    block = machine.block(device, what)
    if host.nbytes > block.nbytes:
        raise ContractError(f'{what} of {host.nbytes} bytes, the device has {block.nbytes}')
    return block, host.reshape(-1).view(np.uint8)


def _need_init(what: str) -> None:
    if not machine.initialised:
        raise LogicError(f'{what} failed: initialization error')
