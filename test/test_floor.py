# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The floor is found in depth of any scale, whatever the tilt of the camera."""

from floors import CAMERA, floor_depth
from mono_depth_ros.floor import fit_floor
import numpy as np
import pytest


@pytest.mark.parametrize(('pitch', 'roll'), [(10, 0), (30, 5), (0, -10)])
def test_the_floor_is_fitted_whatever_the_tilt(pitch, roll):
    depth, normal = floor_depth(0.6, pitch, roll)

    plane = fit_floor(depth, CAMERA)

    assert plane.height == pytest.approx(0.6, rel=0.01)
    np.testing.assert_allclose(plane.normal, normal, atol=0.01)


def test_clutter_and_noise_on_the_floor_are_left_out():
    rng = np.random.default_rng(0)
    depth, _ = floor_depth(0.6, 15)
    depth *= rng.normal(1, 0.01, depth.shape).astype(np.float32)
    depth[70:96, 40:70] = 0.8  # a box

    plane = fit_floor(depth, CAMERA)

    assert plane.height == pytest.approx(0.6, rel=0.02)


def test_a_wall_is_no_floor():
    assert fit_floor(np.full((96, 128), 2.0, np.float32), CAMERA) is None
