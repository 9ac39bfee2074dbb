# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Points of corners that were followed through images whose poses are known."""

from __future__ import annotations

from dataclasses import dataclass

from mono_depth_ros.adaptation.corners import Sightings
from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.floor import pixel_rays
from mono_depth_ros.projection import points_to_pixels
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TrackLimits:
    """
    Which tracks become points.

    Attributes
    ----------
    min_views : int
        Images that must have seen it.
    min_parallax : float
        Least angle between two of its rays [degrees].
    max_reprojection : float
        Largest distance between a point and where a view saw it [px]; views beyond are left out
        once, and the rest is fitted again.

    """

    min_views: int = 3
    min_parallax: float = 1.5
    max_reprojection: float = 1.5


def depth_in_views(
    views: Sightings, world: NDArray[np.float64], world_from_camera: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the depth (N,) at which each view sees its track, of points (T, 3) by track."""
    return _in_camera(world[views.track], world_from_camera[views.image])[:, 2]


def intersect_tracks(
    views: Sightings, poses: NDArray[np.float64], camera: PinholeCamera, limits: TrackLimits
) -> tuple[Sightings, NDArray[np.float64]]:
    """
    Intersect the rays of each track.

    Parameters
    ----------
    views : Sightings
        What was seen.
    poses : np.ndarray, shape (images, 4, 4)
        ``world_from_camera`` of every image, those that see nothing included.
    camera : PinholeCamera
        Intrinsics of all of them.
    limits : TrackLimits
        What counts.

    Returns
    -------
    views : Sightings
        Those that agree.
    world : np.ndarray, shape (T, 3)
        Points by track, in the unit of the poses; those without a view that agrees mean nothing.

    """
    if not len(views.track):
        return views, np.zeros((0, 3))
    rays = pixel_rays(views.uv[:, 0], views.uv[:, 1], camera)
    directions = np.einsum('nij,nj->ni', poses[views.image, :3, :3], rays)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for _ in range(2):
        world, wide = _intersect(views, directions, poses, limits)
        depth = depth_in_views(views, world, poses)
        good = wide[views.track] & (
            reprojection(views, world, poses, camera) < limits.max_reprojection
        )
        good &= (depth > 0) & np.isfinite(depth)
        views, directions = views.where(good), directions[good]
        count = np.bincount(views.track, minlength=len(world))
        kept = count[views.track] >= limits.min_views
        views, directions = views.where(kept), directions[kept]
        if not len(views.track):
            break
    return views, world


def _intersect(
    views: Sightings,
    directions: NDArray[np.float64],
    poses: NDArray[np.float64],
    limits: TrackLimits,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """
    Find the point nearest to all rays of each track, ``sum (I - d d^T) (X - o) = 0``.

    Returns the points (T, 3), and which have enough views and parallax.
    """
    tracks = int(views.track.max()) + 1
    origins = poses[views.image, :3, 3]
    project = np.eye(3) - directions[:, :, None] * directions[:, None, :]
    a, b, total = np.zeros((tracks, 3, 3)), np.zeros((tracks, 3)), np.zeros((tracks, 3))
    np.add.at(a, views.track, project)
    np.add.at(b, views.track, np.einsum('nij,nj->ni', project, origins))
    np.add.at(total, views.track, directions)
    count = np.bincount(views.track, minlength=tracks)
    # Largest angle to the mean ray, about half of the largest between two rays.
    mean = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
    cosine = np.ones(tracks)
    np.minimum.at(cosine, views.track, np.einsum('ni,ni->n', directions, mean[views.track]))
    wide = np.degrees(np.arccos(np.clip(cosine, -1, 1))) * 2 >= limits.min_parallax
    wide &= count >= limits.min_views
    world = np.full((tracks, 3), np.inf)
    if wide.any():
        world[wide] = np.linalg.solve(a[wide], b[wide][..., None])[..., 0]
    return world, wide


def _in_camera(
    world: NDArray[np.float64], world_from_camera: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Express points (N, 3) of the world in the optical frames (N, 4, 4)."""
    with np.errstate(invalid='ignore'):
        return np.asarray(
            np.einsum(
                'nji,nj->ni', world_from_camera[:, :3, :3], world - world_from_camera[:, :3, 3]
            )
        )


def reprojection(
    views: Sightings,
    world: NDArray[np.float64],
    world_from_camera: NDArray[np.float64],
    camera: PinholeCamera,
) -> NDArray[np.float64]:
    """Distance (N,) between where points (T, 3) by track are and were seen [px]."""
    local = _in_camera(world[views.track], world_from_camera[views.image])
    with np.errstate(invalid='ignore'):
        error = np.linalg.norm(points_to_pixels(local, camera) - views.uv, axis=1)
    return np.where(np.isfinite(error), error, np.inf)
