# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights of several losses: the least convex combination of their gradients."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mono_depth_ros.training.mixing import min_norm_weights
import numpy as np
import pytest

NUMBERS = st.floats(-10, 10, width=32)


def weights_of(gradients):
    gradients = np.asarray(gradients, np.float64)
    return min_norm_weights(gradients @ gradients.T)


@given(arrays(np.float64, (2, 3), elements=NUMBERS))
def test_two_losses_have_the_weights_of_the_closed_form(gradients):
    first, second = gradients
    apart = (first - second) @ (first - second)
    expected = np.clip((second - first) @ second / apart, 0, 1) if apart > 1e-6 else None

    weights = weights_of(gradients)

    if expected is not None:
        combined = weights @ gradients
        best = expected * first + (1 - expected) * second
        assert combined @ combined == pytest.approx(best @ best, rel=1e-4, abs=1e-6)


@given(st.integers(1, 5).flatmap(lambda n: arrays(np.float64, (n, 4), elements=NUMBERS)))
def test_a_step_along_the_combination_makes_no_loss_worse(gradients):
    weights = weights_of(gradients)

    combined = weights @ gradients
    assert weights.sum() == pytest.approx(1.0)
    assert (weights >= 0).all()
    assert (gradients @ combined >= combined @ combined - 1e-6 * (gradients**2).sum()).all()


@pytest.mark.parametrize('seed', range(20))
def test_gradients_of_very_different_size_are_weighed_exactly(seed):
    rng = np.random.default_rng(seed)
    gradients = rng.standard_normal((4, 100)) * 10.0 ** rng.uniform(-2, 2, (4, 1))

    combined = weights_of(gradients) @ gradients

    assert (gradients @ combined >= (1 - 1e-6) * combined @ combined).all()


def test_losses_that_agree_leave_the_greater_gradient_out():
    np.testing.assert_allclose(weights_of([[1.0, 0.0], [3.0, 0.0]]), [1.0, 0.0], atol=1e-6)


def test_losses_that_have_nothing_to_do_with_each_other_weigh_by_their_squares():
    np.testing.assert_allclose(weights_of([[1.0, 0.0], [0.0, 2.0]]), [0.8, 0.2], atol=1e-6)


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_leaves_them_equal(bad):
    assert weights_of([[1.0, bad], [0.0, 1.0]]).tolist() == [0.5, 0.5]
