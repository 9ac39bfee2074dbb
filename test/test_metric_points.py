# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metric points of a depth image and of a cloud, and the factor that fits them."""

from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.errors import ShapeError
from mono_depth_ros.metric_points import points_from_depth, points_from_xyz, robust_scale
import numpy as np
import pytest

CAMERA = PinholeCamera(120.0, 120.0, 63.5, 47.5, 128, 96)


def test_points_of_a_depth_image_are_where_it_was_measured():
    depth = np.full((96, 128), np.nan, np.float32)
    depth[10, 20], depth[50, 60], depth[1, 2], depth[3, 4] = 1.5, 2.5, 0.0, 90.0
    depth[5, :9], depth[6, :9] = np.inf, -np.inf  # too far and too near, by REP 117

    points = points_from_depth(depth)

    np.testing.assert_allclose(points, [[4, 3, 90.0], [20, 10, 1.5], [60, 50, 2.5]])


def test_points_of_a_depth_image_are_spread_over_it():
    points = points_from_depth(np.ones((96, 128), np.float32), count=100)

    assert len(points) == 100
    assert points[:, 1].min() == 0
    assert points[:, 1].max() == 95


def test_a_depth_image_without_a_measurement_has_no_points():
    assert points_from_depth(np.full((4, 4), np.nan, np.float32)).shape == (0, 3)


def test_range_points_are_projected_and_those_out_of_view_left_out():
    xyz = np.array([[0.0, 0.0, 2.0], [1.0, 0.5, 4.0], [9.0, 0.0, 1.0], [0.0, 0.0, -1.0]])

    points = points_from_xyz(xyz, CAMERA)

    np.testing.assert_allclose(points, [[63.5, 47.5, 2.0], [93.5, 62.5, 4.0]])


def test_points_must_be_points():
    with pytest.raises(ShapeError, match=r'must be \(N, 3\)'):
        points_from_xyz(np.zeros((3, 2)), CAMERA)


def test_the_scale_of_most_points_wins():
    true = np.linspace(1, 5, 101)
    predicted = true / 1.3
    predicted[:30] *= 9

    assert robust_scale(predicted, true) == pytest.approx(1.3)
