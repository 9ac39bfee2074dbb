# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`mono_depth demo`: three nodes in three processes, and what they leave behind."""

import subprocess
import sys

import cv2
from mono_depth_ros.camera import camera_to_json, PinholeCamera
from mono_depth_ros.frames import open_frames
import numpy as np
import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('rosbags', reason='rosbags is not installed')
CAMERA = PinholeCamera(120.0, 120.0, 63.5, 47.5, 128, 96)


@pytest.fixture
def recording(tmp_path):
    """Make an RGB-D folder of four ramps, with a ground truth of 2 m."""
    folder = tmp_path / 'images'
    for name in ('rgb', 'depth'):
        (folder / name).mkdir(parents=True)
    camera_to_json(folder / 'camera.json', CAMERA)
    for number in range(4):
        bgr = np.zeros((96, 128, 3), np.uint8)
        bgr[..., 2] = np.linspace(0, 200, 128).round()
        cv2.imwrite(str(folder / 'rgb' / f'{number}.png'), bgr)
        cv2.imwrite(str(folder / 'depth' / f'{number}.png'), np.full((96, 128), 2000, np.uint16))
    return folder


def demo(*words):
    """Run the demo and return the finished process."""
    command = [sys.executable, '-m', 'mono_depth_ros.cli.main', 'demo', *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def test_the_demo_leaves_picture_cloud_and_bag_of_what_came_over_the_wire(
    recording, tmp_path, red_network
):
    output = tmp_path / 'output'

    result = demo(
        *(recording, '--output', output, '--model', red_network, '--seconds', 3, '--rate', 10)
    )

    assert result.returncode == 0, result.stderr
    assert 'latency p50 / p99' in result.stdout
    assert str(output) in result.stdout
    assert 'only networks of this package can be adapted' in ' '.join(result.stdout.split())
    picture = cv2.imread(str(output / 'side_by_side.png'))
    assert picture.shape == (4 * 96 + 24, 3 * 4 * 128 + 2 * 4, 3)
    header, body = (output / 'cloud.ply').read_bytes().split(b'end_header\n')
    points = np.frombuffer(body, [('xyz', '<f4', 3), ('rgb', 'u1', 3)])['xyz']
    assert b'element vertex 3072\n' in header
    assert (points[:, 2].min(), points[:, 2].max()) == pytest.approx((1.0, 3.0), abs=0.1)
    frames = list(open_frames(output / 'recording'))
    assert frames[0].camera.fx == 120.0
    assert frames[0].rgb.shape == (96, 128, 3)


def test_a_demo_that_cannot_run_says_why_and_fails(tmp_path):
    result = demo('/nowhere', '--output', tmp_path)

    assert result.returncode == 1
    assert 'there is nothing at /nowhere' in ' '.join(result.stderr.split())
    assert 'Traceback' not in result.stderr


def test_a_network_that_is_not_there_ends_the_demo_with_the_reason(recording, tmp_path):
    result = demo(recording, '--output', tmp_path, '--model', '/no/network.onnx')

    assert result.returncode == 1
    assert 'no model at /no/network.onnx' in ' '.join(result.stderr.split())


@pytest.fixture
def rooms(tmp_path):
    """Make an RGB-D folder of rooms, each of them another one."""
    pytest.importorskip('torch', reason='torch is not installed')
    from mono_depth_ros.folders import write_rgbd
    from mono_depth_ros.frames import Frame
    from mono_depth_ros.model.registry import shipped_models
    from mono_depth_ros.source.pack import read_source_pack

    samples = read_source_pack(shipped_models()['indoor'].with_name('source_pack.zip'))[:60]
    camera = PinholeCamera(220.0, 220.0, 127.5, 95.5, 256, 192)
    frames = [
        Frame(sample.rgb, number * 10**8, f'{number:03d}', camera, sample.depth.astype(np.float32))
        for number, sample in enumerate(samples)
    ]
    write_rgbd(tmp_path / 'rooms', frames)
    return tmp_path / 'rooms'


def test_the_demo_adapts_and_tells_the_verdict(rooms, tmp_path):
    output = tmp_path / 'output'

    result = demo(rooms, '--output', output, '--seconds', 2, '--rate', 10, '--steps', 2)

    assert result.returncode == 0, result.stderr
    words = ' '.join(result.stdout.split())
    assert 'rank correlation' in words, words
    promoted = 'PROMOTED' in words
    assert promoted or 'REJECTED' in words or 'SKIPPED' in words
    assert (output / 'before_after.png').is_file() is promoted
    assert ('images that were not played' in words) is promoted
