# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images of a bag with what the adaptation node would know beside them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
import logging
from pathlib import Path
from typing import Any

from mono_depth_ros.bags import BagFrames, IMAGE
from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.config import ReferenceConfig
from mono_depth_ros.errors import ConfigError, DatasetError
from mono_depth_ros.frames import Frame
from mono_depth_ros.metric_points import Points
from mono_depth_ros.references import (
    DELAY_S,
    DEPTH_TOPIC,
    ODOMETRY_TOPIC,
    POINTS_TOPIC,
    ReferenceMatcher,
)
from mono_depth_ros.stamps import header_stamp
import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

KINDS = {
    POINTS_TOPIC: 'sensor_msgs/msg/PointCloud2',
    DEPTH_TOPIC: IMAGE,
    ODOMETRY_TOPIC: 'nav_msgs/msg/Odometry',
}
IMAGE_TOPIC, STATIC_TOPIC = 'image_rect', '/tf_static'


class ReferencedBag(BagFrames):
    """
    Images of a bag with points, depth and poses of its reference topics.

    They are matched as the adaptation node does, with /tf_static of the whole bag. A topic is the
    one that ``remap`` names, else the one whose name ends in that of the node.

    Parameters
    ----------
    path : Path
        As of `BagFrames`.
    remap : dict of str
        Topics of the bag by their name in the node: ``image_rect`` and those of the references.
    static_transforms : str
        As the parameter of the node.

    Attributes
    ----------
    topics : dict of str
        Topics of the references that the bag has, by their name in the node.
    references : ReferenceMatcher
        Counts and problem of the last pass.

    Raises
    ------
    ConfigError
        If ``remap`` has an unknown name, or a transform is none.
    DatasetError
        If the bag cannot be read or lacks a topic that was asked for.

    """

    def __init__(self, path: Path, remap: Mapping[str, str], static_transforms: str = '') -> None:
        for name in remap:
            if name not in (*KINDS, IMAGE_TOPIC):
                raise ConfigError(f'{name} is not one of {", ".join((IMAGE_TOPIC, *KINDS))}')
        super().__init__(path, topic=remap.get(IMAGE_TOPIC, ''))
        self._static_transforms = static_transforms
        with self.opened() as reader:
            kinds = {c.topic: c.msgtype for c in reader.connections if c.msgcount}
        kinds.pop(self.topic)
        self._others = {
            name: sorted(topic for topic in kinds if kinds[topic] == kind)
            for name, kind in KINDS.items()
        }
        self.topics = {
            name: topic
            for name, topics in self._others.items()
            if (topic := _choose(name, topics, remap.get(name, ''), str(path)))
        }
        self.references = self._matcher()

    def describe_topics(self) -> list[str]:
        """Say which references there are, and which topics might be those that are not."""
        lines = [f'{name} is {topic}' for name, topic in self.topics.items()]
        for name, topics in self._others.items():
            if name not in self.topics:
                remedy = f'; --remap {name}:=TOPIC takes {" or ".join(topics)}' if topics else ''
                lines.append(f'the bag has no {name}{remedy}')
        return lines

    def _matcher(self) -> ReferenceMatcher:
        return ReferenceMatcher(ReferenceConfig.reference_tolerance_s, self._static_transforms)

    def _loaders(self) -> Iterator[Callable[[], Frame]]:
        names = {topic: name for name, topic in self.topics.items()}
        self.references = self._matcher()
        waiting: deque[tuple[int, Callable[[], Frame]]] = deque()
        with self.opened() as reader:
            self._read_transforms(reader)
            topics = {self.topic, self.info_topic, *names}
            wanted = [c for c in reader.connections if c.topic in topics]
            for connection, stamp, raw, load in self.messages(reader, wanted):
                while waiting and waiting[0][0] + DELAY_S * 1e9 <= stamp:
                    yield partial(self._match, waiting.popleft()[1])
                if load is not None:
                    waiting.append((stamp, load))
                elif connection.topic in names:
                    self._hear(names[connection.topic], reader, connection, raw)
            for _, load in waiting:
                yield partial(self._match, load)

    def _read_transforms(self, reader: Any) -> None:
        """Read all of /tf_static ahead, which a node that starts late is told too."""
        wanted = [c for c in reader.connections if c.topic == STATIC_TOPIC]
        for connection, _, raw in self._read(reader, wanted) if wanted else ():
            self.references.add_static(reader.deserialize(raw, connection.msgtype))

    def _hear(self, name: str, reader: Any, connection: Any, raw: Any) -> None:
        try:
            message = reader.deserialize(raw, connection.msgtype)
        except Exception as error:  # rosbags has no common base of its errors
            logger.warning('skipped a message of %s: %s', connection.topic, error)
            return
        if name == ODOMETRY_TOPIC:
            self.references.add_odometry(message)
        else:
            self.references.keep(name, header_stamp(message.header), message)

    def _match(self, load: Callable[[], Frame]) -> Frame:
        frame = load()
        pose = self.references.pose(frame.stamp_ns, frame.frame_id)
        camera, points = frame.camera, None
        if camera is not None:
            points = self.references.points(frame.stamp_ns, camera, frame.frame_id)
        depth = _points_to_depth(points, camera) if camera and points is not None else None
        return replace(frame, depth=depth, world_from_camera=pose, points=points)


def _choose(name: str, topics: Sequence[str], wanted: str, bag: str) -> str:
    """Return the topic that is asked for, else the one named as in the node, else nothing."""
    if wanted and wanted not in topics:
        there = f'choose one of {", ".join(topics)}' if topics else 'it has none at all'
        raise DatasetError(f'{bag} has no {KINDS[name]} on {wanted}: {there}')
    return wanted or next((topic for topic in topics if f'/{topic}'.endswith(f'/{name}')), '')


def _points_to_depth(points: Points, camera: PinholeCamera) -> NDArray[np.float32]:
    """Return a depth image [m] that is NaN but at the points."""
    depth = np.full((camera.height, camera.width), np.nan, np.float32)
    u, v = np.rint(points[:, :2]).astype(int).T
    depth[v.clip(0, camera.height - 1), u.clip(0, camera.width - 1)] = points[:, 2]
    return depth
