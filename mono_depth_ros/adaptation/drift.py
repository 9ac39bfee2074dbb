# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How far the images of now are from those of the last cycle."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
import threading

import cv2
from mono_depth_ros.adaptation.frame_buffer import embed
import numpy as np
from numpy.typing import NDArray

FEATURES = ('brightness', 'contrast', 'red', 'blue', 'detail', 'layout')
# Spread that a feature has anywhere, so that a standstill makes no drift of noise.
_LEAST_SPREAD = np.array([0.02, 0.02, 0.01, 0.01, 0.15, 0.1])
RECENT = 30


class InputStatistics:
    """
    Compares the recent images with those that the last cycle was made from.

    Any thread may call it. Before the first cycle there is nothing to compare with, and no drift.

    Parameters
    ----------
    recent : int
        Images that make up the present.

    """

    def __init__(self, recent: int = RECENT) -> None:
        self._recent: deque[NDArray[np.uint8]] = deque(maxlen=recent)
        self._lock = threading.Lock()
        self._layout: NDArray[np.float32] | None = None
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
        layout = np.mean([_embed(np.asarray(rgb, np.uint8)) for rgb in small], axis=0)
        values = np.stack([describe(np.asarray(rgb, np.uint8), layout) for rgb in small])
        with self._lock:
            self._layout = layout
            self._mean = values.mean(0)
            self._spread = np.maximum(values.std(0), _LEAST_SPREAD)

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


def _embed(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    return embed(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
