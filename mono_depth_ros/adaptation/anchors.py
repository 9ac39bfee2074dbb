# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Anchors: sparse points whose depth in metres the robot knows.

A network sees angles, so its shape transfers to a new place and its metres do not. What fixes
them are points: of a range sensor, of corners tracked while the robot knows how it moved, or of
the floor under a camera of known height. All come out the same, u, v [px] and depth [m].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.errors import ShapeError
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]


def points_from_depth(
    depth: NDArray[np.floating], *, count: int = 500, max_depth: float = 20.0
) -> Points:
    """
    Take points from a reference depth image, spread evenly over its valid pixels.

    Parameters
    ----------
    depth : np.ndarray, shape (H, W)
        Metres along the optical axis; NaN, infinite or not positive is no measurement.
    count : int
        Points to take at most.
    max_depth : float
        Farther measurements are left out [m].

    Returns
    -------
    np.ndarray, shape (N, 3), float32
        u, v [px] and depth [m].

    """
    with np.errstate(invalid='ignore'):
        v, u = np.nonzero((depth > 0) & (depth <= max_depth))  # False for NaN
    chosen = np.linspace(0, max(len(u) - 1, 0), min(count, len(u))).astype(int)
    u, v = u[chosen], v[chosen]
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
    u = camera.fx * xyz[:, 0] / xyz[:, 2] + camera.cx
    v = camera.fy * xyz[:, 1] / xyz[:, 2] + camera.cy
    inside = (np.abs(u - (camera.width - 1) / 2) <= camera.width / 2) & (
        np.abs(v - (camera.height - 1) / 2) <= camera.height / 2
    )
    return np.stack([u, v, xyz[:, 2]], axis=1)[inside].astype(np.float32)


@dataclass(frozen=True)
class Plane:
    """
    A plane ``normal . X = -height`` in the optical frame; the camera is ``height`` above it.

    Attributes
    ----------
    normal : np.ndarray, shape (3,)
        Of unit length, towards the camera: up, so y is negative.
    height : float
        Distance of the camera.
    share : float
        Share of the pixels it was fitted to that lie on it.

    """

    normal: NDArray[np.float64]
    height: float
    share: float


def fit_floor(
    depth: NDArray[np.floating],
    camera: PinholeCamera,
    *,
    seed: int = 0,
    max_tilt: float = 50.0,
    tolerance: float = 0.04,
    min_share: float = 0.35,
) -> Plane | None:
    """
    Fit the floor to the lower 40 % of a depth image, by RANSAC.

    Parameters
    ----------
    depth : np.ndarray, shape (H, W)
        Depth along the optical axis, in any scale; the result is in that scale.
    camera : PinholeCamera
        Intrinsics of ``depth``.
    seed : int
        Of the samples drawn.
    max_tilt : float
        Largest angle between the normal and the image's up [degrees]: pitch and roll together.
    tolerance : float
        Relative error of depth up to which a pixel lies on it.
    min_share : float
        Least share of the pixels that must lie on it.

    Returns
    -------
    Plane or None
        None if no plane is the floor.

    """
    rows = np.arange(int(camera.height * 0.6), camera.height, 3)
    v, u = np.meshgrid(rows, np.arange(0, camera.width, 3), indexing='ij')
    z = depth[v, u].astype(np.float64).ravel()
    rays = _rays(u.ravel(), v.ravel(), camera)
    known = np.isfinite(z) & (z > 0)
    points = rays[known] * z[known, None]
    if len(points) < 50:
        return None
    rng = np.random.default_rng(seed)
    triples = points[rng.integers(len(points), size=(100, 3))]
    normals = np.cross(triples[:, 1] - triples[:, 0], triples[:, 2] - triples[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    usable = lengths > 1e-9
    normals, origins = normals[usable] / lengths[usable, None], triples[usable, 0]
    normals *= -np.sign(normals[:, 1:2] + 1e-12)  # up is -y
    offsets = np.einsum('ij,ij->i', normals, origins)
    upright = (-normals[:, 1] >= np.cos(np.radians(max_tilt))) & (offsets < -1e-6)
    normals, offsets = normals[upright], offsets[upright]
    if not len(normals):
        return None
    # A relative error of depth moves a point by that share of the height, near or far.
    on_plane = np.abs(normals @ points.T / offsets[:, None] - 1) < tolerance
    best = on_plane[int(np.argmax(on_plane.sum(1)))]
    share = float(best.mean())
    if share < min_share:
        return None
    # Least squares on the inliers: n . X / h = -1.
    scaled, *_ = np.linalg.lstsq(points[best], -np.ones(int(best.sum())), rcond=None)
    length = float(np.linalg.norm(scaled))
    if length < 1e-9:
        return None
    return Plane(scaled / length, 1 / length, share)


def floor_points(
    depth: NDArray[np.floating],
    camera: PinholeCamera,
    camera_height: float,
    *,
    count: int = 200,
    tolerance: float = 0.04,
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
    plane = fit_floor(depth, camera, tolerance=tolerance)
    if plane is None:
        return np.zeros((0, 3), np.float32)
    rows = np.arange(int(camera.height * 0.6), camera.height, 2)
    v, u = (axis.ravel() for axis in np.meshgrid(rows, np.arange(0, camera.width, 2)))
    slope = _rays(u, v, camera) @ plane.normal
    with np.errstate(divide='ignore', invalid='ignore'):
        seen = -plane.height / slope  # in the scale of the network
        on_floor = (slope < -1e-3) & (np.abs(depth[v, u] / seen - 1) < tolerance)
    u, v, slope = u[on_floor], v[on_floor], slope[on_floor]
    chosen = np.linspace(0, max(len(u) - 1, 0), min(count, len(u))).astype(int)
    metres = -camera_height / slope
    return np.asarray(np.stack([u, v, metres], axis=1)[chosen], np.float32).reshape(-1, 3)


def _rays(
    u: NDArray[np.generic], v: NDArray[np.generic], camera: PinholeCamera
) -> NDArray[np.float64]:
    """Return the rays (N, 3) through pixels, with z = 1."""
    x = (u.astype(np.float64) - camera.cx) / camera.fx
    y = (v.astype(np.float64) - camera.cy) / camera.fy
    return np.stack([x, y, np.ones_like(x)], axis=1)


def robust_scale(predicted: NDArray[np.floating], true: NDArray[np.floating]) -> float:
    """Return the one factor that fits predictions to points: the median of the ratios."""
    return float(np.median(true / np.maximum(predicted, 1e-9)))


def static_map(
    points: Sequence[Points], size: tuple[int, int], degree: int = 2
) -> NDArray[np.float32]:
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
        If there are fewer points than coefficients.

    """
    height, width = size
    known = np.concatenate([p for p in points if len(p)] or [np.zeros((0, 3), np.float32)])
    if len(known) < 12:
        raise ShapeError(f'a static depth map needs at least 12 points, got {len(known)}')

    def terms(u: NDArray[np.generic], v: NDArray[np.generic]) -> NDArray[np.float64]:
        x, y = np.asarray(u) / width - 0.5, np.asarray(v) / height - 0.5
        return np.stack(
            [x**i * y**j for i in range(degree + 1) for j in range(degree + 1 - i)], axis=-1
        )

    columns, wanted = terms(known[:, 0], known[:, 1]), np.log(known[:, 2].astype(np.float64))
    weight = np.ones(len(known))
    for _ in range(10):  # iteratively reweighted: L1
        coefficients, *_ = np.linalg.lstsq(columns * weight[:, None], wanted * weight, rcond=None)
        weight = 1 / np.sqrt(np.maximum(np.abs(columns @ coefficients - wanted), 1e-3))
    v, u = np.mgrid[:height, :width]
    return np.asarray(np.exp(terms(u, v) @ coefficients), np.float32)
