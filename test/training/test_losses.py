# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses against values worked by hand, and their gradients against finite differences."""

import math

import pytest

torch = pytest.importorskip('torch')

from mono_depth_ros.training.losses import (
    gradient_loss,
    l1_log_loss,
    log_residual,
    normalise_shift_scale,
    relative_loss,
    scale_shift_invariant_loss,
    silog_loss,
)


def row(*values):
    return torch.tensor([[values]], dtype=torch.float64)  # (1, 1, W)


def test_the_relative_loss_is_abs_rel_and_goes_straight_on_from_its_limit():
    residual = row(math.log(3.0), math.log(0.25))

    assert relative_loss(residual, row(1, 1)).item() == pytest.approx((2.0 + 0.75) / 2)
    far = relative_loss(row(3.5), row(1), limit=1.5).item()
    assert far == pytest.approx(math.exp(1.5) - 1 + 2 * math.exp(1.5), rel=1e-5)


def test_the_residual_is_the_log_ratio():
    residual = log_residual(row(math.log(2.0), 0.0), row(1.0, 4.0), row(1, 1), max_depth=10)

    torch.testing.assert_close(residual, row(math.log(2), -math.log(4)))


def test_far_labels_only_ask_for_far():
    predicted = row(math.log(5.0), math.log(50.0))

    residual = log_residual(predicted, row(math.inf, 30.0), row(1, 1), max_depth=10)

    torch.testing.assert_close(residual, row(-math.log(2), 0))


def test_l1_averages_each_image_over_its_own_labels():
    residual = torch.tensor([[[1.0, -3.0]], [[5.0, 9.0]]])
    weight = torch.tensor([[[1.0, 1.0]], [[1.0, 0.0]]])

    assert l1_log_loss(residual, weight).item() == pytest.approx((2 + 5) / 2)


def test_an_image_without_labels_does_not_dilute_the_others():
    residual, weight = torch.ones(2, 1, 2), torch.tensor([[[1.0, 1.0]], [[0.0, 0.0]]])

    assert l1_log_loss(residual, weight).item() == 1.0


def test_silog_matches_its_formula():
    residual = row(1.0, 3.0)

    expected = 10 * math.sqrt((1 + 9) / 2 - 0.85 * 2**2)
    assert silog_loss(residual, row(1, 1)).item() == pytest.approx(expected)


def test_silog_without_variance_focus_ignores_nothing_and_with_one_ignores_scale():
    residual = row(0.5, 0.5)

    assert silog_loss(residual, row(1, 1), 0.0).item() == pytest.approx(5.0)
    assert silog_loss(residual, row(1, 1), 1.0).item() == pytest.approx(0.0, abs=1e-4)


def test_the_gradient_term_matches_a_case_worked_by_hand():
    residual = torch.tensor([[[0.0, 1.0], [3.0, 3.0]]])

    # Full size: |1-0| + |3-3| + |3-0| + |3-1| over 4 pixels; half size: one pixel, nothing.
    assert gradient_loss(residual, torch.ones(1, 2, 2), scales=2).item() == pytest.approx(6 / 4)


def test_the_gradient_term_counts_no_step_across_missing_labels():
    residual, weight = torch.tensor([[[0.0, 7.0, 1.0]]]), torch.tensor([[[1.0, 0.0, 1.0]]])

    assert gradient_loss(residual, weight, scales=1).item() == 0.0


def test_the_gradient_term_does_not_see_a_common_scale():
    assert gradient_loss(torch.full((1, 8, 8), 2.0), torch.ones(1, 8, 8)).item() == 0.0


def test_normalised_disparity_has_median_zero_and_mean_deviation_one():
    disparity = row(1.0, 2.0, 9.0, 100.0)
    valid = torch.tensor([[[True, True, True, False]]])

    normalised = normalise_shift_scale(disparity, valid)

    torch.testing.assert_close(normalised, row(-1, 0, 7, 0) / (8 / 3))


def test_the_invariant_loss_ignores_scale_and_shift():
    torch.manual_seed(0)
    label, valid = torch.rand(2, 9, 9), torch.ones(2, 9, 9, dtype=torch.bool)

    loss = scale_shift_invariant_loss(3 * label + 2, label, valid)

    assert loss.item() == pytest.approx(0.0, abs=1e-5)


def test_the_invariant_loss_leaves_out_the_largest_fifth():
    # Both maps have median 0 and mean deviation 1; two of ten pixels differ, by 5 each.
    label = row(-2.5, -1.5, -1, 0, 0, 0, 0, 1, 1.5, 2.5)
    wrong = row(2.5, -1.5, -1, 0, 0, 0, 0, 1, 1.5, -2.5)
    valid = torch.ones_like(label, dtype=torch.bool)

    assert scale_shift_invariant_loss(wrong, label, valid, alpha=0.0).item() == 0.0
    everything = scale_shift_invariant_loss(wrong, label, valid, alpha=0.0, trim=0.0)
    assert everything.item() == pytest.approx((5 + 5) / (2 * 10))


@pytest.mark.parametrize('loss', [l1_log_loss, silog_loss, gradient_loss])
def test_gradients_agree_with_finite_differences(loss):
    torch.manual_seed(1)
    log_depth = torch.randn(2, 4, 5, dtype=torch.float64, requires_grad=True)
    label = torch.rand(2, 4, 5, dtype=torch.float64) * 12 + 0.5
    weight = (torch.rand(2, 4, 5, dtype=torch.float64) > 0.3).double()

    def whole(x):
        return loss(log_residual(x, label, weight, 10.0), weight)

    assert torch.autograd.gradcheck(whole, log_depth)


def test_the_gradient_of_the_invariant_loss_agrees_with_finite_differences():
    torch.manual_seed(2)
    disparity = torch.rand(2, 3, 5, dtype=torch.float64, requires_grad=True)
    label = torch.rand(2, 3, 5, dtype=torch.float64)
    valid = torch.rand(2, 3, 5) > 0.2

    assert torch.autograd.gradcheck(
        lambda x: scale_shift_invariant_loss(x, label, valid), disparity
    )


def test_nan_at_an_ignored_pixel_reaches_neither_loss_nor_gradient():
    log_depth = torch.zeros(1, 2, 2, dtype=torch.float64, requires_grad=True)
    label = torch.tensor([[[1.0, math.nan], [2.0, math.inf]]], dtype=torch.float64)
    weight = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]], dtype=torch.float64)

    residual = log_residual(log_depth, label, weight, 10.0)
    loss = l1_log_loss(residual, weight) + silog_loss(residual, weight)
    (loss + gradient_loss(residual, weight)).backward()

    assert torch.isfinite(loss)
    assert torch.isfinite(log_depth.grad).all()
    assert log_depth.grad[0, :, 1].tolist() == [0.0, 0.0]
