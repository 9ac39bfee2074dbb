# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Corners followed from image to image (KLT, Lucas and Kanade 1981), forwards and back again."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

# Corners followed at once, and the least distance between them [px].
CORNERS, SPACING = 800, 7
# Largest distance from where a corner started after going forwards and back [px].
MAX_RETURN = 0.7
_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.03)


@dataclass(frozen=True)
class Sightings:
    """
    Every sighting of every corner.

    Attributes
    ----------
    track, image : np.ndarray, shape (N,), int64
        Number of the corner, and of the image that saw it.
    uv : np.ndarray, shape (N, 2), float64
        Where [px].
    images : int
        How many images there were.

    """

    track: NDArray[np.int64]
    image: NDArray[np.int64]
    uv: NDArray[np.float64]
    images: int

    def where(self, chosen: NDArray[np.bool_]) -> Sightings:
        """Return some of the sightings."""
        return Sightings(self.track[chosen], self.image[chosen], self.uv[chosen], self.images)


class CornerFollower:
    """
    Follows corners through images of one size, which are given one after another.

    The images are in the order they were taken, near enough that corners can be followed. Lost
    corners are replaced by new ones.
    """

    def __init__(self) -> None:
        self._before: NDArray[np.uint8] | None = None
        self._corners, self._names = np.zeros((0, 2), np.float32), np.zeros(0, np.int64)
        self._named = 0
        self._seen: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []

    def add(self, image: NDArray[np.uint8], min_motion: float = 0.0) -> bool:
        """
        Look at the next image (H, W[, 3]); leave it out if corners hardly moved, and say so.

        ``min_motion`` is the median distance of corners from where the last image that was not
        left out saw them [px].
        """
        grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        grey = np.ascontiguousarray(grey, np.uint8)
        corners, names = self._corners, self._names
        if self._before is not None and len(corners):
            moved, found = _track(self._before, grey, corners)
            motion = np.linalg.norm(moved - corners, axis=1)[found]
            if len(motion) and np.median(motion) < min_motion:
                return False
            corners, names = moved[found], names[found]
        fresh = _new_corners(grey, corners)
        self._names = np.concatenate([names, self._named + np.arange(len(fresh))])
        self._corners = np.concatenate([corners, fresh])
        self._named += len(fresh)
        self._seen.append((self._names, self._corners))
        self._before = grey
        return True

    def sightings(self) -> Sightings:
        """Return every sighting so far."""
        seen, none = self._seen, np.zeros(0, np.int64)
        return Sightings(
            np.concatenate([none, *(names for names, _ in seen)]),
            np.concatenate([none, *(np.full(len(names), n) for n, (names, _) in enumerate(seen))]),
            np.concatenate([np.zeros((0, 2)), *(uv for _, uv in seen)]).astype(np.float64),
            len(seen),
        )


def _track(
    before: NDArray[np.uint8], after: NDArray[np.uint8], corners: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Follow corners to the next image and back; say which came back to where they were."""
    options = {'winSize': (21, 21), 'maxLevel': 4, 'criteria': _CRITERIA}
    start = corners.reshape(-1, 1, 2)
    moved, found, _ = cv2.calcOpticalFlowPyrLK(before, after, start, None, **options)  # type: ignore
    back, returned, _ = cv2.calcOpticalFlowPyrLK(after, before, moved, None, **options)  # type: ignore
    distance = np.linalg.norm((back - start).reshape(-1, 2), axis=1)
    uv = moved.reshape(-1, 2)
    inside = ((uv >= 0) & (uv <= np.array(after.shape[::-1]) - 1)).all(1)
    kept = (found.ravel() == 1) & (returned.ravel() == 1) & (distance < MAX_RETURN) & inside
    return uv.astype(np.float32), kept


def _new_corners(grey: NDArray[np.uint8], corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Find corners away from those followed already, to make up their number."""
    wanted = CORNERS - len(corners)
    if wanted <= 0:
        return np.zeros((0, 2), np.float32)
    free = np.full(grey.shape, 255, np.uint8)
    for u, v in corners.round().astype(int).tolist():
        cv2.circle(free, (u, v), SPACING, 0, -1)
    found = cv2.goodFeaturesToTrack(grey, wanted, 0.01, SPACING, mask=free)
    return np.asarray(np.zeros((0, 2)) if found is None else found, np.float32).reshape(-1, 2)
