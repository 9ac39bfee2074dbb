# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Transforms, trees of frames and tracks of poses."""

from hypothesis import given
from hypothesis import strategies as st
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.poses import (
    FrameTree,
    interpolate,
    inverse,
    parse_transforms,
    PoseTrack,
    quaternion,
    transform,
)
import numpy as np
import pytest

HALF = np.sqrt(0.5)
QUARTER_TURN = transform((1.0, 2.0, 3.0), (0.0, 0.0, HALF, HALF))  # about z
numbers = st.floats(-5, 5)


def test_a_quarter_turn_about_z_maps_x_to_y():
    np.testing.assert_allclose(QUARTER_TURN @ [1, 0, 0, 1], [1, 3, 3, 1], atol=1e-12)


@given(st.tuples(numbers, numbers, numbers), st.tuples(numbers, numbers, numbers, numbers))
def test_a_transform_and_its_inverse_cancel(translation, quaternion):
    if np.linalg.norm(quaternion) < 1e-3:
        return
    matrix = transform(translation, quaternion)

    np.testing.assert_allclose(matrix @ inverse(matrix), np.eye(4), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(matrix[:3, :3]), 1.0)


@given(st.tuples(numbers, numbers, numbers, numbers))
def test_a_rotation_survives_its_quaternion(values):
    if np.linalg.norm(values) < 1e-3:
        return
    matrix = transform((0.0, 0.0, 0.0), values)

    np.testing.assert_allclose(transform((0.0, 0.0, 0.0), quaternion(matrix)), matrix, atol=1e-6)


@pytest.mark.parametrize('bad', [(0.0, 0.0, 0.0, 0.0), (np.nan, 0.0, 0.0, 1.0)])
def test_what_is_no_rotation_is_refused(bad):
    with pytest.raises(ConfigError, match='not a transform'):
        transform((0.0, 0.0, 0.0), bad)


def test_a_tree_goes_up_and_down():
    tree = FrameTree()
    tree.add('base', 'mast', transform((0, 0, 1), (0, 0, 0, 1)))
    tree.add('mast', 'camera', QUARTER_TURN)
    tree.add('/base', '/lidar', transform((1, 0, 0), (0, 0, 0, 1)))

    base_from_camera = tree.between('base', 'camera')
    camera_from_lidar = tree.between('camera', 'lidar')

    np.testing.assert_allclose(base_from_camera[:3, 3], [1, 2, 4])
    expected = inverse(base_from_camera) @ transform((1, 0, 0), (0, 0, 0, 1))
    np.testing.assert_allclose(camera_from_lidar, expected, atol=1e-12)


def test_a_frame_is_where_it_is():
    np.testing.assert_array_equal(FrameTree().between('camera', 'camera'), np.eye(4))


def test_frames_that_nothing_connects_have_no_transform():
    assert FrameTree().between('base', 'camera') is None


def test_a_circle_ends():
    tree = FrameTree()
    tree.add('a', 'b', np.eye(4))
    tree.add('b', 'a', np.eye(4))

    assert tree.between('c', 'a') is None
    assert tree.between('a', 'b') is not None


def test_transforms_are_read_from_text():
    first, second = parse_transforms('base mast 0 0 1 0 0 0 1; mast eye 1 2 3 0 0 0.7071 0.7071;')

    assert first[:2] == ('base', 'mast')
    np.testing.assert_allclose(second[2], QUARTER_TURN, atol=1e-4)
    assert parse_transforms('') == []


@pytest.mark.parametrize('text', ['base', 'base eye 1 2 3', 'base eye 0 0 0 0 0 0 one'])
def test_text_that_is_no_transform_is_refused(text):
    with pytest.raises(ConfigError, match='a transform is'):
        parse_transforms(text)


def test_between_two_poses_it_moves_and_turns_evenly():
    third = interpolate(np.eye(4), QUARTER_TURN, 1 / 3)

    angle = np.pi / 6
    np.testing.assert_allclose(third[:3, 3], [1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(third[:2, 0], [np.cos(angle), np.sin(angle)])


def track():
    poses = PoseTrack()
    for second in range(3):
        poses.add(second * 10**9, transform((float(second), 0, 0), (0, 0, 0, 1)))
    return poses


@pytest.mark.parametrize(
    ('stamp', 'tolerance', 'x'),
    [
        (10**9, 0, 1.0),
        (15 * 10**8, 10**9, 1.5),
        (15 * 10**8, 10**8, None),  # too far from both
        (3 * 10**9, 10**10, None),  # nobody knows yet
        (-1, 10**10, None),
    ],
)
def test_a_pose_is_known_between_two_that_are_near(stamp, tolerance, x):
    pose = track().at(stamp, tolerance)

    assert (None if pose is None else pose[0, 3]) == x


def test_a_clock_that_was_set_back_begins_a_new_track():
    poses = track()

    poses.add(5, np.eye(4))

    assert poses.latest_ns == 5
    assert poses.at(15 * 10**8, 10**10) is None
    assert PoseTrack().latest_ns is None
