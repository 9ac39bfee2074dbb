# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Between ROS messages and the arrays of the core."""

from __future__ import annotations

from array import array
import os
from typing import Any

from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.errors import CameraError, ImageError
from mono_depth_ros.image_encoding import check_size, ENCODINGS
from mono_depth_ros.image_encoding import message_to_rgb as plain_message_to_rgb
from mono_depth_ros.projection import POINT_STEP
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField


def message_to_rgb(message: Image | CompressedImage) -> NDArray[np.uint8]:
    """
    Return the pixels of an image message as RGB, without a copy where that is possible.

    JPEG, PNG and plain 8- and 16-bit encodings are read here; bayer, yuv and the rest go through
    cv_bridge.

    Returns
    -------
    np.ndarray, shape (H, W, 3), uint8
        Red first.

    Raises
    ------
    ImageError
        If the message contradicts itself, or needs cv_bridge and that is not installed.

    """
    if getattr(message, 'encoding', None) in (None, *ENCODINGS):
        return plain_message_to_rgb(message)
    check_size(message.height, message.width)
    try:
        from cv_bridge import CvBridge, CvBridgeError
    except ImportError as error:
        distro = os.environ.get('ROS_DISTRO', '$ROS_DISTRO')
        raise ImageError(
            f'encoding {message.encoding!r} needs cv_bridge, which is not installed: '
            f'`apt install ros-{distro}-cv-bridge`, or let the driver publish rgb8'
        ) from error
    try:
        rgb: NDArray[np.uint8] = CvBridge().imgmsg_to_cv2(message, 'rgb8')
    except (CvBridgeError, ValueError, TypeError, RuntimeError) as error:
        raise ImageError(f'cv_bridge cannot convert {message.encoding!r}: {error}') from error
    return rgb


def camera_to_info(camera: PinholeCamera, like: CameraInfo) -> CameraInfo:
    """Make the camera_info of a rectified image, keeping header and baseline of another one."""
    info = CameraInfo(header=like.header, height=camera.height, width=camera.width)
    info.distortion_model = 'plumb_bob'
    info.d = [0.0] * 5
    info.k = [camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    # Tx and Ty are -f * baseline and scale with f.
    scale = (camera.fx / like.p[0], camera.fy / like.p[5]) if like.p[0] and like.p[5] else (1, 1)
    tx, ty = like.p[3] * scale[0], like.p[7] * scale[1]
    info.p = [
        *(camera.fx, 0.0, camera.cx, tx),
        *(0.0, camera.fy, camera.cy, ty),
        *(0.0, 0.0, 1.0, 0.0),
    ]
    return info


def check_pair(message: Any, info: CameraInfo | None) -> CameraInfo:
    """Return the camera_info of an image, or raise CameraError with what is wrong with it."""
    if info is None:
        raise CameraError('no camera_info has arrived yet')
    if info.header.frame_id != message.header.frame_id:
        raise CameraError(
            f'camera_info is in frame {info.header.frame_id!r}, the image in '
            f'{message.header.frame_id!r}'
        )
    return info


def fill(message: Any, nbytes: int) -> NDArray[np.uint8]:
    """
    Return the writable bytes of ``message.data``, which keeps its memory while the size stays.

    Assigning an array to ``data`` copies it element by element in Python; writing through the
    buffer of an ``array.array`` does not.
    """
    if len(message.data) != nbytes:
        message.data = array('B', bytes(nbytes))
    return np.frombuffer(message.data, np.uint8)


def fill_image(message: Image, pixels: NDArray[Any], encoding: str) -> None:
    """Write an (H, W) or (H, W, C) array into an image message."""
    message.height, message.width = pixels.shape[:2]
    message.encoding = encoding
    message.is_bigendian = 0
    message.step = pixels.nbytes // message.height
    np.copyto(fill(message, pixels.nbytes).view(pixels.dtype).reshape(pixels.shape), pixels)


def new_cloud() -> PointCloud2:
    """Return an empty cloud of x, y, z and rgb, as depth_image_proc publishes it."""
    return PointCloud2(
        fields=[
            PointField(name=name, offset=offset, datatype=PointField.FLOAT32, count=1)
            for name, offset in (('x', 0), ('y', 4), ('z', 8), ('rgb', 12))
        ],
        point_step=POINT_STEP,
    )


def cloud_points(message: PointCloud2, height: int, width: int) -> NDArray[np.float32]:
    """Size a cloud message and return its points, (height, width, 4) float32, to write into."""
    message.height, message.width = height, width
    message.row_step = width * POINT_STEP
    data = fill(message, height * width * POINT_STEP)
    return data.view(np.float32).reshape(height, width, POINT_STEP // 4)
