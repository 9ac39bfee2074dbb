# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What motion tells of images: short runs of them, seen as one place from many sides."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
from mono_depth_ros.adaptation.corners import CornerFollower, Sightings
from mono_depth_ros.adaptation.plane_sweep import plane_sweep
from mono_depth_ros.adaptation.structure import reconstruct, Structure
from mono_depth_ros.adaptation.target_frame import no_points, resize_points, TargetFrame
from mono_depth_ros.adaptation.tracks import depth_in_views, intersect_tracks, TrackLimits
from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.metric_points import points_from_depth
import numpy as np
from numpy.typing import NDArray

IMAGES, MIN_IMAGES = 20, 5
MAX_GAP_NS = 1_000_000_000
MAX_WIDTH = 640
# Of a camera that moved less no corner has the parallax it takes.
MIN_TRAVEL = 0.03
# Points kept of an image; with fewer of the sweep its corners are kept instead.
POINTS, MIN_SWEPT = 1000, 200
# Depth to sweep, beyond the nearest and the farthest corners.
NEARER, FARTHER = 0.6, 3.0
# Corners that poses and structure must share for metres.
MIN_SHARED = 30
# Share of the corners that the images themselves explain from which on poses are believed.
EXPLAINED = 0.7


@dataclass(frozen=True)
class _Held:
    frame: TargetFrame
    camera: PinholeCamera
    pose: NDArray[np.float64] | None


class Segment:
    """
    Holds images back until there are enough of them to track corners through.

    Parameters
    ----------
    images : int
        How many are tracked at once.

    """

    def __init__(self, images: int = IMAGES) -> None:
        self._images = images
        self._held: list[_Held] = []
        self._follower = CornerFollower()

    def add(
        self,
        frame: TargetFrame,
        rgb: NDArray[np.uint8],
        camera: PinholeCamera,
        world_from_camera: NDArray[np.float64] | None = None,
    ) -> list[TargetFrame]:
        """
        Hold an image back; return those that are done, with the points they see.

        Parameters
        ----------
        frame : TargetFrame
            The image at the size of the network.
        rgb : np.ndarray, shape (H, W, 3), uint8
            The image as it came.
        camera : PinholeCamera
            Intrinsics of ``rgb``.
        world_from_camera : np.ndarray, shape (4, 4), optional
            Pose of the optical frame. With it there are metric points too.

        """
        done: list[TargetFrame] = []
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        if camera.width > MAX_WIDTH:
            size = (MAX_WIDTH, round(camera.height * MAX_WIDTH / camera.width))
            grey, camera = cv2.resize(grey, size), camera.resized(*size)
        last = self._held[-1] if self._held else None
        if last is not None and not (
            last.camera == camera
            and 0 < frame.stamp_ns - last.frame.stamp_ns <= MAX_GAP_NS
            # Poses that begin or end in the middle would be of no use to the others.
            and (last.pose is None) == (world_from_camera is None)
        ):
            done = self.flush()
        self._held.append(_Held(frame, camera, world_from_camera))
        self._follower.add(np.asarray(grey, np.uint8))
        return done + self.flush() if len(self._held) >= self._images else done

    def flush(self, *, sweep: bool = True) -> list[TargetFrame]:
        """
        Return the images held back, with the points they see.

        Without ``sweep`` these are corners alone, which takes a fifth of the time.
        """
        held, self._held = self._held, []
        follower, self._follower = self._follower, CornerFollower()
        if len(held) < MIN_IMAGES:
            return [one.frame for one in held]
        camera = held[0].camera
        views = follower.sightings()
        known = _by_poses(held, views, camera)
        frames = [_with_corners(one, known, number) for number, one in enumerate(held)]
        for structure, metres in _structures(known, views, camera):
            for number, shape in _shapes(structure, frames, camera, sweep).items():
                frame = replace(frames[number], structure=shape)
                if metres and not len(held[number].frame.points):
                    frame = replace(frame, points=shape * np.array([1, 1, metres], np.float32))
                frames[number] = frame
        return frames


def _by_poses(held: list[_Held], views: Sightings, camera: PinholeCamera) -> Structure | None:
    """Intersect the rays to corners where all poses are known and the camera moved; in metres."""
    poses = [one.pose for one in held if one.pose is not None]
    if len(poses) < len(held) or _travel(poses) < MIN_TRAVEL:
        return None
    stacked = np.stack(poses).astype(np.float64)
    seen, world = intersect_tracks(views, stacked, camera, TrackLimits())
    depth = depth_in_views(seen, world, stacked)
    return Structure(dict(enumerate(stacked)), seen, world[seen.track], depth)


def _structures(
    known: Structure | None, views: Sightings, camera: PinholeCamera
) -> list[tuple[Structure, float]]:
    """
    Return what was seen, each part with the metres of its unit, 0 where nothing tells.

    Poses of the robot that explain nearly as many corners as those of the images are right, and
    then better: they bend nothing. Others give the metres alone.
    """
    found = reconstruct(views, camera)
    explained = sum(len(structure.depth) for structure in found)
    if known is not None and len(known.depth) >= max(MIN_SHARED, EXPLAINED * explained):
        return [(known, 1.0)]
    return [(structure, _metres(structure, known)) for structure in found]


def _metres(structure: Structure, known: Structure | None) -> float:
    """
    Return how many metres the unit of a structure is; 0 where nothing tells.

    It is the median over the corners that both know. The distances between the poses would tell
    it too, and worse: a small error of a turn looks like a shift.
    """
    if known is None:
        return 0.0
    names = (_name(structure.views), _name(known.views))
    _, own, its = np.intersect1d(*names, assume_unique=True, return_indices=True)
    if len(own) < MIN_SHARED:
        return 0.0
    return float(np.median(known.depth[its] / structure.depth[own]))


def _name(views: Sightings) -> NDArray[np.int64]:
    """Return one number for each pair of track and image."""
    return views.track * views.images + views.image


def _shapes(
    structure: Structure, frames: list[TargetFrame], camera: PinholeCamera, sweep: bool
) -> dict[int, NDArray[np.float32]]:
    """Return the points of every image of a structure, in the pixels of its frame."""
    low, median, high = np.percentile(structure.depth, [2, 50, 95])
    maps = {}
    if sweep:
        maps = plane_sweep(
            {number: frames[number].rgb for number in structure.world_from_camera},
            structure.world_from_camera,
            frames[0].camera,
            (NEARER * low, median, FARTHER * high),
        )
    shapes = {}
    for number in structure.world_from_camera:
        points = no_points()
        if number in maps:
            points = points_from_depth(maps[number], count=POINTS, max_depth=np.inf)
        if len(points) < MIN_SWEPT:
            points = resize_points(structure.points(number), camera, frames[number].camera)
        shapes[number] = points
    return shapes


def _travel(world_from_camera: list[NDArray[np.float64]]) -> float:
    """Return the largest distance of a camera from the first one [m]."""
    places = np.stack([pose[:3, 3] for pose in world_from_camera])
    return float(np.linalg.norm(places - places[0], axis=1).max())


def _with_corners(held: _Held, known: Structure | None, number: int) -> TargetFrame:
    """Give a frame without points the metric corners it sees, if there are any."""
    frame = held.frame
    if known is None or len(frame.points):
        return frame
    return replace(frame, points=resize_points(known.points(number), held.camera, frame.camera))
