# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The gate: whether a candidate may replace the network in use.

Every check has a number and a threshold. Adversarial and consistency losses say nothing about
accuracy, so none of them is a criterion: labelled source images, metric points and the shape that
motion tells, where there are any, and the network in use are.
"""

from __future__ import annotations

import math

from mono_depth_ros.adaptation.config import GateConfig
from mono_depth_ros.adaptation.evidence import (
    Depth,
    Evidence,
    measured,
    point_errors,
    Predict,
    structure_error,
    temporal_error,
)
from mono_depth_ros.adaptation.verdict import Check, Verdict
from mono_depth_ros.health import MEDIAN_SHIFT
from mono_depth_ros.metric_points import robust_scale
from mono_depth_ros.metrics import depth_metrics
from mono_depth_ros.training.augmentation import canonical_depth, crop_to
import numpy as np
from numpy.typing import NDArray


def judge(
    candidate: Predict, baseline: Predict, evidence: Evidence, config: GateConfig
) -> Verdict:
    """
    Compare a candidate with the network in use.

    Parameters
    ----------
    candidate, baseline : callable
        Depth [m] at the reference focal length of an image of the size of the frames.
    evidence : Evidence
        Images that neither was trained on.
    config : GateConfig
        Thresholds.

    Returns
    -------
    Verdict
        With metric points they decide: if the candidate is better there its scale and shape may
        be others. Points of the floor alone decide less: they lie where the network in use takes
        something for the floor, be it a table, so they allow another scale within limits and no
        other shape. The shape must be no worse where the motion of the camera tells it. The same
        depth as before is not accepted: nothing would be gained.

    """
    new = [candidate(frame.rgb) for frame in evidence.frames]
    old = [baseline(frame.rgb) for frame in evidence.frames]
    points, agree, notes = _judge_points(new, old, evidence, config)
    trusted = agree and not evidence.on_floor
    limit = config.max_floor_ratio if agree and evidence.on_floor else config.max_median_ratio
    checks = [
        _judge_change(new, old),
        *_judge_output(new, old, evidence, config, alike=not trusted),
        _judge_scale(new, old, limit, required=not trusted),
        *points,
        *_judge_structure(new, old, evidence),
        *_judge_source(candidate, baseline, evidence, config),
        _judge_flip(candidate, baseline, new, old, evidence, config),
        *_judge_time(candidate, baseline, new, old, evidence, config),
    ]
    return Verdict(tuple(checks), notes)


def _judge_change(new: list[Depth], old: list[Depth]) -> Check:
    """Ask for another depth than before, in any pixel."""
    share = np.mean([n != o for n, o in _pairs(new, old)]) if new else np.nan
    return Check('changed share', float(share), 0.0, '>', 'no better than the network in use')


def _judge_output(
    new: list[Depth], old: list[Depth], evidence: Evidence, config: GateConfig, *, alike: bool
) -> list[Check]:
    """
    Ask for depth in range, neither collapsed nor blown up, in about the same order.

    Without ``alike`` it need not be like the network in use: metric points have shown that this
    one is worse, and what is better than a flat map has more relief and another order.
    """
    low, high = evidence.min_depth * (1 - 1e-3), evidence.max_depth * (1 + 1e-3)
    with np.errstate(invalid='ignore'):
        finite = np.mean([np.mean((d >= low) & (d <= high)) for d in new]) if new else np.nan
    spread = np.median([_spread(n) / max(_spread(o), 1e-9) for n, o in _pairs(new, old)])
    rank = np.mean([spearman(n, o) for n, o in _pairs(new, old)])
    low_spread, high_spread = config.min_spread_ratio, config.max_spread_ratio
    return [
        Check('finite share', float(finite), config.min_finite, '>=', 'depth is not finite'),
        Check('spread ratio', float(spread), low_spread, '>=', 'depth collapsed to a constant'),
        Check('largest spread ratio', float(spread), high_spread, '<=', 'depth blew up', alike),
        Check(
            'rank correlation',
            float(rank),
            config.min_rank_correlation,
            '>=',
            'near and far are in another order',
            alike,
        ),
    ]


def _pairs(new: list[Depth], old: list[Depth]) -> list[tuple[Depth, Depth]]:
    return list(zip(new, old, strict=True))


def _spread(depth: Depth) -> float:
    """
    Return the standard deviation of ln(depth).

    Its logarithm, so that scale does not matter, nor how far the sky is taken to be.
    """
    relative = depth / max(float(np.median(depth)), 1e-9)  # so that a flat map has exactly 0
    return float(np.std(np.log(np.maximum(relative, 1e-9))))


def spearman(a: Depth, b: Depth) -> float:
    """Rank correlation of two maps, on every fourth pixel each way; 0 if one is constant."""
    first, second = (np.argsort(np.argsort(m[::4, ::4].ravel())).astype(float) for m in (a, b))
    if any(np.ptp(m[::4, ::4]) < 1e-6 for m in (a, b)):
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _judge_scale(new: list[Depth], old: list[Depth], limit: float, *, required: bool) -> Check:
    """
    Compare the median depths; a shift that no metric point supports is drift.

    The scale is what most images have in common: one that shifts alone has another shape.
    """
    ratios = [math.log(np.median(n) / np.median(o)) for n, o in _pairs(new, old)]
    return Check(
        MEDIAN_SHIFT,
        math.exp(abs(float(np.median(ratios)))) if ratios else math.nan,
        limit,
        '<=',
        'the scale drifted',
        required,
    )


def _abs_rel(predicted: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    return float(np.mean(np.abs(predicted - true) / true))


def _judge_points(
    new: list[Depth], old: list[Depth], evidence: Evidence, config: GateConfig
) -> tuple[list[Check], bool, dict[str, float]]:
    """Score both on metric points; say whether those support the candidate."""
    frames = evidence.frames
    predicted, true = point_errors(new, frames, evidence.focal)
    before, _ = point_errors(old, frames, evidence.focal)
    if not measured(frames, config.min_points):
        return [], False, {'points': float(len(true))}
    error, error_before = _abs_rel(predicted, true), _abs_rel(before, true)
    checks = [
        Check('points abs_rel', error, error_before, '<=', 'it is worse at metric points'),
    ]
    notes = {'points': float(len(true)), 'points abs_rel before': error_before}
    aligned = predicted * robust_scale(predicted, true)
    notes['points abs_rel, aligned'] = _abs_rel(aligned, true)
    controls = {}
    if evidence.scale > 0:
        controls['one factor'] = before * evidence.scale
    if evidence.static is not None:
        maps = [evidence.static * np.float32(evidence.focal / f.camera.focal) for f in frames]
        controls['static map'], _ = point_errors(maps, frames, evidence.focal)
    meaning = {
        'one factor': 'one factor on the network in use does better',
        'static map': 'a map that sees no image does better',
    }
    checks += [
        Check(
            f'points abs_rel, {name}',
            error,
            _abs_rel(control, true),
            '<=',
            meaning[name],
            config.beat_controls and not evidence.on_floor,
        )
        for name, control in controls.items()
    ]
    return checks, error < error_before, notes


def _judge_structure(new: list[Depth], old: list[Depth], evidence: Evidence) -> list[Check]:
    """Score the shape of both on what motion tells, which needs no metre."""
    error = structure_error(new, evidence.frames)
    if math.isnan(error):
        return []
    before = structure_error(old, evidence.frames)
    return [Check('structure error', error, before, '<=', 'it sees shape worse')]


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
    """
    Compare how much depth flickers between two images in a row.

    Without one standard error, image by image: a handful of them cannot tell less, and of two
    networks that flicker alike one has to be first.
    """
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
    mine, before = np.transpose(usable)
    more = mine - before
    told = more.mean() - (more.std(ddof=1) / math.sqrt(more.size) if more.size > 1 else 0.0)
    ratio = float(1 + told / max(before.mean(), 1e-3))
    return [Check('temporal ratio', ratio, config.max_temporal_ratio, '<=', 'depth flickers more')]
