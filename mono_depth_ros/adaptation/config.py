# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of adaptation; every default is written here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

from mono_depth_ros.config import Config, setting

MODES = ('auto', 'none', 'bn', 'replay', 'paper', 'lean', 'consistency')
DEVICES = ('auto', 'cpu', 'cuda')


@dataclass(frozen=True)
class BufferConfig(Config):
    """Which images are worth keeping."""

    capacity: int = setting(
        300, 'Images kept for adaptation (0.15 MB each at 192x256)', minimum=8, maximum=5000
    )
    held_out: float = setting(
        0.15,
        'Share of them kept from training, to judge the result on; of few images a cycle takes 12 '
        'all the same, or two fifths',
        minimum=0.0,
        maximum=0.5,
    )
    min_gap_s: float = setting(0.2, 'Shortest time between two images kept [s]', minimum=0.0)
    max_similarity: float = setting(
        0.95,
        'Cosine similarity to an image kept already at which one is refused',
        minimum=0.0,
        maximum=1.0,
    )
    min_change: float = setting(
        0.01,
        'Least mean change of brightness, of 0 to 1, to the last image kept; less is no motion',
        minimum=0.0,
        maximum=1.0,
    )
    min_sharpness: float = setting(
        20.0,
        'Least variance of the Laplacian of the image at network size, in squared grey levels; '
        'less is blurred',
        minimum=0.0,
    )
    min_brightness: float = setting(
        0.06, 'Least mean brightness of 0 to 1; less is dark', minimum=0.0, maximum=1.0
    )
    max_saturation: float = setting(
        0.4,
        'Largest share of pixels that are black or white; more is under- or overexposed',
        minimum=0.0,
        maximum=1.0,
    )


@dataclass(frozen=True)
class AdapterConfig(Config):
    """How the network is adapted; what is 0 takes the value of the mode."""

    mode: str = setting(
        'auto',
        'Method: auto (shape seen in motion, teacher consistency, recall of the source, and an '
        'anchor where there is one), '
        'none, bn (batch statistics only), replay (source images only), paper (Hornauer et al. '
        '2021), lean (the same, made small), consistency (teacher and replay)',
        one_of=MODES,
    )
    steps: int = setting(0, 'Updates of one cycle; 0 takes those of the mode', minimum=0)
    batch: int = setting(4, 'Images of each domain in one update', minimum=1, maximum=64)
    learning_rate: float = setting(
        0.0, 'Learning rate of Adam; 0 takes that of the mode', minimum=0.0
    )
    bn_weight: float = setting(
        -1.0,
        'Weight of the target in the batch statistics, 0 to 1; -1 takes that of the mode',
        minimum=-1.0,
        maximum=1.0,
    )
    clip: float = setting(1.0, 'Largest norm of the gradient', minimum=1e-6)
    ema: float = setting(
        0.99, 'Decay of the averaged network, the teacher', minimum=0.0, maximum=0.9999
    )
    max_drift: float = setting(
        0.1,
        'Largest relative distance of the weights from the shipped ones; they are pulled back',
        minimum=0.0,
    )
    restore: float = setting(
        0.005,
        'Share of the weights set back to the shipped ones before each cycle',
        minimum=0.0,
        maximum=1.0,
    )
    max_skipped: int = setting(
        20, 'Updates in a row without a finite loss after which a cycle fails', minimum=1
    )
    seed: int = setting(
        0, 'Seed of order, augmentation and discriminators', minimum=0, maximum=2**31 - 1
    )
    device: str = setting(
        'auto', 'Where to adapt; auto takes a GPU if there is one', one_of=DEVICES
    )
    adaptation_threads: int = setting(
        1, 'CPU threads of adaptation; 0 takes all, which slows the depth node down', minimum=0
    )
    niceness: int = setting(
        20,
        'Niceness of the process that adapts; 20 takes only what everything else leaves over '
        '(SCHED_IDLE)',
        minimum=0,
        maximum=20,
    )


@dataclass(frozen=True)
class GateConfig(Config):
    """What a candidate must hold against the network in use."""

    max_source_delta1_drop: float = setting(
        0.01, 'Largest fall of delta1 on held-out source images', minimum=0.0
    )
    max_source_abs_rel_rise: float = setting(
        0.05, 'Largest relative rise of abs_rel on held-out source images', minimum=0.0
    )
    max_median_ratio: float = setting(
        1.1, 'Largest factor between both median depths, unless metric points agree', minimum=1.0
    )
    max_floor_ratio: float = setting(
        1.5,
        'The same factor where all metric points come from camera_height: a table taken for the '
        'floor agrees with itself',
        minimum=1.0,
    )
    min_rank_correlation: float = setting(
        0.9, 'Least Spearman correlation between both depths', minimum=-1.0, maximum=1.0
    )
    min_spread_ratio: float = setting(
        0.7, 'Least ratio of the standard deviation of ln(depth) in an image', minimum=0.0
    )
    max_spread_ratio: float = setting(
        1.4, 'Largest ratio of the standard deviation of ln(depth) in an image', minimum=1.0
    )
    min_finite: float = setting(
        0.999, 'Least share of finite depths within the range', minimum=0.0, maximum=1.0
    )
    max_flip_ratio: float = setting(
        1.05, 'Largest ratio of the difference between an image and its mirror image', minimum=0.0
    )
    max_temporal_ratio: float = setting(
        1.0, 'Largest ratio of the change of depth between two images in a row', minimum=0.0
    )
    max_parity: float = setting(
        0.01, 'Largest relative difference between engine and torch', minimum=0.0
    )
    max_latency_ratio: float = setting(
        1.05, 'Largest ratio of the time the engine takes', minimum=0.0
    )
    min_points: int = setting(
        50,
        'Metric points on held-out images from which on they decide, if a quarter of those images '
        'have some',
        minimum=1,
    )
    beat_controls: bool = setting(
        True,
        'With metric points, also ask the candidate to beat the network in use times one factor, '
        'and a static map of depth',
    )


@dataclass(frozen=True)
class CycleConfig(Config):
    """When a cycle may run and what it keeps."""

    min_frames: int = setting(
        30,
        'Images to collect before adapting; of 30, 18 train, 4 choose a result and 8 judge it',
        minimum=2,
    )
    source_held_out: int = setting(
        64, 'Source images kept from replay, to judge the result on', minimum=1
    )
    keep_versions: int = setting(3, 'Versions of the network kept in the store', minimum=1)
    camera_height: float = setting(
        0.0,
        'Height of the camera over the floor [m], which anchors the scale; 0 is unknown',
        minimum=0.0,
        maximum=100.0,
    )
