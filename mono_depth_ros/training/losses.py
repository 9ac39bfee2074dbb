# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Depth losses: pure functions of a prediction, a label and a weight per pixel.

Maps have the shape (B, H, W). A pixel of weight 0 is ignored whatever its label is, NaN included.
Every loss is computed for each image and then averaged over the images that have labels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

EPSILON = 1e-6


def _clean(values: Tensor, weight: Tensor) -> Tensor:
    """Put 0 where the weight is 0, so that NaN there reaches neither the loss nor a gradient."""
    return torch.where(weight > 0, values, torch.zeros_like(values))


def _mean_of_images(loss: Tensor, weight: Tensor) -> Tensor:
    """Average a loss per image (B,) over the images that have any labelled pixel."""
    labelled = (weight.flatten(1) > 0).any(1).to(loss.dtype)
    return (loss * labelled).sum() / labelled.sum().clamp(min=1)


def _weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of each image, shape (B,); 0 for an image without weight."""
    return (values * weight).flatten(1).sum(1) / weight.flatten(1).sum(1).clamp(min=EPSILON)


def log_residual(log_depth: Tensor, label: Tensor, weight: Tensor, max_depth: float) -> Tensor:
    """
    Return ln(prediction) - ln(label), 0 at ignored pixels.

    Labels at or beyond ``max_depth``, the sky among them, count as ``max_depth``, and predictions
    beyond it are right there: the network must only say "far".

    Parameters
    ----------
    log_depth : Tensor, shape (B, H, W)
        Predicted ln of metres.
    label : Tensor, shape (B, H, W)
        True depth in metres; inf is the sky.
    weight : Tensor, shape (B, H, W)
        Weight of each pixel, 0 to ignore it.
    max_depth : float
        Farthest depth told apart, in metres.

    """
    target = torch.where(weight > 0, label, torch.ones_like(label)).clamp(max=max_depth)
    residual = log_depth - target.log()
    residual = torch.where(target >= max_depth, residual.clamp(max=0), residual)
    return _clean(residual, weight)


def l1_log_loss(residual: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute log residual."""
    return _mean_of_images(_weighted_mean(residual.abs(), weight), weight)


def relative_loss(residual: Tensor, weight: Tensor, limit: float = 1.5) -> Tensor:
    """
    Mean ``|d - d*| / d*``, straight on from ``limit`` of the log residual.

    It makes a near thing that is taken for far the worst of errors, as abs_rel and robots do.
    """
    over = (residual - limit).clamp(min=0)
    relative = (residual - over).exp() - 1 + math.exp(limit) * over
    return _mean_of_images(_weighted_mean(relative.abs(), weight), weight)


def silog_loss(residual: Tensor, weight: Tensor, variance_focus: float = 0.85) -> Tensor:
    """Scale-invariant log loss ``10 sqrt(mean g^2 - 0.85 mean(g)^2)`` (Eigen 2014, BTS)."""
    second = _weighted_mean(residual.square(), weight)
    first = _weighted_mean(residual, weight)
    value = 10 * (second - variance_focus * first.square()).clamp(min=EPSILON**2).sqrt()
    return _mean_of_images(value, weight)


def _ahead(values: Tensor, axis: int) -> Tensor:
    """Everything but the first row or column."""
    return values.narrow(axis, 1, values.shape[axis] - 1)


def _behind(values: Tensor, axis: int) -> Tensor:
    """Everything but the last row or column."""
    return values.narrow(axis, 0, values.shape[axis] - 1)


def gradient_loss(residual: Tensor, weight: Tensor, scales: int = 4) -> Tensor:
    """
    Multi-scale gradient matching of the log residual.

    ``sum_k 1/M_k sum |grad_x R_k| + |grad_y R_k|`` with R_k the residual subsampled by 2^k
    (MegaDepth, Li and Snavely 2018; MiDaS equation 11). A difference counts where both of its
    pixels are labelled, with the smaller of their weights; M_k is the number of labelled pixels.
    """
    total = residual.new_zeros(residual.shape[0])
    for k in range(scales):
        r, m = residual[:, :: 2**k, :: 2**k], weight[:, :: 2**k, :: 2**k]
        count = m.flatten(1).sum(1).clamp(min=EPSILON)
        for axis in (1, 2):
            both = torch.minimum(_ahead(m, axis), _behind(m, axis))
            step = (_ahead(r, axis) - _behind(r, axis)).abs()
            total = total + (step * both).flatten(1).sum(1) / count
    return _mean_of_images(total, weight)


def normalise_shift_scale(disparity: Tensor, valid: Tensor) -> Tensor:
    """
    Return ``(d - median(d)) / mean|d - median(d)|`` of each image over its valid pixels.

    This is the normalisation of MiDaS (equation 5); ignored pixels become 0.
    """
    masked = torch.where(valid, disparity, torch.full_like(disparity, torch.nan))
    shift = torch.nan_to_num(masked.flatten(1).nanmedian(dim=1).values)[:, None, None]
    weight = valid.to(disparity.dtype)
    centred = _clean(disparity - shift, weight)
    scale = _weighted_mean(centred.abs(), weight).clamp(min=EPSILON)[:, None, None]
    return centred / scale


def scale_shift_invariant_loss(
    disparity: Tensor, label: Tensor, valid: Tensor, *, alpha: float = 0.5, trim: float = 0.2
) -> Tensor:
    """
    Scale- and shift-invariant loss on disparity for labels without a scale (MiDaS, equation 7).

    ``1/(2M) sum |d^ - d*^|`` over the 80 % smallest residuals of each image plus ``alpha`` times
    the gradient loss of the normalised maps.

    Parameters
    ----------
    disparity, label : Tensor, shape (B, H, W)
        Predicted and true inverse depth, each up to its own scale and shift.
    valid : Tensor, shape (B, H, W), bool
        Where the label is known.
    alpha : float
        Weight of the gradient term.
    trim : float
        Fraction of the largest residuals of each image left out as outliers.

    """
    weight = valid.to(disparity.dtype)
    predicted = normalise_shift_scale(disparity, valid)
    wanted = normalise_shift_scale(_clean(label, weight), valid)
    residual = _clean(predicted - wanted, weight)
    ordered = residual.abs().flatten(1).sort(dim=1, descending=True).values  # ignored ones last
    count = weight.flatten(1).sum(1)
    dropped = (trim * count).floor()
    rank = torch.arange(ordered.shape[1], device=ordered.device)[None]
    kept = (rank >= dropped[:, None]).to(ordered.dtype)
    data = (ordered * kept).sum(1) / (2 * count.clamp(min=1))
    return _mean_of_images(data, weight) + alpha * gradient_loss(residual, weight)
