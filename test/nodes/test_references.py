# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clouds, depth images and poses find the image that they belong to."""

from array import array
from importlib.util import find_spec
from types import SimpleNamespace

from mono_depth_ros.camera import camera_from_fov
import numpy as np
from processes import running
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')
from geometry_msgs.msg import TransformStamped
from mono_depth_ros.errors import ConfigError, ImageError
from mono_depth_ros.nodes.references import References
from mono_depth_ros.references import cloud_to_xyz, message_to_depth, RECENT, WAITING
from mono_depth_ros.stamps import serialized_stamp
from nav_msgs.msg import Odometry
from played import make_depth, PlayedNode, STAMP, with_header
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image, PointCloud2, PointField

CAMERA = camera_from_fov(64, 48, 60.0)
# The base looks along x, the camera along its own z; it is 1 m above the base.
BASE_TO_EYE = 'base eye 0 0 1 -0.5 0.5 -0.5 0.5'


def make_cloud(xyz, datatype=PointField.FLOAT32, **changes):
    cloud = PointCloud2(height=1, width=len(xyz), point_step=16, row_step=16 * len(xyz))
    cloud.fields = [
        PointField(name=name, offset=4 * number, datatype=datatype, count=1)
        for number, name in enumerate('xyz')
    ]
    values = np.zeros((len(xyz), 4), np.float32)
    values[:, :3] = xyz
    cloud.data = array('B', values.tobytes())
    for name, value in changes.items():
        setattr(cloud, name, value)
    return cloud


def make_odometry(x, stamp_ns):
    message = with_header(Odometry(child_frame_id='base'), stamp_ns, 'odom')
    message.pose.pose.position.x = float(x)
    message.pose.pose.orientation.w = 1.0
    return message


def listening(tolerance_s=0.05, transforms=''):
    node = PlayedNode()
    references = References(node, tolerance_s, transforms)
    references.subscribe()

    return references, node.hear


def test_a_cloud_in_another_frame_is_projected_into_the_image():
    references, hear = listening(transforms=BASE_TO_EYE)
    # Three metres ahead of the base: in the middle, behind it, and in the middle without a number.
    xyz = [[3.0, 0.0, 1.0], [-3.0, 0.0, 1.0], [np.nan, 0.0, 1.0]]
    hear('reference/points', with_header(make_cloud(xyz), frame_id='base'))

    points = references.points(STAMP, CAMERA, 'eye')

    np.testing.assert_allclose(points, [[CAMERA.cx, CAMERA.cy, 3.0]], atol=1e-4)
    assert references.counts['reference/points'] == 1


def test_a_cloud_of_a_frame_that_nobody_knows_is_told():
    references, hear = listening()
    hear('reference/points', with_header(make_cloud([[3.0, 0.0, 1.0]]), frame_id='lidar'))

    assert references.points(STAMP, CAMERA, 'eye') is None
    assert "frame 'lidar', and nothing says where 'eye' is" in references.problem


def test_the_depth_image_nearest_in_time_counts():
    references, hear = listening()
    for offset, metres in ((-40, 1.0), (10, 2.0), (60, 3.0)):
        depth = np.full((24, 32), metres, np.float32)
        hear('reference/depth', with_header(make_depth(depth), STAMP + offset * 10**6))

    points = references.points(STAMP, CAMERA, 'eye')

    assert set(points[:, 2]) == {2.0}
    assert 0 <= points[:, 0].min() < 2 and 60 < points[:, 0].max() < 64  # of the larger image


def test_an_image_that_waits_keeps_its_depth_at_any_rate():
    references, hear = listening()
    references.expect(STAMP)
    for number in range(-45, 300):  # of 90 Hz
        depth = np.full((24, 32), 2.0 if number == 0 else 1.0, np.float32)
        hear('reference/depth', with_header(make_depth(depth), STAMP + number * 11_111_111))

    points = references.points(STAMP, CAMERA, 'eye')

    assert set(points[:, 2]) == {2.0}


def test_depth_that_no_image_waits_for_goes_after_a_while():
    references, hear = listening()
    depth = make_depth(np.ones((24, 32), np.float32))
    for number in range(300):
        hear('reference/depth', with_header(depth, STAMP + number * 11_111_111))

    assert references.points(STAMP + 299 * 11_111_111 - 400_000_000, CAMERA, 'eye') is not None
    assert references.points(STAMP + 299 * 11_111_111 - 700_000_000, CAMERA, 'eye') is None


@pytest.mark.parametrize('step_ns', [0, 1000])
def test_stamps_that_stand_still_or_creep_fill_no_memory(step_ns):
    references, hear = listening()
    depth = make_depth(np.ones((24, 32), np.float32))
    references.expect(STAMP)

    for number in range(1000):
        hear('reference/depth', with_header(depth, STAMP + number * step_ns))

    assert len(references._recent['reference/depth']) <= RECENT + WAITING
    assert references.points(STAMP, CAMERA, 'eye') is not None


def test_of_two_messages_with_one_stamp_the_last_counts():
    references, hear = listening()
    for metres in (1.0, 2.0):
        hear('reference/depth', with_header(make_depth(np.full((24, 32), metres, np.float32))))

    assert set(references.points(STAMP, CAMERA, 'eye')[:, 2]) == {2.0}


def test_what_came_too_early_or_too_late_is_left_alone():
    references, hear = listening(tolerance_s=0.05)
    depth = make_depth(np.ones((24, 32), np.float32))
    hear('reference/depth', with_header(depth, STAMP - 60_000_000))

    assert references.points(STAMP, CAMERA, 'eye') is None
    assert references.problem == ''


def test_a_depth_image_of_another_frame_is_told():
    references, hear = listening()
    depth = make_depth(np.ones((24, 32), np.float32))
    hear('reference/depth', with_header(depth, frame_id='tof'))

    assert references.points(STAMP, CAMERA, 'eye') is None
    assert 'must be registered to the image' in references.problem


def test_a_pose_is_that_of_the_camera_between_two_of_the_base():
    references, hear = listening(transforms=BASE_TO_EYE)
    for number in range(2):
        hear('reference/odometry', make_odometry(number, STAMP + number * 100_000_000))

    pose = references.pose(STAMP + 50_000_000, 'eye')

    np.testing.assert_allclose(pose[:3, 3], [0.5, 0.0, 1.0], atol=1e-9)
    np.testing.assert_allclose(pose[:3, 2], [1.0, 0.0, 0.0], atol=1e-9)  # it looks ahead
    assert references.pose(STAMP + 150_000_000, 'eye') is None


@pytest.mark.parametrize(
    ('tolerance_s', 'gap_ms', 'found'), [(0.05, 150, True), (0.05, 250, False), (0.3, 250, True)]
)
def test_poses_may_be_farther_apart_than_what_is_seen(tolerance_s, gap_ms, found):
    references, hear = listening(tolerance_s, BASE_TO_EYE)
    for offset in (-gap_ms, gap_ms):
        hear('reference/odometry', make_odometry(0, STAMP + offset * 1_000_000))

    assert (references.pose(STAMP, 'eye') is not None) is found


def test_odometry_of_a_base_that_nothing_connects_is_told():
    references, hear = listening()
    hear('reference/odometry', make_odometry(0, STAMP))

    assert references.pose(STAMP, 'eye') is None
    assert "of 'base', and nothing says where 'eye' is on it" in references.problem


def test_a_pose_that_is_found_ends_the_problem():
    references, hear = listening()
    hear('reference/odometry', make_odometry(0, STAMP))
    assert references.pose(STAMP, 'eye') is None

    late = with_header(TransformStamped(child_frame_id='eye'), frame_id='base')
    references.add_static(SimpleNamespace(transforms=[late]))

    assert references.pose(STAMP, 'eye') is not None
    assert references.problem == ''


def test_odometry_that_is_no_rotation_is_told():
    references, hear = listening()
    message = make_odometry(0, STAMP)
    message.pose.pose.orientation.w = 0.0

    hear('reference/odometry', message)

    assert 'not a transform' in references.problem
    assert not references.heard


def test_millimetres_become_metres_and_nothing_becomes_nan():
    depth = message_to_depth(make_depth(np.array([[0, 1500]], np.uint16), '16UC1'))

    np.testing.assert_allclose(depth, [[np.nan, 1.5]])


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'encoding': 'rgb8'}, 'must be 32FC1 or 16UC1'),
        ({'step': 3}, 'do not fit into rows of 3 bytes'),
        ({'data': array('B', bytes(5))}, 'step \\* height'),
        ({'height': 0}, '32x0 px'),
    ],
)
def test_a_depth_image_that_contradicts_itself_is_refused(changes, reason):
    message = make_depth(np.ones((24, 32), np.float32))
    for name, value in changes.items():
        setattr(message, name, value)

    with pytest.raises(ImageError, match=reason):
        message_to_depth(message)


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'fields': []}, "no float32 field 'x'"),
        ({'width': 9}, 'hold no 9 points'),
        ({'width': 0}, 'hold no 0 points'),
        ({'data': array('B', bytes(15))}, '15 bytes hold no 1 points'),
        ({'point_step': 11}, 'up to byte 12 do not fit into points of 11 bytes'),
        ({'height': 2, 'row_step': 15}, 'do not fit into rows of 15'),
        ({'height': 2, 'row_step': 16}, '16 bytes hold no 2 points'),
    ],
)
def test_a_cloud_that_contradicts_itself_is_refused(changes, reason):
    with pytest.raises(ImageError, match=reason):
        cloud_to_xyz(make_cloud([[1.0, 2.0, 3.0]], **changes))


def test_padding_after_the_rows_of_a_cloud_is_skipped():
    xyz = np.arange(18, dtype=np.float32).reshape(6, 3)
    xyz[[2, 5]] = -1.0  # what lies between two rows may be anything
    cloud = make_cloud(xyz, height=2, width=2, row_step=48)

    np.testing.assert_array_equal(cloud_to_xyz(cloud), xyz[[0, 1, 3, 4]])


def test_a_cloud_of_one_row_need_not_say_how_long_it_is():
    cloud = make_cloud([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], row_step=0)

    np.testing.assert_array_equal(cloud_to_xyz(cloud), [[1, 2, 3], [4, 5, 6]])


def test_a_cloud_of_doubles_is_refused():
    with pytest.raises(ImageError, match='no float32 field'):
        cloud_to_xyz(make_cloud([[1.0, 2.0, 3.0]], PointField.FLOAT64))


def test_a_bad_transform_ends_the_start():
    with pytest.raises(ConfigError, match='a transform is'):
        References(PlayedNode(), 0.05, 'base eye')


def test_the_stamp_is_read_without_the_message():
    raw = serialize_message(with_header(Image(), 7_000_000_009))

    assert serialized_stamp(raw) == 7_000_000_009


@pytest.mark.ros
@pytest.mark.skipif(find_spec('torch') is None, reason='torch is not installed')
def test_a_range_sensor_anchors_the_images_that_are_kept(listener, tmp_path):
    from robot import Robot, SMALL

    robot = Robot(listener)
    publisher = listener.node.create_publisher(Image, 'reference/depth', 10)
    depth = make_depth(np.full((192, 256), 2500, np.uint16), '16UC1')

    def anchored(status):
        robot.drive()
        depth.header.stamp, depth.header.frame_id = robot.stamp, 'front'
        publisher.publish(depth)
        return int(status.get('frames with metric points', 0)) > 5

    with running('adaptation_node', store=tmp_path / 'store', **SMALL) as node:
        status = robot.wait(anchored)
        assert node.stop() == 0, node.output

    assert int(status['used: reference/depth']) > 5
