# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Anchors: sparse points whose depth in metres the robot knows.

A network sees angles, so its shape transfers to a new place and its metres do not. What fixes
them are points: of a range sensor, of a place seen while the robot knows how it moved, or of
the floor under a camera of known height. All come out the same, u, v [px] and depth [m].
"""

from __future__ import annotations

from collections.abc import Sequence

from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.errors import ShapeError
from mono_depth_ros.floor import fit_floor, lower_pixels, pixel_rays, TOLERANCE
from mono_depth_ros.metric_points import Points
import numpy as np
from numpy.typing import NDArray

# Points of the floor that an image gets at most.
FLOOR_POINTS = 200
# Points that a static map needs: twice as many as it has coefficients.
MIN_POINTS = 12


def floor_points(
    depth: NDArray[np.floating], camera: PinholeCamera, camera_height: float
) -> Points:
    """
    Give the pixels of the floor the depth they have below a camera of known height.

    The plane is fitted to the depth of a network, which gives pitch and roll; the height gives
    the metres: ``Z = -height / (n . ray)``.

    Returns
    -------
    np.ndarray, shape (N, 3), float32
        u, v [px] and depth [m]; none if no floor is seen.

    """
    plane = fit_floor(depth, camera)
    if plane is None:
        return np.zeros((0, 3), np.float32)
    v, u = lower_pixels(camera, 2)
    slope = pixel_rays(u, v, camera) @ plane.normal
    with np.errstate(divide='ignore', invalid='ignore'):
        seen = -plane.height / slope  # in the scale of the network
        on_floor = (slope < -1e-3) & (np.abs(depth[v, u] / seen - 1) < TOLERANCE)
    u, v, slope = u[on_floor], v[on_floor], slope[on_floor]
    chosen = np.linspace(0, max(len(u) - 1, 0), min(FLOOR_POINTS, len(u))).astype(int)
    metres = -camera_height / slope
    return np.asarray(np.stack([u, v, metres], axis=1)[chosen], np.float32).reshape(-1, 3)


def static_map(points: Sequence[Points], size: tuple[int, int]) -> NDArray[np.float32]:
    """
    Fit one quadratic map of ln(depth) over the image to the points of all frames, robustly.

    It knows the place and looks at no image: what an anchored network must beat.

    Returns
    -------
    np.ndarray, shape (h, w), float32
        Depth [m].

    Raises
    ------
    ShapeError
        If there are too few points.

    """
    height, width = size
    known = np.concatenate([p for p in points if len(p)] or [np.zeros((0, 3), np.float32)])
    if len(known) < MIN_POINTS:
        raise ShapeError(
            f'a static depth map needs at least {MIN_POINTS} points, got {len(known)}'
        )

    def terms(u: NDArray[np.generic], v: NDArray[np.generic]) -> NDArray[np.float64]:
        x, y = np.asarray(u) / width - 0.5, np.asarray(v) / height - 0.5
        return np.stack([x**i * y**j for i in range(3) for j in range(3 - i)], axis=-1)

    columns, wanted = terms(known[:, 0], known[:, 1]), np.log(known[:, 2].astype(np.float64))
    weight = np.ones(len(known))
    for _ in range(10):  # iteratively reweighted: L1
        coefficients, *_ = np.linalg.lstsq(columns * weight[:, None], wanted * weight, rcond=None)
        weight = 1 / np.sqrt(np.maximum(np.abs(columns @ coefficients - wanted), 1e-3))
    v, u = np.mgrid[:height, :width]
    return np.asarray(np.exp(terms(u, v) @ coefficients), np.float32)
