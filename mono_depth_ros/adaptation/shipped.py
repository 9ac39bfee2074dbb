# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The shipped network as adaptation needs it: its weights, and images it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
import logging
from pathlib import Path

from mono_depth_ros.adaptation.weights import weights_beside
from mono_depth_ros.manifest import Manifest
from mono_depth_ros.model.checkpoint import load_network
from mono_depth_ros.model.fastdepth import FastDepth
from mono_depth_ros.model.registry import domain_of, PACK
from mono_depth_ros.source.pack import read_source_pack
from mono_depth_ros.source.pool import fitting_aspects, Sample
import numpy as np

logger = logging.getLogger(__name__)

RENDERED = 96
# Largest factor between the aspect ratios of source and target.
SAME_SHAPE = 1.5


def source_network(model_path: Path) -> FastDepth:
    """
    Load the weights beside an ONNX file.

    Raises
    ------
    ModelError
        If there are none: an imported network cannot be adapted.

    """
    return load_network(weights_beside(model_path))


def source_samples(model_path: Path, manifest: Manifest) -> list[Sample]:
    """Read the source pack beside a network; without one, render a few scenes, which is slow."""
    pack = model_path.with_name(PACK)
    if pack.is_file():
        return read_source_pack(pack)
    from mono_depth_ros.source.pool import render_shard

    domain = domain_of(manifest.max_depth)
    logger.warning('%s is missing: rendering %d %s scenes instead', pack, RENDERED, domain)
    shard = render_shard(domain, manifest.input_size, RENDERED, seed=0)
    return [
        Sample(
            np.asarray(shard['rgb'][row], np.uint8),
            np.asarray(shard['depth'][row], np.float16),
            np.asarray(shard['semantics'][row], np.uint8),
            float(shard['focal'][row]),
        )
        for row in range(RENDERED)
    ]


def samples_of_shape(samples: Sequence[Sample], size: tuple[int, int]) -> list[Sample]:
    """
    Return the source samples of about the shape of images of (height, width) pixels.

    Their aspect ratio is off by a factor of 1.5 at most; without such, those of the nearest shape.
    """
    wanted = size[1] / size[0]
    aspects = [sample.depth.shape[1] / sample.depth.shape[0] / wanted for sample in samples]
    if not aspects:
        return []
    fitting = set(fitting_aspects(set(aspects), SAME_SHAPE))
    return [sample for sample, aspect in zip(samples, aspects, strict=True) if aspect in fitting]


def split_samples(samples: Sequence[Sample], held_out: int) -> tuple[list[Sample], list[Sample]]:
    """Split source samples into those for replay and those for the gate, always the same way."""
    order = np.random.default_rng(0).permutation(len(samples)).tolist()
    count = min(held_out, len(samples) // 2)
    return [samples[i] for i in order[count:]], [samples[i] for i in order[:count]]
