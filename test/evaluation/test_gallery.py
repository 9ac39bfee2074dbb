# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The picture of the best and the worst images."""

from mono_depth_ros.evaluation.gallery import exhibit_panels, Gallery, HEIGHT
from mono_depth_ros.metrics import Protocol
from mono_depth_ros.visualisation import LABEL_HEIGHT
import numpy as np
import pytest

ROW = HEIGHT + LABEL_HEIGHT


def offer(gallery, abs_rel):
    """Offer an image whose brightness is its score."""
    rgb = np.full((60, 80, 3), round(abs_rel * 100), np.uint8)
    depth = np.full((60, 80), 2.0, np.float32)
    gallery.offer('image', abs_rel, rgb, depth, depth, Protocol())


def brightness(picture):
    """Return the level of the image in each row."""
    return [int(picture[row + LABEL_HEIGHT + 50, 20, 0]) for row in range(0, len(picture), ROW)]


@pytest.mark.parametrize('order', [(1, 2, 3, 4, 5, 6), (6, 1, 5, 2, 4, 3), (3, 4, 6, 5, 2, 1)])
def test_the_best_are_on_top_and_the_worst_below_in_whatever_order_they_come(order):
    gallery = Gallery(2)
    for tenths in order:
        offer(gallery, tenths / 10)

    assert brightness(gallery.picture()) == [10, 20, 50, 60]


def test_few_images_are_shown_once():
    gallery = Gallery(2)
    offer(gallery, 0.3)

    assert brightness(gallery.picture()) == [30]


def test_no_image_is_no_picture():
    assert Gallery().picture() is None


def test_the_error_is_white_at_half_the_depth_and_black_where_there_is_no_truth():
    true = np.full((HEIGHT, HEIGHT), 2.0, np.float32)
    true[:, :80] = np.nan
    predicted = np.full((HEIGHT, HEIGHT), 3.0, np.float32)

    error = exhibit_panels(np.zeros((HEIGHT, HEIGHT, 3), np.uint8), predicted, true)[-1]

    assert (error[:, 90:] == 255).all()
    assert (error[:, :70] == 0).all()


@pytest.mark.parametrize('align', ['median', 'ratio', 'lstsq', 'robust'])
def test_the_network_is_shown_as_its_alignment_was_scored(align):
    true = np.tile(np.geomspace(1.0, 4.0, HEIGHT, dtype=np.float32), (HEIGHT, 1))
    # A factor, or a scale and a shift in disparity, which no factor makes good.
    predicted = 2 * true if align in ('median', 'ratio') else 1 / (0.5 / true + 0.4)
    black = np.zeros((HEIGHT, HEIGHT, 3), np.uint8)
    gallery = Gallery()

    gallery.offer('image', 0.0, black, predicted, true, Protocol(align))

    error = gallery.picture()[LABEL_HEIGHT:, -HEIGHT:]
    assert error.max() <= 1


def test_truth_that_does_not_count_is_not_shown():
    true = np.full((HEIGHT, HEIGHT), 2.0, np.float32)
    true[:, :80] = 50.0
    black = np.zeros((HEIGHT, HEIGHT, 3), np.uint8)
    gallery = Gallery()

    gallery.offer('image', 0.0, black, np.full_like(true, 2.0), true, Protocol(max_depth=10.0))

    error = gallery.picture()[LABEL_HEIGHT:, -HEIGHT:]
    assert error.max() == 0
