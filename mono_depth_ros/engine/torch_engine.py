# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run a network with PyTorch: the reference, and an engine for any CUDA GPU."""

from __future__ import annotations

import logging
from typing import Any

from mono_depth_ros.engine.base import check_input
from mono_depth_ros.engine.checks import brief, CheckedModel
from mono_depth_ros.errors import EngineError, ModelError
from mono_depth_ros.model.checkpoint import load_network, WEIGHTS
import numpy as np
from numpy.typing import NDArray
import torch

logger = logging.getLogger(__name__)
# Before a capture: libraries make their handles and workspaces on the first runs.
WARM_UPS = 3


class TorchEngine:
    """
    The network itself, from ``weights.safetensors`` beside the ONNX file.

    On CUDA it runs in half precision, channels last, with page-locked host memory, on a stream
    of its own, as one CUDA graph; on the CPU in float32.

    Attributes
    ----------
    use_graph : bool
        Replay a CUDA graph instead of launching every kernel; of the class, for measuring both.

    """

    backend = 'torch'
    use_graph = True

    def __init__(self, model: CheckedModel, precision: str = 'auto', threads: int = 0) -> None:
        on_gpu = torch.cuda.is_available()
        self.manifest = model.manifest
        self.input_size = model.input_size
        self.device = torch.cuda.get_device_name() if on_gpu else 'CPU'
        self.precision = ('fp16' if on_gpu else 'fp32') if precision == 'auto' else precision
        if self.precision not in (('fp16', 'fp32') if on_gpu else ('fp32',)):
            raise EngineError(
                f'torch cannot run in {precision} on {self.device}: set precision to auto'
            )
        weights = model.path.with_name(WEIGHTS)
        if not weights.is_file():
            raise ModelError(
                f'torch needs {WEIGHTS} beside {model.path}, which only networks of this package '
                'have: choose the backend openvino or onnxruntime for an imported one'
            )
        if threads:
            torch.set_num_threads(threads)
        self._graph_input: Any = None
        self._graph_output: Any = None
        self._place = torch.device('cuda' if on_gpu else 'cpu')
        self._type = torch.float16 if self.precision == 'fp16' else torch.float32
        try:
            network = load_network(weights).requires_grad_(False)
            network.to(self._place, self._type)
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            self._network: torch.nn.Module | None = network
            self._stream: Any = torch.cuda.Stream() if on_gpu else None  # type: ignore[no-untyped-call]
            if self._stream is not None:
                # The weights are still being laid out, on the stream of everybody.
                self._stream.wait_stream(torch.cuda.current_stream())
            shape = (1, *self.input_size)
            self._image = torch.zeros((*shape, 3), dtype=torch.uint8, pin_memory=on_gpu)
            self._depth = torch.zeros(shape, dtype=torch.float32, pin_memory=on_gpu)
            self._graph: Any = self._capture() if on_gpu and self.use_graph else None
        except RuntimeError as error:
            raise EngineError(f'torch cannot load {weights}: {brief(error)}') from error
        self._pixels: NDArray[np.uint8] = self._image.numpy()[0]
        self._metres: NDArray[np.float32] = self._depth.numpy()[0]

    def infer(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network on one image; see `Engine.infer`."""
        check_input(rgb, self.input_size)
        if self._network is None:
            raise EngineError('torch engine is closed')
        self._pixels[:] = rgb
        try:
            with torch.inference_mode(), torch.cuda.stream(self._stream):
                if self._graph is not None:
                    self._graph_input.copy_(self._image, non_blocking=True)
                    self._graph.replay()
                    depth = self._graph_output
                else:
                    depth = self._run(self._image.to(self._place, non_blocking=True))
                self._depth.copy_(depth, non_blocking=True)
            if self._stream is not None:
                self._stream.synchronize()
        except RuntimeError as error:
            raise EngineError(f'torch failed on a frame: {brief(error)}') from error
        return self._metres

    def _run(self, image: torch.Tensor, *, choose: bool = False) -> torch.Tensor:
        """
        Run the network on a uint8 NHWC image; the result is float32 metres.

        float32 is multiplied as such, without TF32; ``choose`` tries kernels for the fastest.
        """
        assert self._network is not None
        with torch.backends.cudnn.flags(enabled=True, benchmark=choose, allow_tf32=False):
            # A contiguous NHWC image, seen as NCHW, is channels last already.
            depth, _ = self._network(image.permute(0, 3, 1, 2).to(self._type) / 255)
        return depth.float()  # type: ignore[no-any-return]

    def _capture(self) -> Any:
        """Return a CUDA graph of one inference; None, and eager kernels, if it cannot be had."""
        try:
            with torch.inference_mode(), torch.cuda.stream(self._stream):
                self._graph_input = torch.zeros_like(self._image, device=self._place)
                for _ in range(WARM_UPS):
                    self._run(self._graph_input, choose=True)
                self._stream.synchronize()
                graph = torch.cuda.CUDAGraph()
                mode = 'thread_local'  # other threads may load engines meanwhile
                with torch.cuda.graph(graph, stream=self._stream, capture_error_mode=mode):
                    # Of the kernels that were tried, the graph keeps the fastest.
                    self._graph_output = self._run(self._graph_input, choose=True)
            return graph
        except RuntimeError as error:
            logger.info('torch runs without a CUDA graph: %s', brief(error))
            return None

    def close(self) -> None:
        """Free the network."""
        self._network = self._graph = None
        self._graph_input = self._graph_output = None
