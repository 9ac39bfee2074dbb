# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How far the images of now are from those of the last cycle."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
import threading
from typing import Any

import cv2
from mono_depth_ros.adaptation.frame_buffer import embed
import numpy as np
from numpy.typing import NDArray

FEATURES = ('brightness', 'contrast', 'red', 'blue', 'detail', 'layout')
# Spread that a feature has anywhere, so that a standstill makes no drift of noise.
_LEAST_SPREAD = np.array([0.02, 0.02, 0.01, 0.01, 0.15, 0.1])
RECENT = 30
_DECIMALS = 6


class InputStatistics:
    """
    Compares the recent images with those that the last cycle was made from.

    Any thread may call it. Before the first `mark` there is nothing to compare with, and no drift.

    Parameters
    ----------
    recent : int
        Images that make up the present.

    """

    def __init__(self, recent: int = RECENT) -> None:
        self._recent: deque[NDArray[np.uint8]] = deque(maxlen=recent)
        self._lock = threading.Lock()
        self._layout: NDArray[np.float64] | None = None
        self._mean = self._spread = np.zeros(len(FEATURES))

    def observe(self, rgb: NDArray[np.uint8]) -> None:
        """Take an image (h, w, 3) into account."""
        small = cv2.resize(rgb, (64, 48), interpolation=cv2.INTER_AREA)
        with self._lock:
            self._recent.append(np.asarray(small, np.uint8))

    def mark(self, images: Iterable[NDArray[np.uint8]]) -> None:
        """Make these images (h, w, 3) the ones to compare with."""
        small = [cv2.resize(rgb, (64, 48), interpolation=cv2.INTER_AREA) for rgb in images]
        if not small:
            return
        embedded = np.stack([_embed(np.asarray(rgb, np.uint8)) for rgb in small])
        layout = embedded.astype(np.float64).mean(0)
        values = np.stack([describe(np.asarray(rgb, np.uint8), layout) for rgb in small])
        with self._lock:
            self._layout = layout
            self._mean = values.mean(0)
            self._spread = np.maximum(values.std(0), _LEAST_SPREAD)

    @property
    def marked(self) -> bool:
        """Say whether there is something to compare with."""
        return self._layout is not None

    def state(self) -> dict[str, list[float]]:
        """Return what is compared with, in plain values; empty if there is nothing."""
        with self._lock:
            if self._layout is None:
                return {}
            values = {'layout': self._layout, 'mean': self._mean, 'spread': self._spread}
        return {name: np.round(value, _DECIMALS).tolist() for name, value in values.items()}

    def restore(self, state: object) -> None:
        """Compare with the `state` of an earlier process; one that is damaged changes nothing."""
        kept: Mapping[str, Any] = state if isinstance(state, Mapping) else {}
        layout, mean, spread = (_numbers(kept.get(name)) for name in ('layout', 'mean', 'spread'))
        sizes = [_embed(np.zeros((48, 64, 3), np.uint8)).size, len(FEATURES), len(FEATURES)]
        if [layout.size, mean.size, spread.size] != sizes:
            return
        with self._lock:
            self._layout, self._mean = layout, mean
            self._spread = np.maximum(spread, _LEAST_SPREAD)

    def drift(self) -> tuple[float, str]:
        """Return the largest distance, in standard deviations, and the feature it is of."""
        with self._lock:
            recent, layout = list(self._recent), self._layout
            mean, spread = self._mean, self._spread
        if layout is None or len(recent) < (self._recent.maxlen or 1):
            return 0.0, ''
        now = np.mean([describe(rgb, layout) for rgb in recent], axis=0)
        distance = np.abs(now - mean) / spread
        largest = int(np.argmax(distance))
        return float(distance[largest]), FEATURES[largest]


def describe(rgb: NDArray[np.uint8], layout: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the `FEATURES` of a small image; ``layout`` is the mean description of the others."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    red, green, blue = (float(rgb[..., channel].mean()) / 255 for channel in range(3))
    detail = float(np.log(cv2.Laplacian(grey, cv2.CV_32F).var() + 1e-6))
    return np.array(
        [
            float(grey.mean()),
            float(grey.std()),
            red - green,
            blue - green,
            detail,
            float(_embed(rgb) @ layout),
        ]
    )


def _numbers(value: object) -> NDArray[np.float64]:
    """Return a list of small numbers as an array; an empty one if it is anything else."""
    try:
        numbers = np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        return np.empty(0)
    usable = numbers.ndim == 1 and bool((np.abs(numbers) < 100).all())  # NaN is not
    return numbers if usable else np.empty(0)


def _embed(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    return embed(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
