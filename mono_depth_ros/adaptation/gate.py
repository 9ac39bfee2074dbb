# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The gate: whether a candidate may replace the network in use.

Every check has a number and a threshold. Adversarial and consistency losses say nothing about
accuracy, so none of them is a criterion: labelled source images, metric points where there are
any, and the network in use are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
import math
from typing import Any

import cv2
from mono_depth_ros.adaptation.config import GateConfig
from mono_depth_ros.adaptation.target_frame import TargetFrame
from mono_depth_ros.metric_points import robust_scale
from mono_depth_ros.metrics import depth_metrics
from mono_depth_ros.source.pool import Sample
from mono_depth_ros.training.augmentation import canonical_depth, crop_to
import numpy as np
from numpy.typing import NDArray

Depth = NDArray[np.float32]
# Depth (h, w) of an image (h, w, 3) uint8, in metres at the reference focal length.
Predict = Callable[[NDArray[np.uint8]], Depth]
EDGE = 1e-6


@dataclass(frozen=True)
class Check:
    """
    One criterion.

    Attributes
    ----------
    name : str
        What is compared.
    value, threshold : float
        The number, and what it is held against.
    relation : str
        ``<=`` or ``>=``: how the value must stand to the threshold.
    meaning : str
        What it means if it does not.
    required : bool
        A check that is not required is told and decides nothing.

    """

    name: str
    value: float
    threshold: float
    relation: str
    meaning: str
    required: bool = True

    @property
    def passed(self) -> bool:
        """Whether the value is on the right side; NaN never is."""
        if self.relation == '<=':
            return self.value <= self.threshold + EDGE
        return self.value >= self.threshold - EDGE

    def __str__(self) -> str:
        state = 'ok' if self.passed else self.meaning if self.required else 'not met, told only'
        return f'{self.name} {self.value:.4g} {self.relation} {self.threshold:.4g}: {state}'


@dataclass(frozen=True)
class Verdict:
    """What the gate says, with every number it looked at."""

    checks: tuple[Check, ...] = ()
    notes: dict[str, float] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Whether every required check passed; without any check nothing is accepted."""
        return bool(self.checks) and not self.failed

    @property
    def failed(self) -> tuple[Check, ...]:
        """The required checks that did not pass."""
        return tuple(check for check in self.checks if check.required and not check.passed)

    @property
    def reason(self) -> str:
        """Say in one line why it was refused, or that it was not."""
        if not self.checks:
            return 'nothing was checked'
        if not self.failed:
            return f'all {sum(check.required for check in self.checks)} checks passed'
        return '; '.join(
            f'{check.meaning} ({check.name} {check.value:.4g}, must be {check.relation} '
            f'{check.threshold:.4g})'
            for check in self.failed
        )

    def plus(self, *checks: Check) -> Verdict:
        """Return a verdict with more checks."""
        return Verdict((*self.checks, *checks), self.notes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; numbers that are not finite become None."""

        def plain(value: object) -> object:
            return None if isinstance(value, float) and not math.isfinite(value) else value

        return {
            'accepted': self.accepted,
            'reason': self.reason,
            'checks': [
                {name: plain(value) for name, value in asdict(check).items()}
                | {'passed': check.passed}
                for check in self.checks
            ],
            'notes': {name: plain(value) for name, value in self.notes.items()},
        }


@dataclass(frozen=True)
class Evidence:
    """
    What candidates are judged on; none of it was trained on.

    Attributes
    ----------
    frames : sequence of TargetFrame
        Held-out target images, some with points and with the image before.
    samples : sequence of Sample
        Held-out source images.
    focal : float
        Reference focal length of both networks [px].
    min_depth, max_depth : float
        Range of the network [m].
    scale : float
        Factor on the network in use that fits the points of the *training* images best: the
        control that a candidate with an anchor must beat. 0 is unknown.
    static : np.ndarray, shape (h, w), optional
        Depth fitted to those points without looking at any image, the other control [m].

    """

    frames: Sequence[TargetFrame]
    samples: Sequence[Sample]
    focal: float
    min_depth: float
    max_depth: float
    scale: float = 0.0
    static: Depth | None = None


def judge(
    candidate: Predict, baseline: Predict, evidence: Evidence, config: GateConfig | None = None
) -> Verdict:
    """
    Compare a candidate with the network in use.

    Parameters
    ----------
    candidate, baseline : callable
        Depth [m] at the reference focal length of an image of the size of the frames.
    evidence : Evidence
        Images that neither was trained on.
    config : GateConfig, optional
        Thresholds.

    Returns
    -------
    Verdict
        With metric points they decide the scale: it may move if they agree.

    """
    config = config or GateConfig()
    new = [candidate(frame.rgb) for frame in evidence.frames]
    old = [baseline(frame.rgb) for frame in evidence.frames]
    points, agree, notes = _judge_points(new, old, evidence, config)
    checks = [
        *_judge_output(new, old, evidence, config),
        _judge_scale(new, old, config, required=not agree),
        *points,
        *_judge_source(candidate, baseline, evidence, config),
        _judge_flip(candidate, baseline, new, old, evidence, config),
        *_judge_time(candidate, baseline, new, old, evidence, config),
    ]
    return Verdict(tuple(checks), notes)


def _judge_output(
    new: list[Depth], old: list[Depth], evidence: Evidence, config: GateConfig
) -> list[Check]:
    """Ask for depth in range, neither collapsed nor blown up, in about the same order."""
    low, high = evidence.min_depth * (1 - 1e-3), evidence.max_depth * (1 + 1e-3)
    with np.errstate(invalid='ignore'):
        finite = np.mean([np.mean((d >= low) & (d <= high)) for d in new]) if new else np.nan
    spread = np.median([_spread(n) / max(_spread(o), 1e-9) for n, o in _pairs(new, old)])
    rank = np.mean([spearman(n, o) for n, o in _pairs(new, old)])
    low_spread, high_spread = config.min_spread_ratio, config.max_spread_ratio
    return [
        Check('finite share', float(finite), config.min_finite, '>=', 'depth is not finite'),
        Check('spread ratio', float(spread), low_spread, '>=', 'depth collapsed to a constant'),
        Check('largest spread ratio', float(spread), high_spread, '<=', 'depth blew up'),
        Check(
            'rank correlation',
            float(rank),
            config.min_rank_correlation,
            '>=',
            'near and far are in another order',
        ),
    ]


def _pairs(new: list[Depth], old: list[Depth]) -> list[tuple[Depth, Depth]]:
    return list(zip(new, old, strict=True))


def _spread(depth: Depth) -> float:
    """Standard deviation relative to the median, so that scale does not matter."""
    return float(np.std(depth) / max(float(np.median(depth)), 1e-9))


def spearman(a: Depth, b: Depth) -> float:
    """Rank correlation of two maps, on every fourth pixel each way; 0 if one is constant."""
    first, second = (np.argsort(np.argsort(m[::4, ::4].ravel())).astype(float) for m in (a, b))
    if any(np.ptp(m[::4, ::4]) < 1e-6 for m in (a, b)):
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _judge_scale(
    new: list[Depth], old: list[Depth], config: GateConfig, *, required: bool
) -> Check:
    """Compare the median depths; a shift that no metric point supports is drift."""
    ratios = [abs(math.log(np.median(n) / np.median(o))) for n, o in _pairs(new, old)]
    return Check(
        'median shift',
        math.exp(float(np.median(ratios))) if ratios else math.nan,
        config.max_median_ratio,
        '<=',
        'the scale drifted',
        required,
    )


def point_errors(
    depths: Sequence[Depth], frames: Sequence[TargetFrame], focal: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Read depth maps at the points of their frames.

    Returns
    -------
    predicted, true : np.ndarray, shape (N,)
        Metres of the camera of each frame.

    """
    predicted, true = [np.zeros(0)], [np.zeros(0)]
    for depth, frame in zip(depths, frames, strict=True):
        u, v = frame.points[:, 0], frame.points[:, 1]
        if len(u):
            read = cv2.remap(
                depth,
                u.astype(np.float32)[:, None],
                v.astype(np.float32)[:, None],
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
            predicted.append(read.ravel().astype(np.float64) * (frame.camera.focal / focal))
            true.append(frame.points[:, 2].astype(np.float64))
    return np.concatenate(predicted), np.concatenate(true)


def _abs_rel(predicted: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    return float(np.mean(np.abs(predicted - true) / true))


def _judge_points(
    new: list[Depth], old: list[Depth], evidence: Evidence, config: GateConfig
) -> tuple[list[Check], bool, dict[str, float]]:
    """Score both on metric points; say whether those support the candidate."""
    predicted, true = point_errors(new, evidence.frames, evidence.focal)
    before, _ = point_errors(old, evidence.frames, evidence.focal)
    if len(true) < config.min_points:
        return [], False, {'points': float(len(true))}
    error, error_before = _abs_rel(predicted, true), _abs_rel(before, true)
    checks = [
        Check('points abs_rel', error, error_before, '<=', 'it is worse at metric points'),
    ]
    notes = {'points': float(len(true)), 'points abs_rel before': error_before}
    aligned = predicted * robust_scale(predicted, true)
    notes['points abs_rel, aligned'] = _abs_rel(aligned, true)
    if evidence.scale > 0:
        control = _abs_rel(before * evidence.scale, true)
        meaning = 'one factor on the network in use does better'
        checks.append(
            Check(
                'points abs_rel, one factor', error, control, '<=', meaning, config.beat_controls
            )
        )
    if evidence.static is not None:
        still, _ = point_errors(
            [
                evidence.static * np.float32(evidence.focal / f.camera.focal)
                for f in evidence.frames
            ],
            evidence.frames,
            evidence.focal,
        )
        meaning = 'a map that sees no image does better'
        checks.append(
            Check('points abs_rel, static map', error, _abs_rel(still, true), '<=', meaning, False)
        )
    return checks, error < error_before, notes


def _judge_source(
    candidate: Predict, baseline: Predict, evidence: Evidence, config: GateConfig
) -> list[Check]:
    """Score both on labelled source images, which must not be forgotten."""
    if not evidence.samples or not evidence.frames:
        return []
    height, width = evidence.frames[0].rgb.shape[:2]
    scores: dict[str, list[tuple[float, float]]] = {'new': [], 'old': []}
    for sample in evidence.samples:
        view = crop_to(sample, (height, width), None)
        label = canonical_depth(view, evidence.focal)
        with np.errstate(invalid='ignore'):
            known = (label >= evidence.min_depth) & (label < evidence.max_depth)
        if not known.any():
            continue
        for name, predict in (('new', candidate), ('old', baseline)):
            depth = np.nan_to_num(predict(view.rgb)[known], nan=evidence.max_depth)
            depth = np.clip(depth, evidence.min_depth, evidence.max_depth)
            row = depth_metrics(depth, label[known])
            scores[name].append((row['abs_rel'], row['delta1']))
    new, old = (np.mean(scores[name], axis=0) for name in ('new', 'old'))
    forgotten = 'it forgot the source'
    return [
        Check(
            'source abs_rel rise',
            float(new[0] / max(old[0], 1e-9) - 1),
            config.max_source_abs_rel_rise,
            '<=',
            forgotten,
        ),
        Check(
            'source delta1 drop',
            float(old[1] - new[1]),
            config.max_source_delta1_drop,
            '<=',
            forgotten,
        ),
    ]


def _judge_flip(
    candidate: Predict,
    baseline: Predict,
    new: list[Depth],
    old: list[Depth],
    evidence: Evidence,
    config: GateConfig,
) -> Check:
    """Compare how much depth differs from that of the mirror image, ``|D(x) - F D(F x)| / D``."""

    def inconsistency(predict: Predict, depths: list[Depth]) -> float:
        values = []
        for frame, depth in zip(evidence.frames, depths, strict=True):
            mirrored = predict(np.ascontiguousarray(frame.rgb[:, ::-1]))[:, ::-1]
            values.append(np.mean(np.abs(depth - mirrored) / depth))
        return float(np.mean(values)) if values else math.nan

    before = max(inconsistency(baseline, old), 1e-3)
    ratio = inconsistency(candidate, new) / before
    meaning = 'mirror images get other depths'
    return Check('flip ratio', ratio, config.max_flip_ratio, '<=', meaning)


def _judge_time(
    candidate: Predict,
    baseline: Predict,
    new: list[Depth],
    old: list[Depth],
    evidence: Evidence,
    config: GateConfig,
) -> list[Check]:
    """Compare how much depth flickers between two images in a row."""
    rows = [
        (
            temporal_error(frame, n, candidate(frame.before)),
            temporal_error(frame, o, baseline(frame.before)),
        )
        for frame, n, o in zip(evidence.frames, new, old, strict=True)
        if frame.before is not None
    ]
    usable = [row for row in rows if np.isfinite(row).all()]
    if not usable:
        return []
    mine, before = np.mean(usable, axis=0)
    ratio = float(mine / max(before, 1e-3))
    return [Check('temporal ratio', ratio, config.max_temporal_ratio, '<=', 'depth flickers more')]


def temporal_error(frame: TargetFrame, depth: Depth, depth_before: Depth) -> float:
    """
    Median absolute log ratio of depth and the depth of the image before, along optical flow.

    The median change, which a camera that moves ahead has, is taken out. NaN where the flow says
    nothing: less than a tenth of the pixels agree forwards and backwards.
    """
    assert frame.before is not None
    now, before = (cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) for rgb in (frame.rgb, frame.before))
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    there = flow.calc(now, before, None)  # type: ignore[call-overload]
    back = flow.calc(before, now, None)  # type: ignore[call-overload]
    rows, columns = depth.shape
    v, u = np.mgrid[:rows, :columns].astype(np.float32)
    maps = (u + there[..., 0], v + there[..., 1])
    returned = cv2.remap(back, *maps, cv2.INTER_LINEAR)
    seen = np.linalg.norm(there + returned, axis=2) < 1.0
    seen &= (maps[0] >= 0) & (maps[0] <= columns - 1) & (maps[1] >= 0) & (maps[1] <= rows - 1)
    if seen.mean() < 0.1:
        return math.nan
    warped = cv2.remap(depth_before, *maps, cv2.INTER_LINEAR)[seen]
    change = np.log(np.maximum(depth[seen], EDGE) / np.maximum(warped, EDGE))
    return float(np.median(np.abs(change - np.median(change))))
