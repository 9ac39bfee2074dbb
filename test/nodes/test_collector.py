# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The collector pairs the images that it takes with what else is known, however busy it is."""

import time

from mono_depth_ros.adaptation.config import BufferConfig
from mono_depth_ros.adaptation.frame_buffer import FrameBuffer
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')
from mono_depth_ros.nodes.collector import Collector
from mono_depth_ros.nodes.conversions import fill_image
from mono_depth_ros.nodes.references import References
from played import make_depth, PlayedNode, STAMP, with_header
from sensor_msgs.msg import CameraInfo, Image

RGB = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
INFO = CameraInfo(width=64, height=48, p=[60.0, 0, 31.5, 0, 0, 60.0, 23.5, 0, 0, 0, 1.0, 0])


@pytest.mark.parametrize(('rate', 'images'), [(15, 10), (30, 12), (90, 13)])
def test_every_image_finds_its_depth_when_the_collector_is_behind(rate, images):
    node = PlayedNode()
    references = References(node, 0.01, '')
    buffer = FrameBuffer(BufferConfig())
    collector = Collector(node, buffer, references, lambda size: size, load=1.0)
    collector.start('raw')
    image, depth = Image(), make_depth(np.ones((24, 32), np.float32))
    fill_image(image, RGB, 'rgb8')
    node.hear('camera_info', with_header(INFO))

    try:
        for number in range(2 * rate):  # two seconds at once, as after a long stop
            stamp = STAMP + number * 10**9 // rate
            node.hear('image_rect', with_header(image, stamp))
            node.hear('reference/depth', with_header(depth, stamp))
        until = time.monotonic() + 20.0
        while collector.taken < images and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        collector.stop()

    assert collector.problem == ''
    assert collector.taken == images
    assert references.counts['reference/depth'] == images
