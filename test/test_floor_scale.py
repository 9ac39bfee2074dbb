# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A camera of known height is a scale, where the floor is seen."""

from floors import CAMERA, floor_depth
from mono_depth_ros.floor_scale import FloorScale
import numpy as np
import pytest

RANGE = (0.3, 6.0)


@pytest.mark.parametrize('pitch', [5, 15, 30])
def test_a_known_height_is_a_scale(pitch):
    depth, _ = floor_depth(0.6, pitch)

    fit = FloorScale(0.6).fit(depth * np.float32(1.7), CAMERA, *RANGE)

    assert fit.correction.scale == pytest.approx(1 / 1.7, rel=0.02)
    assert fit.correction.shift == 0.0
    assert fit.share > 0.5


def test_a_wall_gives_no_scale():
    assert FloorScale(0.6).fit(np.full((96, 128), 2.0, np.float32), CAMERA, *RANGE) is None


def test_a_tilt_that_is_wrong_now_and_then_does_not_sway_the_scale():
    floor = FloorScale(0.6)
    right, _ = floor_depth(0.6, 15)
    tilted, _ = floor_depth(0.6, 22)  # as if the network bent the floor

    scales = []
    for number in range(30):
        fit = floor.fit(tilted if number % 3 == 1 else right, CAMERA, *RANGE)
        scales.append(fit.correction.scale)

    assert np.median(scales) == pytest.approx(1.0, rel=0.02)
    alone = FloorScale(0.6).fit(tilted, CAMERA, *RANGE).share
    assert floor.fit(tilted, CAMERA, *RANGE).share < alone


def test_a_plane_of_another_tilt_is_not_the_floor():
    floor = FloorScale(0.6)
    level, _ = floor_depth(0.6, 5)
    ramp, _ = floor_depth(0.4, 30)
    for _ in range(5):
        assert floor.fit(level, CAMERA, *RANGE) is not None

    assert floor.fit(ramp, CAMERA, *RANGE) is None
    assert floor.fit(level, CAMERA, *RANGE) is not None


def test_missing_depth_is_left_out():
    depth, _ = floor_depth(0.6, 15)
    depth[::2] = np.nan

    fit = FloorScale(1.2).fit(depth, CAMERA, *RANGE)

    assert fit.correction.scale == pytest.approx(2.0, rel=0.02)
