# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The recorder of the demo: hears what a robot would hear, measures it, and keeps some of it.

Writes one JSON object a line to standard output, several times a second, and an MCAP bag.
"""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
import json
import math
from pathlib import Path
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from mono_depth_ros.bag_output import new_bag, ros2_types
from mono_depth_ros.config import Config, setting
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.nodes.parameters import declare_config
from mono_depth_ros.nodes.run import run_node
from mono_depth_ros.stamps import serialized_stamp
import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
REPORT_PERIOD_S = 0.25
# Rates are taken over this long, latencies over this many images.
RATE_WINDOW_S, LATENCY_WINDOW = 2.0, 300
TOPICS = {
    'camera_info': CameraInfo,
    'image_rect': Image,
    'ground_truth/depth': Image,
    'depth/image_rect': Image,
    'depth/camera_info': CameraInfo,
    'points': PointCloud2,
}
IMAGE, DEPTH, INFO = 'image_rect', 'depth/image_rect', 'camera_info'


@dataclass(frozen=True)
class RecorderConfig(Config):
    """What the recorder keeps."""

    output: str = setting('', 'Folder of the bag to make; it must not exist')
    every: int = setting(10, 'Record all messages of every n-th image', minimum=1)
    limit_mb: int = setting(200, 'Record no more than this [MB]', minimum=1)


@dataclass
class Heard:
    """What is reported of what was heard; times in milliseconds, depths in metres."""

    received: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOPICS, 0))
    fps_in: float = 0.0
    fps_out: float = 0.0
    latency_p50: float = math.nan
    latency_p99: float = math.nan
    depth_min: float = math.nan
    depth_median: float = math.nan
    depth_max: float = math.nan
    size: str = ''
    recorded: int = 0
    diagnostics: dict[str, str] = field(default_factory=dict)
    adaptation: dict[str, str] = field(default_factory=dict)


class Recorder(Node):
    """
    Subscribes to everything that player and depth node publish.

    Messages are taken as bytes, so that hearing costs as little as it can.

    Raises
    ------
    ConfigError
        If no output is given.
    DatasetError
        If the bag cannot be written.

    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('recorder', **kwargs)
        self._config = declare_config(self, RecorderConfig)
        if not self._config.output:
            raise ConfigError('set output to the folder of the bag to make')
        self._heard = Heard()
        self._arrivals: dict[str, deque[float]] = {IMAGE: deque(), DEPTH: deque()}
        self._latencies: deque[float] = deque(maxlen=LATENCY_WINDOW)
        self._latest_depth = b''
        self._chosen: deque[int] = deque(maxlen=16)
        self._bytes = 0
        self._bag = ExitStack()
        self._writer = self._bag.enter_context(new_bag(Path(self._config.output)))
        self._types = ros2_types()
        self._connections: dict[str, Any] = {}
        for topic, kind in TOPICS.items():
            self.create_subscription(kind, topic, partial(self._on_message, topic), QOS, raw=True)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self.create_timer(REPORT_PERIOD_S, self._report)

    def _on_message(self, topic: str, raw: bytes) -> None:
        now = self.get_clock().now().nanoseconds
        stamp = serialized_stamp(raw)
        self._heard.received[topic] += 1
        if topic in self._arrivals:
            self._arrivals[topic].append(time.monotonic())
        if topic == DEPTH:
            self._latencies.append((now - stamp) / 1e6)
            self._latest_depth = raw
        # The player sends camera_info first, so the whole set of a chosen image is recorded.
        if topic == INFO and (self._heard.received[INFO] - 1) % self._config.every == 0:
            self._chosen.append(stamp)
        if stamp in self._chosen and self._bytes < self._config.limit_mb * 1_000_000:
            self._record(topic, now, raw)

    def _record(self, topic: str, now: int, raw: bytes) -> None:
        if topic not in self._connections:
            package, kind = TOPICS[topic].__module__.split('.')[0], TOPICS[topic].__name__
            self._connections[topic] = self._writer.add_connection(
                self.resolve_topic_name(topic), f'{package}/msg/{kind}', typestore=self._types
            )
        self._writer.write(self._connections[topic], now, raw)
        self._bytes += len(raw)
        self._heard.recorded += 1

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            said = {value.key: value.value for value in status.values}
            said['message'] = status.message
            if status.name.endswith(': depth'):
                self._heard.diagnostics = said
            elif status.name.endswith(': adaptation'):
                self._heard.adaptation = said

    def _report(self) -> None:
        """Print what was heard."""
        heard, now = self._heard, time.monotonic()
        for arrivals in self._arrivals.values():
            while arrivals and arrivals[0] < now - RATE_WINDOW_S:
                arrivals.popleft()
        heard.fps_in, heard.fps_out = (rate_of(self._arrivals[name]) for name in (IMAGE, DEPTH))
        if self._latencies:
            heard.latency_p50, heard.latency_p99 = np.percentile(self._latencies, (50, 99))
        if self._latest_depth:
            self._describe(deserialize_message(self._latest_depth, Image))
            self._latest_depth = b''
        print(json.dumps(asdict(heard)), flush=True)

    def _describe(self, message: Image) -> None:
        """Read the range of depth from one image."""
        is_metric = message.encoding == '32FC1'
        values = np.frombuffer(message.data, np.float32 if is_metric else np.uint16)[::7]
        depth = values if is_metric else values / 1000.0
        depth = depth[np.isfinite(depth) & (depth > 0)]
        heard = self._heard
        heard.size = f'{message.width}x{message.height} {message.encoding}'
        if depth.size:
            quantiles = np.percentile(depth, (2, 50, 98))
            heard.depth_min, heard.depth_median, heard.depth_max = map(float, quantiles)

    def close(self) -> None:
        """Finish the bag."""
        bag = getattr(self, '_bag', None)
        if bag is not None:
            bag.close()


def rate_of(arrivals: deque[float]) -> float:
    """Return the rate of some arrivals [1/s]."""
    if len(arrivals) < 2:
        return 0.0
    return (len(arrivals) - 1) / max(arrivals[-1] - arrivals[0], 1e-3)


def main(args: list[str] | None = None) -> int:
    """Run the recorder."""
    return run_node(Recorder, args)


if __name__ == '__main__':
    sys.exit(main())
