# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth for people."""

from mono_depth_ros.errors import ShapeError
from mono_depth_ros.visualisation import (
    colour_depth,
    depth_range,
    side_by_side,
    write_image,
    write_ply,
)
import numpy as np
import pytest


def test_near_is_red_far_is_blue_and_missing_is_black():
    depth = np.full((8, 12), np.nan, np.float32)
    depth[:, :4], depth[:, 4:8] = 0.5, 5.0
    depth[0, 0] = np.inf

    colours = colour_depth(depth, min_depth=0.4, max_depth=6.0)

    near, far = colours[4, 2].astype(int), colours[4, 6].astype(int)
    assert near[0] > near[2]
    assert far[2] > far[0]
    assert not colours[:, 8:].any()
    assert not colours[0, 0].any()


def test_what_is_far_is_not_as_black_as_what_is_missing():
    colours = colour_depth(np.full((4, 4), 100.0, np.float32), min_depth=1.0, max_depth=10.0)

    assert colours.max() > 60


def test_the_scale_leaves_out_the_outermost_pixels():
    depth = np.linspace(1.0, 2.0, 10_000, dtype=np.float32).reshape(100, 100)
    depth[0, 0], depth[50, 50] = 0.01, 99.0

    low, high = depth_range(depth)

    assert 1.0 < low < 1.05
    assert 1.95 < high < 2.0


@pytest.mark.parametrize('value', [np.nan, np.inf, 0.0])
def test_an_image_without_depth_is_all_black(value):
    assert not colour_depth(np.full((6, 6), value, np.float32)).any()


def test_a_constant_depth_has_a_colour():
    assert colour_depth(np.full((6, 6), 2.0, np.float32)).any()


def test_panels_of_any_size_share_one_height():
    panels = [np.zeros((48, 64, 3), np.uint8), np.zeros((24, 30, 3), np.uint8)]

    picture = side_by_side(panels, ['image', 'depth'])

    assert picture.shape == (48 + 24, 64 + 4 + 60, 3)


def test_a_small_picture_is_enlarged_by_a_whole_factor():
    picture = side_by_side([np.zeros((48, 64, 3), np.uint8)], min_height=100)

    assert picture.shape == (144, 192, 3)


def test_a_written_image_keeps_its_colours(tmp_path):
    import cv2

    rgb = np.zeros((4, 5, 3), np.uint8)
    rgb[..., 0] = 200

    write_image(tmp_path / 'red.png', rgb)

    assert cv2.imread(str(tmp_path / 'red.png'))[0, 0].tolist() == [0, 0, 200]


def test_a_ply_holds_the_finite_points_with_their_colours(tmp_path):
    points = np.array([[[1, 2, 3], [np.nan, 0, 0], [4, 5, 6]]], np.float32)
    colours = np.array([[[10, 20, 30], [0, 0, 0], [40, 50, 60]]], np.uint8)

    count = write_ply(tmp_path / 'cloud.ply', points, colours)

    header, body = (tmp_path / 'cloud.ply').read_bytes().split(b'end_header\n')
    vertices = np.frombuffer(body, [('xyz', '<f4', 3), ('rgb', 'u1', 3)])
    assert count == 2
    assert b'element vertex 2\n' in header
    assert vertices['xyz'].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert vertices['rgb'].tolist() == [[10, 20, 30], [40, 50, 60]]


def test_points_and_colours_must_belong_together(tmp_path):
    with pytest.raises(ShapeError, match='must agree'):
        write_ply(tmp_path / 'cloud.ply', np.zeros((3, 3), np.float32), np.zeros((2, 3), np.uint8))
