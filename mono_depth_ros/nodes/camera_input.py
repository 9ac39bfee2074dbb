# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The subscriptions to one camera."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

BEST_EFFORT, RELIABLE = qos_profile_sensor_data.reliability, ReliabilityPolicy.RELIABLE
# Every camera_info is counted: one without its image tells that the image was lost.
INFO_QOS = QoSProfile(depth=10, reliability=BEST_EFFORT)


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
        options = QoSOverridingOptions.with_default_policies()
        self._info = node.create_subscription(
            CameraInfo, 'camera_info', on_info, INFO_QOS, qos_overriding_options=options
        )
        self._images = self._subscribe(BEST_EFFORT, qos_overriding_options=options)

    def make_reliable(self) -> bool:
        """
        Subscribe to the images reliably, and say whether that is new.

        Every publisher must offer it. On a busy machine Fast DDS loses best-effort images of
        several fragments whatever its transports; to a reliable subscription it sends them again.
        """
        publishers = self._node.get_publishers_info_by_topic(self._images.topic_name)
        offered = {publisher.qos_profile.reliability for publisher in publishers}
        if self._images.qos_profile.reliability == RELIABLE or offered != {RELIABLE}:
            return False
        self._node.destroy_subscription(self._images)
        # No override here: it would bring back the reliability of the first subscription.
        self._images = self._subscribe(RELIABLE)
        return True

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._info)
        self._node.destroy_subscription(self._images)

    def _subscribe(self, reliability: ReliabilityPolicy, **options: Any) -> Subscription:
        qos = QoSProfile(depth=self._depth, reliability=reliability)
        return self._node.create_subscription(
            self.kind, self._topic, self._on_image, qos, raw=self._raw, **options
        )
