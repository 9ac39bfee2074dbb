# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The images and clouds that the depth node publishes, each made only for its listeners."""

from __future__ import annotations

from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.config import OutputConfig
from mono_depth_ros.nodes.conversions import camera_to_info, cloud_points, fill_image, new_cloud
from mono_depth_ros.postprocessing import depth_to_millimetres
from mono_depth_ros.projection import CloudWriter
from mono_depth_ros.visualisation import colour_depth
import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

# Reliable, so that the default transport of Fast DDS delivers messages of several fragments.
OUTPUT_QOS = QoSProfile(depth=2, reliability=ReliabilityPolicy.RELIABLE)


class DepthOutputs:
    """
    Publishers of ``depth/image_rect``, ``depth/camera_info``, ``depth/image_color`` and
    ``points``, with messages whose memory is kept from frame to frame.

    Parameters
    ----------
    node : Node
        The node that owns the publishers.

    """

    def __init__(self, node: Node) -> None:
        options = QoSOverridingOptions.with_default_policies()

        def publisher(kind: type, topic: str) -> Publisher:
            return node.create_publisher(kind, topic, OUTPUT_QOS, qos_overriding_options=options)

        self._node = node
        self._depth = publisher(Image, 'depth/image_rect')
        self._info = publisher(CameraInfo, 'depth/camera_info')
        self._colour = publisher(Image, 'depth/image_color')
        self._points = publisher(PointCloud2, 'points')
        self._depth_message, self._colour_message = Image(), Image()
        self._cloud_message, self._sparse_message = new_cloud(), new_cloud()
        self._writer = CloudWriter(1)

    def wanted(self) -> bool:
        """Say whether anybody listens to any of them."""
        return any(publisher.get_subscription_count() for publisher in self._publishers())

    def publish(
        self,
        depth: NDArray[np.float32],
        rgb: NDArray[np.uint8],
        camera: PinholeCamera,
        info: CameraInfo,
        header: Header,
        output: OutputConfig,
        max_depth: float,
    ) -> None:
        """
        Publish one depth image in every form that somebody listens to.

        Parameters
        ----------
        depth : np.ndarray, shape (h, w), float32
            Depth [m] at the size of the camera or of the network.
        rgb : np.ndarray, shape (H, W, 3), uint8
            The image it was made from.
        camera : PinholeCamera
            Intrinsics of that image.
        info : CameraInfo
            Its camera_info.
        header : Header
            Stamp and frame of that image, which every output carries (REP 105).
        output : OutputConfig
            Encoding and cloud settings.
        max_depth : float
            End of the colour scale [m].

        """
        height, width = depth.shape
        camera = camera.resized(width, height)
        if self._depth.get_subscription_count():
            metric = depth if output.depth_encoding == '32FC1' else depth_to_millimetres(depth)
            fill_image(self._depth_message, metric, output.depth_encoding)
            self._depth_message.header = header
            self._depth.publish(self._depth_message)
        if self._info.get_subscription_count():
            depth_info = camera_to_info(camera, info)
            depth_info.header = header
            self._info.publish(depth_info)
        if self._points.get_subscription_count():
            self._points.publish(self._cloud(depth, rgb, camera, header, output))
        if self._colour.get_subscription_count():
            fill_image(self._colour_message, colour_depth(depth, max_depth=max_depth), 'rgb8')
            self._colour_message.header = header
            self._colour.publish(self._colour_message)

    def _cloud(
        self,
        depth: NDArray[np.float32],
        rgb: NDArray[np.uint8],
        camera: PinholeCamera,
        header: Header,
        output: OutputConfig,
    ) -> PointCloud2:
        """Fill the cloud of every n-th pixel."""
        if self._writer.stride != output.cloud_stride:
            self._writer = CloudWriter(output.cloud_stride)
        if output.cloud_max_depth > 0.0:
            depth = np.where(depth <= output.cloud_max_depth, depth, np.float32(np.nan))
        points = cloud_points(self._cloud_message, *self._writer.size(depth))
        message = self._cloud_message
        message.is_dense = self._writer.write(depth, rgb, camera, points)
        if not output.cloud_organized:
            message = self._sparse_message
            valid = np.isfinite(points[..., 2])
            cloud_points(message, 1, int(valid.sum()))[...] = points[valid]
            message.is_dense = True
        message.header = header
        return message

    def _publishers(self) -> tuple[Publisher, ...]:
        return self._depth, self._points, self._info, self._colour

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in self._publishers():
            self._node.destroy_publisher(publisher)
