# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a robot may know beside its images: points or depth of a sensor, and where it was."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.errors import ConfigError, ImageError
from mono_depth_ros.metric_points import (
    Points,
    points_from_depth,
    points_from_xyz,
    resize_points,
)
from mono_depth_ros.poses import FrameTree, parse_transforms, PoseTrack, Transform, transform
from mono_depth_ros.stamps import header_stamp
import numpy as np
from numpy.typing import NDArray

POINTS_TOPIC, DEPTH_TOPIC = 'reference/points', 'reference/depth'
ODOMETRY_TOPIC = 'reference/odometry'
# What goes with an image may come a little later than it.
DELAY_S = 0.3
# An image may come so much later than what goes with it.
KEPT_NS = 500_000_000
# Images that may wait at once for somebody to have time for them.
WAITING = 24
# The newest messages of a topic, enough for 100 Hz over that time; stamps may stand still.
RECENT = 64
POINTS = 500
# Between two poses farther apart nobody knows where the robot was.
POSE_GAP_NS = 200_000_000
FLOAT32 = 7  # of sensor_msgs/PointField


class ReferenceMatcher:
    """
    Finds the references that go with an image.

    Messages are those of rclpy or of ``rosbags``, which have the same fields.

    Parameters
    ----------
    tolerance_s : float
        Longest time between an image and its points or depth [s].
    transforms : str
        Static transforms, as of `parse_transforms`.

    Attributes
    ----------
    counts : Counter
        Images with points of each kind, and with a pose.

    """

    def __init__(self, tolerance_s: float, transforms: str) -> None:
        self._tolerance_ns = round(tolerance_s * 1e9)
        self._tree = FrameTree()
        for parent, child, parent_from_child in parse_transforms(transforms):
            self._tree.add(parent, child, parent_from_child)
        self._recent: dict[str, list[tuple[int, Any]]] = {POINTS_TOPIC: [], DEPTH_TOPIC: []}
        self._expected: deque[int] = deque(maxlen=WAITING)
        self._poses, self._base = PoseTrack(), ''
        self._problems = {'points': '', 'pose': ''}
        self.counts: Counter[str] = Counter()

    @property
    def problem(self) -> str:
        """Why the last reference that came could not be used, empty if it could."""
        return '; '.join(filter(None, self._problems.values()))

    def keep(self, topic: str, stamp_ns: int, message: Any) -> None:
        """
        Keep a message for a while, and longer if an image that waits has none nearer.

        It takes the place of one with the same stamp, and of the oldest where there are too many:
        the stamps of a driver may never change, and a simulated clock may stand still or creep.
        """
        kept = [entry for entry in self._recent[topic] if entry[0] != stamp_ns]
        kept.append((stamp_ns, message))
        wanted = {_nearest(kept, image)[0] for image in list(self._expected)}
        old = len(kept) - RECENT
        self._recent[topic] = [
            entry
            for number, entry in enumerate(kept)
            if (number >= old and abs(stamp_ns - entry[0]) <= KEPT_NS) or entry[0] in wanted
        ]

    def add_odometry(self, message: Any) -> None:
        """Remember where the base of the robot was."""
        pose = message.pose.pose
        place, turn = pose.position, pose.orientation
        try:
            matrix = transform((place.x, place.y, place.z), (turn.x, turn.y, turn.z, turn.w))
        except ConfigError as error:
            self._problems['pose'] = f'reference/odometry: {error}'
            return
        self._base = message.child_frame_id
        self._poses.add(header_stamp(message.header), matrix)

    def add_static(self, message: Any) -> None:
        """Remember the transforms of a message of /tf_static."""
        for entry in message.transforms:
            t, q = entry.transform.translation, entry.transform.rotation
            try:
                matrix = transform((t.x, t.y, t.z), (q.x, q.y, q.z, q.w))
            except ConfigError as error:
                self._problems['pose'] = f'/tf_static: {error}'
                continue
            self._tree.add(entry.header.frame_id, entry.child_frame_id, matrix)

    @property
    def heard(self) -> bool:
        """Say whether any reference has come."""
        return self._poses.latest_ns is not None or any(self._recent.values())

    def expect(self, stamp_ns: int) -> None:
        """Keep what goes with an image until `points` is asked for those of a later one."""
        self._expected.append(stamp_ns)

    def distance_ns(self, stamp_ns: int) -> int | None:
        """Return the time from an image to the nearest points or depth, None if too long [ns]."""
        stamps = [stamp for kept in self._recent.values() for stamp, _ in kept]
        distance = min((abs(stamp - stamp_ns) for stamp in stamps), default=None)
        return distance if distance is not None and distance <= self._tolerance_ns else None

    def points(self, stamp_ns: int, camera: PinholeCamera, frame_id: str) -> Points | None:
        """
        Return the metric points that a sensor saw with an image, in its pixels.

        Points go before depth where both are there; None if there is neither.
        """
        while self._expected and self._expected[0] < stamp_ns:
            self._expected.popleft()
        for topic, read in ((POINTS_TOPIC, self._from_cloud), (DEPTH_TOPIC, self._from_depth)):
            message = self._nearest(topic, stamp_ns)
            if message is None:
                continue
            try:
                points = read(self._decoded(topic, message), camera, frame_id)
            except ImageError as error:
                self._problems['points'] = f'{topic}: {error}'
                continue
            self._problems['points'] = ''
            self.counts[topic] += 1
            return points
        return None

    def pose(self, stamp_ns: int, frame_id: str) -> Transform | None:
        """Return where the camera was, None if nobody says."""
        odom_from_base = self._poses.at(stamp_ns, max(self._tolerance_ns, POSE_GAP_NS))
        if odom_from_base is None:
            return None
        base_from_camera = self._tree.between(self._base, frame_id)
        if base_from_camera is None:
            self._problems['pose'] = (
                f'reference/odometry is of {self._base!r}, and nothing says where {frame_id!r} '
                'is on it: publish /tf_static or set static_transforms'
            )
            return None
        self._problems['pose'] = ''
        self.counts[ODOMETRY_TOPIC] += 1
        return odom_from_base @ base_from_camera

    def _decoded(self, topic: str, message: Any) -> Any:
        """Return a message that was kept, with its fields; a hook for who keeps bytes."""
        return message

    def _nearest(self, topic: str, stamp_ns: int) -> Any:
        kept = self._recent[topic]
        if not kept:
            return None
        stamp, message = _nearest(kept, stamp_ns)
        return message if abs(stamp - stamp_ns) <= self._tolerance_ns else None

    def _from_cloud(self, message: Any, camera: PinholeCamera, frame_id: str) -> Points:
        camera_from_cloud = self._tree.between(frame_id, message.header.frame_id)
        if camera_from_cloud is None:
            raise ImageError(
                f'they are in frame {message.header.frame_id!r}, and nothing says where '
                f'{frame_id!r} is: publish /tf_static or set static_transforms'
            )
        xyz = cloud_to_xyz(message) @ camera_from_cloud[:3, :3].T + camera_from_cloud[:3, 3]
        points = points_from_xyz(xyz, camera)
        chosen = np.linspace(0, max(len(points) - 1, 0), min(POINTS, len(points))).astype(int)
        return np.asarray(points[chosen])

    def _from_depth(self, message: Any, camera: PinholeCamera, frame_id: str) -> Points:
        if message.header.frame_id != frame_id:
            raise ImageError(
                f'it is in frame {message.header.frame_id!r}, the image in {frame_id!r}: it must '
                'be registered to the image, by depth_image_proc for instance'
            )
        depth = message_to_depth(message)
        points = points_from_depth(depth, count=POINTS)
        return resize_points(points, depth.shape, (camera.height, camera.width))


def _nearest(kept: list[tuple[int, Any]], stamp_ns: int) -> tuple[int, Any]:
    return min(kept, key=lambda entry: abs(entry[0] - stamp_ns))


def message_to_depth(message: Any) -> NDArray[np.float32]:
    """
    Return the metres of a depth image, NaN where it has none.

    Raises
    ------
    ImageError
        If the encoding is not 32FC1 or 16UC1, or size, step and data contradict each other.

    """
    kinds: dict[str, np.dtype[Any]] = {
        '32FC1': np.dtype(np.float32),
        '16UC1': np.dtype(np.uint16),
    }
    if message.encoding not in kinds:
        raise ImageError(f'encoding must be 32FC1 or 16UC1, got {message.encoding!r}')
    kind = kinds[message.encoding].newbyteorder('>' if message.is_bigendian else '<')
    height, width, step = message.height, message.width, message.step
    if not (height and width) or step < width * kind.itemsize:
        raise ImageError(f'{width}x{height} px do not fit into rows of {step} bytes')
    if len(message.data) != step * height:
        raise ImageError(f'data must be step * height = {step * height} bytes')
    rows = np.frombuffer(message.data, np.uint8).reshape(height, step)
    values = np.ascontiguousarray(rows[:, : width * kind.itemsize]).view(kind)
    depth: NDArray[np.float32] = values.astype(np.float32)
    if message.encoding == '16UC1':
        depth *= np.float32(0.001)
        depth[values == 0] = np.nan
    return depth


def cloud_to_xyz(message: Any) -> NDArray[np.float64]:
    """
    Return x, y, z (N, 3) of a cloud [m], without points that have none.

    Raises
    ------
    ImageError
        If it has no float32 fields x, y and z, or its size, steps, offsets and data contradict
        each other.

    """
    fields = {field.name: field for field in message.fields}
    for name in 'xyz':
        if name not in fields or fields[name].datatype != FLOAT32:
            raise ImageError(f'the cloud has no float32 field {name!r}')
    offsets = [fields[name].offset for name in 'xyz']
    strides = _strides(message, max(offsets) + 4)
    kind = np.dtype(
        {
            'names': list('xyz'),
            'formats': [f'{">" if message.is_bigendian else "<"}f4'] * 3,
            'offsets': offsets,
            'itemsize': message.point_step,
        }
    )
    values = np.ndarray((message.height, message.width), kind, message.data, strides=strides)
    xyz = np.stack([values[name].ravel() for name in 'xyz'], axis=1).astype(np.float64)
    return np.asarray(xyz[np.isfinite(xyz).all(1)])


def _strides(message: Any, used: int) -> tuple[int, int]:
    """Return the bytes from row to row and from point to point, which has ``used`` bytes."""
    step, width, height = message.point_step, message.width, message.height
    if step < used:
        raise ImageError(f'fields up to byte {used} do not fit into points of {step} bytes')
    # Many drivers do not say how long a single row is.
    row_step = message.row_step if height > 1 else width * step
    if row_step < width * step:
        raise ImageError(f'{width} points of {step} bytes do not fit into rows of {row_step}')
    if not (height and width) or len(message.data) < (height - 1) * row_step + width * step:
        raise ImageError(f'{len(message.data)} bytes hold no {height * width} points')
    return row_step, step
