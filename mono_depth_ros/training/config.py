# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of pre-training; every default is written here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
import math
from pathlib import Path
from typing import Any

from mono_depth_ros.errors import ConfigError
import yaml

LOSSES = ('l1_log', 'relative', 'silog')


@dataclass(frozen=True)
class Phase:
    """
    A stretch of training at one scale.

    Attributes
    ----------
    steps : int
        Optimiser updates.
    sizes : tuple of (int, int)
        (height, width) of the batches [px]; each batch draws one of them.
    batch : int
        Samples of one update, over all processes.
    scale : float
        Size of these inputs relative to the deployed one: the reference focal length is
        multiplied by it, so that the network sees the same view.

    """

    steps: int
    sizes: tuple[tuple[int, int], ...]
    batch: int = 32
    scale: float = 1.0

    def __post_init__(self) -> None:
        sizes = tuple((int(height), int(width)) for height, width in self.sizes)
        object.__setattr__(self, 'sizes', sizes)
        if not sizes or any(side < 32 or side % 32 for size in sizes for side in size):
            raise ConfigError(f'sizes must be (height, width) in multiples of 32, got {sizes}')
        if self.steps < 1 or self.batch < 2 or self.scale <= 0:
            raise ConfigError(f'steps, batch (at least 2) and scale must be positive, got {self}')


@dataclass(frozen=True)
class PretrainConfig:
    """
    Everything that decides the weights, apart from the rendered pool.

    Attributes
    ----------
    name : str
        Name in the manifest.
    domains : tuple of str
        Domains of the procedural world to train on: ``indoor``, ``street``.
    samples : int
        Scenes of each domain in the pool.
    render_sizes : tuple of (int, int)
        (height, width) of the rendered images [px].
    seed : int
        Seed of the scenes, the initial weights, the order and the augmentation.
    start : str
        Folder of weights to start from; empty for random ones.
    encoder : str
        ``mobilenet_v1`` or ``mobilenet_v2``.
    width, high_resolution : float
        Channel factors of the network.
    residual : bool
        Residual encoder blocks, which training MobileNet-v1 from random weights needs.
    frozen_blocks : int
        So many encoder blocks, and the stem, keep the weights that they start from.
    encoder_rate : float
        Factor on the learning rate for the rest of the encoder.
    frozen_position : bool
        The embedding of coordinates keeps the weights it starts from. It feeds the middle of the
        encoder, so nothing is propagated back through a frozen encoder then.
    frozen_statistics : bool
        The batch norms of the encoder keep the statistics that they start from.
    input_size : tuple of int
        (height, width) at which the network is deployed [px].
    focal : float
        Reference focal length at the deployed size [px].
    min_depth, max_depth : float
        Range of the network [m].
    headroom : float
        The network itself reaches ``headroom * max_depth`` at the reference focal length, so that
        a camera with a wider view still reaches ``max_depth``.
    phases : tuple of Phase
        What is done in order.
    learning_rate, weight_decay : float
        Of AdamW.
    warmup_steps : int
        Updates over which the learning rate rises.
    decay_fraction : float
        Last part of the updates, over which the learning rate falls to 0 along a cosine.
    clip : float
        Largest norm of the gradient.
    loss : str
        Data term: ``l1_log``, ``relative`` or ``silog``.
    gradient_weight : float
        Weight of the gradient term.
    shape_weight : float
        Weight of the scale- and shift-invariant loss on disparity (MiDaS).
    far_weight : float
        Weight of sky and of labels beyond the range of the network.
    ema : float
        Decay of the averaged weights, which are the ones to ship.
    min_zoom, colour_strength : float
        Augmentation.
    pack_samples : int
        Labelled samples that travel with the weights, for replay in adaptation.
    workers : int
        Threads that prepare batches.
    log_every, save_every : int
        Updates between two lines of the log, and between two saves and validations.

    """

    name: str = 'indoor'
    domains: tuple[str, ...] = ('indoor',)
    samples: int = 20000
    render_sizes: tuple[tuple[int, int], ...] = ((192, 256),)
    seed: int = 0
    start: str = ''
    encoder: str = 'mobilenet_v1'
    width: float = 0.5
    high_resolution: float = 0.5
    residual: bool = True
    frozen_blocks: int = 0
    encoder_rate: float = 1.0
    frozen_position: bool = False
    frozen_statistics: bool = False
    input_size: tuple[int, int] = (192, 256)
    focal: float = 220.0
    min_depth: float = 0.1
    max_depth: float = 10.0
    headroom: float = 2.0
    phases: tuple[Phase, ...] = field(
        default_factory=lambda: (
            Phase(20000, ((96, 128),), 32, 0.5),
            Phase(10000, ((192, 256),), 16, 1.0),
        )
    )
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warmup_steps: int = 300
    decay_fraction: float = 0.4
    clip: float = 1.0
    loss: str = 'l1_log'
    gradient_weight: float = 0.5
    shape_weight: float = 0.0
    far_weight: float = 0.1
    ema: float = 0.999
    min_zoom: float = 0.7
    colour_strength: float = 0.25
    pack_samples: int = 256
    workers: int = 1
    log_every: int = 50
    save_every: int = 500

    def __post_init__(self) -> None:
        for name in ('input_size', 'domains'):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, 'render_sizes', tuple(map(tuple, self.render_sizes)))
        phases = tuple(
            phase if isinstance(phase, Phase) else _from_mapping(Phase, phase, 'phases')
            for phase in self.phases
        )
        object.__setattr__(self, 'phases', phases)
        if self.loss not in LOSSES:
            raise ConfigError(f'loss must be one of {LOSSES}, got {self.loss!r}')
        if not 0 < self.min_depth < self.max_depth or self.headroom < 1:
            raise ConfigError('need 0 < min_depth < max_depth and headroom >= 1')
        if not 0 <= self.ema < 1 or not 0 <= self.decay_fraction <= 1:
            raise ConfigError('ema must lie in [0, 1) and decay_fraction in [0, 1]')
        if not phases or not self.domains:
            raise ConfigError('phases and domains must not be empty')

    @property
    def steps(self) -> int:
        """Updates of all phases together."""
        return sum(phase.steps for phase in self.phases)

    def phase_at(self, step: int) -> Phase:
        """Return the phase that update ``step`` (from 0) belongs to."""
        for phase in self.phases:
            if step < phase.steps:
                return phase
            step -= phase.steps
        raise ConfigError(f'training has only {self.steps} updates')

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate: warm-up, constant, then a cosine to 0."""
        rate = self.learning_rate * min(1.0, (step + 1) / max(1, self.warmup_steps))
        start = self.steps * (1 - self.decay_fraction)
        if step > start:
            rate *= 0.5 * (1 + math.cos(math.pi * (step - start) / (self.steps - start)))
        return rate

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for YAML and JSON."""
        return asdict(self)


def _from_mapping(kind: type[Any], values: object, what: str) -> Any:
    """Build a dataclass from a mapping, naming keys that it does not have."""
    if not isinstance(values, Mapping):
        raise ConfigError(f'{what}: expected a mapping of settings, got {values!r}')
    known = [spec.name for spec in fields(kind)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(f'{what}: unknown settings {unknown}; known are {known}')
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise ConfigError(f'{what}: {error}') from error


def read_pretrain_config(path: Path) -> PretrainConfig:
    """
    Read the settings of pre-training from a YAML file; what it leaves out keeps its default.

    Raises
    ------
    ConfigError
        If the file cannot be read, or a setting is unknown or out of range.

    """
    try:
        values = yaml.safe_load(Path(path).read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f'cannot read {path}: {error}') from error
    config: PretrainConfig = _from_mapping(PretrainConfig, values, str(path))
    return config
