# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run a network with OpenVINO: the fastest engine on a CPU."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from mono_depth_ros.engine.base import check_input
from mono_depth_ros.engine.beside import give_way
from mono_depth_ros.engine.checks import brief, CheckedModel, plain_precision
from mono_depth_ros.engine.openvino_compile import compile_elsewhere
from mono_depth_ros.errors import EngineError
from mono_depth_ros.manifest import INPUT, OUTPUT
import numpy as np
from numpy.typing import NDArray
import openvino


@lru_cache(maxsize=1)
def the_core() -> Any:
    """
    Return the one Core of this process.

    Its CPU plugin gives the process a stack for signal handlers. When a Core goes away while
    another lives, as in a reload, that stack is unmapped while still in use, and the next SIGINT
    or SIGTERM is a segmentation fault.
    """
    return openvino.Core()


class OpenVINOEngine:
    """
    A network compiled for one input size on the CPU.

    Input and output memory is allocated once; ``infer`` copies the image in and returns a view.
    """

    backend = 'openvino'
    device = 'CPU'

    def __init__(self, model: CheckedModel, precision: str = 'auto', threads: int = 0) -> None:
        self.manifest = model.manifest
        self.input_size = model.input_size
        self.precision = plain_precision(model, precision, self.backend)
        # float32 is asked for by name: newer CPUs would choose bfloat16, 8 bits of mantissa.
        options: dict[str, Any] = {
            'PERFORMANCE_HINT': 'LATENCY',
            'NUM_STREAMS': '1',
            'INFERENCE_PRECISION_HINT': 'f32',
        }
        if threads:
            options['INFERENCE_NUM_THREADS'] = str(threads)
        self._image = np.zeros((1, *self.input_size, 3), np.uint8)
        try:
            core, shapes = the_core(), {INPUT: list(self._image.shape)}
            blob = compile_elsewhere(model.path, shapes, options)
            if blob:
                compiled = give_way(
                    self.backend, lambda: core.import_model(blob, self.device, options)
                )
            else:
                graph = core.read_model(model.path)
                graph.reshape(shapes)
                compiled = core.compile_model(graph, self.device, options)
            self._request: Any = compiled.create_infer_request()
            tensor = openvino.Tensor(self._image, shared_memory=True)
            self._request.set_tensor(INPUT, tensor)
            self._depth: NDArray[np.float32] = self._request.get_tensor(OUTPUT).data[0]
        except (RuntimeError, TypeError, ValueError) as error:
            raise EngineError(f'openvino cannot load {model.path}: {brief(error)}') from error

    def infer(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network on one image; see `Engine.infer`."""
        check_input(rgb, self.input_size)
        if self._request is None:
            raise EngineError('openvino engine is closed')
        self._image[0] = rgb
        try:
            self._request.infer(share_outputs=True)
        except RuntimeError as error:
            raise EngineError(f'openvino failed on a frame: {brief(error)}') from error
        return self._depth

    def close(self) -> None:
        """Free the compiled network; the last output stays valid as long as it is held."""
        self._request = None
