# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How far an engine is from the same network in float32 on a CPU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
from mono_depth_ros.engine.base import Engine
from mono_depth_ros.engine.select import load_engine
from mono_depth_ros.errors import EngineError, MonoDepthError
import numpy as np
from numpy.typing import NDArray

REFERENCES = ('onnxruntime', 'openvino', 'torch')
FRAMES = 8
# Mean relative difference that is still the same network.
ALLOWED = {'fp16': 0.01, 'fp32': 0.001, 'int8': 0.05}


@dataclass(frozen=True)
class Difference:
    """
    Relative difference of depth between an engine and the reference.

    Attributes
    ----------
    reference : str
        Who computed the other depth.
    mean, largest : float
        Over all pixels of all images; NaN if the engine gave some.
    allowed : float
        Mean up to which it is the same network.

    """

    reference: str
    mean: float
    largest: float
    allowed: float

    @property
    def accepted(self) -> bool:
        """Say whether it is the same network."""
        return self.mean < self.allowed  # false for NaN, too

    def describe(self) -> str:
        """Return the numbers in words."""
        return f'{100 * self.mean:.3f} % from {self.reference} (at most {100 * self.allowed:g} %)'


def compare_with_reference(engine: Engine, model: Path) -> Difference:
    """
    Run an engine and the float32 network on the same made-up images.

    Raises
    ------
    EngineError
        If the engine fails, or nothing is installed to compare with.

    """
    frames = images(engine.input_size)
    who, expected = reference_depths(model, frames)
    errors = [
        np.abs(engine.infer(frame) - depth) / np.abs(depth)
        for frame, depth in zip(frames, expected, strict=True)
    ]
    mean, largest = float(np.mean(errors)), float(np.max(errors))
    return Difference(who, mean, largest, ALLOWED[engine.precision])


def images(size: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """Return images that are the same everywhere: edges, gradients and noise of every scale."""
    rng = np.random.default_rng(0)
    made = []
    for index in range(FRAMES):
        coarse = rng.integers(0, 256, (3 + 2 * index, 4 + 2 * index, 3), np.uint8)
        how = cv2.INTER_CUBIC if index % 2 else cv2.INTER_NEAREST
        smooth = cv2.resize(coarse, size[::-1], interpolation=how).astype(np.int16)
        noisy = smooth + rng.integers(-6, 7, smooth.shape)
        made.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return made


def reference_depths(
    model: Path, frames: list[NDArray[np.uint8]]
) -> tuple[str, list[NDArray[np.float32]]]:
    """Return the depth of each frame in float32 on a CPU, and who computed it."""
    size = frames[0].shape[0], frames[0].shape[1]
    problems = []
    for backend in REFERENCES:
        try:
            engine = load_engine(model, backend, input_size=size, precision='fp32')
        except MonoDepthError as error:
            problems.append(str(error))
            continue
        depths = [engine.infer(frame).copy() for frame in frames]
        engine.close()
        return f'{backend} ({engine.device})', depths
    raise EngineError(f'nothing to compare with: {"; ".join(problems)}')
