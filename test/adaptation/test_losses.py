# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses of adaptation against numbers computed by hand, and what their gradients do."""

import math

import pytest

torch = pytest.importorskip('torch')

from mono_depth_ros.adaptation.losses import (
    adversarial_loss,
    anchor_loss,
    consistency_loss,
    discriminator_loss,
    latent_loss,
    sample_points,
    teacher_loss,
)


def test_the_discriminator_loss_is_half_of_both_squared_errors():
    source, target = torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5])

    # 1/2 [ (0 + 1) / 2 + 1/4 ]
    assert discriminator_loss(source, target).item() == pytest.approx(0.375)


def test_a_discriminator_at_chance_has_a_quarter():
    undecided = torch.full((2, 1, 3, 3), 0.5)

    assert discriminator_loss(undecided, undecided).item() == pytest.approx(0.25)


def test_the_adversarial_loss_is_zero_when_the_target_is_taken_for_source():
    assert adversarial_loss(torch.ones(4)).item() == 0
    assert adversarial_loss(torch.tensor([0.5, -1.0])).item() == pytest.approx((0.25 + 4) / 2)


def test_both_players_pull_the_score_of_the_target_in_opposite_directions():
    score = torch.tensor([0.4], requires_grad=True)

    (encoder,) = torch.autograd.grad(adversarial_loss(score), score)
    (discriminator,) = torch.autograd.grad(discriminator_loss(torch.ones(1), score), score)

    assert encoder.item() == pytest.approx(-1.2)  # 2 (0.4 - 1)
    assert discriminator.item() == pytest.approx(0.4)  # 1/2 * 2 * 0.4


def test_the_latent_loss_is_the_mean_difference():
    assert latent_loss(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 1.0])).item() == 1.5


def test_the_teacher_loss_is_the_mean_log_ratio():
    log_depth = torch.tensor([[[math.log(2.0), math.log(3.0)]]])
    teacher = torch.tensor([[[math.log(1.0), math.log(6.0)]]])

    assert teacher_loss(log_depth, teacher).item() == pytest.approx(math.log(2))


def test_consistency_by_hand():
    student, teacher = torch.tensor([[[1.0, 2.0, 6.0]]]), torch.zeros(1, 1, 3)

    # The mean is 3: residuals -2, -1, 3.
    assert consistency_loss(student, teacher).item() == pytest.approx(2.0)


def test_consistency_says_nothing_about_scale():
    student = torch.randn(2, 4, 5, requires_grad=True)

    loss = consistency_loss(student, torch.randn(2, 4, 5))
    shifted = consistency_loss(student.detach() + 3.0, student.detach())
    (gradient,) = torch.autograd.grad(loss, student)

    assert shifted.item() == pytest.approx(0.0, abs=1e-6)
    torch.testing.assert_close(gradient.sum(dim=(1, 2)), torch.zeros(2), atol=1e-6, rtol=0)


def test_points_are_read_linearly_between_pixel_centres():
    maps = torch.arange(12.0).reshape(1, 3, 4)
    points = torch.tensor([[[0.0, 0.0], [3.0, 2.0], [1.5, 0.5], [-2.0, 1.0]]])

    torch.testing.assert_close(sample_points(maps, points), torch.tensor([[0.0, 11.0, 3.5, 4.0]]))


def anchored(log_depths, depths, **options):
    """Evaluate the anchor loss of one image whose pixels are the points."""
    maps = torch.tensor(log_depths)[None, None]
    points = torch.tensor([[[float(u), 0.0, d] for u, d in enumerate(depths)]])
    return anchor_loss(maps, points, **options)


def test_the_anchor_loss_by_hand():
    # Residuals 0.05 (quadratic: 0.00125 / 0.1) and 0.3 (linear: 0.3 - 0.05).
    loss = anchored([0.05, 0.3], [1.0, 1.0])

    assert loss.item() == pytest.approx((0.0125 + 0.25) / 2)


def test_a_wrong_point_pulls_no_harder_than_others():
    maps = torch.tensor([[[0.2, 5.0]]], requires_grad=True)
    points = torch.tensor([[[0.0, 0.0, 1.0], [1.0, 0.0, 1.0]]])

    (gradient,) = torch.autograd.grad(anchor_loss(maps, points), maps)

    torch.testing.assert_close(gradient, torch.full((1, 1, 2), 0.5))


def test_missing_points_and_images_without_any_do_not_count():
    maps = torch.tensor([[[0.3, 9.0]], [[9.0, 9.0]]], requires_grad=True)
    points = torch.tensor(
        [[[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]], [[0.0, 0.0, float('nan')], [0.0, 0.0, -1.0]]]
    )

    loss = anchor_loss(maps, points)
    (gradient,) = torch.autograd.grad(loss, maps)

    assert loss.item() == pytest.approx(0.25)
    torch.testing.assert_close(gradient, torch.tensor([[[1.0, 0.0]], [[0.0, 0.0]]]))


def test_an_anchor_without_points_is_zero():
    assert anchored([0.3], [0.0]).item() == 0.0


def test_a_scale_free_anchor_leaves_the_scale_alone():
    true = [1.0, 2.0, 4.0]
    doubled = [math.log(2 * depth) for depth in true]

    assert anchored(doubled, true).item() > 0.5
    assert anchored(doubled, true, scale_free=True).item() == pytest.approx(0.0, abs=1e-6)
