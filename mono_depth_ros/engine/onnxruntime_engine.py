# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run a network with ONNX Runtime: any CPU, and NVIDIA GPUs through its CUDA provider."""

from __future__ import annotations

from typing import Any

from mono_depth_ros.engine.base import check_input
from mono_depth_ros.engine.checks import brief, CheckedModel, HEIGHT, plain_precision, WIDTH
from mono_depth_ros.errors import EngineError
from mono_depth_ros.manifest import INPUT, OUTPUT
import numpy as np
from numpy.typing import NDArray
import onnxruntime

ERRORS_ONLY = 3
PROVIDERS = ('CUDAExecutionProvider', 'CPUExecutionProvider')


class OnnxRuntimeEngine:
    """
    A session for one input size, on CUDA where this build of ONNX Runtime has it.

    Input and output memory is bound once; ``infer`` copies the image in and returns a view.
    """

    backend = 'onnxruntime'

    def __init__(self, model: CheckedModel, precision: str = 'auto', threads: int = 0) -> None:
        self.manifest = model.manifest
        self.input_size = model.input_size
        self.precision = plain_precision(model, precision, self.backend)
        self._image = np.zeros((1, *self.input_size, 3), np.uint8)
        self._depth = np.zeros((1, *self.input_size), np.float32)
        self._view: NDArray[np.float32] = self._depth[0]
        available = onnxruntime.get_available_providers()
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(model.path),
                _options(self.input_size, threads),
                providers=[name for name in PROVIDERS if name in available],
            )
            self._bind()
        except Exception as error:  # its exceptions have no common base but this one
            raise EngineError(f'onnxruntime cannot load {model.path}: {brief(error)}') from error
        on_gpu = self._session.get_providers()[0] == 'CUDAExecutionProvider'
        self.device = 'CUDA' if on_gpu else 'CPU'

    def _bind(self) -> None:
        output = self._session.get_outputs()[0]
        sides = [side for side in output.shape if isinstance(side, int)]
        if len(sides) == 3 and tuple(sides) != self._depth.shape:
            raise ValueError(f'output is {sides}, expected {list(self._depth.shape)}')
        self._binding = self._session.io_binding()
        for bind, name, array in (
            (self._binding.bind_input, INPUT, self._image),
            (self._binding.bind_output, OUTPUT, self._depth),
        ):
            bind(name, 'cpu', 0, array.dtype.type, array.shape, array.ctypes.data)

    def infer(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network on one image; see `Engine.infer`."""
        check_input(rgb, self.input_size)
        if self._session is None:
            raise EngineError('onnxruntime engine is closed')
        self._image[0] = rgb
        try:
            self._session.run_with_iobinding(self._binding)
        except Exception as error:  # as above
            raise EngineError(f'onnxruntime failed on a frame: {brief(error)}') from error
        return self._view

    def close(self) -> None:
        """Free the session."""
        self._session = self._binding = None


def _options(input_size: tuple[int, int], threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    for name, side in zip((HEIGHT, WIDTH), input_size, strict=True):
        options.add_free_dimension_override_by_name(name, side)
    options.intra_op_num_threads = threads
    # Spinning threads would take the CPU from the other nodes between two frames.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    return options
