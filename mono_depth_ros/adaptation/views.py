# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Views of an image: through a window, mirrored, in other colours; maps and points follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

from mono_depth_ros.preprocessing import resize_rgb
from mono_depth_ros.training.augmentation import jitter_colours
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

COLOURS, ZOOM, SHIFT = 0.5, 0.7, 0.1


@dataclass(frozen=True)
class Window:
    """Part of an image (top, left, rows, columns), maybe mirrored."""

    top: int
    left: int
    rows: int
    columns: int
    mirrored: bool

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the window."""
        return slice(self.top, self.top + self.rows), slice(self.left, self.left + self.columns)


def draw_window(size: tuple[int, int], rng: np.random.Generator) -> Window:
    """Draw a window of the shape of the image, near its middle, mirrored every other time."""
    factor = math.exp(rng.uniform(math.log(ZOOM), 0.0))
    rows, columns = (max(2, round(side * factor)) for side in size)
    shift = rng.uniform(-SHIFT, SHIFT, 2)
    top, left = (
        int(np.clip(round((side - part) / 2 + move * part), 0, side - part))
        for side, part, move in zip(size, (rows, columns), shift, strict=True)
    )
    return Window(top, left, rows, columns, bool(rng.random() < 0.5))


def strong_view(
    rgb: NDArray[np.uint8], window: Window, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return an image through a window, grown to its size again, with other colours."""
    part = resize_rgb(np.ascontiguousarray(rgb[window.slices]), (rgb.shape[0], rgb.shape[1]))
    part = part[:, ::-1] if window.mirrored else part
    return jitter_colours(np.ascontiguousarray(part), rng, COLOURS)


def view_maps(maps: Tensor, windows: Sequence[Window]) -> Tensor:
    """Look at maps (B, h, w) through windows, as `strong_view` does at images; same shape."""
    views = []
    for depth, window in zip(maps, windows, strict=True):
        part = depth[window.slices][None, None]
        part = torch.nn.functional.interpolate(
            part, maps.shape[1:], mode='bilinear', align_corners=False
        )[0, 0]
        views.append(part.flip(-1) if window.mirrored else part)
    return torch.stack(views)


def view_points(
    points: NDArray[np.float32], window: Window, size: tuple[int, int]
) -> NDArray[np.float32]:
    """
    Look at points (N, 3) of u, v [px] and depth through a window; those outside are left out.

    A window that is grown to the size of the image has a longer focal length by that factor. Depth
    is divided by it: it stays what a camera of the focal length of the whole image would see.
    """
    height, width = size
    grown_u, grown_v = width / window.columns, height / window.rows
    u = (points[:, 0] + 0.5 - window.left) * grown_u - 0.5
    v = (points[:, 1] + 0.5 - window.top) * grown_v - 0.5
    u = width - 1 - u if window.mirrored else u
    inside = (u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1)
    depth = points[:, 2] / math.sqrt(grown_u * grown_v)
    return np.stack([u, v, depth], axis=1)[inside].astype(np.float32)
