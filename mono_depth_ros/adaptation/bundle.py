# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Bundle adjustment: poses and points that reproject best, all at once (Triggs et al. 1999).

Poses found from points, and points found from those poses, keep the errors of each other. Moved
together they lose them. Runs of twenty images are small: the points are eliminated (Schur
complement), and what is left is solved densely.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
from mono_depth_ros.adaptation.corners import Sightings
from mono_depth_ros.camera import PinholeCamera
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ITERATIONS, ENOUGH = 20, 1e-3
# Distance up to which an error is squared [px]; beyond it is linear (Huber).
HUBER = 0.7
DAMPING, MAX_DAMPING = 1e-4, 1e3
# Depth below which a point counts as this far: it would be behind the camera.
NEAREST = 1e-9


def adjust_bundle(
    views: Sightings, world: Array, world_from_camera: Array, camera: PinholeCamera
) -> tuple[Array, Array]:
    """
    Move points and cameras to where the views say they are (Levenberg and Marquardt).

    Parameters
    ----------
    views : Sightings
        What was seen, each corner at most once in an image.
    world : np.ndarray, shape (T, 3)
        Points by track, near to where they are.
    world_from_camera : np.ndarray, shape (images, 4, 4)
        Poses, near to what they are; those of images that see nothing stay, as does one more.
    camera : PinholeCamera
        Intrinsics of all of them.

    Returns
    -------
    world, world_from_camera : np.ndarray
        Moved; new arrays. The unit of length may be another one.

    """
    tracks, track = np.unique(views.track, return_inverse=True)
    images, image = np.unique(views.image, return_inverse=True)
    seen = _Seen(image, track, views.uv, camera)
    points = world[tracks]
    poses = np.asarray(np.linalg.inv(world_from_camera[images]), np.float64)
    damping, error = DAMPING, _error(points, poses, seen)
    for _ in range(ITERATIONS):
        moved = _moved(points, poses, *_step(points, poses, seen, damping))
        after = _error(*moved, seen)
        if not after < error:
            damping *= 10
            if damping > MAX_DAMPING:
                break
            continue
        done = error - after < ENOUGH * error
        (points, poses), error, damping = moved, after, damping / 10
        if done:
            break
    world, world_from_camera = world.copy(), world_from_camera.copy()
    world[tracks], world_from_camera[images] = points, np.linalg.inv(poses)
    return world, world_from_camera


@dataclass(frozen=True)
class _Seen:
    """N views: which image saw which point where; numbers without gaps."""

    image: NDArray[np.intp]
    track: NDArray[np.intp]
    uv: Array
    camera: PinholeCamera


def _residual(points: Array, poses: Array, seen: _Seen) -> tuple[Array, Array]:
    """Return what is left of each view (N, 2) [px], and its point in the camera (N, 3)."""
    turn, shift = poses[seen.image, :3, :3], poses[seen.image, :3, 3]
    local = np.einsum('nij,nj->ni', turn, points[seen.track]) + shift
    camera, depth = seen.camera, np.maximum(local[:, 2:], NEAREST)
    projected = local[:, :2] / depth * [camera.fx, camera.fy] + [camera.cx, camera.cy]
    return projected - seen.uv, local


def _error(points: Array, poses: Array, seen: _Seen) -> float:
    """Return the mean Huber loss of all views."""
    length = np.linalg.norm(_residual(points, poses, seen)[0], axis=1)
    return float(np.mean(np.where(length < HUBER, 0.5 * length**2, HUBER * (length - HUBER / 2))))


def _step(points: Array, poses: Array, seen: _Seen, damping: float) -> tuple[Array, Array]:
    """Return the next step of the cameras (K, 6), turn and shift, and of the points (T, 3)."""
    residual, local = _residual(points, poses, seen)
    weight = np.minimum(1, HUBER / np.maximum(np.linalg.norm(residual, axis=1), 1e-9))
    by_camera, by_point = _jacobians(local, poses, seen)
    cameras, its_points = len(poses), len(points)

    # The normal equations, in blocks: cameras, points, and what ties them.
    weighted = by_camera * weight[:, None, None]
    of_cameras, of_points = np.zeros((cameras, 6, 6)), np.zeros((its_points, 3, 3))
    tie = np.zeros((cameras, 6, its_points, 3))
    to_cameras, to_points = np.zeros((cameras, 6)), np.zeros((its_points, 3))
    np.add.at(of_cameras, seen.image, np.einsum('nki,nkj->nij', weighted, by_camera))
    np.add.at(to_cameras, seen.image, np.einsum('nki,nk->ni', weighted, residual))
    tie[seen.image, :, seen.track] = np.einsum('nki,nkj->nij', weighted, by_point)
    weighted = by_point * weight[:, None, None]
    np.add.at(of_points, seen.track, np.einsum('nki,nkj->nij', weighted, by_point))
    np.add.at(to_points, seen.track, np.einsum('nki,nk->ni', weighted, residual))
    for blocks in (of_cameras, of_points):
        diagonal = np.einsum('nii->ni', blocks)  # a view
        diagonal += damping * diagonal + 1e-9

    # Schur complement: without the points, only a small system of the cameras is left.
    inverse = np.linalg.inv(of_points)
    carried = np.einsum('kitj,tjl->kitl', tie, inverse).reshape(6 * cameras, -1)
    flat = tie.reshape(6 * cameras, -1)
    system, wanted = -carried @ flat.T, carried @ to_points.ravel() - to_cameras.ravel()
    for number, block in enumerate(of_cameras):
        own = slice(6 * number, 6 * number + 6)
        system[own, own] += block
    moves = np.zeros(6 * cameras)
    moves[6:] = np.linalg.solve(system[6:, 6:], wanted[6:])  # the first camera stays
    pulled = to_points + (flat.T @ moves).reshape(its_points, 3)
    return moves.reshape(cameras, 6), -np.einsum('tij,tj->ti', inverse, pulled)


def _jacobians(local: Array, poses: Array, seen: _Seen) -> tuple[Array, Array]:
    """Differentiate the residuals by turn and shift of the camera (N, 2, 6), and by the point."""
    x, y, z = local[:, 0], local[:, 1], np.maximum(local[:, 2], NEAREST)
    zero, camera = np.zeros_like(z), seen.camera
    by_local = np.stack(  # (N, 2, 3)
        [
            np.stack([camera.fx / z, zero, -camera.fx * x / z**2], 1),
            np.stack([zero, camera.fy / z, -camera.fy * y / z**2], 1),
        ],
        1,
    )
    turned = local - poses[seen.image, :3, 3]
    # A small turn w moves a point p by w x p, and a . (w x p) = w . (p x a).
    by_turn = np.cross(turned[:, None], by_local)
    return np.concatenate([by_turn, by_local], axis=2), by_local @ poses[seen.image, :3, :3]


def _moved(points: Array, poses: Array, moves: Array, shifts: Array) -> tuple[Array, Array]:
    """Return points and poses after a step."""
    moved = poses.copy()
    for pose, move in zip(moved, moves, strict=True):
        pose[:3, :3] = cv2.Rodrigues(move[:3])[0] @ pose[:3, :3]
        pose[:3, 3] += move[3:]
    return points + shifts, moved
