# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The collector pairs the images that it takes with what else is known, however busy it is."""

import logging
import threading
import time
from types import SimpleNamespace

from mono_depth_ros.adaptation.config import BufferConfig
from mono_depth_ros.adaptation.frame_buffer import FrameBuffer
from mono_depth_ros.adaptation.target_frame import TargetFrame
from mono_depth_ros.camera import PinholeCamera
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')
from mono_depth_ros.nodes.camera_input import BEST_EFFORT
from mono_depth_ros.nodes.collector import Collector
from mono_depth_ros.nodes.conversions import fill_image
from mono_depth_ros.nodes.references import References
from played import make_depth, PlayedNode, STAMP, with_header
from sensor_msgs.msg import CameraInfo, Image

RGB = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
INFO = CameraInfo(
    width=64, height=48, p=[60.0, 0.0, 31.5, 0.0, 0.0, 60.0, 23.5, 0.0, 0.0, 0.0, 1.0, 0.0]
)


@pytest.fixture
def collecting():
    """Return a function that starts a collector of a node that is played."""
    started = []

    def start(load=1.0):
        node = PlayedNode()
        buffer = FrameBuffer(BufferConfig(min_gap_s=0.1))
        collector = Collector(node, buffer, References(node, 0.01, ''), lambda size: size, load)
        collector.start('raw')
        node.hear('camera_info', with_header(INFO))
        started.append(collector)
        return node, collector

    yield start
    for collector in started:
        collector.stop()


def picture(number, size=(48, 64)):
    """Return an image unlike all others."""
    rgb = np.random.default_rng(number).integers(0, 255, (*size, 3), np.uint8)
    image = Image()
    fill_image(image, rgb, 'rgb8')
    return with_header(image, STAMP + number * 200_000_000)


def wait_for(condition):
    until = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


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


def test_a_driver_that_sets_no_stamp_is_told(collecting):
    node, collector = collecting()

    for _ in range(40):
        node.hear('image_rect', with_header(picture(0), 0))

    wait_for(lambda: 'set header.stamp in the camera driver' in collector.problem)
    node.hear('image_rect', picture(1))
    wait_for(lambda: collector.problem == '')


def test_an_image_keeps_the_camera_that_came_before_it(collecting, monkeypatch):
    node, collector = collecting()
    cameras, take = [], collector._segment.add
    gate = threading.Event()

    def add(frame, rgb, camera, pose):
        gate.wait(10.0)
        cameras.append(camera.fx)
        return take(frame, rgb, camera, pose)

    monkeypatch.setattr(collector._segment, 'add', add)
    for number in range(3):
        node.hear('image_rect', picture(number))
    zoomed = [90.0, 0.0, 31.5, 0.0, 0.0, 90.0, 23.5, 0.0, 0.0, 0.0, 1.0, 0.0]
    node.hear('camera_info', with_header(CameraInfo(width=64, height=48, p=zoomed)))
    node.hear('image_rect', picture(3))
    gate.set()

    wait_for(lambda: len(cameras) == 4)
    assert cameras == [60.0, 60.0, 60.0, 90.0]


def test_a_few_images_of_another_shape_cost_nothing_that_was_collected():
    node = PlayedNode()
    node.get_logger = lambda: logging.getLogger('collector')
    buffer = FrameBuffer(BufferConfig(min_gap_s=0.1))
    collector = Collector(node, buffer, References(node, 0.01, ''), lambda size: size, load=1.0)
    own = [frame_of(number, (48, 64)) for number in range(5)]

    collector._offer(own)
    collector._offer([frame_of(number, (64, 48)) for number in range(5, 15)])
    assert len(buffer) == 5
    assert 'clear it after a change of camera' in collector.problem

    collector._offer([frame_of(15, (48, 64))])
    collector._offer([frame_of(number, (64, 48)) for number in range(20, 50)])
    assert {frame.rgb.shape for frame in buffer.snapshot()} == {(64, 48, 3)}


def frame_of(number, size):
    rgb = np.random.default_rng(number).integers(0, 255, (*size, 3), np.uint8)
    return TargetFrame(rgb, PinholeCamera(60, 60, 31, 23, size[1], size[0]), number * 200_000_000)


def test_it_rests_after_a_run_of_images_and_not_after_one_that_took_long(collecting, monkeypatch):
    node, collector = collecting(load=0.5)
    worked = iter([0.0, 0.3, 1.0, 1.3, 2.0, 2.4])  # before and after each image [s of CPU]
    done = iter([[], [], [frame_of(0, (48, 64))]])
    monkeypatch.setattr('mono_depth_ros.nodes.collector.time.thread_time', lambda: next(worked))
    monkeypatch.setattr(collector._segment, 'add', lambda *args: next(done))
    rested, rest = [], collector._rest

    def rest_and_tell():
        rested.append(collector.taken)
        rest()

    monkeypatch.setattr(collector, '_rest', rest_and_tell)

    for number in range(3):
        idle = collector._idle_until
        node.hear('image_rect', picture(number))
        wait_for(lambda: collector.taken == number + 1)  # noqa: B023
    collector.stop()  # it ends with what it was doing

    assert rested == [3]
    assert idle == 0.0
    assert collector._idle_until - time.monotonic() == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize(('explained', 'doubted'), [(0.01, True), (0.5, False), (np.nan, False)])
def test_poses_of_another_camera_are_doubted(collecting, explained, doubted):
    node, collector = collecting()
    collector._segment.explained = explained

    node.hear('image_rect', picture(0))

    wait_for(lambda: collector.taken == 1)
    collector.stop()  # it ends with what it was doing
    assert ('poses explain 1.0% of' in collector.problem) == doubted


@pytest.mark.parametrize(
    ('images', 'lossy'),
    [([n for n in range(60) if n % 7 in (0, 1, 5)], True), (range(0, 60, 5), False)],
    ids=['lost in rows', 'throttled'],
)
def test_images_that_get_lost_on_the_way_are_told(collecting, images, lossy, caplog):
    node, collector = collecting()
    node.get_logger = lambda: logging.getLogger('collector')
    best_effort = SimpleNamespace(qos_profile=SimpleNamespace(reliability=BEST_EFFORT))
    collector._camera._images = SimpleNamespace(topic_name='image_rect', **vars(best_effort))
    node.get_publishers_info_by_topic = lambda topic: [best_effort]

    for second in range(4):
        for number in images:
            stamp = STAMP + (60 * second + number) * 33_000_000
            node.hear('image_rect', with_header(picture(number), stamp))
        collector.check_delivery()

    assert ('images arrived in the last second' in caplog.text) == lossy
