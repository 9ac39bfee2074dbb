# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Depth metrics, alignments and evaluation crops, for one image at a time.

Scores of a data set are the mean over its images of the values per image. A pixel counts where
its true depth lies in (min_depth, max_depth) and inside the crop, and the prediction is finite.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
import math

from mono_depth_ros.errors import ConfigError, ShapeError
import numpy as np
from numpy.typing import NDArray

ALIGNMENTS = ('none', 'median', 'ratio', 'lstsq', 'robust')
METRICS = (
    'abs_rel',
    'sq_rel',
    'rmse',
    'rmse_log',
    'log10',
    'silog',
    'delta1',
    'delta2',
    'delta3',
    'mae',
    'irmse',
    'imae',
    'whdr',
)
# Two depths whose ratio is less than this are neither nearer nor farther than each other.
ORDINAL_RATIO = 1.02
# (top, bottom, left, right) as fractions of the image; nyu is [45:471, 41:601] of 480x640.
WHOLE = (0.0, 1.0, 0.0, 1.0)
GARG = (0.40810811, 0.99189189, 0.03594771, 0.96405229)
CROPS = {
    'none': WHOLE,
    'garg': GARG,
    'eigen': (0.3324324, 0.91351351, 0.0359477, 0.96405229),
    'nyu': (45 / 480, 471 / 480, 41 / 640, 601 / 640),
    'kb': WHOLE,
    'kb_garg': GARG,
}
# Farthest depth that counts, by the kind of place [m].
INDOOR_CAP, OUTDOOR_CAP = 10.0, 80.0
# (H, W) that images of the KITTI depth benchmark were cut to, at the bottom in the middle.
KB_SIZE = (352, 1216)

Depth = NDArray[np.floating]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Protocol:
    """
    How images are scored.

    Attributes
    ----------
    align : str
        ``none`` (metres as they are), ``median`` (one factor: ratio of the medians), ``ratio``
        (one factor: median of the ratios), ``lstsq`` (least squares scale and shift in disparity)
        or ``robust`` (median and mean deviation in disparity).
    min_depth, max_depth : float
        Range of true depth that counts [m]; predictions are limited to it.
    crop : str
        ``none``, ``garg``, ``eigen``, ``kb``, ``kb_garg`` (KITTI) or ``nyu``. ``kb`` is what the
        images of the KITTI depth benchmark show, ``kb_garg`` the ``garg`` crop of that.

    """

    align: str = 'none'
    min_depth: float = 1e-3
    max_depth: float = 10.0
    crop: str = 'none'

    def __post_init__(self) -> None:
        if self.align not in ALIGNMENTS:
            raise ConfigError(f'align must be one of {ALIGNMENTS}, got {self.align!r}')
        if self.crop not in CROPS:
            raise ConfigError(f'crop must be one of {tuple(CROPS)}, got {self.crop!r}')
        if not 0 < self.min_depth < self.max_depth < math.inf:
            raise ConfigError(
                f'need 0 < min_depth < max_depth < inf, got {self.min_depth} and {self.max_depth}'
            )


def crop_mask(shape: tuple[int, int], crop: str) -> Mask:
    """Return the pixels (H, W) inside an evaluation crop."""
    (rows, columns), (first_row, first_column) = shape, (0, 0)
    if crop.startswith('kb'):
        rows, columns = min(rows, KB_SIZE[0]), min(columns, KB_SIZE[1])
        first_row, first_column = shape[0] - rows, (shape[1] - columns) // 2
    top, bottom, left, right = (
        round(fraction * side) if crop == 'nyu' else int(fraction * side)
        for fraction, side in zip(CROPS[crop], (rows, rows, columns, columns), strict=True)
    )
    mask = np.zeros(shape, bool)
    mask[first_row:, first_column:][top:bottom, left:right] = True
    return mask


def labelled_mask(true: Depth, protocol: Protocol) -> Mask:
    """Return the pixels (H, W) whose truth counts, whatever was predicted."""
    if true.ndim != 2:
        raise ShapeError(f'ground truth must be (H, W), got {true.shape}')
    with np.errstate(invalid='ignore'):
        inside = (true > protocol.min_depth) & (true < protocol.max_depth)
    return inside & crop_mask((true.shape[0], true.shape[1]), protocol.crop)


@dataclass(frozen=True)
class Pixels:
    """
    The pixels of an image that count.

    Attributes
    ----------
    predicted, true : np.ndarray, shape (N,), float64
        Metres.
    labelled : int
        Pixels whose truth counts; some may lack a prediction.

    """

    predicted: NDArray[np.float64]
    true: NDArray[np.float64]
    labelled: int

    @cached_property
    def scale(self) -> float:
        """Return median true / median predicted."""
        return float(np.median(self.true) / max(float(np.median(self.predicted)), 1e-9))

    @property
    def coverage(self) -> float:
        """Return which part of the labelled pixels has a prediction."""
        return self.true.size / self.labelled


def valid_pixels(predicted: Depth, true: Depth, labelled: Mask) -> Pixels:
    """
    Return the pixels that count.

    Parameters
    ----------
    predicted, true : np.ndarray, shape (H, W)
        Metres along the optical axis; NaN where missing.
    labelled : np.ndarray, shape (H, W), bool
        The `labelled_mask` of ``true``.

    Raises
    ------
    ShapeError
        If both maps are not of the same shape (H, W).

    """
    if predicted.shape != true.shape:
        raise ShapeError(
            f'prediction {predicted.shape} and ground truth {true.shape} must both be (H, W)'
        )
    mask = labelled & np.isfinite(predicted)
    p, t = predicted[mask].astype(np.float64), true[mask].astype(np.float64)
    return Pixels(p, t, int(labelled.sum()))


def disparity_fit(predicted: Depth, true: Depth, align: str) -> tuple[float, float]:
    """
    Return the scale and shift of the predicted disparity that an alignment asks for.

    A factor on depth is its inverse on disparity. Papers call both ``median`` and ``ratio`` median
    scaling, but ``ratio`` usually scores better: its factor fits most pixels, that of the medians
    the middle of both histograms. ``lstsq`` is the fit of MiDaS. For ``robust`` a prediction
    without any relief becomes the median of the truth.

    Parameters
    ----------
    predicted, true : np.ndarray, shape (N,)
        Matching depths [m].
    align : str
        One of ``ALIGNMENTS``.

    Returns
    -------
    tuple of float
        Scale, and shift [1/m].

    """
    disparity, wanted = 1 / np.maximum(predicted, 1e-9), 1 / true
    if align == 'none':
        return 1.0, 0.0
    if align == 'median':
        return max(float(np.median(predicted)), 1e-9) / float(np.median(true)), 0.0
    if align == 'ratio':
        return 1 / float(np.median(true * disparity)), 0.0
    if align == 'lstsq':
        columns = np.stack([disparity, np.ones_like(disparity)], axis=1)
        (scale, shift), *_ = np.linalg.lstsq(columns, wanted, rcond=None)
        return float(scale), float(shift)
    middle, target = float(np.median(disparity)), float(np.median(wanted))
    deviation = float(np.mean(np.abs(disparity - middle)))
    scale = float(np.mean(np.abs(wanted - target))) / deviation if deviation > 1e-9 else 0.0
    return scale, target - scale * middle


def aligned(
    predicted: Depth, true: Depth, protocol: Protocol, pixels: Depth | None = None
) -> Depth:
    """
    Align the valid pixels (N,) of a prediction, then limit it to the range of the protocol.

    If ``pixels``, of any shape, are given, they are what is aligned, by the fit of the others.
    """
    scale, shift = disparity_fit(predicted, true, protocol.align)
    disparity = 1 / np.maximum(predicted if pixels is None else pixels, 1e-9)
    depth = 1 / np.maximum(scale * disparity + shift, 1 / protocol.max_depth)
    return np.clip(depth, protocol.min_depth, protocol.max_depth)


def aligned_image(predicted: Depth, true: Depth, protocol: Protocol) -> Depth:
    """
    Return a whole prediction (H, W) as `score_image` compares it with the truth.

    Pixels that do not count are aligned with the others; NaN where nothing was predicted.
    """
    pixels = valid_pixels(predicted, true, labelled_mask(true, protocol))
    known = np.where(np.isfinite(predicted), predicted, np.nan).astype(np.float64)
    return aligned(pixels.predicted, pixels.true, protocol, known) if pixels.true.size else known


def depth_metrics(predicted: Depth, true: Depth) -> dict[str, float]:
    """
    Score matching positive depths (N,) in metres.

    Returns
    -------
    dict
        abs_rel, sq_rel (m), rmse (m), rmse_log, log10, silog (x 100, no variance factor),
        delta1, delta2, delta3 (ratio below 1.25, 1.25^2, 1.25^3), mae (m), irmse and imae (1/m),
        and `whdr` of each pixel with another.

    """
    predicted, true = np.asarray(predicted, np.float64), np.asarray(true, np.float64)
    error = predicted - true
    log_error = np.log(predicted) - np.log(true)
    inverse = 1 / predicted - 1 / true
    ratio = np.maximum(predicted / true, true / predicted)
    values = {
        'abs_rel': np.mean(np.abs(error) / true),
        'sq_rel': np.mean(error**2 / true),
        'rmse': np.sqrt(np.mean(error**2)),
        'rmse_log': np.sqrt(np.mean(log_error**2)),
        'log10': np.mean(np.abs(log_error)) / np.log(10),
        'silog': 100 * np.std(log_error),
        **{f'delta{k}': np.mean(ratio < 1.25**k) for k in (1, 2, 3)},
        'mae': np.mean(np.abs(error)),
        'irmse': np.sqrt(np.mean(inverse**2)),
        'imae': np.mean(np.abs(inverse)),
        'whdr': whdr(predicted, true, ordinal_pairs(true.size)),
    }
    return {name: float(value) for name, value in values.items()}


@lru_cache(maxsize=2)  # every method and alignment asks for those of the same image
def ordinal_pairs(count: int) -> NDArray[np.intp]:
    """Return each of so many pixels with another one, shape (N, 2): at random, always the same."""
    order = np.random.default_rng(0).permutation(count)
    pairs = np.stack([order, np.roll(order, 1)], axis=1)
    pairs.flags.writeable = False
    return pairs


def whdr(predicted: Depth, true: Depth, pairs: NDArray[np.intp]) -> float:
    """
    Return the share of ordinal pairs that are taken the wrong way round.

    This is the weighted human disagreement rate with equal weights (Chen et al. 2016, DIW), with
    measured depth instead of people. It sees order alone, so no factor changes it.

    Parameters
    ----------
    predicted, true : np.ndarray, shape (N,)
        Matching depths [m].
    pairs : np.ndarray, shape (M, 2), int
        Numbers of the pixels to compare. Those whose true ratio is below `ORDINAL_RATIO` are left
        out.

    Returns
    -------
    float
        0 to 1; 0 if no pair is left.

    """
    wanted, found = (
        np.log(depth[pairs[:, 0]] / depth[pairs[:, 1]]) for depth in (true, predicted)
    )
    clear = np.abs(wanted) >= np.log(ORDINAL_RATIO)
    wrong = np.sign(wanted[clear]) != np.sign(found[clear])
    return float(wrong.mean()) if wrong.size else 0.0


def score_image(predicted: Depth, true: Depth, protocol: Protocol) -> dict[str, float] | None:
    """
    Score one image.

    Parameters
    ----------
    predicted, true : np.ndarray, shape (H, W)
        Metres along the optical axis; NaN where missing.
    protocol : Protocol
        Alignment, range and crop.

    Returns
    -------
    dict or None
        The metrics, ``scale`` (median true / median predicted before alignment) and ``coverage``
        (fraction of the labelled pixels that have a prediction); None without a valid pixel.

    Raises
    ------
    ShapeError
        If both maps are not of the same shape (H, W).

    """
    pixels = valid_pixels(predicted, true, labelled_mask(true, protocol))
    if not pixels.true.size:
        return None
    return score_pixels(pixels, aligned(pixels.predicted, pixels.true, protocol))


def score_pixels(pixels: Pixels, fitted: Depth) -> dict[str, float]:
    """Score pixels, at least one, whose `aligned` prediction (N,) is ``fitted``."""
    scores = depth_metrics(fitted, pixels.true)
    return {**scores, 'scale': pixels.scale, 'coverage': pixels.coverage}


def mean_scores(scores: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """
    Average the scores of images, each image counting the same.

    Returns
    -------
    dict
        The mean of every value, ``images``, and of the scale its median ``scale_median``, its
        standard deviation ``scale_std``, and ``scale_spread``, the standard deviation of
        ln(scale), 0 if one factor would fit every image; empty without images.

    """
    rows = list(scores)
    names = rows[0] if rows else ()
    return mean_columns({name: np.array([row[name] for row in rows]) for name in names})


def mean_columns(columns: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """Average scores (images,) as `mean_scores` does; empty without columns."""
    means = {name: float(np.mean(values)) for name, values in columns.items()}
    scales = columns.get('scale', np.zeros(0))
    if scales.size:
        means['scale_median'] = float(np.median(scales))
        means['scale_std'] = float(np.std(scales))
        means['scale_spread'] = float(np.std(np.log(np.maximum(scales, 1e-9))))
    return {**means, 'images': float(len(next(iter(columns.values()))))} if columns else {}


def range_sums(fitted: Depth, true: Depth, edges: Sequence[float]) -> NDArray[np.float64]:
    """
    Sum the errors of an image by range of true depth, so that those of images can be added.

    Parameters
    ----------
    fitted, true : np.ndarray, shape (N,)
        `aligned` predictions and matching depths [m].
    edges : sequence of float
        Limits of the ranges [m], rising; the upper one does not belong to a range.

    Returns
    -------
    np.ndarray, shape (3, ranges)
        Number of pixels, sum of their abs_rel, and how many are within delta1.

    """
    near = np.maximum(fitted / true, true / fitted) < 1.25
    chosen = np.digitize(true, edges)  # 0 and len(edges) are outside
    sums = [
        np.bincount(chosen, weights, len(edges) + 1)[1:-1]
        for weights in (None, np.abs(fitted - true) / true, near)
    ]
    return np.array(sums, np.float64)


def range_table(edges: Sequence[float], sums: NDArray[np.float64]) -> list[dict[str, float]]:
    """Return abs_rel, delta1 and the number of pixels of each range, from their `range_sums`."""
    rows = []
    for (near, far), (pixels, error, within) in zip(pairwise(edges), sums.T, strict=True):
        row = {'near': near, 'far': far, 'pixels': float(pixels)}
        if pixels:
            row.update(abs_rel=float(error / pixels), delta1=float(within / pixels))
        rows.append(row)
    return rows


def constant_baseline(true: Depth, labelled: Mask) -> Depth:
    """Return each image's own median true depth everywhere: what no network must fall short of."""
    middle = float(np.median(true[labelled])) if labelled.any() else np.nan
    return np.full(true.shape, middle, np.float32)


def row_prior(depths: Iterable[Depth], rows: int) -> NDArray[np.float64]:
    """
    Return exp of the mean log depth per image row: the best guess without looking.

    Parameters
    ----------
    depths : iterable of np.ndarray, shape (H, W)
        Labelled depth of a source domain; pixels that are not finite and positive are left out.
    rows : int
        Length of the result; every image is read at this many evenly spaced heights.

    Returns
    -------
    np.ndarray, shape (rows,)
        Depth in metres of each row.

    """
    total, count = np.zeros(rows), np.zeros(rows)
    for depth in depths:
        lines = depth[((np.arange(rows) + 0.5) * depth.shape[0] / rows).astype(int)]
        lines = lines.astype(np.float64)
        known = np.isfinite(lines) & (lines > 0)
        total += np.where(known, np.log(np.where(known, lines, 1.0)), 0.0).sum(1)
        count += known.sum(1)
    if not count.any():
        return np.full(rows, np.nan)
    height = np.arange(rows)
    known_rows = count > 0
    logs = np.interp(height, height[known_rows], total[known_rows] / count[known_rows])
    return np.asarray(np.exp(logs))


def row_prior_image(prior: NDArray[np.float64], shape: tuple[int, int]) -> Depth:
    """Return the depth image (H, W) that a row prior predicts for any photograph."""
    rows = (np.arange(shape[0]) + 0.5) * len(prior) / shape[0] - 0.5
    line = np.exp(np.interp(rows, np.arange(len(prior)), np.log(prior)))
    return np.repeat(line[:, None], shape[1], axis=1).astype(np.float32)
