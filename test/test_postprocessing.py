# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
from hypothesis import given, settings
from hypothesis import strategies as st
from mono_depth_ros.errors import ShapeError
from mono_depth_ros.postprocessing import (
    depth_to_millimetres,
    disparity_to_uint16,
    limit_depth,
    resize_depth,
)
import numpy as np
import pytest

NAN, INF = np.nan, np.inf


def step_edge(near=1.0, far=4.0):
    """Return a wall with a box in front of it, (24, 32)."""
    depth = np.full((24, 32), far, np.float32)
    depth[6:18, 8:20] = near
    return depth


@pytest.mark.parametrize(
    ('method', 'flies'), [('edge', False), ('nearest', False), ('linear', True)]
)
def test_only_linear_growth_makes_points_fly_between_surfaces(method, flies):
    grown = resize_depth(step_edge(), (60, 80), method)

    between = (grown > 1.05) & (grown < 3.95)
    assert grown.shape == (60, 80)
    assert between.any() == flies


@pytest.mark.parametrize(('method', 'smooth'), [('edge', True), ('nearest', False)])
def test_only_edge_growth_keeps_a_slanted_surface_smooth(method, smooth):
    # A floor: inverse depth falls linearly with the row.
    floor = np.repeat(1.0 / np.linspace(1.0, 0.5, 48, dtype=np.float32)[:, None], 64, axis=1)

    grown = resize_depth(floor, (120, 160), method)

    stairs = (np.diff(grown[10:-10, 80]) == 0).mean()
    assert (stairs < 0.05) == smooth


@pytest.mark.parametrize('method', ['edge', 'nearest', 'linear'])
def test_depth_of_the_right_size_is_returned_as_it_is(method):
    depth = step_edge()

    assert resize_depth(depth, depth.shape, method) is depth


def test_a_missing_pixel_does_not_spread_far():
    depth = np.ones((24, 32), np.float32)
    depth[12, 16] = NAN

    grown = resize_depth(depth, (48, 64), 'edge')

    missing = np.isnan(grown)
    assert 1 <= missing.sum() <= 4
    assert np.all(grown[~missing] == 1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(16, 70), st.integers(16, 70))
def test_growing_never_leaves_the_range_of_the_depth(seed, height, width):
    depth = np.random.default_rng(seed).uniform(0.5, 9.0, (12, 16)).astype(np.float32)

    grown = resize_depth(depth, (height, width), 'edge')

    assert grown.min() >= depth.min() - 1e-5 and grown.max() <= depth.max() + 1e-5


@pytest.mark.parametrize(
    'bad', [np.ones((3, 4)), np.ones((3, 4, 1), np.float32), np.ones((0, 4), np.float32)]
)
def test_what_is_not_a_depth_image_is_refused(bad):
    with pytest.raises(ShapeError, match=r'depth must be \(h, w\) float32'):
        resize_depth(bad, (8, 8))


def test_limits_follow_rep_117():
    depth = np.array([[0.05, 0.1, 5.0, 10.0, 10.1, NAN, INF, -INF]], np.float32)

    limited = limit_depth(depth, 0.1, 10.0)

    expected = np.array([[-INF, 0.1, 5.0, 10.0, INF, NAN, INF, -INF]], np.float32)
    np.testing.assert_array_equal(limited, expected)


def test_far_pixels_may_stay_finite_for_clearing():
    depth = np.array([[1.0, 11.0, INF]], np.float32)

    np.testing.assert_array_equal(limit_depth(depth, 0.1, 10.0, 12.0), [[1.0, 12.0, 12.0]])


def test_limiting_leaves_its_input_alone():
    depth = np.array([[0.01, 99.0]], np.float32)

    limit_depth(depth, 0.1, 10.0)

    np.testing.assert_array_equal(depth, np.array([[0.01, 99.0]], np.float32))


def test_millimetres_round_and_mark_what_is_missing():
    depth = np.array([[1.2345, 0.0004, NAN, INF, -INF, 65.535, 65.6]], np.float32)

    assert depth_to_millimetres(depth).tolist() == [[1234, 0, 0, 0, 0, 65535, 0]]
    assert depth_to_millimetres(depth).dtype == np.uint16


def test_disparity_is_stretched_from_the_farthest_to_the_nearest():
    disparity = np.array([[-2.0, 0.0, 2.0, np.nan, np.inf]], np.float32)

    assert disparity_to_uint16(disparity).tolist() == [[1, 32768, 65535, 0, 0]]


def test_disparity_without_range_or_pixels_is_still_an_image():
    assert disparity_to_uint16(np.full((1, 2), 3.0, np.float32)).tolist() == [[1, 1]]
    assert disparity_to_uint16(np.full((1, 2), np.nan, np.float32)).tolist() == [[0, 0]]
