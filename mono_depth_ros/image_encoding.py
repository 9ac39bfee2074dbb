# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
From the bytes of an image message to an RGB image.

Knows the encodings of ``sensor_msgs/Image`` that are plain 8-bit or 16-bit colour and grey. It
needs no ROS, so bags are read with the same code.
"""

from __future__ import annotations

from typing import Any

import cv2
from mono_depth_ros.errors import ImageError
import numpy as np
from numpy.typing import NDArray

# Channels and bytes a channel. 8UC3 and 8UC4 follow OpenCV: blue first.
ENCODINGS = {
    'rgb8': (3, 1),
    'bgr8': (3, 1),
    'rgba8': (4, 1),
    'bgra8': (4, 1),
    'mono8': (1, 1),
    'mono16': (1, 2),
    '8UC1': (1, 1),
    '8UC3': (3, 1),
    '8UC4': (4, 1),
}
_TO_RGB = {
    'bgr8': cv2.COLOR_BGR2RGB,
    '8UC3': cv2.COLOR_BGR2RGB,
    'rgba8': cv2.COLOR_RGBA2RGB,
    'bgra8': cv2.COLOR_BGRA2RGB,
    '8UC4': cv2.COLOR_BGRA2RGB,
    'mono8': cv2.COLOR_GRAY2RGB,
    'mono16': cv2.COLOR_GRAY2RGB,
    '8UC1': cv2.COLOR_GRAY2RGB,
}

# Nothing is to be learned from fewer pixels, and a driver that sends them is broken.
MIN_SIDE = 16
# 268 megapixels: more than any camera, less than what would exhaust the memory of a robot.
MAX_SIDE = 16384


def message_to_rgb(message: Any) -> NDArray[np.uint8]:
    """
    Return the pixels of an Image or CompressedImage, as rclpy or ``rosbags`` gives it.

    Raises
    ------
    ImageError
        As of `image_to_rgb` and `compressed_to_rgb`.

    """
    if not hasattr(message, 'encoding'):
        return compressed_to_rgb(message.data, message.format)
    return image_to_rgb(
        message.data,
        message.encoding,
        message.height,
        message.width,
        message.step,
        bool(message.is_bigendian),
    )


def image_to_rgb(
    data: Any, encoding: str, height: int, width: int, step: int, is_bigendian: bool = False
) -> NDArray[np.uint8]:
    """
    Return an image message as RGB, as a view of its bytes wherever that is possible.

    Parameters
    ----------
    data : buffer of uint8
        Pixels, row after row, ``step`` bytes a row; bytes after the last row are an error.
    encoding : str
        One of ``ENCODINGS``, as in ``sensor_msgs/image_encodings.hpp``.
    height, width, step : int
        Size [px] and bytes a row.
    is_bigendian : bool
        Byte order of 16-bit pixels, of which the high byte is kept.

    Returns
    -------
    np.ndarray, shape (height, width, 3), uint8
        Red first; rows may be padded (not contiguous). Shares memory with ``data`` for ``rgb8``.

    Raises
    ------
    ImageError
        If the encoding is not known here, or size, step and data contradict each other.

    """
    if encoding not in ENCODINGS:
        raise ImageError(f'encoding {encoding!r} is not one of {tuple(ENCODINGS)}')
    check_size(height, width)
    channels, item = ENCODINGS[encoding]
    row = width * channels * item
    if step < row:
        raise ImageError(f'step must be at least {row} for {width} px of {encoding}, got {step}')
    raw = np.frombuffer(data, np.uint8)
    if raw.size != step * height:
        raise ImageError(
            f'data must be step * height = {step * height} bytes, got {raw.size}: '
            + ('the image is truncated' if raw.size < step * height else 'it is too long')
        )
    pixels = raw.reshape(height, step)[:, :row].reshape(height, width, channels * item)
    if encoding == 'mono16':
        pixels = pixels[..., 0 if is_bigendian else 1]
    if encoding == 'rgb8':
        return pixels
    return cv2.cvtColor(np.ascontiguousarray(pixels), _TO_RGB[encoding])  # type: ignore[return-value]


def compressed_to_rgb(data: Any, image_format: str = '') -> NDArray[np.uint8]:
    """
    Decode a compressed image (JPEG, PNG and whatever else OpenCV reads) to RGB.

    Returns
    -------
    np.ndarray, shape (H, W, 3), uint8
        Red first; 16-bit and grey images are converted.

    Raises
    ------
    ImageError
        If the bytes are not a whole image, or are compressed depth.

    """
    if 'compressedDepth' in image_format:
        raise ImageError(f'format {image_format!r} is depth, expected a colour or grey image')
    raw = np.frombuffer(data, np.uint8)
    if raw.size == 0:
        raise ImageError('compressed image is empty')
    try:
        bgr = cv2.imdecode(raw, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ImageError(f'compressed image cannot be decoded: {error}') from error
    if bgr is None:
        raise ImageError(
            f'compressed image ({image_format or "unknown format"}) cannot be decoded'
        )
    check_size(*bgr.shape[:2])
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]


def check_size(height: int, width: int) -> None:
    """Raise ImageError unless both sides are within [MIN_SIDE, MAX_SIDE] pixels."""
    if not (MIN_SIDE <= height <= MAX_SIDE and MIN_SIDE <= width <= MAX_SIDE):
        raise ImageError(
            f'image must be {MIN_SIDE} to {MAX_SIDE} px on each side, got {width}x{height}'
        )
