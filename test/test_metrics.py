# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics against values computed by hand."""

import math

from hypothesis import given
from hypothesis import strategies as st
from mono_depth_ros.errors import ConfigError, ShapeError
from mono_depth_ros.metrics import (
    aligned,
    ALIGNMENTS,
    constant_baseline,
    crop_mask,
    depth_metrics,
    labelled_mask,
    mean_scores,
    METRICS,
    ordinal_pairs,
    Protocol,
    range_sums,
    range_table,
    row_prior,
    row_prior_image,
    score_image,
    whdr,
)
import numpy as np
import pytest


def test_metrics_match_a_case_worked_by_hand():
    scores = depth_metrics(np.array([1.0, 3.0]), np.array([2.0, 2.0]))

    ln_half, ln_more = math.log(0.5), math.log(1.5)
    assert scores == pytest.approx(
        {
            'abs_rel': 0.5,
            'sq_rel': 0.5,
            'rmse': 1.0,
            'rmse_log': math.sqrt((ln_half**2 + ln_more**2) / 2),
            'log10': (math.log10(2) + math.log10(1.5)) / 2,
            'silog': 100 * (ln_more - ln_half) / 2,
            'delta1': 0.0,
            'delta2': 0.5,
            'delta3': 0.5,
            'mae': 1.0,
            'irmse': math.sqrt((0.5**2 + (1 / 6) ** 2) / 2),
            'imae': (0.5 + 1 / 6) / 2,
            'whdr': 0.0,
        }
    )
    assert set(scores) == set(METRICS)


def test_whdr_counts_the_pairs_whose_order_is_wrong():
    true = np.array([1.0, 2.0, 3.0, 3.01])
    predicted = np.array([5.0, 6.0, 6.0, 5.0])
    pairs = np.array([[0, 1], [2, 0], [1, 2], [1, 3], [2, 3]])

    # The last pair is level in truth; one that is level in the prediction alone is wrong.
    assert whdr(predicted, true, pairs) == 0.5
    assert whdr(1 / predicted, 1 / true, pairs) == 0.5
    assert whdr(predicted, true, pairs[4:]) == 0.0


def test_whdr_of_an_image_compares_every_pixel_with_another():
    pairs = ordinal_pairs(100)
    true = np.linspace(1.0, 9.0, 100)

    assert sorted(pairs[:, 0]) == sorted(pairs[:, 1]) == list(range(100))
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert depth_metrics(true**2, true)['whdr'] == 0.0
    assert depth_metrics(1 / true, true)['whdr'] == 1.0


def test_a_ratio_of_exactly_the_threshold_is_not_inside_delta1():
    scores = depth_metrics(np.array([1.25, 1.2499]), np.array([1.0, 1.0]))

    assert scores['delta1'] == 0.5


def test_only_labelled_finite_pixels_in_range_count():
    true = np.array([[1.0, 2.0, np.nan, 0.0, 20.0, 3.0]], np.float32)
    predicted = np.array([[1.0, 1.0, 9.0, 9.0, 9.0, np.nan]], np.float32)

    scores = score_image(predicted, true, Protocol(max_depth=10.0))

    assert scores['abs_rel'] == pytest.approx(0.25)
    assert scores['coverage'] == pytest.approx(2 / 3)


def test_an_image_without_labels_has_no_score():
    assert score_image(np.ones((2, 2)), np.full((2, 2), np.nan), Protocol()) is None


def test_predictions_are_limited_to_the_range_after_alignment():
    true = np.array([[1.0, 2.0, 4.0]])

    scores = score_image(np.array([[1.0, 2.0, 400.0]]), true, Protocol(max_depth=8.0))

    assert scores['abs_rel'] == pytest.approx(1 / 3)


@given(st.floats(0.05, 20.0))
def test_median_alignment_forgives_any_one_factor(factor):
    true = np.linspace(1, 4, 12).reshape(3, 4)

    scores = score_image(true * factor, true, Protocol('median'))

    assert scores['abs_rel'] == pytest.approx(0.0, abs=1e-9)
    assert scores['scale'] == pytest.approx(1 / factor)


@pytest.mark.parametrize('align', ['lstsq', 'robust'])
@given(scale=st.floats(0.2, 5.0), shift=st.floats(0.0, 0.5))
def test_disparity_alignments_forgive_scale_and_shift(align, scale, shift):
    true = np.linspace(1, 4, 50)
    predicted = 1 / (scale / true + shift)

    np.testing.assert_allclose(aligned(predicted, true, Protocol(align)), true, rtol=1e-6)


def test_least_squares_alignment_limits_far_disparity_to_the_cap():
    true = np.array([1.0, 2.0, 2.0, 1000.0])
    predicted = np.array([1.0, 2.0, 2.1, 4.0])

    found = aligned(predicted, true, Protocol('lstsq', max_depth=10.0))
    assert found.max() <= 10.0


def test_robust_alignment_of_a_flat_prediction_is_the_median():
    true = np.array([1.0, 2.0, 4.0])

    np.testing.assert_allclose(aligned(np.ones(3), true, Protocol('robust')), 2.0)


def test_the_crops_are_those_of_the_benchmarks():
    garg, eigen = crop_mask((375, 1242), 'garg'), crop_mask((375, 1242), 'eigen')
    nyu = crop_mask((480, 640), 'nyu')

    assert (garg.any(1).argmax(), garg.any(1).sum()) == (153, 371 - 153)
    assert (garg.any(0).argmax(), garg.any(0).sum()) == (44, 1197 - 44)
    assert (eigen.any(1).argmax(), eigen.any(1).sum()) == (124, 342 - 124)
    assert nyu[45:471, 41:601].all() and nyu.sum() == (471 - 45) * (601 - 41)


def test_every_image_weighs_the_same_whatever_its_labels():
    few, many = np.full((1, 1), 2.0), np.full((1, 99), 2.0)
    scores = [score_image(few, few, Protocol()), score_image(many * 2, many, Protocol())]

    means = mean_scores(scores)

    assert means['abs_rel'] == pytest.approx(0.5)
    assert means['images'] == 2
    assert means['scale_spread'] == pytest.approx(math.log(2) / 2)
    assert mean_scores([]) == {}


def test_the_range_table_separates_near_from_far():
    true, predicted = np.array([1.0, 5.0, 6.0, 9.0]), np.array([1.0, 10.0, 6.0, 9.0])
    edges = [0.5, 2, 7, 9]

    sums = range_sums(predicted, true, edges)

    near, far, empty = range_table(edges, sums)
    assert (near['abs_rel'], near['pixels']) == (0.0, 1)
    assert (far['abs_rel'], far['delta1'], far['pixels']) == (0.5, 0.5, 2)
    assert empty == {'near': 7, 'far': 9, 'pixels': 0.0}


@pytest.mark.parametrize('align', ALIGNMENTS)
def test_ranges_are_scored_as_their_pixels_alone_are(align):
    rng = np.random.default_rng(0)
    true = rng.uniform(0.2, 10.0, 4800)
    true[:4] = [1.0, 2.0, 4.0, 8.0]  # the edges themselves, too
    fitted = aligned(true * rng.uniform(0.6, 1.6, true.shape), true, Protocol(align))
    edges = [0.0, 1.0, 2.0, 4.0, 8.0, 10.0]

    rows = range_table(edges, range_sums(fitted, true, edges))

    for row, near, far in zip(rows, edges[:-1], edges[1:], strict=True):
        chosen = (true >= near) & (true < far)
        scores = depth_metrics(fitted[chosen], true[chosen])
        wanted = [chosen.sum(), scores['abs_rel'], scores['delta1']]
        assert [row[key] for key in ('pixels', 'abs_rel', 'delta1')] == pytest.approx(
            wanted, rel=1e-9
        )


def test_ranges_leave_the_pairs_of_the_image_to_the_next_method():
    true = np.linspace(1.0, 9.0, 120).reshape(10, 12)
    score_image(true, true, Protocol())
    drawn = ordinal_pairs.cache_info().misses

    range_sums(true.ravel(), true.ravel(), [0.0, 1.0, 2.0, 4.0, 8.0, 10.0])
    score_image(true, true, Protocol())

    assert ordinal_pairs.cache_info().misses == drawn


def test_the_constant_baseline_is_the_median_of_the_labels():
    true = np.array([[1.0, 3.0, 50.0, np.nan]])

    labelled = labelled_mask(true, Protocol(max_depth=10.0))

    assert (constant_baseline(true, labelled) == 2.0).all()


def test_the_row_prior_is_the_geometric_mean_of_each_row():
    depth = np.array([[1.0, 4.0], [np.nan, np.inf], [3.0, 3.0]])

    prior = row_prior([depth], rows=3)

    np.testing.assert_allclose(prior[[0, 2]], [2.0, 3.0])
    assert 2 < prior[1] < 3
    image = row_prior_image(prior, (6, 5))
    assert image.shape == (6, 5)
    np.testing.assert_allclose(image[[0, 5]], [[2.0] * 5, [3.0] * 5])


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'align': 'mean'}, 'align must be one of'),
        ({'crop': 'middle'}, 'crop must be one of'),
        ({'min_depth': 5.0, 'max_depth': 1.0}, 'need 0 < min_depth < max_depth'),
        ({'max_depth': np.inf}, 'need 0 < min_depth < max_depth < inf'),
    ],
)
def test_an_impossible_protocol_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Protocol(**settings)


def test_maps_of_different_sizes_are_refused():
    with pytest.raises(ShapeError, match=r'\(2, 2\) and ground truth \(2, 3\)'):
        score_image(np.ones((2, 2)), np.ones((2, 3)), Protocol())
    with pytest.raises(ShapeError, match=r'ground truth must be \(H, W\), got \(4,\)'):
        score_image(np.ones(4), np.ones(4), Protocol())
