# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Losses of adaptation: pure functions of tensors.

Equations of Hornauer et al., ICCVW 2021 (arXiv 2108.02671) in the notation: x_s, y_s a source
image and its depth; x_t a target image; S the frozen source network, T the one that adapts, z
their latents. Depth maps are (B, H, W); logarithms are natural.
"""

from __future__ import annotations

import torch
from torch import Tensor
import torch.nn.functional as F

REAL, FAKE = 1.0, 0.0


def least_squares(scores: Tensor, target: float) -> Tensor:
    """``mean (D - target)^2``, the LSGAN loss (Mao et al. 2017, equation 2)."""
    return (scores - target).square().mean()


def discriminator_loss(source: Tensor, target: Tensor) -> Tensor:
    """
    ``1/2 [ mean (D(source) - 1)^2 + mean D(target)^2 ]``, L_Dd and L_Dz of Hornauer et al.

    A discriminator that cannot tell both apart answers 1/2 and has a loss of 1/4.
    """
    return 0.5 * (least_squares(source, REAL) + least_squares(target, FAKE))


def adversarial_loss(target: Tensor) -> Tensor:
    """``mean (D(T(x_t)) - 1)^2``, the adversarial terms of L_enc of Hornauer et al."""
    return least_squares(target, REAL)


def latent_loss(latent: Tensor, source_latent: Tensor) -> Tensor:
    """``mean |S_z(x_t) - T_z(x_t)|``, the regulariser of L_enc of Hornauer et al. (weight 0.7)."""
    return (latent - source_latent).abs().mean()


def teacher_loss(log_depth: Tensor, teacher_log_depth: Tensor) -> Tensor:
    """``mean |log T(x_t) - log T'(x_t)|``: keeps the network near its own average T'."""
    return (log_depth - teacher_log_depth).abs().mean()


def consistency_loss(log_depth: Tensor, teacher_log_depth: Tensor) -> Tensor:
    """
    L1 between student and teacher in log depth, after the mean of each image's difference is out.

    Without its mean the difference says nothing about scale. With it, student and teacher run
    away together: a view that is zoomed has another scale, and the teacher follows the student.
    """
    difference = log_depth - teacher_log_depth
    return (difference - difference.mean(dim=(1, 2), keepdim=True)).abs().mean()


def structure_loss(log_depth: Tensor, structure: Tensor) -> Tensor:
    """
    Huber loss of ln(prediction) - ln(depth) at points whose depth is known up to one factor.

    The mean residual of each image is out, and with it the factor.
    """
    return anchor_loss(log_depth, structure, scale_free=True)


def scale_loss(log_depth: Tensor, reference: Tensor) -> Tensor:
    """``|mean (log T - log B)|`` over a whole batch: keeps the scale of the network B in use."""
    return (log_depth - reference).mean().abs()


def recall_loss(log_depth: Tensor, source_log_depth: Tensor) -> Tensor:
    """
    L1 in log depth to what the frozen source network S sees in source images.

    It holds the function of S itself (learning without forgetting, Li and Hoiem 2016), where
    labels of the few hundred images that travel along would be learnt by heart.
    """
    return (log_depth - source_log_depth).abs().mean()


def sample_points(maps: Tensor, points: Tensor) -> Tensor:
    """
    Read maps (B, H, W) at points (B, N, >= 2) of u, v in pixels, linearly; returns (B, N).

    Points outside the image read its border.
    """
    height, width = maps.shape[1:]
    size = maps.new_tensor([width, height])
    grid = (points[..., :2] + 0.5) / size * 2 - 1  # pixel centres at integers
    values = F.grid_sample(
        maps[:, None], grid[:, None], mode='bilinear', padding_mode='border', align_corners=False
    )
    return values[:, 0, 0]


def anchor_loss(
    log_depth: Tensor, points: Tensor, *, scale_free: bool = False, delta: float = 0.1
) -> Tensor:
    """
    Huber loss of ln(prediction) - ln(depth) at sparse metric points.

    Linear beyond ``delta``, so that wrong points pull no harder than others. Averaged over the
    points of an image, then over the images that have any.

    Parameters
    ----------
    log_depth : Tensor, shape (B, H, W)
        Predicted ln of metres.
    points : Tensor, shape (B, N, 3)
        u, v [px] and depth [m]; a depth that is not positive is no point.
    scale_free : bool
        Take the mean of each image's residuals out first, which leaves the shape.
    delta : float
        Residual up to which the loss is quadratic.

    """
    known = points[..., 2] > 0
    weight = known.to(log_depth.dtype)
    count = weight.sum(1).clamp(min=1)
    wanted = torch.where(known, points[..., 2], torch.ones_like(points[..., 2])).log()
    residual = (sample_points(log_depth, points) - wanted) * weight
    if scale_free:
        residual = (residual - (residual.sum(1) / count)[:, None]) * weight
    huber = F.huber_loss(residual, torch.zeros_like(residual), reduction='none', delta=delta)
    images = known.any(1).to(log_depth.dtype)
    per_image = huber.sum(1) / count / delta
    return (per_image * images).sum() / images.sum().clamp(min=1)
