# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The GPU through pycuda: one primary context a process, pushed around each piece of work.

The primary context is the one that PyTorch and the CUDA runtime use, so memory and kernels of
both live side by side. pycuda keeps one context stack a thread and aborts the process if a thread
ends with a context on it, so nothing here leaves one pushed; and it frees memory only in the
thread that retained the context or where that very context is on top, so everything is freed
inside `Gpu.active`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import functools
from typing import Any

from mono_depth_ros.errors import EngineError
from numpy.typing import NDArray
import pycuda.driver as cuda

CudaError: type[Exception] = cuda.Error


class Gpu:
    """
    The first CUDA device that this process sees.

    The primary context is retained once and kept until the process ends: releasing it would take
    the memory of everybody else in the process with it.

    Raises
    ------
    EngineError
        If there is no usable GPU.

    """

    def __init__(self) -> None:
        try:
            cuda.init()
            if not cuda.Device.count():
                raise EngineError('no CUDA GPU: `nvidia-smi` (tegrastats on Jetson) shows why')
            device = cuda.Device(0)
            self.name: str = device.name()
            self.compute_capability = '.'.join(str(part) for part in device.compute_capability())
            self._context: Any = device.retain_primary_context()
        except CudaError as error:
            raise EngineError(
                f'CUDA does not start ({error}): check the driver with `nvidia-smi`, and that no '
                'CUDA_VISIBLE_DEVICES hides the GPU'
            ) from error

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make the GPU current in this thread for the length of a block."""
        self._context.push()
        try:
            yield
        finally:
            cuda.Context.pop()

    def free_memory(self) -> int:
        """Return the free memory of the device [bytes]."""
        with self.active():
            free, _ = cuda.mem_get_info()
        return int(free)


@functools.lru_cache(maxsize=1)
def first_gpu() -> Gpu:
    """Return the GPU; the same object every time."""
    return Gpu()


class Transfer:
    """
    One tensor: page-locked memory of the host, and memory of the device.

    Made and freed inside `Gpu.active`.

    Parameters
    ----------
    shape : tuple of int
    dtype : type
        Of numpy.

    """

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        host: NDArray[Any] = cuda.pagelocked_empty(shape, dtype)
        host[...] = 0
        self.host: NDArray[Any] | None = host
        self._device: Any = None
        try:
            self._device = cuda.mem_alloc(host.nbytes)
        except CudaError:
            self.free()
            raise

    @property
    def address(self) -> int:
        """Address of the device memory."""
        return int(self._device)

    def upload(self, stream: Any) -> None:
        """Queue a copy from host to device."""
        cuda.memcpy_htod_async(self._device, self.host, stream)

    def download(self, stream: Any) -> None:
        """Queue a copy from device to host."""
        cuda.memcpy_dtoh_async(self.host, self._device, stream)

    def free(self) -> None:
        """Free both; harmless if they are free already."""
        if self._device is not None:
            self._device.free()
            self._device = None
        if self.host is not None:
            allocation: Any = self.host.base
            self.host = None
            allocation.free()


def new_stream() -> Any:
    """Return a stream of its own in the current context."""
    return cuda.Stream()


def driver_version() -> str:
    """Return the CUDA version of the driver, e.g. ``12.6``."""
    cuda.init()
    number = int(cuda.get_driver_version())
    return f'{number // 1000}.{number % 1000 // 10}'


def toolkit_version() -> str:
    """Return the CUDA version that pycuda was compiled with."""
    return '.'.join(str(part) for part in cuda.get_version()[:2])
