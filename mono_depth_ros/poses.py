# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Where the camera was: static transforms between frames, and a track of stamped poses.

A transform ``a_from_b`` (4, 4) maps points of b to a.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
import threading

from mono_depth_ros.errors import ConfigError
import numpy as np
from numpy.typing import NDArray

Transform = NDArray[np.float64]
# Poses kept: ten seconds at 100 Hz.
POSES = 1000


def transform(translation: Sequence[float], quaternion: Sequence[float]) -> Transform:
    """
    Return a transform from x, y, z [m] and a quaternion x, y, z, w of any length but 0.

    Raises
    ------
    ConfigError
        If a number is not finite or the quaternion is 0.

    """
    q, t = np.asarray(quaternion, np.float64), np.asarray(translation, np.float64)
    length = float(np.linalg.norm(q))
    if not (np.isfinite(q).all() and np.isfinite(t).all()) or length < 1e-6:
        raise ConfigError(f'not a transform: translation {t.tolist()}, quaternion {q.tolist()}')
    x, y, z, w = q / length
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, 3] = t
    return matrix


def quaternion(matrix: Transform) -> tuple[float, float, float, float]:
    """
    Return the rotation of a transform as a quaternion x, y, z, w.

    It is the eigenvector of a symmetric matrix (Bar-Itzhack 2000), which no rotation upsets.
    """
    r = matrix[:3, :3]
    trace = float(np.trace(r))
    symmetric = np.zeros((4, 4))
    symmetric[:3, :3] = r + r.T - trace * np.eye(3)
    symmetric[3, :3] = r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]
    symmetric[3, 3] = trace
    x, y, z, w = np.linalg.eigh(symmetric)[1][:, -1].tolist()  # reads the lower triangle
    return x, y, z, w


def inverse(a_from_b: Transform) -> Transform:
    """Return b_from_a."""
    matrix = np.eye(4)
    matrix[:3, :3] = a_from_b[:3, :3].T
    matrix[:3, 3] = -a_from_b[:3, :3].T @ a_from_b[:3, 3]
    return matrix


def parse_transforms(text: str) -> list[tuple[str, str, Transform]]:
    """
    Read static transforms ``parent child x y z qx qy qz qw``, several separated by ``;``.

    These are the numbers of tf2's static_transform_publisher.

    Raises
    ------
    ConfigError
        If one is not of that form.

    """
    found = []
    for part in filter(None, (part.strip() for part in text.split(';'))):
        words = part.split()
        try:
            parent, child, *numbers = words
            values = [float(number) for number in numbers]
        except ValueError:
            values = []
        if len(values) != 7:
            raise ConfigError(
                f"a transform is 'parent child x y z qx qy qz qw', several separated by ';', got "
                f'{part!r}'
            )
        found.append((parent, child, transform(values[:3], values[3:])))
    return found


class FrameTree:
    """Coordinate frames that do not move against each other, as /tf_static tells them."""

    def __init__(self) -> None:
        self._parents: dict[str, tuple[str, Transform]] = {}

    def add(self, parent: str, child: str, parent_from_child: Transform) -> None:
        """Say where a frame is in its parent; the latest word counts."""
        self._parents[child.lstrip('/')] = (parent.lstrip('/'), parent_from_child)

    def between(self, target: str, source: str) -> Transform | None:
        """Return target_from_source, None if they are not connected."""
        target, source = target.lstrip('/'), source.lstrip('/')
        above_target, above_source = self._above(target), self._above(source)
        common = next((frame for frame in above_source if frame in above_target), None)
        if common is None:
            return None
        return inverse(above_target[common]) @ above_source[common]

    def _above(self, frame: str) -> dict[str, Transform]:
        """Return each ancestor of a frame, itself first, with ancestor_from_frame."""
        found, matrix = {frame: np.eye(4)}, np.eye(4)
        while frame in self._parents:
            frame, step = self._parents[frame]
            if frame in found:
                break  # a circle, which no tree has
            matrix = step @ matrix
            found[frame] = matrix
        return found


class PoseTrack:
    """The latest poses by stamp; between two of them it interpolates. Any thread may use it."""

    def __init__(self) -> None:
        self._poses: deque[tuple[int, Transform]] = deque(maxlen=POSES)
        self._lock = threading.Lock()

    def add(self, stamp_ns: int, pose: Transform) -> None:
        """Add a pose; one before the last is of a clock that was set back, and begins anew."""
        with self._lock:
            if self._poses and stamp_ns <= self._poses[-1][0]:
                if stamp_ns == self._poses[-1][0]:
                    return
                self._poses.clear()
            self._poses.append((stamp_ns, pose))

    @property
    def latest_ns(self) -> int | None:
        """Stamp of the last pose."""
        with self._lock:
            return self._poses[-1][0] if self._poses else None

    def at(self, stamp_ns: int, tolerance_ns: int) -> Transform | None:
        """Return the pose at a stamp, None if no pose is within the tolerance on each side."""
        with self._lock:
            poses = list(self._poses)
        index = bisect_left(poses, stamp_ns, key=lambda entry: entry[0])
        after = poses[index] if index < len(poses) else None
        if after is not None and after[0] == stamp_ns:
            return after[1]
        before = poses[index - 1] if index else None
        if before is None or after is None:
            return None
        if stamp_ns - before[0] > tolerance_ns or after[0] - stamp_ns > tolerance_ns:
            return None
        return interpolate(before[1], after[1], (stamp_ns - before[0]) / (after[0] - before[0]))


def interpolate(first: Transform, second: Transform, share: float) -> Transform:
    """Return the pose a share of the way from one to another, turning at an even rate."""
    turn = first[:3, :3].T @ second[:3, :3]
    cosine = float(np.clip((np.trace(turn) - 1) / 2, -1, 1))
    angle = float(np.arccos(cosine)) * share
    axis = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    length = float(np.linalg.norm(axis))
    matrix = np.eye(4)
    matrix[:3, 3] = (1 - share) * first[:3, 3] + share * second[:3, 3]
    if length < 1e-12:  # no turn; half a turn between two poses has no axis, and never happens
        matrix[:3, :3] = first[:3, :3]
        return matrix
    x, y, z = axis / length
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    rotation = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    matrix[:3, :3] = first[:3, :3] @ rotation
    return matrix
