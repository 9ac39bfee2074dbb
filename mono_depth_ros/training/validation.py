# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores on held-out scenes, for the log and the manifest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mono_depth_ros.metrics import Protocol, score_image
from mono_depth_ros.model.fastdepth import FastDepth
from mono_depth_ros.source.pool import Sample
from mono_depth_ros.training.batches import collate, validation_samples
from mono_depth_ros.training.config import PretrainConfig
import numpy as np
import torch

BATCH = 16
METRICS = ('abs_rel', 'delta1')


def validate(
    network: FastDepth, root: Path, config: PretrainConfig, step: int
) -> dict[str, float]:
    """
    Score a network on the held-out samples of a pool, as `mono_depth evaluate` does.

    Returns
    -------
    dict
        ``val_abs_rel`` and ``val_delta1`` in metres as they are, ``val_abs_rel_median`` and
        ``val_delta1_median`` aligned by the median: the mean over the images of a domain, then
        over the domains. Empty without held-out samples.

    """
    focal = config.focal * config.phase_at(min(step, config.steps - 1)).scale
    domains = [
        _mean([score for score in score_samples(network, samples, focal, config) if score])
        for samples in validation_samples(root, config, step).values()
    ]
    return {f'val_{name}': value for name, value in _mean(list(filter(None, domains))).items()}


def _mean(scores: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in scores])) for name in (scores or [{}])[0]}


@torch.no_grad()
def score_samples(
    network: FastDepth, samples: list[Sample], focal: float, config: PretrainConfig
) -> Iterator[dict[str, float]]:
    """Yield the scores of samples of one size, given to the network at ``focal`` pixels."""
    limits = (config.min_depth, config.max_depth)
    protocols = {'': Protocol('none', *limits), '_median': Protocol('median', *limits)}
    network.eval()
    device = next(network.parameters()).device
    for start in range(0, len(samples), BATCH):
        part = samples[start : start + BATCH]
        rgb = collate(part, focal, config).rgb.to(device)
        depth = network.log_depth(rgb, focal)[0].float().exp().cpu().numpy()
        for sample, predicted in zip(part, depth, strict=True):
            true = sample.depth.astype(np.float32)
            metres = predicted * (sample.focal / focal)
            scores = {key: score_image(metres, true, p) for key, p in protocols.items()}
            yield {
                f'{name}{key}': values[name]
                for key, values in scores.items()
                if values is not None
                for name in METRICS
            }
