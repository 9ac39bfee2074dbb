# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The processes that `mono_depth benchmark` starts beside the player and the depth node.

``sink`` receives and measures. ``relay`` answers each image with ready-made messages: what ROS and
Python cost without any depth. ``naive`` is the depth node as it is usually written.
"""

from __future__ import annotations

import argparse
from array import array
import json
from pathlib import Path
import signal
import sys
import time
from typing import Any

import cv2
from mono_depth_ros.nodes.conversions import cloud_points, fill_image, new_cloud
from mono_depth_ros.nodes.run import keep_freed_memory, run_node
from mono_depth_ros.projection import POINT_STEP
import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data, QoSProfile
from rclpy.signals import SignalHandlerOptions
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

IMAGE_QOS = QoSProfile(depth=1, reliability=qos_profile_sensor_data.reliability)
STRIDE = 2
START_LIMIT_S = 60.0
# What was sent last may take so long to be answered [s].
LAST_S = 0.5


class Sink(Node):
    """Notes when each depth image and cloud arrived, and which images were sent."""

    def __init__(self) -> None:
        super().__init__('benchmark_sink')
        self.sent: list[int] = []
        self.arrived: dict[str, dict[int, float]] = {'depth': {}, 'points': {}}
        self.first_depth = 0.0
        self.create_subscription(CameraInfo, 'camera_info', self._on_info, 10)
        self.create_subscription(Image, 'depth/image_rect', self._on_depth, 5)
        self.create_subscription(PointCloud2, 'points', self._on_points, 5)

    def _on_info(self, message: CameraInfo) -> None:
        self.sent.append(Time.from_msg(message.header.stamp).nanoseconds)

    def _on_depth(self, message: Image) -> None:
        self._note('depth', message)
        self.first_depth = self.first_depth or time.time()

    def _on_points(self, message: PointCloud2) -> None:
        self._note('points', message)

    def _note(self, topic: str, message: Any) -> None:
        stamp = Time.from_msg(message.header.stamp).nanoseconds
        latency = self.get_clock().now().nanoseconds - stamp
        self.arrived[topic].setdefault(stamp, latency * 1e-6)

    def measure(self, seconds: float, warm_up: float) -> dict[str, Any]:
        """
        Return counts and latencies [ms] of what was sent after first depth and warm-up.

        Ctrl-C ends it early.
        """
        deadline = time.monotonic() + START_LIMIT_S
        while not self.first_depth and time.monotonic() < deadline:
            rclpy.spin_once(self, timeout_sec=0.1)
        now, ends = self.get_clock().now().nanoseconds, time.monotonic() + seconds
        begin, end = now + int(warm_up * 1e9), now + int(seconds * 1e9)
        try:
            while time.monotonic() < ends + LAST_S:
                rclpy.spin_once(self, timeout_sec=0.1)
        except KeyboardInterrupt:
            end = self.get_clock().now().nanoseconds - int(LAST_S * 1e9)
        sent = {stamp for stamp in self.sent if begin <= stamp < end}
        report: dict[str, Any] = {'sent': len(sent), 'first_depth': self.first_depth}
        for topic, arrived in self.arrived.items():
            latencies = [latency for stamp, latency in arrived.items() if stamp in sent]
            p50, p99 = np.percentile(latencies, (50, 99)) if latencies else (np.nan, np.nan)
            report[topic] = {'arrived': len(latencies), 'p50': float(p50), 'p99': float(p99)}
        return report


class Relay(Node):
    """Answers every image with a ready-made depth image and cloud of the same sizes."""

    def __init__(self) -> None:
        super().__init__('benchmark_relay')
        self._depth_publisher = self.create_publisher(Image, 'depth/image_rect', 2)
        self._points_publisher = self.create_publisher(PointCloud2, 'points', 2)
        self._depth, self._cloud = Image(), new_cloud()
        self.create_subscription(Image, 'image_rect', self._on_image, IMAGE_QOS)

    def _on_image(self, message: Image) -> None:
        size = (message.height, message.width)
        if (self._depth.height, self._depth.width) != size:
            fill_image(self._depth, np.ones(size, np.float32), '32FC1')
            cloud_points(self._cloud, -(-size[0] // STRIDE), -(-size[1] // STRIDE))[...] = 1.0
        self._depth.header = self._cloud.header = message.header
        self._depth_publisher.publish(self._depth)
        self._points_publisher.publish(self._cloud)


class Naive(Node):
    """The usual Python way: torch eager, a mesh grid a frame, structured points."""

    def __init__(self, weights: Path) -> None:
        super().__init__('benchmark_naive')
        from mono_depth_ros.model.checkpoint import load_network
        import torch

        self._torch = torch
        self._network = load_network(weights)
        self._camera: CameraInfo | None = None
        self._depth_publisher = self.create_publisher(Image, 'depth/image_rect', 2)
        self._points_publisher = self.create_publisher(PointCloud2, 'points', 2)
        self.create_subscription(CameraInfo, 'camera_info', self._on_info, IMAGE_QOS)
        self.create_subscription(Image, 'image_rect', self._on_image, IMAGE_QOS)

    def _on_info(self, message: CameraInfo) -> None:
        self._camera = message

    def _on_image(self, message: Image) -> None:
        if self._camera is None:
            return
        torch = self._torch
        rgb = np.array(message.data, np.uint8).reshape(message.height, message.width, 3)
        small = cv2.resize(rgb, (256, 192)).astype(np.float32) / 255.0
        with torch.no_grad():
            batch = torch.from_numpy(small).permute(2, 0, 1)[None].contiguous()
            depth = self._network(batch)[0][0].numpy()
        depth = cv2.resize(depth, (message.width, message.height))
        answer = Image(header=message.header, height=message.height, width=message.width)
        answer.encoding, answer.step = '32FC1', message.width * 4
        answer.data = array('B', depth.tobytes())
        self._depth_publisher.publish(answer)
        self._points_publisher.publish(self._cloud(depth, rgb, message))

    def _cloud(self, depth: Any, rgb: Any, message: Image) -> PointCloud2:
        p = self._camera.p
        u, v = np.meshgrid(np.arange(message.width), np.arange(message.height))
        x, y = (u - p[2]) / p[0] * depth, (v - p[6]) / p[5] * depth
        colours = rgb.astype(np.uint32)
        packed = colours[..., 0] << 16 | colours[..., 1] << 8 | colours[..., 2]
        fields = [(name, np.float32) for name in 'xyz'] + [('rgb', np.uint32)]
        points = np.zeros(depth[::STRIDE, ::STRIDE].shape, fields)
        for name, values in (('x', x), ('y', y), ('z', depth), ('rgb', packed)):
            points[name] = values[::STRIDE, ::STRIDE]
        cloud = new_cloud()
        cloud.header = message.header
        cloud.height, cloud.width = points.shape
        cloud.row_step = cloud.width * POINT_STEP
        cloud.data = array('B', points.tobytes())
        return cloud


def main() -> int:
    """Run one of the processes."""
    parser = argparse.ArgumentParser()
    parser.add_argument('role', choices=('sink', 'relay', 'naive'))
    parser.add_argument('--seconds', type=float, default=20.0)
    parser.add_argument('--warm-up', type=float, default=2.0)
    parser.add_argument('--json', type=Path)
    parser.add_argument('--weights', type=Path)
    options = parser.parse_args()
    if options.role == 'relay':
        return run_node(Relay)
    if options.role == 'naive':
        return run_node(lambda: Naive(options.weights))
    keep_freed_memory()
    # Without the handlers of rclpy, which would end the measurement and tell nothing.
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    # What a shell starts in the background ignores SIGINT, and passes that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    report = Sink().measure(options.seconds, options.warm_up)
    options.json.write_text(json.dumps(report))
    rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
