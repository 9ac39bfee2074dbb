# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Structure from motion without poses: what a run of images sees, up to one factor.

A camera that moves sees the shape of a place by itself. The motion between two images follows
from corners that both see (five-point algorithm, Nister 2004, in RANSAC), and with it their depth,
in units of the unknown distance between the images. From these points follow the poses of the
other images (perspective-n-point, in RANSAC), from those better points, and so on. It says
nothing about metres, and everything about what is nearer than what, and by how much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import itertools
from typing import Any

import cv2
from mono_depth_ros.adaptation.bundle import adjust_bundle
from mono_depth_ros.adaptation.corners import Sightings
from mono_depth_ros.adaptation.tracks import (
    depth_in_views,
    intersect_tracks,
    reprojection,
    TrackLimits,
)
from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.poses import inverse
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# How many images away the other image of a pair may be; the near ones are tried where no other
# pair will do, since images came rarely.
STEPS, NEAR_STEPS = (4, 8, 12, 16), (1, 2)
# Corners that both must see.
MIN_MATCHES = 40
# Least angle between two rays of a point [degrees], and what it is in the image [px]: corners of a
# small image are told apart no better than those of a large one.
MIN_PARALLAX, MIN_DISPARITY = 1.0, 6.4
# Median angle of a pair from which on more is no better [degrees].
ENOUGH_PARALLAX = 6.0
# Largest distance from where a corner was seen to the epipolar line, and to where its point and
# the motion put it [px].
MAX_ERROR, MAX_REPROJECTION = 1.0, 1.5
# Least share of the corners that fit the motion.
MIN_SHARE = 0.5
# Points that an image must see.
MIN_POINTS = 20
# Points nearer or farther than the median by this factor are left out.
RANGE = 12.0
# How often poses and points are found from each other at most.
ROUNDS = 6


@dataclass(frozen=True)
class Structure:
    """
    Where the camera was and what it saw, in a unit of length of its own.

    Attributes
    ----------
    world_from_camera : mapping of int to np.ndarray, shape (4, 4)
        Poses by number of the image.
    views : Sightings
        Of the corners that fit; images without a pose have none.
    world : np.ndarray, shape (N, 3), float64
        The point that each of these views sees.
    depth : np.ndarray, shape (N,), float64
        Its depth there, along the optical axis.

    """

    world_from_camera: Mapping[int, Array]
    views: Sightings
    world: Array
    depth: Array

    def points(self, image: int) -> NDArray[np.float32]:
        """Return u, v [px] and depth (N, 3) of what an image sees."""
        own = self.views.image == image
        return np.column_stack([self.views.uv[own], self.depth[own]]).astype(np.float32)

    def by_track(self, tracks: int) -> Array:
        """Return the point (tracks, 3) of each corner, NaN where there is none."""
        world = np.full((tracks, 3), np.nan)
        world[self.views.track] = self.world
        return world


def reconstruct(views: Sightings, camera: PinholeCamera) -> list[Structure]:
    """
    Find the shape of what images see.

    Parameters
    ----------
    views : Sightings
        Corners followed through images of one camera.
    camera : PinholeCamera
        Intrinsics of all of them.

    Returns
    -------
    list of Structure
        Each with a unit of its own. An image is in one of them, or in none where the camera did
        not move enough or the motion is not clear.

    """
    found: list[Structure] = []
    while (structure := _grow(views, camera)) is not None:
        found.append(structure)
        views = views.where(~np.isin(views.image, list(structure.world_from_camera)))
    return found


def _grow(views: Sightings, camera: PinholeCamera) -> Structure | None:
    """Begin with the best pair of images and add those that see the same points."""
    images = _by_image(views)
    structure = _best_pair(views, images, STEPS, camera) or _best_pair(
        views, images, NEAR_STEPS, camera
    )
    if structure is None:
        return None
    for _ in range(ROUNDS):
        poses = _find_poses(views, images, structure, camera)
        if len(poses) < 2:
            break
        better = _intersect(views, poses, camera)
        if better is None:
            break
        done = better.world_from_camera.keys() == structure.world_from_camera.keys()
        structure = better
        if done:
            break
    return _adjust(structure, camera)


def _best_pair(
    views: Sightings, images: list[NDArray[np.intp]], steps: tuple[int, ...], camera: PinholeCamera
) -> Structure | None:
    """Return what the best pair of images sees."""
    pairs = (
        _pair(views, images, (first, first + step), camera)
        for step in steps
        for first in range(len(images) - step)
    )
    best = max((p for p in pairs if p is not None), key=lambda pair: pair[0], default=None)
    return best and best[1]


def _adjust(structure: Structure, camera: PinholeCamera) -> Structure:
    """Let all poses and points of a structure move together, and leave out what then is off."""
    views = structure.views
    stacked = stack_poses(structure.world_from_camera, views.images)
    world = structure.by_track(int(views.track.max()) + 1)
    for _ in range(2):
        world, stacked = adjust_bundle(views, world, stacked, camera)
        good = reprojection(views, world, stacked, camera) < MAX_REPROJECTION
        views = views.where(good)
    poses = {number: stacked[number] for number in structure.world_from_camera}
    return _believed(views, world, poses) or structure


def _by_image(views: Sightings) -> list[NDArray[np.intp]]:
    """Return the indices of the views of each image."""
    order = np.argsort(views.image, kind='stable')
    ends = np.searchsorted(views.image[order], np.arange(views.images + 1))
    return [order[first:last] for first, last in itertools.pairwise(ends)]


def _pair(
    views: Sightings,
    images: list[NDArray[np.intp]],
    numbers: tuple[int, int],
    camera: PinholeCamera,
) -> tuple[float, Structure] | None:
    """Return how much to think of a pair of images, and what they see."""
    own, other = (images[number] for number in numbers)
    _, first, second = np.intersect1d(
        views.track[own], views.track[other], assume_unique=True, return_indices=True
    )
    if len(first) < MIN_MATCHES:
        return None
    motion = _motion(views.uv[own[first]], views.uv[other[second]], camera)
    if motion is None:
        return None
    pose, share = motion
    both = np.concatenate([own[first], other[second]])
    seen = _intersect(views.where(both), {numbers[0]: np.eye(4), numbers[1]: pose}, camera)
    if seen is None:
        return None
    here = seen.world[seen.views.image == numbers[0]]
    there = here - pose[:3, 3]
    lengths = np.linalg.norm(here, axis=1) * np.linalg.norm(there, axis=1)
    angle = np.degrees(np.arccos(np.clip((here * there).sum(1) / lengths, -1, 1)))
    parallax = min(float(np.median(angle)), ENOUGH_PARALLAX)
    return parallax * float(np.sqrt(len(here))) * share, seen


def _motion(here: Array, there: Array, camera: PinholeCamera) -> tuple[Array, float] | None:
    """Return the pose of the second camera in the first, 1 away, and the share that fits it."""
    cv2.setRNGSeed(0)
    essential, mask = cv2.findEssentialMat(
        here, there, camera.matrix, cv2.USAC_MAGSAC, 0.999, MAX_ERROR
    )
    if essential is None or essential.shape != (3, 3):
        return None
    share = float(np.mean(mask))
    if share < MIN_SHARE:
        return None
    _, rotation, translation, _ = cv2.recoverPose(essential, here, there, camera.matrix, mask=mask)
    return _camera_pose(rotation, translation), share


def _find_poses(
    views: Sightings, images: list[NDArray[np.intp]], structure: Structure, camera: PinholeCamera
) -> dict[int, Array]:
    """Find the pose of every image that sees enough of the points."""
    world, poses = structure.by_track(int(views.track.max()) + 1), {}
    for number, own in enumerate(images):
        points = world[views.track[own]]
        known = np.isfinite(points).all(1)
        if known.sum() < MIN_POINTS:
            continue
        points, seen = points[known], views.uv[own][known]
        found, turn, shift, inliers = cv2.solvePnPRansac(
            points,
            seen,
            camera.matrix,
            None,
            reprojectionError=MAX_REPROJECTION,
            flags=cv2.SOLVEPNP_SQPNP,
        )
        count = 0 if inliers is None else len(inliers)
        if not found or count < max(MIN_POINTS, MIN_SHARE * len(points)):
            continue
        fits = inliers.ravel()
        turn, shift = cv2.solvePnPRefineLM(
            points[fits], seen[fits], camera.matrix, None, turn, shift
        )
        poses[number] = _camera_pose(cv2.Rodrigues(turn)[0], shift)
    return poses


def _intersect(
    views: Sightings, poses: Mapping[int, Array], camera: PinholeCamera
) -> Structure | None:
    """Find the points that images with these poses see; none if one sees too few of them."""
    allowed = TrackLimits(
        min_views=min(3, len(poses)),
        min_parallax=max(MIN_PARALLAX, float(np.degrees(MIN_DISPARITY / camera.focal))),
        max_reprojection=MAX_REPROJECTION,
    )
    posed = views.where(np.isin(views.image, list(poses)))
    seen, world = intersect_tracks(posed, stack_poses(poses, views.images), camera, allowed)
    return _believed(seen, world, poses)


def _believed(views: Sightings, world: Array, poses: Mapping[int, Array]) -> Structure | None:
    """Leave out points far from all others, and images that see too few; None if none is left."""
    if not len(views.track):
        return None
    depth = depth_in_views(views, world, stack_poses(poses, views.images))
    ratio = depth / np.median(depth)
    likely = (ratio < RANGE) & (ratio > 1 / RANGE)
    views, depth = views.where(likely), depth[likely]
    count = np.bincount(views.image, minlength=views.images)
    enough = {number: pose for number, pose in poses.items() if count[number] >= MIN_POINTS}
    if len(enough) < 2:
        return None
    kept = np.isin(views.image, list(enough))
    views = views.where(kept)
    return Structure(enough, views, world[views.track], depth[kept])


def stack_poses(poses: Mapping[int, Array], images: int) -> Array:
    """Return the pose (images, 4, 4) of every image, the identity where it is not known."""
    stacked = np.tile(np.eye(4), (images, 1, 1))
    for number, pose in poses.items():
        stacked[number] = pose
    return stacked


def _camera_pose(rotation: Any, translation: Any) -> Array:
    """Return ``world_from_camera`` of a camera that sees R X + t."""
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, np.ravel(translation)
    return inverse(pose)
