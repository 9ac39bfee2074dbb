# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A node whose subscriptions are called by hand, and messages to call them with."""

from mono_depth_ros.nodes.conversions import fill_image
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

STAMP = 5_000_000_000


class PlayedNode:
    """Keeps the callbacks of its subscriptions."""

    def __init__(self):
        self.callbacks, self.raw = {}, set()

    def create_subscription(self, kind, topic, callback, qos, *, raw=False, **options):
        self.callbacks[topic] = callback
        if raw:
            self.raw.add(topic)

    def destroy_subscription(self, subscription):
        pass

    def hear(self, topic, message):
        """Deliver a message as rclpy would: as bytes to whom asked for those."""
        self.callbacks[topic](serialize_message(message) if topic in self.raw else message)


def with_header(message, stamp_ns=STAMP, frame_id='eye'):
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    message.header.frame_id = frame_id
    return message


def make_depth(depth, encoding='32FC1'):
    message = Image()
    fill_image(message, depth, encoding)
    return message
