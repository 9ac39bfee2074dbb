# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The images a network does best and worst on, as one picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
from mono_depth_ros.metrics import aligned_image, Depth, labelled_mask, Protocol
from mono_depth_ros.visualisation import colour_depth, depth_range, side_by_side
import numpy as np
from numpy.typing import NDArray

HEIGHT = 160
# Relative error shown as white.
WORST_ERROR = 0.5
LABELS = ('image', 'network', 'truth', 'error 0..50 %')

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Exhibit:
    """One image with its score and the row of panels that shows it."""

    abs_rel: float
    panels: Picture


class Gallery:
    """
    Keeps the pictures of the images with the best and the worst scores.

    Parameters
    ----------
    count : int
        How many of each.

    """

    def __init__(self, count: int = 3) -> None:
        self.count = count
        self._kept: list[Exhibit] = []

    def offer(
        self,
        name: str,
        abs_rel: float,
        rgb: Picture,
        predicted: Depth,
        true: Depth,
        protocol: Protocol,
    ) -> None:
        """Show an image as ``protocol`` scored it, if it is among the best or worst so far."""
        if len(self._kept) >= 2 * self.count:
            best, worst = self._kept[self.count - 1], self._kept[-self.count]
            if best.abs_rel <= abs_rel <= worst.abs_rel:
                return
        shown = aligned_image(predicted, true, protocol)
        panels = exhibit_panels(rgb, shown, np.where(labelled_mask(true, protocol), true, np.nan))
        labels = (f'{name[-28:]}  {abs_rel:.3f}', *LABELS[1:])
        self._kept.append(Exhibit(abs_rel, side_by_side(panels, labels)))
        self._kept.sort(key=lambda exhibit: exhibit.abs_rel)
        if len(self._kept) > 2 * self.count:
            del self._kept[self.count]

    def picture(self) -> Picture | None:
        """Return all rows, best on top, or None without any."""
        if not self._kept:
            return None
        width = max(exhibit.panels.shape[1] for exhibit in self._kept)
        return np.vstack([_pad(exhibit.panels, width) for exhibit in self._kept])


def exhibit_panels(rgb: Picture, predicted: Depth, true: Depth) -> list[Picture]:
    """Return image, prediction, truth and relative error, small, in one colour scale."""
    size = (max(1, round(rgb.shape[1] * HEIGHT / rgb.shape[0])), HEIGHT)
    # Measured depth is sparse: the largest of each neighbourhood keeps its points visible.
    block = max(1, rgb.shape[0] // HEIGHT)
    thick = cv2.dilate(np.nan_to_num(true).astype(np.float32), np.ones((block, block)))
    truth = cv2.resize(thick, size, interpolation=cv2.INTER_NEAREST)
    depth = cv2.resize(predicted.astype(np.float32), size, interpolation=cv2.INTER_NEAREST)
    truth[truth <= 0] = np.nan
    near, far = depth_range(np.asarray(truth, np.float32))
    error = np.abs(depth - truth) / truth
    grey = np.nan_to_num(np.clip(error / WORST_ERROR, 0, 1) * 255).astype(np.uint8)
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    coloured = [
        colour_depth(np.asarray(values, np.float32), min_depth=near, max_depth=far)
        for values in (depth, truth)
    ]
    return [np.asarray(small, np.uint8), *coloured, np.repeat(grey[..., None], 3, axis=2)]


def _pad(picture: Picture, width: int) -> Picture:
    missing = width - picture.shape[1]
    return np.pad(picture, ((0, 0), (0, missing), (0, 0)), constant_values=255)
