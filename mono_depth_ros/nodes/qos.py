# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Quality of service that several nodes share."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

RELIABLE = ReliabilityPolicy.RELIABLE
# Who subscribes later gets the last message at once.
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def could_be_reliable(node: Node, subscription: Subscription) -> bool:
    """
    Say whether a best-effort subscription could be reliable: every publisher offers it.

    On a busy machine Fast DDS loses best-effort images of several fragments whatever its
    transports; it sends them again to a reliable subscription.
    """
    if subscription.qos_profile.reliability == RELIABLE:
        return False
    publishers = node.get_publishers_info_by_topic(subscription.topic_name)
    return {publisher.qos_profile.reliability for publisher in publishers} == {RELIABLE}
