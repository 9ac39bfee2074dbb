# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What motion tells of images: short runs of them, seen as one place from many sides."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import astuple, dataclass, replace
import math

import cv2
from mono_depth_ros.adaptation.corners import CornerFollower, Sightings
from mono_depth_ros.adaptation.plane_sweep import plane_sweep
from mono_depth_ros.adaptation.structure import reconstruct, stack_poses, Structure
from mono_depth_ros.adaptation.target_frame import no_points, TargetFrame
from mono_depth_ros.adaptation.tracks import depth_in_views, intersect_tracks, TrackLimits
from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.metric_points import points_from_depth, resize_points
import numpy as np
from numpy.typing import NDArray

IMAGES, MIN_IMAGES = 20, 5
# How many images are held back at most, those between which hardly anything moved among them, and
# for how long [ns].
HELD, HELD_NS = 300, 10_000_000_000
# Median motion of corners between two images from which on the second one tells something [px].
MIN_MOTION = 3.0
MAX_GAP_NS = 2_000_000_000
MAX_WIDTH = 640
# Intrinsics that differ by less are the same [px].
SAME_CAMERA = 0.5
# Of a camera that moved less no corner has the parallax it takes.
MIN_TRAVEL = 0.03
# Points kept of an image; with fewer of the sweep its corners are kept instead.
POINTS, MIN_SWEPT = 1000, 200
# Depth to sweep, beyond the nearest and the farthest corners.
NEARER, FARTHER = 0.6, 3.0
# Share of the corners that the images themselves explain from which on poses are believed.
EXPLAINED = 0.7
# Corners that poses and structure must share for metres. The ratios of their depths must be alike
# (median deviation of the logarithm), the more so the smaller a share of the structure they are,
# and like that of the paths.
MIN_SHARED, MAX_DEVIATION, DEVIATION_BY_SHARE, MAX_PATH_RATIO = 30, 0.25, 4.0, 1.6


@dataclass(frozen=True)
class _Held:
    frame: TargetFrame
    camera: PinholeCamera
    pose: NDArray[np.float64] | None
    moved: bool


class Segment:
    """
    Holds images back until there are enough of them to track corners through.

    Parameters
    ----------
    images : int
        How many are tracked at once. Those that hardly differ from the last one do not count, so
        it does not matter how many images a second a camera takes.

    Attributes
    ----------
    explained : float
        Corners of the last run that the poses of the robot explain, by those that the images
        explain themselves; NaN without either. Near 0 the poses are not of this camera.

    """

    def __init__(self, images: int = IMAGES) -> None:
        self._images = images
        self._held: list[_Held] = []
        self._follower = CornerFollower()
        self.explained = math.nan

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
            Pose of the optical frame. With some of them there are metric points too.

        """
        done: list[TargetFrame] = []
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        if camera.width > MAX_WIDTH:
            size = (MAX_WIDTH, round(camera.height * MAX_WIDTH / camera.width))
            grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
            camera = camera.resized(*size)
        last = self._held[-1] if self._held else None
        if last is not None and not (
            _alike(last.camera, camera) and 0 < frame.stamp_ns - last.frame.stamp_ns <= MAX_GAP_NS
        ):
            done = self.flush()
        moved = self._follower.add(np.asarray(grey, np.uint8), MIN_MOTION)
        self._held.append(_Held(frame, camera, world_from_camera, moved))
        return done + self.flush() if self._enough() else done

    def _enough(self) -> bool:
        held = self._held
        return (
            sum(one.moved for one in held) >= self._images
            or len(held) >= HELD
            or held[-1].frame.stamp_ns - held[0].frame.stamp_ns >= HELD_NS
        )

    def flush(self, *, sweep: bool = True) -> list[TargetFrame]:
        """
        Return the images held back, with the points they see.

        Without ``sweep`` these are corners alone, which takes a fifth of the time.
        """
        held, self._held = self._held, []
        follower, self._follower = self._follower, CornerFollower()
        frames = [one.frame for one in held]
        seen = [place for place, one in enumerate(held) if one.moved]
        if len(seen) < MIN_IMAGES:
            return frames
        camera, views = held[0].camera, follower.sightings()
        known = _by_poses([held[place].pose for place in seen], views, camera)
        found = reconstruct(views, camera)
        explained = _share(known, found, views)
        self.explained = explained if found else math.nan
        if known is not None and explained >= EXPLAINED and _complete(known):
            found = [known]  # it bends nothing, as motion found from images alone may
        images = [frames[place] for place in seen]
        for structure in found:
            metres = 1.0 if structure is known else _metres(structure, known)
            for number, shape in _shapes(structure, images, camera, sweep).items():
                frame = replace(images[number], structure=shape)
                if metres and not len(frame.points):
                    frame = replace(frame, points=shape * np.array([1, 1, metres], np.float32))
                frames[seen[number]] = frame
        return frames


def _alike(one: PinholeCamera, other: PinholeCamera) -> bool:
    """Say whether two cameras are the same, but for what a driver rounds."""
    return np.allclose(astuple(one), astuple(other), rtol=0, atol=SAME_CAMERA)


def _by_poses(
    poses: list[NDArray[np.float64] | None], views: Sightings, camera: PinholeCamera
) -> Structure | None:
    """Intersect the rays to corners from where poses are known and the camera moved; in metres."""
    known = {number: pose for number, pose in enumerate(poses) if pose is not None}
    if len(known) < TrackLimits.min_views or _travel(known) < MIN_TRAVEL:
        return None
    stacked = stack_poses(known, views.images)
    posed = views.where(np.isin(views.image, list(known)))
    seen, world = intersect_tracks(posed, stacked, camera, TrackLimits())
    return Structure(known, seen, world[seen.track], depth_in_views(seen, world, stacked))


def _share(known: Structure | None, found: list[Structure], views: Sightings) -> float:
    """Return how many corners poses explain, by those that the images explain, NaN without."""
    if known is None:
        return math.nan
    if not found:
        often = np.bincount(views.track)[views.track] >= TrackLimits.min_views
        return len(known.depth) / max(1, int(often.sum()))
    posed = np.array(list(known.world_from_camera))
    explained = sum(int(np.isin(structure.views.image, posed).sum()) for structure in found)
    return len(known.depth) / max(1, explained)


def _complete(structure: Structure) -> bool:
    """Say whether the pose of every image is known."""
    return len(structure.world_from_camera) == structure.views.images


def _metres(structure: Structure, known: Structure | None) -> float:
    """
    Return how many metres the unit of a structure is; 0 where nothing tells.

    It is the median over the corners that both know, if those agree: of wrong poses some corners
    fit by chance. How far the camera went tells it too, and worse, since a small error of a turn
    looks like a shift; so that only has to be about the same.
    """
    if known is None:
        return 0.0
    names = (_name(structure.views), _name(known.views))
    _, own, its = np.intersect1d(*names, assume_unique=True, return_indices=True)
    if len(own) < MIN_SHARED:
        return 0.0
    ratios = np.log(known.depth[its] / structure.depth[own])
    ratio = float(np.median(ratios))
    both = structure.world_from_camera.keys() & known.world_from_camera.keys()
    by_path = math.log(_extent(known, both) / _extent(structure, both))
    allowed = min(MAX_DEVIATION, DEVIATION_BY_SHARE * len(own) / len(structure.depth))
    agree = np.median(np.abs(ratios - ratio)) < allowed
    return math.exp(ratio) if agree and abs(ratio - by_path) < math.log(MAX_PATH_RATIO) else 0.0


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
            points = points_from_depth(maps[number], count=POINTS)
        if len(points) < MIN_SWEPT:
            seen = structure.points(number)
            points = resize_points(seen, (camera.height, camera.width), frames[number].rgb.shape)
        shapes[number] = points
    return shapes


def _travel(world_from_camera: Mapping[int, NDArray[np.float64]]) -> float:
    """Return the largest distance of a camera from the first one [m]."""
    places = np.stack([pose[:3, 3] for pose in world_from_camera.values()])
    return float(np.linalg.norm(places - places[0], axis=1).max())


def _extent(structure: Structure, images: Collection[int]) -> float:
    """Return how far images were from the middle of all of them, root mean square."""
    places = np.stack([structure.world_from_camera[number][:3, 3] for number in images])
    return float(np.linalg.norm(places - places.mean(0)) / math.sqrt(len(places))) or 1e-12
