# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of pre-training; every default is written here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, MISSING
import json
import math
from pathlib import Path
import re
from typing import Any

from mono_depth_ros.config import Config, setting
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.settings_file import read_settings

ENCODERS = ('mobilenet_v1', 'mobilenet_v2')
RENDERED = ('indoor', 'street')
LOSSES = ('l1_log', 'relative', 'silog')
MIXING = ('mean', 'pareto')
DOMAIN = re.compile('[a-z]+')  # also that of the names of shards
# They may change when a run goes on; the others would mix two recipes in one network.
CHANGEABLE = (
    'samples',
    'phases',
    'decay_fraction',
    'pack_samples',
    'workers',
    'log_every',
    'save_every',
)
FROZEN = ('frozen_blocks', 'frozen_position', 'frozen_statistics')
STRIDE = 32  # of the network
# Of images, in pixels.
MIN_SIDE, MAX_SIDE = 32, 2048


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
        object.__setattr__(self, 'sizes', _sizes('sizes', self.sizes, multiple_of=STRIDE))
        for name, lowest in (('steps', 1), ('batch', 2)):
            value = getattr(self, name)
            if not _is_whole(value) or value < lowest:
                raise ConfigError(
                    f'{name} of a phase must be a whole number of at least {lowest}, got {value!r}'
                )
        if not isinstance(self.scale, float | int) or not 0 < self.scale <= 8:
            raise ConfigError(
                f'scale of a phase must be a number above 0, at most 8, got {self.scale!r}'
            )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _sizes(name: str, values: object, *, multiple_of: int) -> tuple[tuple[int, int], ...]:
    """Check a list of (height, width) in pixels."""
    if not isinstance(values, list | tuple) or not values:
        raise ConfigError(f'{name} must be a list of (height, width), got {values!r}')
    return tuple(_size(name, value, multiple_of=multiple_of) for value in values)


def _size(name: str, value: object, *, multiple_of: int) -> tuple[int, int]:
    """Check one (height, width) in pixels."""
    sides = tuple(value) if isinstance(value, list | tuple) else ()
    usable = all(
        _is_whole(side) and MIN_SIDE <= side <= MAX_SIDE and side % multiple_of == 0
        for side in sides
    )
    if len(sides) != 2 or not usable:
        form = f'in multiples of {multiple_of}, ' if multiple_of > 1 else ''
        raise ConfigError(
            f'{name} must be (height, width) {form}of {MIN_SIDE} to {MAX_SIDE} px, got {value!r}'
        )
    return sides[0], sides[1]


@dataclass(frozen=True)
class PretrainConfig(Config):
    """Everything that decides the weights, apart from the rendered pool."""

    name: str = setting('indoor', 'Name in the manifest')
    domains: tuple[str, ...] = setting(
        ('indoor',),
        'Domains to train on: indoor and street are rendered, others are there already',
    )
    samples: int = setting(20000, 'Scenes of each domain in the pool', minimum=1)
    render_sizes: tuple[tuple[int, int], ...] = setting(
        ((192, 256), (192, 256), (192, 256), (160, 320), (192, 256), (224, 224)),
        '(height, width) of the rendered images [px]; shard k takes the k-th of them, in turn',
    )
    seed: int = setting(
        0,
        'Seed of the scenes, the initial weights, the order and the augmentation',
        minimum=0,
        maximum=2**63 - 1,
    )
    start: str = setting(
        'indoor', 'Weights to start from: a shipped network or a folder; empty for random ones'
    )
    encoder: str = setting(
        'mobilenet_v2', 'MobileNet whose layers are the encoder', one_of=ENCODERS
    )
    width: float = setting(1.0, 'Factor on all channel counts', minimum=0.05, maximum=4.0)
    high_resolution: float = setting(
        0.5,
        'Further factor on the channels of mobilenet_v1 at half resolution',
        minimum=0.05,
        maximum=4.0,
    )
    residual: bool = setting(
        True, 'Residual blocks in mobilenet_v1, which it needs to learn from random weights'
    )
    frozen_blocks: int = setting(
        16,
        'So many blocks of the encoder, and the stem, keep the weights that they start from',
        minimum=0,
    )
    encoder_rate: float = setting(
        1.0, 'Factor on the learning rate for the rest of the encoder', minimum=0.0, maximum=10.0
    )
    # It feeds the middle of the encoder: nothing is propagated back through a frozen encoder then.
    frozen_position: bool = setting(
        False, 'The embedding of coordinates keeps the weights it starts from'
    )
    frozen_statistics: bool = setting(
        True, 'The batch norms of the encoder keep the statistics that they start from'
    )
    input_size: tuple[int, int] = setting(
        (192, 256), '(height, width) at which the network is deployed [px]'
    )
    focal: float = setting(
        220.0, 'Reference focal length at the deployed size [px]', minimum=1.0, maximum=1e5
    )
    min_depth: float = setting(0.1, 'Nearest depth of the network [m]', maximum=1e4)
    max_depth: float = setting(10.0, 'Farthest depth of the network [m]', maximum=1e4)
    headroom: float = setting(
        2.0,
        'The network reaches headroom * max_depth at the reference focal length, so that a '
        'camera with a wider view still reaches max_depth',
        maximum=100.0,
    )
    phases: tuple[Phase, ...] = setting(
        (Phase(20000, ((192, 256), (192, 256), (192, 256), (160, 320), (224, 224)), 16, 1.0),),
        'What is done in order',
    )
    learning_rate: float = setting(2e-3, 'Learning rate of AdamW', minimum=1e-8, maximum=1.0)
    weight_decay: float = setting(0.01, 'Weight decay of AdamW', minimum=0.0, maximum=1.0)
    warmup_steps: int = setting(100, 'Updates over which the learning rate rises', minimum=0)
    decay_fraction: float = setting(
        0.75, 'Last part of the updates, over which the learning rate falls to 0 along a cosine'
    )
    clip: float = setting(1.0, 'Largest norm of the gradient', minimum=1e-3, maximum=1e6)
    loss: str = setting('l1_log', 'Data term', one_of=LOSSES)
    gradient_weight: float = setting(
        0.5, 'Weight of the gradient term', minimum=0.0, maximum=100.0
    )
    shape_weight: float = setting(
        0.0,
        'Weight of the scale- and shift-invariant loss on disparity (MiDaS)',
        minimum=0.0,
        maximum=100.0,
    )
    mixing: str = setting(
        'mean',
        'Weights of the domains in an update: mean counts each image alike, pareto makes no '
        'domain worse for the sake of another (MiDaS)',
        one_of=MIXING,
    )
    far_weight: float = setting(
        0.1,
        'Weight of the sky and of labels beyond the range of the network',
        minimum=0.0,
        maximum=100.0,
    )
    ema: float = setting(0.999, 'Decay of the averaged weights, which are the ones to ship')
    min_zoom: float = setting(
        0.7, 'Smallest window cut from a sample, as a fraction of it', minimum=0.05, maximum=1.0
    )
    max_roll: float = setting(
        5.0,
        'Largest roll that is given to the camera of a sample [degrees]',
        minimum=0.0,
        maximum=90.0,
    )
    colour_strength: float = setting(
        0.25,
        'Largest relative change of brightness and saturation; contrast changes by exp(-x) to '
        'exp(4 x), and a tenth of the samples turn grey; 0 changes no colours',
        minimum=0.0,
        maximum=1.0,
    )
    pack_samples: int = setting(
        256,
        'Labelled samples that travel with the weights, for replay in adaptation',
        minimum=1,
        maximum=100_000,
    )
    workers: int = setting(1, 'Threads that prepare batches', minimum=1, maximum=256)
    log_every: int = setting(50, 'Updates between two lines of the log', minimum=1)
    save_every: int = setting(500, 'Updates between two saves, each with a validation', minimum=1)

    def __post_init__(self) -> None:
        for name, value in self._with_tuples().items():
            object.__setattr__(self, name, value)
        super().__post_init__()
        if not 0 < self.min_depth < self.max_depth or self.headroom < 1:
            raise ConfigError('need 0 < min_depth < max_depth and headroom >= 1')
        if not 0 <= self.ema < 1 or not 0 <= self.decay_fraction <= 1:
            raise ConfigError('ema must lie in [0, 1) and decay_fraction in [0, 1]')
        frozen = [name for name in FROZEN if getattr(self, name)]
        if frozen and not self.start:
            raise ConfigError(
                f'start is empty, and {" and ".join(frozen)} would keep random weights as they '
                'are: set frozen_blocks to 0 and the others to false, or name a start'
            )

    def _with_tuples(self) -> dict[str, Any]:
        """Return the settings that are lists in YAML, checked."""
        if not self.phases or not self.domains:
            raise ConfigError('phases and domains must not be empty')
        if not isinstance(self.phases, list | tuple):
            raise ConfigError(f'phases must be a list, got {self.phases!r}')
        names = [self.domains] if isinstance(self.domains, str) else self.domains
        known = isinstance(names, list | tuple) and all(
            isinstance(name, str) and DOMAIN.fullmatch(name) for name in names
        )
        if not known or len(set(names)) < len(names):
            raise ConfigError(
                f'domains must be names in small letters, each once, got {self.domains!r}'
            )
        return {
            'domains': tuple(names),
            'render_sizes': _sizes('render_sizes', self.render_sizes, multiple_of=1),
            'input_size': _size('input_size', self.input_size, multiple_of=STRIDE),
            'phases': tuple(
                phase if isinstance(phase, Phase) else _from_mapping(Phase, phase, 'phases')
                for phase in self.phases
            ),
        }

    @property
    def rendered(self) -> list[str]:
        """Domains whose scenes are rendered."""
        return [domain for domain in self.domains if domain in RENDERED]

    @property
    def recorded(self) -> list[str]:
        """Domains of recorded images."""
        return [domain for domain in self.domains if domain not in RENDERED]

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

    def differences(self, saved: Mapping[str, Any]) -> list[str]:
        """Say which settings a run that was saved with others must not go on with."""
        return [
            f'{name} {saved[name]!r}, now {value!r}'
            for name, value in _plain(self.to_dict()).items()
            if name in saved and name not in CHANGEABLE and _plain(saved[name]) != value
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for YAML and JSON."""
        return asdict(self)


def _plain(values: Any) -> Any:
    """Return values as JSON has them: lists where there are tuples."""
    return json.loads(json.dumps(values))


def _from_mapping(kind: type[Any], values: object, what: str) -> Any:
    """Build a dataclass from a mapping, naming keys that it does not have."""
    if not isinstance(values, Mapping):
        raise ConfigError(f'{what}: expected a mapping of settings, got {values!r}')
    known = [spec.name for spec in fields(kind)]
    unknown = sorted(map(str, set(values) - set(known)))
    if unknown:
        raise ConfigError(f'{what}: unknown settings {unknown}; known are {known}')
    missing = [
        spec.name for spec in fields(kind) if spec.default is MISSING and spec.name not in values
    ]
    if missing:
        raise ConfigError(f'{what}: {missing} must be given')
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
    config: PretrainConfig = _from_mapping(PretrainConfig, read_settings(path), str(path))
    return config
