# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sparse points of an image whose depth in metres is known: u, v [px] and depth [m]."""

from __future__ import annotations

from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.errors import ShapeError
from mono_depth_ros.projection import points_to_pixels
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]


def points_from_depth(depth: NDArray[np.floating], *, count: int = 500) -> Points:
    """
    Take points from a reference depth image, spread evenly over its valid pixels.

    Parameters
    ----------
    depth : np.ndarray, shape (H, W)
        Metres along the optical axis; NaN, infinite or not positive is no measurement.
    count : int
        Points to take at most.

    Returns
    -------
    np.ndarray, shape (N, 3), float32
        u, v [px] and depth [m].

    """
    known = np.flatnonzero(np.isfinite(depth) & (depth > 0))
    chosen = known[np.linspace(0, max(len(known) - 1, 0), min(count, len(known))).astype(int)]
    v, u = np.divmod(chosen, depth.shape[1])
    return np.stack([u, v, depth[v, u]], axis=1).astype(np.float32).reshape(-1, 3)


def points_from_xyz(xyz: NDArray[np.floating], camera: PinholeCamera) -> Points:
    """
    Project points (N, 3) of the optical frame [m] into an image; those outside are left out.

    Raises
    ------
    ShapeError
        If ``xyz`` is not (N, 3).

    """
    if xyz.ndim != 2 or xyz.shape[1] != 3:
        raise ShapeError(f'points must be (N, 3), got {xyz.shape}')
    xyz = xyz[np.isfinite(xyz).all(1) & (xyz[:, 2] > 1e-3)].astype(np.float64)
    u, v = points_to_pixels(xyz, camera).T
    inside = (np.abs(u - (camera.width - 1) / 2) <= camera.width / 2) & (
        np.abs(v - (camera.height - 1) / 2) <= camera.height / 2
    )
    return np.asarray(np.stack([u, v, xyz[:, 2]], axis=1)[inside], np.float32)


def resize_points(
    points: NDArray[np.floating], size: tuple[int, ...], new_size: tuple[int, ...]
) -> Points:
    """Bring points (N, 3) to the pixels of the same image resized, (height, width) both."""
    scale = np.array([new_size[1] / size[1], new_size[0] / size[0]])
    uv = (points[:, :2] + 0.5) * scale - 0.5
    return np.column_stack([uv, points[:, 2]]).astype(np.float32)


def robust_scale(predicted: NDArray[np.floating], true: NDArray[np.floating]) -> float:
    """Return the one factor that fits predictions to points: the median of the ratios."""
    return float(np.median(true / np.maximum(predicted, 1e-9)))
