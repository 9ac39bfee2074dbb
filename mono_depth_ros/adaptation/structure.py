# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Structure from motion without poses: depth of corners up to one factor for each image.

A camera that moves sees the shape of a place by itself. The motion between two images follows
from corners that both see (five-point algorithm, Nister 2004, in RANSAC), and with it their depth,
in units of the unknown distance between the images. It says nothing about metres, and everything
about what is nearer than what, and by how much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import itertools

import cv2
from mono_depth_ros.adaptation.corners import Sightings
from mono_depth_ros.camera import PinholeCamera
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class StructureLimits:
    """
    Which pairs of images are compared, and which points are believed.

    Attributes
    ----------
    steps : sequence of int
        How many images away the other image of a pair may be, either way.
    min_matches : int
        Corners that both must see.
    min_parallax : float
        Least angle between both rays of a point [degrees].
    enough_parallax : float
        Median angle from which on more is no better [degrees].
    max_error : float
        Largest distance from where a corner was seen to where its point and the motion put it, and
        to the epipolar line [px].
    min_share : float
        Least share of the matches that fit the motion.
    min_points : int
        Points that an image must have.
    range : float
        Points nearer or farther than the median by this factor are left out.

    """

    steps: Sequence[int] = (4, 8, 12)
    min_matches: int = 40
    min_parallax: float = 1.0
    enough_parallax: float = 6.0
    max_error: float = 1.0
    min_share: float = 0.5
    min_points: int = 20
    range: float = 12.0


def structure(
    views: Sightings, camera: PinholeCamera, limits: StructureLimits | None = None
) -> list[NDArray[np.float32]]:
    """
    Find the shape of what each image sees.

    Parameters
    ----------
    views : Sightings
        Corners followed through images of one camera.
    camera : PinholeCamera
        Intrinsics of all of them.
    limits : StructureLimits, optional
        What counts.

    Returns
    -------
    list of np.ndarray, shape (N, 3), float32
        For each image u, v [px] and depth in units of its own; none where the camera did not move
        enough or the motion is not clear.

    """
    limits = limits or StructureLimits()
    order = np.argsort(views.image, kind='stable')
    ends = np.searchsorted(views.image[order], np.arange(views.images + 1))
    images = [order[first:last] for first, last in itertools.pairwise(ends)]
    return [_best_pair(views, images, number, camera, limits) for number in range(len(images))]


def _best_pair(
    views: Sightings,
    images: Sequence[NDArray[np.intp]],
    number: int,
    camera: PinholeCamera,
    limits: StructureLimits,
) -> NDArray[np.float32]:
    """Return the points of an image from the neighbour that shows them best."""
    best, most = _NONE, 0.0
    for step in limits.steps:
        for other in (number + step, number - step):
            if 0 <= other < len(images):
                merit, points = _pair(views, images[number], images[other], camera, limits)
                best, most = (points, merit) if merit > most else (best, most)
    return best


_NONE = np.zeros((0, 3), np.float32)


def _pair(
    views: Sightings,
    own: NDArray[np.intp],
    other: NDArray[np.intp],
    camera: PinholeCamera,
    limits: StructureLimits,
) -> tuple[float, NDArray[np.float32]]:
    """Return the points of one pair of images, and how much to think of them."""
    _, first, second = np.intersect1d(
        views.track[own], views.track[other], assume_unique=True, return_indices=True
    )
    if len(first) < limits.min_matches:
        return 0.0, _NONE
    here, there = views.uv[own[first]], views.uv[other[second]]
    motion = _motion(here, there, camera, limits)
    if motion is None:
        return 0.0, _NONE
    rotation, translation, share = motion
    points, parallax, error = _intersect(here, there, rotation, translation, camera)
    good = (error < 1.5 * limits.max_error) & (parallax >= limits.min_parallax)
    good &= points[:, 2] > 0
    if good.sum() < limits.min_points:
        return 0.0, _NONE
    depth = points[:, 2] / np.median(points[good, 2])
    good &= (depth < limits.range) & (depth > 1 / limits.range)
    angle = min(float(np.median(parallax[good])), limits.enough_parallax)
    kept = np.column_stack([here[good], depth[good]]).astype(np.float32)
    return angle * float(np.sqrt(len(kept))) * share, kept


def _motion(
    here: Array, there: Array, camera: PinholeCamera, limits: StructureLimits
) -> tuple[Array, Array, float] | None:
    """Return rotation and direction from the first camera to the second, and the share it fits."""
    matrix = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1.0]])
    cv2.setRNGSeed(0)
    essential, mask = cv2.findEssentialMat(
        here, there, matrix, cv2.USAC_MAGSAC, 0.999, limits.max_error
    )
    if essential is None or essential.shape != (3, 3):
        return None
    share = float(np.mean(mask))
    if share < limits.min_share:
        return None
    _, rotation, translation, _ = cv2.recoverPose(essential, here, there, matrix, mask=mask)
    return rotation.astype(np.float64), translation.ravel().astype(np.float64), share


def _intersect(
    here: Array, there: Array, rotation: Array, translation: Array, camera: PinholeCamera
) -> tuple[Array, Array, Array]:
    """
    Find the points nearest to both rays.

    Returns
    -------
    points : np.ndarray, shape (N, 3)
        In the first camera; the distance between both cameras is 1.
    parallax : np.ndarray, shape (N,)
        Angle between both rays [degrees].
    error : np.ndarray, shape (N,)
        Larger distance from where the point was seen to where it is [px]; infinite for points
        behind a camera.

    """
    a = _rays(here, camera)
    b = _rays(there, camera) @ rotation  # in the axes of the first camera
    centre = -rotation.T @ translation
    cosine = np.clip((a * b).sum(1), -1, 1)
    parallax = np.degrees(np.arccos(cosine))
    # Least squares of |s a - (c + t b)|^2 in s and t.
    determinant = np.maximum(1 - cosine**2, 1e-12)
    s = (a @ centre - cosine * (b @ centre)) / determinant
    t = (cosine * (a @ centre) - b @ centre) / determinant
    points = 0.5 * (s[:, None] * a + centre + t[:, None] * b)
    error = np.zeros(len(points))
    for local, uv in ((points, here), (points @ rotation.T + translation, there)):
        with np.errstate(divide='ignore', invalid='ignore'):
            u = camera.fx * local[:, 0] / local[:, 2] + camera.cx
            v = camera.fy * local[:, 1] / local[:, 2] + camera.cy
        away = np.hypot(u - uv[:, 0], v - uv[:, 1])
        error = np.maximum(error, np.where(local[:, 2] > 0, away, np.inf))
    return points, parallax, error


def _rays(uv: Array, camera: PinholeCamera) -> Array:
    """Return the rays (N, 3) through pixels, of unit length."""
    x, y = (uv[:, 0] - camera.cx) / camera.fx, (uv[:, 1] - camera.cy) / camera.fy
    rays = np.stack([x, y, np.ones_like(x)], axis=1)
    return np.asarray(rays / np.linalg.norm(rays, axis=1, keepdims=True))
