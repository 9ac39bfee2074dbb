# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The floor under the camera: a plane fitted to depth of any scale."""

from __future__ import annotations

from dataclasses import dataclass

from mono_depth_ros.camera import PinholeCamera
import numpy as np
from numpy.typing import NDArray

# Triples of pixels that planes are tried through, drawn with this seed; fewer pixels are no floor.
TRIPLES, SEED, MIN_PIXELS = 100, 0, 50
# Largest angle between the normal and the image's up [degrees]: pitch and roll together.
MAX_TILT = 50.0
# Relative error of depth up to which a pixel lies on the plane.
TOLERANCE = 0.04
# Least share of the pixels that must lie on it.
MIN_SHARE = 0.35


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
    pixels : int
        How many pixels those were.

    """

    normal: NDArray[np.float64]
    height: float
    share: float
    pixels: int


def fit_floor(depth: NDArray[np.floating], camera: PinholeCamera) -> Plane | None:
    """
    Fit the floor to the lower 40 % of a depth image, by RANSAC.

    Parameters
    ----------
    depth : np.ndarray, shape (H, W)
        Depth along the optical axis, in any scale; the result is in that scale.
    camera : PinholeCamera
        Intrinsics of ``depth``.

    Returns
    -------
    Plane or None
        None if no plane is the floor.

    """
    v, u = lower_pixels(camera)
    z = depth[v, u].astype(np.float64)
    rays = pixel_rays(u, v, camera)
    known = np.isfinite(z) & (z > 0)
    points = rays[known] * z[known, None]
    if len(points) < MIN_PIXELS:
        return None
    rng = np.random.default_rng(SEED)
    triples = points[rng.integers(len(points), size=(TRIPLES, 3))]
    normals = np.cross(triples[:, 1] - triples[:, 0], triples[:, 2] - triples[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    usable = lengths > 1e-9
    normals, origins = normals[usable] / lengths[usable, None], triples[usable, 0]
    normals *= -np.sign(normals[:, 1:2] + 1e-12)  # up is -y
    offsets = np.einsum('ij,ij->i', normals, origins)
    upright = (-normals[:, 1] >= np.cos(np.radians(MAX_TILT))) & (offsets < -1e-6)
    normals, offsets = normals[upright], offsets[upright]
    if not len(normals):
        return None
    # A relative error of depth moves a point by that share of the height, near or far.
    on_plane = np.abs(normals @ points.T / offsets[:, None] - 1) < TOLERANCE
    best = on_plane[int(np.argmax(on_plane.sum(1)))]
    share = float(best.mean())
    if share < MIN_SHARE:
        return None
    # Least squares on the inliers: n . X / h = -1.
    scaled, *_ = np.linalg.lstsq(points[best], -np.ones(int(best.sum())), rcond=None)
    length = float(np.linalg.norm(scaled))
    if length < 1e-9:
        return None
    return Plane(scaled / length, 1 / length, share, len(points))


def pixel_rays(
    u: NDArray[np.generic], v: NDArray[np.generic], camera: PinholeCamera
) -> NDArray[np.float64]:
    """Return the rays (N, 3) through pixels, with z = 1."""
    x = (u.astype(np.float64) - camera.cx) / camera.fx
    y = (v.astype(np.float64) - camera.cy) / camera.fy
    return np.stack([x, y, np.ones_like(x)], axis=1)


def lower_pixels(
    camera: PinholeCamera, stride: int = 3
) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Return v and u of every ``stride``-th pixel and row of the lower 40 % of an image."""
    rows = np.arange(int(camera.height * 0.6), camera.height, stride)
    v, u = np.meshgrid(rows, np.arange(0, camera.width, stride), indexing='ij')
    return v.ravel(), u.ravel()
