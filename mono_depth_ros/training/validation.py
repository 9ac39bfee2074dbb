# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores on held-out scenes, for the log and the manifest."""

from __future__ import annotations

import math

from mono_depth_ros.model.fastdepth import FastDepth
from mono_depth_ros.source.pool import SamplePool
from mono_depth_ros.training.batches import validation_batches
from mono_depth_ros.training.config import PretrainConfig
import torch


@torch.no_grad()
def validate(
    network: FastDepth, pool: SamplePool, config: PretrainConfig, step: int
) -> dict[str, float]:
    """Score a network on held-out samples: abs_rel as it is and median-aligned, and delta1."""
    scores: dict[str, list[float]] = {'abs_rel': [], 'abs_rel_median': [], 'delta1': []}
    network.eval()
    device = next(network.parameters()).device
    for batch in validation_batches(pool, config, step):
        predicted = network.log_depth(batch.rgb.to(device), batch.focal)[0].float().cpu()
        for log_depth, label, weight in zip(predicted, batch.label, batch.weight, strict=True):
            valid = (weight > 0) & (label < network.max_depth)
            if valid.sum() < 100:
                continue
            error = log_depth[valid] - label[valid].log()
            scores['abs_rel'].append(float((error.exp() - 1).abs().mean()))
            error = error - error.median()
            scores['abs_rel_median'].append(float((error.exp() - 1).abs().mean()))
            scores['delta1'].append(float((error.abs() < math.log(1.25)).float().mean()))
    return {f'val_{name}': sum(v) / len(v) for name, v in scores.items() if v}
