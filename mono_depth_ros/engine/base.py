# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The protocol that every engine follows."""

from __future__ import annotations

from typing import Protocol

from mono_depth_ros.errors import ShapeError
from mono_depth_ros.manifest import Manifest
import numpy as np
from numpy.typing import NDArray


class Engine(Protocol):
    """
    A network ready to run, in memory.

    The exported graph takes uint8 NHWC and returns what its manifest says, so every backend does
    the same arithmetic. One thread uses an engine at a time; which thread may change.

    Attributes
    ----------
    backend, device, precision : str
        Where and how it runs, e.g. ``openvino``, ``CPU``, ``fp32``.
    manifest : Manifest
        What the network is.
    input_size : tuple of int
        (height, width) of the input of this engine [px].

    """

    backend: str
    device: str
    precision: str
    manifest: Manifest
    input_size: tuple[int, int]

    def infer(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """
        Run the network on one image.

        Parameters
        ----------
        rgb : np.ndarray, shape (h, w, 3), uint8
            Image of ``input_size``, red first, contiguous.

        Returns
        -------
        np.ndarray, shape (h, w), float32
            Output of the graph at the training focal length; valid until the next call.

        Raises
        ------
        ShapeError
            If the image has another size or type.
        EngineError
            If the backend fails.

        """
        ...

    def close(self) -> None:
        """Free what the engine holds; further calls to ``infer`` raise EngineError."""
        ...


def check_input(rgb: NDArray[np.uint8], input_size: tuple[int, int]) -> None:
    """Raise ShapeError unless ``rgb`` is what an engine of this input size takes."""
    if rgb.shape != (*input_size, 3) or rgb.dtype != np.uint8:
        raise ShapeError(
            f'engine input must be ({input_size[0]}, {input_size[1]}, 3) uint8, '
            f'got {rgb.shape} {rgb.dtype}'
        )
