# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training batches: a pure function of the pool, the seed and the number of the update."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from mono_depth_ros.errors import ConfigError, DatasetError
from mono_depth_ros.source.pack import spread
from mono_depth_ros.source.pool import Sample, SamplePool
from mono_depth_ros.training.augmentation import (
    canonical_depth,
    crop_to,
    jitter_colours,
    nearest_shape,
    roll_camera,
)
from mono_depth_ros.training.config import PretrainConfig
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """
    Labelled images of one size.

    Attributes
    ----------
    rgb : Tensor, shape (B, 3, H, W)
        Colours in [0, 1].
    label : Tensor, shape (B, H, W)
        Metres at the reference focal length; inf is the sky.
    weight : Tensor, shape (B, H, W)
        Weight of each pixel in the loss.
    focal : float
        Reference focal length in pixels of these images.
    counts : tuple of int
        How many of them are of each domain; those of one domain follow those of the other.
    relative : tuple of bool
        Of which domains the labels have no metres, see `Sample`.

    """

    rgb: Tensor
    label: Tensor
    weight: Tensor
    focal: float
    counts: tuple[int, ...]
    relative: tuple[bool, ...]

    def to(self, device: torch.device) -> Batch:
        """Copy the images and labels to a device."""
        copied = {
            name: getattr(self, name).to(device, non_blocking=True)
            for name in ('rgb', 'label', 'weight')
        }
        return replace(self, **copied)


def label_weight(
    label: NDArray[np.float32], min_depth: float, max_depth: float, far_weight: float
) -> NDArray[np.float32]:
    """Return 1 for a label in range, ``far_weight`` beyond it, 0 for missing or too near."""
    weight = np.where(label < max_depth, 1.0, far_weight)
    with np.errstate(invalid='ignore'):
        usable = label >= min_depth  # False for NaN
    return np.where(usable, weight, 0.0).astype(np.float32)


def collate(
    samples: list[Sample], focal: float, config: PretrainConfig, counts: Sequence[int] = ()
) -> Batch:
    """
    Stack samples of one size, with labels at the reference focal length.

    Without ``counts`` all of them are of one domain.
    """
    rgb = torch.from_numpy(np.stack([sample.rgb for sample in samples]))
    label = np.stack([canonical_depth(sample, focal) for sample in samples])
    limit = config.headroom * config.max_depth
    weight = label_weight(label, config.min_depth, limit, config.far_weight)
    relative = np.array([sample.relative for sample in samples])
    weight[relative] = label[relative] > 0  # False for NaN
    counts = counts or [len(samples)]
    domains = np.split(relative, np.cumsum(counts)[:-1])
    return Batch(
        rgb.permute(0, 3, 1, 2).float() / 255,  # stays channels-last in memory
        torch.from_numpy(label),
        torch.from_numpy(weight),
        focal,
        tuple(int(count) for count in counts),
        tuple(bool(part.any()) for part in domains),
    )


def check_batches(config: PretrainConfig, world: int) -> None:
    """
    Check that ``world`` processes can share every batch.

    Raises
    ------
    ConfigError
        Unless each process gets as many samples as the others, and at least 2, which a batch norm
        needs.

    """
    for phase in config.phases:
        share = max(2, round(phase.batch / world))
        if phase.batch != world * max(2, phase.batch // world):
            raise ConfigError(
                f'{world} processes cannot share a batch of {phase.batch} evenly, at least 2 '
                f'samples each: {world * share} would do, or another number of processes'
            )


def training_batch(
    pool: SamplePool, config: PretrainConfig, step: int, rank: int = 0, world: int = 1
) -> Batch:
    """
    Draw and augment the batch of update ``step`` for one of ``world`` processes.

    Each sample is as likely to be of one domain as of another, however many samples they have and
    whatever their shape. Domains are in alphabetical order.

    Raises
    ------
    DatasetError
        If the pool is empty.

    """
    if len(pool) == 0:
        raise DatasetError(f'no samples of {pool.domains} in {pool.root}: render some first')
    phase = config.phase_at(step)
    common = np.random.default_rng((config.seed, step))  # one size for all processes
    size = phase.sizes[int(common.integers(len(phase.sizes)))]
    rng = np.random.default_rng((config.seed, step, rank))
    count = phase.batch // world
    # A single domain leaves nothing to choose after that, and the generator as it is.
    drawn = [
        choices[rng.integers(len(choices), size=count)]
        for choices in pool.matching_by_domain(size)
    ]
    domains = np.sort(rng.integers(len(drawn), size=count))
    samples = []
    for index in np.stack(drawn)[domains, np.arange(count)]:
        sample = pool[int(index)]
        if config.max_roll:
            sample = roll_camera(sample, rng.uniform(-config.max_roll, config.max_roll))
        sample = crop_to(sample, size, rng, min_zoom=config.min_zoom)
        rgb = jitter_colours(sample.rgb, rng, config.colour_strength)
        samples.append(replace(sample, rgb=rgb))
    counts = np.bincount(domains, minlength=len(drawn)).tolist()
    return collate(samples, config.focal * phase.scale, config, counts)


def validation_samples(
    root: Path, config: PretrainConfig, step: int, count: int = 128
) -> dict[str, list[Sample]]:
    """
    Return held-out samples of each domain, not augmented, at a size of the current phase.

    Domains without metres are left out. A domain has the size whose aspect ratio is nearest to
    that of its samples, the first of equal ones: a wide window of a narrow image would be a
    blown-up strip.

    Parameters
    ----------
    root : Path
        Folder of the pool, whose held-out shards may appear while others train from it.
    config : PretrainConfig
    step : int
        Updates made.
    count : int
        Most samples of all domains together; each has the same share of them, spread evenly over
        what it has.

    Returns
    -------
    dict
        Samples by domain, without the domains that have none.

    """
    sizes = config.phase_at(min(step, config.steps - 1)).sizes
    samples = {}
    metric = SamplePool(root, config.domains, held_out=True).metric
    for domain in metric:
        part = SamplePool(root, (domain,), held_out=True)
        if len(part):
            size = nearest_shape(sizes, *part[0].depth.shape)
            chosen = part.matching(size)
            picked = spread(max(1, count // len(metric)), len(chosen))
            samples[domain] = [crop_to(part[int(chosen[i])], size, None) for i in picked]
    return samples


class Prefetcher:
    """Prepares the next batches in threads while the network trains on the current one."""

    def __init__(
        self, pool: SamplePool, config: PretrainConfig, rank: int = 0, world: int = 1
    ) -> None:
        self._arguments = (pool, config, rank, world)
        self._executor = ThreadPoolExecutor(config.workers)
        self._ahead: dict[int, Future[Batch]] = {}

    def batch(self, step: int) -> Batch:
        """Return the batch of ``step`` and start on those after it."""
        pool, config, rank, world = self._arguments
        for wanted in range(step, min(config.steps, step + 1 + config.workers)):
            if wanted not in self._ahead:
                self._ahead[wanted] = self._executor.submit(
                    training_batch, pool, config, wanted, rank, world
                )
        return self._ahead.pop(step).result()

    def close(self) -> None:
        """Stop the threads."""
        self._executor.shutdown(cancel_futures=True)
