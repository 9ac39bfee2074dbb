# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Augmentation keeps image, depth and focal length consistent."""

import math

import cv2
import pytest

pytest.importorskip('torch')
from mono_depth_ros.source.pool import Sample
from mono_depth_ros.source.semantics import Semantic
from mono_depth_ros.training.augmentation import (
    canonical_depth,
    crop_to,
    jitter_colours,
    roll_camera,
)
from mono_depth_ros.training.batches import label_weight
import numpy as np


def tilted_plane(rows, columns, focal):
    """Render the plane Z = 2 + X / 2 with a colour that tells its depth."""
    slope = (np.arange(columns) - (columns - 1) / 2) / focal
    depth = np.tile(2 / (1 - slope / 2), (rows, 1)).astype(np.float32)
    grey = np.round(depth * 50).astype(np.uint8)
    return Sample(np.dstack([grey] * 3), depth, np.zeros(depth.shape, np.uint8), focal)


@pytest.mark.parametrize('seed', range(8))
def test_depth_stays_on_its_pixels(seed):
    sample = tilted_plane(120, 160, 140.0)

    crop = crop_to(sample, (64, 96), np.random.default_rng(seed))

    assert crop.rgb.shape == (64, 96, 3)
    # Half a source pixel of slope is 0.01 m, half a grey level 0.01 m.
    np.testing.assert_allclose(crop.rgb[..., 0] / 50, crop.depth, atol=0.04)


def test_zooming_in_lengthens_the_focal_length_and_keeps_depth():
    sample = tilted_plane(128, 192, 150.0)

    zooms = [crop_to(sample, (64, 96), np.random.default_rng(s), shift=0.0) for s in range(10)]

    for crop in zooms:
        # On the plane depth tells the slope of a ray, 2 (1 - 2 / Z); at the edge 47.5 / focal.
        assert 75.0 * 0.99 <= crop.focal <= 75.0 / 0.7 * 1.01
        edge = max(abs(2 * (1 - 2 / crop.depth[0, 0])), abs(2 * (1 - 2 / crop.depth[0, -1])))
        assert edge == pytest.approx(47.5 / crop.focal, rel=0.04)


def test_without_randomness_the_whole_middle_is_taken():
    sample = tilted_plane(64, 128, 100.0)

    crop = crop_to(sample, (32, 32), None)

    assert crop.focal == 50.0
    np.testing.assert_array_equal(crop.depth, sample.depth[1::2, 33:97:2])


def test_a_camera_that_rolls_sees_the_same_plane_turned():
    sample, angle = tilted_plane(121, 161, 140.0), math.radians(20)

    turned = roll_camera(sample, 20)

    # Counterclockwise: what was to the right of the middle goes up, and y points down.
    right, up = 30 * math.cos(angle), 30 * math.sin(angle)
    assert turned.depth[60 - round(up), 80 + round(right)] == pytest.approx(
        sample.depth[60, 110], rel=0.01
    )
    known = np.isfinite(turned.depth)
    assert known[60 - 40 : 60 + 40, 80 - 40 : 80 + 40].all()
    assert not known[0, 0]
    np.testing.assert_allclose(turned.rgb[known][:, 0] / 50, turned.depth[known], atol=0.04)
    assert turned.focal == sample.focal
    assert set(np.unique(turned.semantics)) == {0, Semantic.OTHER}


def test_no_roll_changes_nothing():
    sample = tilted_plane(40, 60, 50.0)

    same = roll_camera(sample, 0.0)

    np.testing.assert_array_equal(same.rgb, sample.rgb)
    np.testing.assert_array_equal(same.depth, sample.depth)


def test_some_samples_are_mirrored():
    sample = tilted_plane(64, 96, 90.0)

    rising = [
        crop_to(sample, (64, 96), np.random.default_rng(seed)).depth[0, -1] > 2
        for seed in range(20)
    ]

    assert 4 <= sum(rising) <= 16


def test_canonical_depth_scales_with_the_focal_length():
    sample = tilted_plane(32, 32, 50.0)

    np.testing.assert_allclose(canonical_depth(sample, 100.0), 2 * sample.depth)


def test_colours_change_and_stay_bytes():
    rgb = tilted_plane(64, 96, 90.0).rgb

    changed = [jitter_colours(rgb, np.random.default_rng(seed)) for seed in range(5)]

    assert all(x.dtype == np.uint8 and x.shape == rgb.shape for x in changed)
    assert len({x.tobytes() for x in changed}) == 5
    assert jitter_colours(rgb, np.random.default_rng(0), strength=0.0) is rgb


def test_a_tenth_turn_grey_and_contrast_changes_by_what_is_said(monkeypatch):
    rgb = np.zeros((2, 2, 3), np.uint8)
    rgb[0], rgb[1] = [124, 128, 128], [128, 128, 132]
    monkeypatch.setattr(cv2, 'LUT', lambda x, curves: seen.append((x, curves)) or x)
    seen = []

    for seed in range(400):
        jitter_colours(rgb, np.random.default_rng(seed), strength=0.25)

    grey = [len(np.unique(x[0, 0])) == 1 for x, _ in seen]
    assert 0.06 < np.mean(grey) < 0.14
    # Brightness, gains and gamma have their part in the slope, too.
    slopes = [np.diff(curves[0, 118:139].mean(1)).mean() for _, curves in seen]
    assert min(slopes) > 0.78 * 0.5 and 2.0 < max(slopes) < 2.72 * 2.0


def test_most_images_gain_contrast_as_photographs_have_more():
    grey = np.tile(np.linspace(90, 160, 96).astype(np.uint8)[None, :, None], (64, 1, 3))

    spread = [jitter_colours(grey, np.random.default_rng(seed)).std() for seed in range(40)]

    assert np.median(spread) > 1.2 * grey.std()
    assert min(spread) < grey.std()


def test_weights_ignore_missing_and_too_near_and_soften_far():
    label = np.array([np.nan, 0.01, 1.0, 50.0, np.inf], np.float32)

    weight = label_weight(label, 0.1, 20.0, 0.25)

    assert weight.tolist() == [0.0, 0.0, 1.0, 0.25, 0.25]
