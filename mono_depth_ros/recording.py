# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read back what the demo recorded."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mono_depth_ros.bags import open_bag
from mono_depth_ros.errors import DatasetError
from mono_depth_ros.image_encoding import message_to_rgb
from mono_depth_ros.references import message_to_depth
from mono_depth_ros.stamps import header_stamp
import numpy as np
from numpy.typing import NDArray

NAMES = {
    'image_rect': 'image',
    'depth/image_rect': 'depth',
    'points': 'points',
    'ground_truth/depth': 'truth',
}


@dataclass(frozen=True)
class RecordedFrame:
    """
    One image and everything that came of it.

    Attributes
    ----------
    rgb : np.ndarray, shape (H, W, 3), uint8
        The image.
    depth : np.ndarray, shape (h, w), float32
        Depth [m].
    points : np.ndarray, shape (rows, columns, 3), float32
        The cloud [m].
    colours : np.ndarray, shape (rows, columns, 3), uint8
        Its colours.
    truth : np.ndarray, shape (H, W), float32, or None
        Measured depth [m].

    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    points: NDArray[np.float32]
    colours: NDArray[np.uint8]
    truth: NDArray[np.float32] | None


def read_recording(path: Path) -> RecordedFrame:
    """
    Return the middle one of the images of which image, depth and cloud were recorded.

    Raises
    ------
    DatasetError
        If the bag cannot be read or there is no such image.

    """
    with open_bag(path) as reader:
        sets: dict[int, dict[str, Any]] = defaultdict(dict)
        for connection, _, raw in reader.messages():
            name = _name_of(connection.topic)
            if name:
                message = reader.deserialize(raw, connection.msgtype)
                sets[header_stamp(message.header)][name] = message
    complete = [found for found in sets.values() if {'image', 'depth', 'points'} <= set(found)]
    if not complete:
        raise DatasetError(f'{path} has no image with both its depth and its cloud')
    chosen = complete[len(complete) // 2]
    points, colours = cloud_to_arrays(chosen['points'])
    truth = chosen.get('truth')
    return RecordedFrame(
        message_to_rgb(chosen['image']),
        message_to_depth(chosen['depth']),
        points,
        colours,
        None if truth is None else message_to_depth(truth),
    )


def _name_of(topic: str) -> str:
    """Tell which topic of the demo this is, longest name first, whatever its namespace."""
    for suffix in sorted(NAMES, key=len, reverse=True):
        if topic.endswith(f'/{suffix}'):
            return NAMES[suffix]
    return ''


def cloud_to_arrays(message: Any) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return the points [m] and colours of a cloud of x, y, z, rgb."""
    values = np.frombuffer(message.data, np.float32).reshape(message.height, message.width, 4)
    packed = values[..., 3].view(np.uint32)
    colours = np.stack([packed >> 16, packed >> 8, packed], axis=-1).astype(np.uint8)
    return values[..., :3], colours
