# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics against a second implementation, pixel by pixel in plain Python."""

import math
import random
import statistics

from mono_depth_ros.metrics import (
    aligned,
    ALIGNMENTS,
    crop_mask,
    ordinal_pairs,
    Protocol,
    score_image,
)
import numpy as np
import pytest

CAP = 10.0


def plain_alignment(predicted, true, align):
    """Align lists of depth as the formulas say."""
    if align == 'median':
        factor = statistics.median(true) / statistics.median(predicted)
        return [p * factor for p in predicted]
    if align == 'ratio':
        factor = statistics.median(t / p for p, t in zip(predicted, true, strict=True))
        return [p * factor for p in predicted]
    if align == 'none':
        return predicted
    x, y = [1 / p for p in predicted], [1 / t for t in true]
    if align == 'lstsq':
        # The textbook solution of the regression line.
        mean_x, mean_y = statistics.fmean(x), statistics.fmean(y)
        covariance = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
        scale = covariance / sum((a - mean_x) ** 2 for a in x)
        shift = mean_y - scale * mean_x
    else:
        middle_x, middle_y = statistics.median(x), statistics.median(y)
        spread_x = statistics.fmean(abs(a - middle_x) for a in x)
        scale = statistics.fmean(abs(b - middle_y) for b in y) / spread_x
        shift = middle_y - scale * middle_x
    return [1 / max(scale * a + shift, 1 / CAP) for a in x]


def plain_scores(predicted, true, align):
    """Score two lists of pixels, missing ones among them."""
    kept = [
        (p, t)
        for p, t in zip(predicted, true, strict=True)
        if not math.isnan(t) and 1e-3 < t < CAP and math.isfinite(p)
    ]
    true = [t for _, t in kept]
    predicted = plain_alignment([p for p, _ in kept], true, align)
    predicted = [min(max(p, 1e-3), CAP) for p in predicted]
    n = len(true)
    pixels = list(zip(predicted, true, strict=True))
    logs = [math.log(p) - math.log(t) for p, t in pixels]
    inverse = [1 / p - 1 / t for p, t in pixels]
    within = [max(p / t, t / p) for p, t in pixels]
    mean_log = sum(logs) / n
    clear = [
        (a, b) for a, b in ordinal_pairs(n) if abs(math.log(true[a] / true[b])) > math.log(1.02)
    ]
    agree = sum((true[a] - true[b]) * (predicted[a] - predicted[b]) > 0 for a, b in clear)
    return {
        'abs_rel': sum(abs(p - t) / t for p, t in pixels) / n,
        'sq_rel': sum((p - t) ** 2 / t for p, t in pixels) / n,
        'rmse': math.sqrt(sum((p - t) ** 2 for p, t in pixels) / n),
        'rmse_log': math.sqrt(sum(e * e for e in logs) / n),
        'log10': sum(abs(math.log10(p) - math.log10(t)) for p, t in pixels) / n,
        'silog': 100 * math.sqrt(sum(e * e for e in logs) / n - mean_log**2),
        'delta1': sum(r < 1.25 for r in within) / n,
        'delta2': sum(r < 1.25**2 for r in within) / n,
        'delta3': sum(r < 1.25**3 for r in within) / n,
        'mae': sum(abs(p - t) for p, t in pixels) / n,
        'irmse': math.sqrt(sum(e * e for e in inverse) / n),
        'imae': sum(abs(e) for e in inverse) / n,
        'whdr': 1 - agree / len(clear),
    }


def random_pixels(seed):
    """Return a noisy prediction and its truth, with everything that may be missing."""
    dice = random.Random(seed)
    true = [dice.uniform(0.3, 12.0) for _ in range(600)]
    predicted = [t * math.exp(dice.gauss(0.2, 0.4)) for t in true]
    for index in dice.sample(range(600), 60):
        true[index] = math.nan
    for index in dice.sample(range(600), 40):
        predicted[index] = dice.choice([math.nan, math.inf])
    return predicted, true


@pytest.mark.parametrize('align', ALIGNMENTS)
@pytest.mark.parametrize('seed', range(4))
def test_every_metric_agrees_with_a_second_implementation(align, seed):
    predicted, true = random_pixels(seed)

    scores = score_image(
        np.reshape(predicted, (20, 30)), np.reshape(true, (20, 30)), Protocol(align, max_depth=CAP)
    )

    expected = plain_scores(predicted, true, align)
    assert {name: scores[name] for name in expected} == pytest.approx(expected, rel=1e-6)


def test_least_squares_is_the_best_scale_and_shift_in_disparity():
    optimize = pytest.importorskip('scipy.optimize', reason='scipy is not installed')
    dice = np.random.default_rng(0)
    true = dice.uniform(0.5, 6.0, 300)
    predicted = true * np.exp(dice.normal(0.1, 0.2, 300))

    found = optimize.least_squares(
        lambda x: x[0] / predicted + x[1] - 1 / true, [1.0, 0.0], xtol=1e-12, ftol=1e-12
    ).x

    expected = 1 / np.maximum(found[0] / predicted + found[1], 1 / CAP)
    fitted = aligned(predicted, true, Protocol('lstsq', max_depth=CAP))
    np.testing.assert_allclose(fitted, expected, rtol=1e-5)


def test_the_median_of_the_ratios_fits_most_pixels_where_the_medians_do_not():
    true = np.array([[1.0, 1.0, 4.0, 4.0, 4.0]])
    predicted = np.array([[1.0, 1.0, 1.0, 4.0, 4.0]])

    ratio = score_image(predicted, true, Protocol('ratio'))
    median = score_image(predicted, true, Protocol('median'))

    assert ratio['delta1'] == 0.8
    assert median['delta1'] == 0.2


@pytest.mark.parametrize(
    ('crop', 'rows', 'columns'),
    [
        # Garg et al. (ECCV 2016) and Eigen et al. (NIPS 2014) on 375x1242, as monodepth has them.
        ('garg', (153, 371), (44, 1197)),
        ('eigen', (124, 342), (44, 1197)),
        # 352x1216 at the bottom: 375 - 352 = 23 and (1242 - 1216) / 2 = 13; Garg of that keeps
        # rows 143 to 349 and columns 43 to 1172.
        ('kb', (23, 375), (13, 1229)),
        ('kb_garg', (166, 372), (56, 1185)),
    ],
)
def test_the_kitti_crops_have_their_published_bounds(crop, rows, columns):
    inside = crop_mask((375, 1242), crop)

    found_rows, found_columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    assert (found_rows[0], found_rows[-1] + 1) == rows
    assert (found_columns[0], found_columns[-1] + 1) == columns
    assert inside.sum() == (rows[1] - rows[0]) * (columns[1] - columns[0])


@pytest.mark.parametrize(
    ('size', 'first_row', 'first_column'), [((370, 1224), 18, 4), ((376, 1241), 24, 12)]
)
def test_the_benchmark_crop_is_at_the_bottom_in_the_middle_of_every_kitti_image(
    size, first_row, first_column
):
    inside = crop_mask(size, 'kb')

    assert inside.sum() == 352 * 1216
    assert inside[first_row:, first_column : first_column + 1216].all()


def test_an_image_smaller_than_the_benchmark_crop_counts_as_a_whole():
    assert crop_mask((96, 128), 'kb').all()
