# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What motion tells of images: corners tracked through short runs of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
from mono_depth_ros.adaptation.corners import CornerFollower
from mono_depth_ros.adaptation.structure import structure
from mono_depth_ros.adaptation.target_frame import resize_points, TargetFrame
from mono_depth_ros.adaptation.tracks import points_of_tracks
from mono_depth_ros.camera import PinholeCamera
import numpy as np
from numpy.typing import NDArray

IMAGES, MIN_IMAGES = 20, 5
MAX_GAP_NS = 1_000_000_000
MAX_WIDTH = 640
# Of a camera that moved less no corner has the parallax it takes.
MIN_TRAVEL = 0.03


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

    def flush(self) -> list[TargetFrame]:
        """Return the images held back, with the points they see so far."""
        held, self._held = self._held, []
        follower, self._follower = self._follower, CornerFollower()
        if len(held) < MIN_IMAGES:
            return [one.frame for one in held]
        camera = held[0].camera
        views = follower.sightings()
        poses = [one.pose for one in held if one.pose is not None]
        metric: list[NDArray[np.float32] | None] = [None] * len(held)
        if len(poses) == len(held) and _travel(poses) >= MIN_TRAVEL:
            metric = list(points_of_tracks(views, poses, camera))
        return [
            _with_points(one, points, shape)
            for one, points, shape in zip(held, metric, structure(views, camera), strict=True)
        ]


def _travel(world_from_camera: list[NDArray[np.float64]]) -> float:
    """Return the largest distance of a camera from the first one [m]."""
    places = np.stack([pose[:3, 3] for pose in world_from_camera])
    return float(np.linalg.norm(places - places[0], axis=1).max())


def _with_points(
    held: _Held, points: NDArray[np.float32] | None, shape: NDArray[np.float32]
) -> TargetFrame:
    """Bring points from the pixels they were tracked in to those of the network."""
    frame, camera = held.frame, held.camera
    known = frame.points if len(frame.points) else resize_points(points, camera, frame.camera)
    return replace(frame, points=known, structure=resize_points(shape, camera, frame.camera))
