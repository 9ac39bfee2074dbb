# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A depth node that follows the metres of a sensor or of the floor, over real DDS."""

from array import array

import numpy as np
from processes import running
import pytest

pytestmark = pytest.mark.ros
rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('onnx', reason='onnx is not installed')
from diagnostic_msgs.msg import DiagnosticArray
from driver import call, CAMERA, Camera, DEPTH, depth_of, RED, stamped, status_values
from mono_depth_ros.floor import pixel_rays
from mono_depth_ros.projection import depth_to_points
from networks import new_store, variant
from sensor_msgs.msg import Image, PointCloud2, PointField
from std_srvs.srv import Trigger

# The network says DEPTH; the sensor of these tests says so much more.
TRUE = 1.2
RATE = 0.5


class Robot:
    """A camera with a range sensor beside it, and what a depth node says of its images."""

    def __init__(self, listener, frame_id='front', red=RED):
        self.listener, self.camera, self.frame_id = listener, Camera(listener), frame_id
        self.depths = listener.subscribe(Image, 'depth/image_rect')
        self.statuses = listener.subscribe(DiagnosticArray, '/diagnostics')
        self.clouds = listener.node.create_publisher(PointCloud2, 'reference/points', 10)
        self.images = listener.node.create_publisher(Image, 'reference/depth', 10)
        self.rgb = np.stack([red, np.full_like(red, 7), np.full_like(red, 9)], axis=-1)
        self.said = 1.0 + 0.01 * red.astype(np.float32)
        self.factors = []  # (stamp [s], published depth / depth of the first network)

    def look(self, sense=None):
        """Send an image, what the sensor saw with it, and keep the factor of the answer."""
        stamp = self.camera.send(self.camera.image(self.rgb))
        if sense is not None:
            message = sense()
            message.header.stamp, message.header.frame_id = stamp, self.frame_id
            publisher = self.images if isinstance(message, Image) else self.clouds
            publisher.publish(message)
        if self.listener.spin_until(lambda: stamped(self.depths, stamp), 0.5):
            depth = depth_of(stamped(self.depths, stamp))
            factor = float(np.median(depth / self.said))
            self.factors.append((stamp.sec + stamp.nanosec * 1e-9, factor))
        self.listener.spin_until(lambda: False, 0.03)

    def look_until(self, condition, sense=None, timeouts=600):
        """Send images until the condition holds."""
        for _ in range(timeouts):
            if condition():
                return True
            self.look(sense)
        return False

    @property
    def factor(self):
        return self.factors[-1][1] if self.factors else 0.0

    def status(self):
        return status_values(self.statuses[-1]) if self.statuses else {}

    def fastest_change(self):
        """Return the largest change of the factor in a second, and in a single image."""
        stamps, factors = np.array(self.factors).T
        change = np.abs(np.diff(np.log(factors)))
        return float((change / np.diff(stamps)).max()), float(change.max())


def cloud(scale=TRUE, offset=0.0):
    """Make a cloud of every 60th pixel, ``offset`` metres to the right of the camera."""
    points = depth_to_points((DEPTH * scale).astype(np.float32), CAMERA).reshape(-1, 3)[::60]
    points = np.ascontiguousarray(points - np.float32([offset, 0, 0]))
    message = PointCloud2(height=1, width=len(points), point_step=12, row_step=12 * len(points))
    message.fields = [
        PointField(name=name, offset=4 * place, datatype=PointField.FLOAT32, count=1)
        for place, name in enumerate('xyz')
    ]
    message.data = array('B', points.tobytes())
    return message


def millimetres():
    """Make a depth image of half the size of the camera image."""
    depth = np.rint(DEPTH[::2, ::2] * (1000 * TRUE)).astype(np.uint16)
    message = Image(height=depth.shape[0], width=depth.shape[1], encoding='16UC1')
    message.step = 2 * depth.shape[1]
    message.data = array('B', depth.tobytes())
    return message


def floor_seen_from(height, pitch_degrees=15.0):
    """Return the red of an image in which the network sees a floor and a wall behind it."""
    v, u = (axis.ravel() for axis in np.mgrid[: CAMERA.height, : CAMERA.width])
    pitch = np.radians(pitch_degrees)
    slope = pixel_rays(u, v, CAMERA) @ np.array([0.0, np.cos(pitch), np.sin(pitch)])
    depth = np.clip(height / np.maximum(slope, 1e-6), 1.0, 3.5).reshape(CAMERA.height, -1)
    return np.rint((depth - 1.0) * 100).astype(np.uint8)


@pytest.fixture(scope='module')
def start(red_network):
    """Return a function that runs a depth node with a scale source."""

    def start_node(**parameters):
        return running('depth_node', **{'model': red_network, 'scale_rate': RATE, **parameters})

    return start_node


@pytest.mark.parametrize('sense', [cloud, millimetres], ids=['points', 'depth'])
def test_published_depth_follows_a_sensor_and_never_jumps(sense, listener, start):
    with start(scale_source='reference') as node:
        robot = Robot(listener)
        robot.look_until(lambda: len(robot.factors) >= 5)
        before = robot.factor
        assert robot.look_until(lambda: abs(robot.factor / TRUE - 1) < 0.02, sense)
        assert robot.look_until(lambda: robot.status().get('scale state') == 'settled', sense)
        status = robot.status()
        assert node.stop() == 0, node.output

    assert before == pytest.approx(1.0, abs=1e-4)
    assert robot.fastest_change()[0] <= np.log1p(RATE) * 1.02, robot.factors
    assert float(status['scale']) == pytest.approx(TRUE, rel=0.03)
    assert float(status['scale shift [1/m]']) == pytest.approx(0.0, abs=0.02)
    assert int(status['scale points']) >= 100
    assert int(status['scale inliers']) >= 0.9 * int(status['scale points'])
    assert float(status['scale age [s]']) < 5.0


def test_without_a_reference_the_last_scale_is_held(listener, start):
    with start(scale_source='reference'):
        robot = Robot(listener)
        assert robot.look_until(lambda: abs(robot.factor / TRUE - 1) < 0.01, cloud)
        until = robot.factors[-1][0] + 4.0
        robot.look_until(lambda: robot.factors[-1][0] > until)
        held = robot.look_until(lambda: 'no reference' in robot.status()['scale state'])

    assert held, robot.status()
    assert robot.factor == pytest.approx(TRUE, rel=0.02)


def test_points_in_a_frame_nobody_knows_are_refused_with_the_remedy(listener, start):
    with start(scale_source='reference'):
        robot = Robot(listener, frame_id='lidar')
        told = robot.look_until(
            lambda: "frame 'lidar'" in robot.status().get('scale state', ''), cloud
        )
        message = robot.statuses[-1].status[0].message

    assert told, robot.status()
    assert 'set static_transforms' in message
    assert robot.factor == pytest.approx(1.0, abs=1e-4)


def test_points_of_a_sensor_beside_the_camera_are_moved_to_it(listener, start):
    transforms = 'front lidar 0.3 0 0 0 0 0 1'
    with start(scale_source='reference', static_transforms=transforms):
        robot = Robot(listener, frame_id='lidar')
        followed = robot.look_until(
            lambda: abs(robot.factor / TRUE - 1) < 0.02, lambda: cloud(offset=0.3)
        )

    assert followed, robot.status()


def test_another_network_does_not_make_the_depth_jump(listener, start, red_network, tmp_path):
    store = new_store(tmp_path / 'store', red_network)
    with start(scale_source='reference', store=store.root, health_watch_s=0.0):
        robot = Robot(listener)
        assert robot.look_until(lambda: abs(robot.factor / TRUE - 1) < 0.01, cloud)
        other = variant(red_network, tmp_path / 'other.onnx', gain=0.013, offset=1.3)
        store.promote(store.add(other))
        robot.look_until(lambda: len(robot.factors) % 5 == 0, cloud)
        answer = call(listener, Trigger, '/depth_node/reload_engine', Trigger.Request())
        begun = robot.factors[-1][0]
        assert robot.look_until(lambda: float(robot.status()['scale']) < 1.0, cloud)
        robot.look_until(lambda: robot.factors[-1][0] > begun + 3.0, cloud)
        scale = float(robot.status()['scale'])

    assert answer.success, answer.message
    assert scale == pytest.approx(TRUE / 1.3, rel=0.02)
    assert robot.factor == pytest.approx(TRUE, rel=0.02)
    assert robot.fastest_change()[1] < 0.1  # the network itself says 30 % more


def test_the_floor_below_a_camera_of_known_height_is_followed(listener, start):
    with start(scale_source='camera_height', camera_height=0.9 * TRUE):
        robot = Robot(listener, red=floor_seen_from(0.9))
        followed = robot.look_until(lambda: abs(robot.factor / TRUE - 1) < 0.02)
        assert robot.look_until(lambda: robot.status().get('scale state') == 'settled')

    assert followed
    assert robot.fastest_change()[0] <= np.log1p(RATE) * 1.02


def test_where_there_is_no_floor_nothing_is_corrected(listener, start):
    with start(scale_source='camera_height', camera_height=1.0):
        robot = Robot(listener)  # a wall beside the camera
        told = robot.look_until(lambda: 'no floor' in robot.status().get('scale state', ''))

    assert told, robot.status()
    assert robot.factor == pytest.approx(1.0, abs=1e-4)


def test_a_camera_height_is_asked_for(start):
    with start(scale_source='camera_height') as node:
        assert node.wait() != 0

    assert 'scale_source camera_height needs camera_height' in node.output


def test_off_it_costs_nothing_and_says_nothing(listener, start):
    with start():
        robot = Robot(listener)
        robot.look_until(lambda: len(robot.factors) >= 5 and robot.statuses, cloud)
        topics = dict(listener.node.get_topic_names_and_types())
        count = listener.node.count_subscribers('reference/points')

    assert 'scale source' not in robot.status()
    assert count == 0, topics
    assert robot.factor == pytest.approx(1.0, abs=1e-4)
