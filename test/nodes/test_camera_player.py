# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The camera player in its own process, heard over real DDS."""

from itertools import pairwise
import signal

import cv2
from mono_depth_ros.camera import camera_to_json, PinholeCamera
import numpy as np
from processes import running
import pytest

pytestmark = pytest.mark.ros
rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')
from nav_msgs.msg import Odometry
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

CAMERA = PinholeCamera(60.0, 60.0, 31.5, 23.5, 64, 48)
COUNT = 5


@pytest.fixture
def recording(tmp_path):
    """Make an RGB-D folder whose images and depths tell their number."""
    (tmp_path / 'rgb').mkdir()
    (tmp_path / 'depth').mkdir()
    camera_to_json(tmp_path / 'camera.json', CAMERA)
    for number in range(COUNT):
        rgb = np.full((48, 64, 3), 40 * number, np.uint8)
        cv2.imwrite(str(tmp_path / 'rgb' / f'{number}.png'), rgb)
        depth = np.full((48, 64), 1000 * number, np.uint16)
        cv2.imwrite(str(tmp_path / 'depth' / f'{number}.png'), depth)
        pose = np.array([[0, -1, 0, number], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]])
        (tmp_path / 'pose').mkdir(exist_ok=True)
        np.savetxt(tmp_path / 'pose' / f'{number}.txt', pose)
    return tmp_path


def test_a_recording_with_poses_says_where_the_camera_was(recording, listener):
    images = listener.subscribe(Image, 'image_rect')
    poses = listener.subscribe(Odometry, 'ground_truth/odometry')

    with running('camera_player', source=recording, rate=20.0, frame_id='front', size='32x24'):
        assert listener.spin_until(lambda: images and len(poses) > COUNT)

    pose = next(message for message in poses if stamp(message) == stamp(images[-1]))
    assert (pose.header.frame_id, pose.child_frame_id) == ('world', 'front')
    place, turn = pose.pose.pose.position, pose.pose.pose.orientation
    assert (place.x, place.y, place.z) == (number_of(images[-1]), 2.0, 3.0)
    assert abs(turn.z * turn.w) == pytest.approx(0.5)  # a quarter turn about z


def number_of(image):
    """Return which image of the recording this is."""
    return image.data[0] // 40


def stamp(message):
    """Return the stamp of a message as a pair."""
    return message.header.stamp.sec, message.header.stamp.nanosec


def test_a_recording_is_heard_as_a_camera_with_ground_truth(recording, listener):
    images = listener.subscribe(Image, 'image_rect')
    infos = listener.subscribe(CameraInfo, 'camera_info')
    depths = listener.subscribe(Image, 'ground_truth/depth')

    with running('camera_player', source=recording, rate=20.0, frame_id='front'):
        assert listener.spin_until(lambda: len(images) > 8 and len(depths) > 8)

    image = images[-1]
    assert (image.height, image.width, image.encoding, image.step) == (48, 64, 'rgb8', 192)
    assert image.header.frame_id == infos[-1].header.frame_id == 'front'
    assert {stamp(message) for message in images} & {stamp(message) for message in infos}
    assert list(infos[-1].p) == [60.0, 0, 31.5, 0, 0, 60.0, 23.5, 0, 0, 0, 1, 0]
    matching = {stamp(message): message for message in depths}
    pairs = [(image, matching[stamp(image)]) for image in images if stamp(image) in matching]
    assert len(pairs) > 4
    for image, depth in pairs:
        metres = np.frombuffer(depth.data, np.float32)[0]
        assert np.nan_to_num(metres) == number_of(image)


def test_images_come_in_order_and_begin_anew(recording, listener):
    images = listener.subscribe(Image, 'image_rect')

    with running('camera_player', source=recording, rate=20.0):
        assert listener.spin_until(lambda: len(images) > 2 * COUNT)

    numbers = [number_of(image) for image in images]
    steps = {(after - before) % COUNT for before, after in pairwise(numbers)}
    assert steps == {1}


def test_played_once_every_image_arrives_and_the_node_ends(recording, listener):
    images = listener.subscribe(Image, 'image_rect')

    with running(
        'camera_player', source=recording, rate=20.0, loop='false', wait_for_subscribers=30.0
    ) as player:
        assert listener.spin_until(lambda: len(images) == COUNT)
        status = player.wait()

    assert [number_of(image) for image in images] == list(range(COUNT))
    assert status == 0
    assert f'played {COUNT} images' in player.output


def test_images_of_another_size_have_the_camera_of_that_size(recording, listener):
    images = listener.subscribe(Image, 'image_rect')
    infos = listener.subscribe(CameraInfo, 'camera_info')

    with running('camera_player', source=recording, size='32x24'):
        assert listener.spin_until(lambda: images and infos)

    assert (images[0].width, images[0].height) == (32, 24)
    assert (infos[0].width, infos[0].height) == (32, 24)
    assert infos[0].k[0] == 30.0
    assert infos[0].k[2] == 15.5


def test_compressed_images_decode_to_what_is_played(recording, listener):
    images = listener.subscribe(CompressedImage, 'image_rect/compressed')

    with running('camera_player', source=recording, rate=20.0):
        assert listener.spin_until(lambda: len(images) >= COUNT)

    levels = {
        round(cv2.imdecode(np.frombuffer(image.data, np.uint8), 1).mean() / 40) for image in images
    }
    assert levels == set(range(COUNT))
    assert 'jpeg' in images[0].format


def test_simulated_time_goes_with_the_images(recording, listener):
    clocks = listener.subscribe(Clock, '/clock')
    images = listener.subscribe(Image, 'image_rect')

    with running('camera_player', source=recording, rate=10.0, publish_clock='true'):
        assert listener.spin_until(lambda: len(images) > 3 and len(clocks) > 3)

    seconds = [image.header.stamp.sec + image.header.stamp.nanosec / 1e9 for image in images]
    assert np.diff(seconds) == pytest.approx(0.1)
    assert seconds[0] < 60


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(recording, listener, number):
    images = listener.subscribe(Image, 'image_rect')

    with running('camera_player', source=recording) as player:
        assert listener.spin_until(lambda: images)
        status = player.stop(number)

    assert status == 0
    assert 'Traceback' not in player.output


@pytest.mark.parametrize(
    ('parameters', 'reason'),
    [
        ({}, 'nothing to play'),
        ({'source': '/nowhere'}, 'there is nothing at /nowhere'),
        ({'source': '/tmp', 'rate': 0.0}, 'rate must be at least 0.1'),
        ({'source': '/tmp', 'size': 'big'}, 'WIDTHxHEIGHT'),
        ({'source': '/tmp', 'rate': 'fast'}, 'rate must be a float'),
    ],
)
def test_a_bad_parameter_ends_it_with_the_reason(parameters, reason):
    with running('camera_player', **parameters) as player:
        status = player.wait()

    assert status == 1
    assert reason in player.output
    assert 'Traceback' not in player.output
