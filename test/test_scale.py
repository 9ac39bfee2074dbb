# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scale and shift are found among wrong points, and applied where they were found."""

from floors import CAMERA
from hypothesis import given, settings
from hypothesis import strategies as st
from mono_depth_ros.scale import (
    Correction,
    correction_from_factors,
    fit_correction,
    least_error_scale,
    LIMIT,
    sample_depth,
)
import numpy as np
import pytest

NEAR, FAR = 0.3, 6.0


def points(seed, scale, shift=0.0, *, wrong=0.0, noise=0.0, count=200, far=FAR):
    """Return what a network says of points, and their true depth, a share of it wrong."""
    rng = np.random.default_rng(seed)
    predicted = np.exp(rng.uniform(np.log(0.5), np.log(far), count))
    true = 1 / (1 / (scale * predicted) + shift)
    true *= 1 + noise * rng.standard_normal(count)
    broken = rng.random(count) < wrong
    true[broken] = rng.uniform(0.2, 8.0, int(broken.sum()))
    return predicted.astype(np.float32), true.astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.4, 2.5), wrong=st.floats(0.0, 0.3))
def test_the_scale_is_found_among_wrong_points(seed, scale, wrong):
    fit = fit_correction(*points(seed, scale, wrong=wrong, noise=0.02), NEAR, FAR)

    assert fit.correction.shift == 0.0
    assert fit.correction.scale == pytest.approx(scale, rel=0.06)
    assert fit.share > 0.6


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    scale=st.floats(0.7, 1.35),  # beyond it, the factor at 6 m leaves what is allowed, 1/4 to 4
    shift=st.sampled_from([-0.08, 0.2, 0.35]),
    wrong=st.floats(0.0, 0.3),
)
def test_scale_and_shift_are_found_among_wrong_points(seed, scale, shift, wrong):
    predicted, true = points(seed, scale, shift, wrong=wrong)

    correction = fit_correction(predicted, true, NEAR, FAR).correction

    depth = np.array([0.5, 1.0, 2.0, 4.0, 6.0], np.float32)
    expected = 1 / (1 / (scale * depth) + shift)
    np.testing.assert_allclose(correction.apply(depth), expected, rtol=0.05)


def test_points_at_one_depth_say_nothing_of_a_shift():
    rng = np.random.default_rng(0)
    predicted = rng.uniform(1.9, 2.1, 200).astype(np.float32)
    true = 1 / (1 / predicted + 0.3)

    assert fit_correction(predicted, true.astype(np.float32)).correction.shift == 0.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0.0, -1.0, np.nan, np.inf, 1e-30, 1.0, 2.5, 1e30]), max_size=80))
def test_whatever_a_sensor_says_the_correction_is_usable(values):
    true = np.array(values, np.float32)
    predicted = np.resize(np.array([np.nan, 0.0, 1.0, 3.0, np.inf, 2.0], np.float32), true.shape)

    fit = fit_correction(predicted, true)

    if fit is not None:
        factors = fit.correction.log_factors()
        assert np.abs(factors).max() <= np.log(LIMIT) + 1e-6
        assert 0 <= fit.inliers <= fit.points


def test_no_usable_point_gives_no_fit():
    assert fit_correction(np.ones(3, np.float32), np.full(3, np.nan, np.float32)) is None
    assert fit_correction(np.zeros(0, np.float32), np.zeros(0, np.float32)) is None


@given(st.tuples(st.floats(-1.38, 1.38), st.floats(-1.38, 1.38)))
def test_a_correction_is_its_factors_at_both_ends(factors):
    correction = correction_from_factors(np.array(factors), NEAR, FAR)
    ends = np.array([NEAR, FAR], np.float32)

    np.testing.assert_allclose(correction.log_factors(), factors, atol=1e-6)
    np.testing.assert_allclose(np.log(correction.apply(ends) / ends), factors, atol=1e-5)


@given(st.tuples(st.floats(-1.38, 1.38), st.floats(-1.38, 1.38)))
def test_a_correction_keeps_the_order_of_depths_and_what_is_missing(factors):
    depth = np.geomspace(0.01, 100.0, 500).astype(np.float32)

    corrected = correction_from_factors(np.array(factors), NEAR, FAR).apply(depth)
    missing = correction_from_factors(np.array(factors), NEAR, FAR).apply(
        np.array([np.nan], np.float32)
    )

    assert corrected.dtype == np.float32
    assert (np.diff(corrected) > 0).all()
    ratio = np.log(corrected / depth)
    assert ratio.min() >= min(factors) - 1e-4
    assert ratio.max() <= max(factors) + 1e-4
    assert np.isnan(missing).all()


def test_applying_leaves_the_depth_of_the_network_as_it_was():
    depth = np.ones((2, 2), np.float32)

    Correction(1.5, 0.2).apply(depth)

    np.testing.assert_array_equal(depth, 1.0)
    assert Correction().apply(depth) is depth


def test_the_scale_has_the_least_relative_error():
    rng = np.random.default_rng(0)
    predicted, true = np.exp(rng.normal(0.5, 0.3, 301)), np.exp(rng.normal(0.7, 0.3, 301))

    scale = least_error_scale(predicted, true)

    errors = [np.abs(s * predicted / true - 1).mean() for s in np.linspace(0.4, 3.0, 521)]
    assert np.abs(scale * predicted / true - 1).mean() <= min(errors) * 1.01


def test_depth_is_read_where_points_fall_whatever_its_size():
    depth = np.arange(12, dtype=np.float32).reshape(3, 4)
    camera = CAMERA.resized(40, 30)
    pixels = np.array([[0, 0, 1], [39, 29, 1], [15, 9, 1], [14.6, 10.2, 1]], np.float32)

    np.testing.assert_array_equal(sample_depth(depth, camera, pixels), [0, 11, 1, 5])
