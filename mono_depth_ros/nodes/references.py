# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a robot may know beside its images, as its topics tell it."""

from __future__ import annotations

from functools import partial
from typing import Any

from mono_depth_ros.references import DEPTH_TOPIC, ODOMETRY_TOPIC, POINTS_TOPIC, ReferenceMatcher
from mono_depth_ros.stamps import serialized_stamp
from nav_msgs.msg import Odometry
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, qos_profile_sensor_data, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image, PointCloud2

QOS = QoSProfile(depth=5, reliability=qos_profile_sensor_data.reliability)
STATIC_QOS = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
KINDS = {POINTS_TOPIC: PointCloud2, DEPTH_TOPIC: Image}


class References(ReferenceMatcher):
    """
    Subscribes to the references and finds those that go with an image.

    Points and depth are kept as bytes: only those are read that have an image.
    """

    def __init__(self, node: LifecycleNode, tolerance_s: float, transforms: str) -> None:
        super().__init__(tolerance_s, transforms)
        self._node = node
        self._inputs: list[Subscription] = []

    def subscribe(self, *, poses: bool = True) -> None:
        """Begin to listen; without ``poses``, to points and depth alone."""
        options = QoSOverridingOptions.with_default_policies()
        for topic, kind in KINDS.items():
            keep = partial(self._keep, topic)
            self._listen(kind, topic, keep, QOS, raw=True, qos_overriding_options=options)
        if poses:
            keep = self.add_odometry
            self._listen(Odometry, ODOMETRY_TOPIC, keep, 50, qos_overriding_options=options)
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError:
            return  # ROS from wheels has no tf2: `static_transforms` says it
        self._listen(TFMessage, '/tf_static', self.add_static, STATIC_QOS)

    def unsubscribe(self) -> None:
        """Listen no longer."""
        for subscription in self._inputs:
            self._node.destroy_subscription(subscription)
        self._inputs.clear()

    def _listen(self, kind: type, topic: str, callback: Any, qos: Any, **options: Any) -> None:
        self._inputs.append(self._node.create_subscription(kind, topic, callback, qos, **options))

    def _keep(self, topic: str, raw: bytes) -> None:
        self.keep(topic, serialized_stamp(raw), raw)

    def _decoded(self, topic: str, message: Any) -> Any:
        return deserialize_message(message, KINDS[topic])
