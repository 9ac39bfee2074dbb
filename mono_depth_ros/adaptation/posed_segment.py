# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metric points for images of a moving camera: corners tracked through short runs of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
from mono_depth_ros.adaptation.target_frame import TargetFrame
from mono_depth_ros.adaptation.tracks import PosedImage, triangulate
from mono_depth_ros.camera import PinholeCamera
import numpy as np
from numpy.typing import NDArray

IMAGES = 20
MAX_GAP_NS = 1_000_000_000
MAX_WIDTH = 640
# Of a camera that moved less no corner has the parallax it takes.
MIN_TRAVEL = 0.03


@dataclass(frozen=True)
class _Posed:
    frame: TargetFrame
    camera: PinholeCamera
    image: PosedImage


class PosedSegment:
    """
    Holds images back until there are enough of them to track corners through.

    Parameters
    ----------
    images : int
        How many are tracked at once.

    """

    def __init__(self, images: int = IMAGES) -> None:
        self._images = images
        self._held: list[_Posed] = []

    def add(
        self,
        frame: TargetFrame,
        rgb: NDArray[np.uint8],
        camera: PinholeCamera,
        world_from_camera: NDArray[np.float64],
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
        world_from_camera : np.ndarray, shape (4, 4)
            Pose of the optical frame.

        """
        done: list[TargetFrame] = []
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        if camera.width > MAX_WIDTH:
            size = (MAX_WIDTH, round(camera.height * MAX_WIDTH / camera.width))
            grey, camera = cv2.resize(grey, size), camera.resized(*size)
        last = self._held[-1] if self._held else None
        if last is not None and not (
            last.camera == camera and 0 < frame.stamp_ns - last.frame.stamp_ns <= MAX_GAP_NS
        ):
            done = self.flush()
        image = PosedImage(np.asarray(grey, np.uint8), world_from_camera)
        self._held.append(_Posed(frame, camera, image))
        return done + self.flush() if len(self._held) >= self._images else done

    def flush(self) -> list[TargetFrame]:
        """Return the images held back, with the points they see so far."""
        held, self._held = self._held, []
        if not held or _travel(held) < MIN_TRAVEL:
            return [posed.frame for posed in held]
        points = triangulate([posed.image for posed in held], held[0].camera)
        return [
            posed.frame if len(posed.frame.points) else _with_points(posed, known)
            for posed, known in zip(held, points, strict=True)
        ]


def _travel(held: list[_Posed]) -> float:
    """Return the largest distance of a camera from the first one [m]."""
    places = np.stack([posed.image.world_from_camera[:3, 3] for posed in held])
    return float(np.linalg.norm(places - places[0], axis=1).max())


def _with_points(posed: _Posed, points: NDArray[np.float32]) -> TargetFrame:
    """Bring points from the pixels they were tracked in to those of the network."""
    frame, camera = posed.frame, posed.camera
    scale = np.array([frame.camera.width / camera.width, frame.camera.height / camera.height])
    uv = (points[:, :2] + 0.5) * scale - 0.5
    return replace(frame, points=np.column_stack([uv, points[:, 2]]).astype(np.float32))
