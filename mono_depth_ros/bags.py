# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded ROS images, rosbag2 and rosbag1, read without ROS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
import logging
from pathlib import Path
from typing import Any

from mono_depth_ros.camera import info_to_camera, PinholeCamera
from mono_depth_ros.errors import CameraError, DatasetError, ImageError
from mono_depth_ros.frames import Frame, FrameSource
from mono_depth_ros.image_encoding import message_to_rgb
from mono_depth_ros.stamps import header_stamp

logger = logging.getLogger(__name__)

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'


def open_bag(path: Path) -> Any:
    """
    Return the unopened reader of a bag, a context manager.

    Raises
    ------
    DatasetError
        If ``rosbags`` is not installed or the bag cannot be read.

    """
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import get_typestore, Stores
    except ImportError as error:
        raise DatasetError(f'reading {path} needs rosbags: pip install rosbags') from error
    if path.suffix == '.db3' and (path.parent / 'metadata.yaml').is_file():
        path = path.parent
    try:
        # Bags recorded before Iron carry no message definitions.
        return AnyReader([path], default_typestore=get_typestore(Stores.ROS2_HUMBLE))
    except Exception as error:  # rosbags has no common base of its errors
        raise DatasetError(f'{path} is not a readable bag: {error}') from error


class BagFrames(FrameSource):
    """
    Images of one topic of a bag, each with the latest camera_info beside it.

    Parameters
    ----------
    path : Path
        rosbag2 folder or a single .mcap, .db3 or .bag file.
    strict : bool
        Raise at the first image that cannot be read, instead of skipping it.
    topic : str
        Image or CompressedImage topic; empty chooses one.

    Raises
    ------
    DatasetError
        If the bag cannot be read or has no such topic.

    """

    def __init__(self, path: Path, *, strict: bool = False, topic: str = '') -> None:
        super().__init__(str(path), 0, strict)
        self.path = path
        with self.opened() as reader:
            kinds = {connection.topic: connection.msgtype for connection in reader.connections}
            counts: Counter[str] = Counter()
            for connection in reader.connections:
                counts[connection.topic] += connection.msgcount
        filled = {name: kind for name, kind in kinds.items() if counts[name]}
        self.topic = choose_image_topic(filled, topic, str(path))
        self.info_topic = choose_info_topic(filled, self.topic)
        self.count = counts[self.topic]
        self.camera: PinholeCamera | None = None

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """Open the bag for ``messages``; raise DatasetError if that is not possible."""
        reader = open_bag(self.path)
        try:
            reader.open()
        except Exception as error:  # rosbags has no common base of its errors
            raise DatasetError(f'{self.path} is not a readable bag: {error}') from error
        try:
            yield reader
        finally:
            reader.close()

    def _loaders(self) -> Iterator[Callable[[], Frame]]:
        with self.opened() as reader:
            wanted = [c for c in reader.connections if c.topic in (self.topic, self.info_topic)]
            for _, _, _, load in self.messages(reader, wanted):
                if load is not None:
                    yield load

    def messages(
        self, reader: Any, connections: Sequence[Any] = ()
    ) -> Iterator[tuple[Any, int, Any, Callable[[], Frame] | None]]:
        """
        Go through the messages of an opened bag, or of some of its connections.

        Yields
        ------
        connection, stamp, raw, load
            As ``rosbags`` gives them: when it was received [ns] and its bytes. ``load`` makes the
            frame of an image of the chosen topic or raises ImageError; it is None otherwise.

        """
        self._read_first_info(reader)
        index = 0
        for connection, stamp, raw in self._read(reader, connections):
            load = None
            if connection.topic == self.info_topic:
                self.camera = self._camera(reader, connection, raw)
            elif connection.topic == self.topic:
                load = partial(self._load, reader, connection, stamp, raw, index, self.camera)
                index += 1
            yield connection, stamp, raw, load

    def _load(
        self,
        reader: Any,
        connection: Any,
        stamp: int,
        raw: Any,
        index: int,
        camera: PinholeCamera | None,
    ) -> Frame:
        try:
            message = reader.deserialize(raw, connection.msgtype)
        except Exception as error:  # as above
            raise ImageError(f'message {index} is damaged: {error}') from error
        return Frame(
            message_to_rgb(message),
            header_stamp(message.header) or stamp,
            f'{index:06d}',
            camera,
            frame_id=message.header.frame_id,
        )

    def _read_first_info(self, reader: Any) -> None:
        """Read a camera_info ahead: the first may come after the first image."""
        infos = [c for c in reader.connections if c.topic == self.info_topic]
        for connection, _, raw in self._read(reader, infos) if infos else ():
            self.camera = self._camera(reader, connection, raw)
            return

    def _read(self, reader: Any, connections: Sequence[Any]) -> Iterator[Any]:
        """Read on until the end, or until the bag is damaged."""
        try:
            yield from reader.messages(connections)
        except Exception as error:  # as above
            if self.strict:
                raise DatasetError(f'{self.path} is damaged: {error}') from error
            logger.warning('%s is damaged and ends early: %s', self.path, error)

    def _camera(self, reader: Any, connection: Any, raw: Any) -> PinholeCamera | None:
        """Read a camera_info; one that is damaged leaves the camera as it was."""
        try:
            info = reader.deserialize(raw, connection.msgtype)
        except Exception as error:  # as above
            logger.warning('%s: a message is damaged: %s', self.info_topic, error)
            return self.camera
        try:
            return info_to_camera(info, or_raw=True)
        except CameraError as error:
            logger.warning('%s: %s', self.info_topic, error)
            return None


def choose_image_topic(kinds: dict[str, str], wanted: str, bag: str) -> str:
    """
    Choose the topic to read images from.

    The one that is asked for, else the one most like a rectified colour image.

    Parameters
    ----------
    kinds : dict of str
        Message type of every topic that has messages.
    wanted : str
        Topic asked for, or empty.
    bag : str
        What the error calls the bag.

    Raises
    ------
    DatasetError
        If there is no such topic; the message lists those there are.

    """
    topics = sorted(name for name, kind in kinds.items() if kind in (IMAGE, COMPRESSED_IMAGE))
    if not topics:
        raise DatasetError(
            f'{bag} has no image: expected sensor_msgs Image or CompressedImage messages, its '
            f'topics are {", ".join(sorted(kinds)) or "all empty"}'
        )
    if wanted and wanted not in topics:
        raise DatasetError(f'{bag} has no images on {wanted}: choose one of {", ".join(topics)}')
    if wanted:
        return wanted
    chosen = min(topics, key=lambda name: (_unlikeness(name), kinds[name] != IMAGE, name))
    if len(topics) > 1:
        logger.info('%s: reading %s of %s', bag, chosen, ', '.join(topics))
    return chosen


def _unlikeness(topic: str) -> tuple[bool, int]:
    """Rank the name of a topic: depth images last, rectified colour images first."""
    marks = ('image_rect_color', 'image_rect', 'color', 'rgb', 'image_color', 'image')
    rank = next((place for place, mark in enumerate(marks) if mark in topic), len(marks))
    return any(mark in topic for mark in ('depth', 'disparity', 'mask', 'infra')), rank


def choose_info_topic(kinds: dict[str, str], image_topic: str) -> str:
    """Return the camera_info beside an image topic, else the only one there is, else nothing."""
    infos = [name for name, kind in kinds.items() if kind == CAMERA_INFO]
    base = image_topic.removesuffix('/compressed')
    sibling = f'{base.rpartition("/")[0]}/camera_info'
    if sibling in infos:
        return sibling
    return infos[0] if len(infos) == 1 else ''
