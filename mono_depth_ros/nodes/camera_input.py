# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The subscriptions to one camera."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mono_depth_ros.statistics import Report
from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

BEST_EFFORT, RELIABLE = qos_profile_sensor_data.reliability, ReliabilityPolicy.RELIABLE
# What the parameter of the reliability says unless the user has chosen one.
NOT_CHOSEN = ReliabilityPolicy.SYSTEM_DEFAULT
# Every camera_info is counted: where no image comes, they tell how many there were.
INFO_QOS = QoSProfile(depth=10, reliability=BEST_EFFORT)
# Discovery takes a moment, so a bad second says nothing; so many in a row do.
LOSSY_SECONDS = 3
TRANSPORT_REMEDY = (
    'make both sides reliable by a QoS override, set FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA for '
    'the camera driver and this node, raise net.core.rmem_max, use image_transport:=compressed, '
    'or take load off the CPU; see "Nothing arrives?" in the README of mono_depth_ros'
)


class CameraInput:
    """Subscribes to ``camera_info`` and images; ``kind`` is the type of the images."""

    def __init__(
        self,
        node: Node,
        transport: str,
        on_info: Callable[[CameraInfo], None],
        on_image: Callable[[Any], None],
        *,
        depth: int,
        raw: bool = False,
    ) -> None:
        self._node, self._on_image, self._depth, self._raw = node, on_image, depth, raw
        self.kind, self._topic = Image, 'image_rect'
        if transport == 'compressed':
            self.kind, self._topic = CompressedImage, 'image_rect/compressed'
        self._chosen = False
        self._lossy_seconds = 0
        options = QoSOverridingOptions.with_default_policies()
        self._info = node.create_subscription(
            CameraInfo, 'camera_info', on_info, INFO_QOS, qos_overriding_options=options
        )
        self._images = self._subscribe(BEST_EFFORT)

    @property
    def offered(self) -> bool:
        """Say whether anybody publishes images."""
        return bool(self._node.get_publishers_info_by_topic(self._images.topic_name))

    def check(self, report: Report) -> str:
        """
        Look at the counts of a second, every second, and see to it that images arrive.

        Returns
        -------
        str
            What the log should say: once, after several seconds in which images got lost.

        """
        self._lossy_seconds = self._lossy_seconds + 1 if report.loses_images else 0
        if self._lossy_seconds != LOSSY_SECONDS:
            return ''
        remedy = TRANSPORT_REMEDY
        if self.make_reliable():
            remedy = 'asking for them again, reliably, as the camera offers'
        return f'{report.received} of {report.sent} images arrived in the last second: {remedy}'

    def make_reliable(self) -> bool:
        """
        Subscribe to the images reliably, and say whether that is new.

        Every publisher must offer it, and the user must not have chosen otherwise. On a busy
        machine Fast DDS loses best-effort images of several fragments whatever its transports; to
        a reliable subscription it sends them again.
        """
        publishers = self._node.get_publishers_info_by_topic(self._images.topic_name)
        offered = {publisher.qos_profile.reliability for publisher in publishers}
        reliable = self._images.qos_profile.reliability == RELIABLE
        if self._chosen or reliable or offered != {RELIABLE}:
            return False
        self._node.destroy_subscription(self._images)
        self._images = self._subscribe(RELIABLE)
        return True

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._info)
        self._node.destroy_subscription(self._images)

    def _subscribe(self, reliability: ReliabilityPolicy) -> Subscription:
        """Subscribe with the QoS that the user has chosen, and this reliability if none was."""

        def fill(qos: QoSProfile) -> SetParametersResult:
            self._chosen = qos.reliability != NOT_CHOSEN
            if not self._chosen:
                qos.reliability = reliability
            return SetParametersResult(successful=True)

        return self._node.create_subscription(
            self.kind,
            self._topic,
            self._on_image,
            QoSProfile(depth=self._depth, reliability=NOT_CHOSEN),
            raw=self._raw,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(callback=fill),
        )
