# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The camera player: recorded images as the topics of a rectified camera."""

from __future__ import annotations

from dataclasses import dataclass, replace
import re
import sys
from typing import Any

import cv2
from mono_depth_ros.camera import camera_from_fov, PinholeCamera
from mono_depth_ros.config import Config, setting
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.frames import Frame, open_frames
from mono_depth_ros.nodes.conversions import camera_to_info, fill, fill_image
from mono_depth_ros.nodes.parameters import declare_config
from mono_depth_ros.nodes.run import run_node
from mono_depth_ros.poses import quaternion
from mono_depth_ros.prefetch import Prefetch
from nav_msgs.msg import Odometry
import numpy as np
from numpy.typing import NDArray
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

# As camera drivers do.
CAMERA_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
# Assumed where a source does not say: between a webcam and a phone.
DEFAULT_FOV_DEGREES = 60.0
# Longest wait for the images decoded ahead, before the first one is played.
FILL_S = 10.0
# Simulated time begins here: zero means "no time yet" to ROS.
CLOCK_START_NS = 1_000_000_000


@dataclass(frozen=True)
class CameraPlayerConfig(Config):
    """What is played, and how."""

    source: str = setting(
        '',
        'What to play: a folder of images, an RGB-D folder, a video, a rosbag2 or rosbag1, or '
        'procedural[:KIND[:SEED]]',
    )
    topic: str = setting('', 'Image topic of a bag; empty takes the most likely one')
    rate: float = setting(30.0, 'Images published per second', minimum=0.1, maximum=1000.0)
    loop: bool = setting(True, 'Begin anew at the end; false ends the node there')
    limit: int = setting(0, 'Play the first n images only; 0 plays all', minimum=0)
    size: str = setting(
        'source', 'Size of the images as WIDTHxHEIGHT in pixels; source leaves them as they are'
    )
    frame_id: str = setting('camera_optical_frame', 'Frame of all messages')
    preload: int = setting(
        32,
        'Images decoded ahead of the one that is played; a looped source of no more images is '
        'decoded only once',
        minimum=1,
        maximum=10_000,
    )
    jpeg_quality: int = setting(90, 'Quality of image_rect/compressed [%]', minimum=1, maximum=100)
    publish_clock: bool = setting(
        False,
        'Publish /clock and stamp with that simulated time, 1/rate per image, for nodes with '
        'use_sim_time',
    )
    wait_for_subscribers: float = setting(
        0.0, 'Longest time to wait for a subscriber of the images before playing [s]', minimum=0.0
    )


class CameraPlayer(Node):
    """
    Publishes recorded images like the driver of a rectified camera.

    A thread decodes ahead, so that the images leave at an even pace whatever decoding costs.

    Raises
    ------
    ConfigError
        If a parameter has a bad value.
    DatasetError, CameraError
        If the source cannot be played.

    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('camera_player', **kwargs)
        self._config = config = declare_config(self, CameraPlayerConfig)
        self._size = parse_size(config.size)
        if not config.source:
            raise ConfigError(
                'nothing to play: set source, e.g. `--ros-args -p source:=/path/to/images`'
            )
        options = QoSOverridingOptions.with_default_policies()

        def publisher(kind: type, topic: str) -> Any:
            return self.create_publisher(kind, topic, CAMERA_QOS, qos_overriding_options=options)

        self._image = publisher(Image, 'image_rect')
        self._compressed = publisher(CompressedImage, 'image_rect/compressed')
        self._info = publisher(CameraInfo, 'camera_info')
        self._depth = publisher(Image, 'ground_truth/depth')
        self._odometry = publisher(Odometry, 'ground_truth/odometry')
        self._clock_publisher = (
            self.create_publisher(Clock, '/clock', 10) if config.publish_clock else None
        )
        self._image_message, self._depth_message = Image(), Image()
        self._compressed_message = CompressedImage(format='rgb8; jpeg compressed bgr8')
        self._played = 0
        self._told_of_camera = False
        source = open_frames(config.source, rate=config.rate, topic=config.topic)
        self._frames = Prefetch(
            source, config.preload, loop=config.loop, limit=config.limit, prepare=self._prepare
        )
        self._frames.fill(timeout_s=FILL_S)
        self._waits_until = self.get_clock().now() + Duration(seconds=config.wait_for_subscribers)
        self._timer = self.create_timer(1.0 / config.rate, self._on_timer)
        self.get_logger().info(f'plays {source.name} at {config.rate:g} Hz')

    def _prepare(self, frame: Frame) -> Frame:
        """Resize a frame and give it a camera; runs in the decoding thread."""
        height, width = frame.rgb.shape[:2]
        camera = frame.camera
        if camera is None:
            camera = camera_from_fov(width, height, DEFAULT_FOV_DEGREES)
            if not self._told_of_camera:
                self._told_of_camera = True
                self.get_logger().warning(
                    f'the source has no intrinsics: assuming a horizontal field of view of '
                    f'{DEFAULT_FOV_DEGREES:g} degrees, metres are only as right as that'
                )
        if self._size is None or self._size == (width, height):
            return replace(frame, camera=camera)
        return resize_frame(frame, camera, self._size)

    def _on_timer(self) -> None:
        if self._waits_for_subscriber():
            return
        try:
            frame = self._frames.next()
        except StopIteration:
            self._end()
            return
        if frame is None:
            self.get_logger().warning(
                'decoding is slower than the rate; a smaller rate or size plays evenly',
                throttle_duration_sec=10.0,
            )
            return
        self._publish(frame)
        self._played += 1

    def _waits_for_subscriber(self) -> bool:
        if self._played or self.get_clock().now() >= self._waits_until:
            return False
        return not (
            self._image.get_subscription_count() or self._compressed.get_subscription_count()
        )

    def _publish(self, frame: Frame) -> None:
        """Publish the messages of one frame, all with the same header, camera_info first."""
        assert frame.camera is not None
        header = self._image_message.header
        header.frame_id = self._config.frame_id
        if self._clock_publisher is not None:
            stamp = CLOCK_START_NS + round(self._played * 1e9 / self._config.rate)
            header.stamp.sec, header.stamp.nanosec = divmod(stamp, 1_000_000_000)
            self._clock_publisher.publish(Clock(clock=header.stamp))
        else:
            header.stamp = self.get_clock().now().to_msg()
        self._info.publish(camera_to_info(frame.camera, CameraInfo(header=header)))
        if self._image.get_subscription_count():
            fill_image(self._image_message, frame.rgb, 'rgb8')
            self._image.publish(self._image_message)
        if self._compressed.get_subscription_count():
            self._publish_compressed(frame)
        if frame.depth is not None and self._depth.get_subscription_count():
            self._depth_message.header = header
            fill_image(self._depth_message, frame.depth, '32FC1')
            self._depth.publish(self._depth_message)
        if frame.world_from_camera is not None and self._odometry.get_subscription_count():
            self._odometry.publish(pose_to_odometry(frame.world_from_camera, header))

    def _publish_compressed(self, frame: Frame) -> None:
        quality = [cv2.IMWRITE_JPEG_QUALITY, self._config.jpeg_quality]
        _, data = cv2.imencode('.jpg', cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR), quality)
        message = self._compressed_message
        message.header = self._image_message.header
        np.copyto(fill(message, data.nbytes), data.ravel())
        self._compressed.publish(message)

    def _end(self) -> None:
        """End the process after the last image has reached its reliable subscribers."""
        self._timer.cancel()
        publishers = (self._image, self._compressed, self._info, self._depth, self._odometry)
        for publisher in publishers:
            publisher.wait_for_all_acked(Duration(seconds=1.0))
        self.get_logger().info(f'played {self._played} images')
        self.context.try_shutdown()

    def close(self) -> None:
        """Stop decoding."""
        frames = getattr(self, '_frames', None)
        if frames is not None:
            frames.close()


def parse_size(text: str) -> tuple[int, int] | None:
    """Read ``WIDTHxHEIGHT``; None for ``source``."""
    if text == 'source':
        return None
    match = re.fullmatch(r'(\d+)x(\d+)', text)
    if match is None or min(int(match[1]), int(match[2])) < 16:
        raise ConfigError(
            f'size must be source or WIDTHxHEIGHT of at least 16 px, e.g. 640x480, got {text!r}'
        )
    return int(match[1]), int(match[2])


def resize_frame(frame: Frame, camera: PinholeCamera, size: tuple[int, int]) -> Frame:
    """Resize image and depth to (width, height) pixels, and the camera with them."""
    shrinks = size[0] <= camera.width and size[1] <= camera.height
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    rgb: Any = cv2.resize(frame.rgb, size, interpolation=method)
    depth: Any = frame.depth
    if depth is not None:
        # Nearest: an average of foreground and background is neither.
        depth = cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST)
    return replace(frame, rgb=rgb, camera=camera.resized(*size), depth=depth)


def pose_to_odometry(world_from_camera: NDArray[np.float64], header: Header) -> Odometry:
    """Say where the optical frame was, as a robot says where its base was."""
    message = Odometry(child_frame_id=header.frame_id)
    message.header.stamp, message.header.frame_id = header.stamp, 'world'
    place, turn = message.pose.pose.position, message.pose.pose.orientation
    place.x, place.y, place.z = map(float, world_from_camera[:3, 3])
    turn.x, turn.y, turn.z, turn.w = quaternion(world_from_camera)
    return message


def main(args: list[str] | None = None) -> int:
    """Run the camera player."""
    return run_node(CameraPlayer, args)


if __name__ == '__main__':
    sys.exit(main())
