# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores on held-out scenes, for the log and the manifest."""

from __future__ import annotations

import math

from mono_depth_ros.model.fastdepth import FastDepth
from mono_depth_ros.source.pool import Sample, SamplePool
from mono_depth_ros.training.batches import collate, validation_samples
from mono_depth_ros.training.config import PretrainConfig
import numpy as np
import torch

BATCH = 16


def validate(
    network: FastDepth, pool: SamplePool, config: PretrainConfig, step: int
) -> dict[str, float]:
    """
    Score a network on held-out samples: abs_rel as it is and median-aligned, and delta1.

    Scores are the mean over the images of a domain, then over the domains.
    """
    focal = config.focal * config.phase_at(min(step, config.steps - 1)).scale
    means = [
        score_samples(network, samples, focal, config)
        for samples in validation_samples(pool, config, step).values()
    ]
    return {
        f'val_{name}': float(np.mean([mean[name] for mean in means if name in mean]))
        for name in (means[0] if means else ())
    }


@torch.no_grad()
def score_samples(
    network: FastDepth, samples: list[Sample], focal: float, config: PretrainConfig
) -> dict[str, float]:
    """Return the mean scores of samples of one size, given to the network at ``focal`` pixels."""
    scores: dict[str, list[float]] = {'abs_rel': [], 'abs_rel_median': [], 'delta1': []}
    network.eval()
    device = next(network.parameters()).device
    for start in range(0, len(samples), BATCH):
        batch = collate(samples[start : start + BATCH], focal, config)
        predicted = network.log_depth(batch.rgb.to(device), focal)[0].float().cpu()
        for log_depth, label, weight in zip(predicted, batch.label, batch.weight, strict=True):
            valid = (weight > 0) & (label < network.max_depth)
            if valid.sum() < 100:
                continue
            error = log_depth[valid] - label[valid].log()
            scores['abs_rel'].append(float((error.exp() - 1).abs().mean()))
            error = error - error.median()
            scores['abs_rel_median'].append(float((error.exp() - 1).abs().mean()))
            scores['delta1'].append(float((error.abs() < math.log(1.25)).float().mean()))
    return {name: float(np.mean(values)) for name, values in scores.items() if values}
