# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images that look different are noticed, and the same ones are not."""

import json

from hypothesis import given
from hypothesis import strategies as st
from mono_depth_ros.adaptation.drift import InputStatistics
import numpy as np
import pytest


def room(seed, *, light=1.0, tint=(1.0, 1.0, 1.0), mirrored=False):
    """Return an image of a room that is bright above and dark below, with some texture."""
    rng = np.random.default_rng(seed)
    rgb = np.linspace(200, 60, 96)[:, None, None] * np.ones((96, 128, 3))
    rgb = (rgb[::-1] if mirrored else rgb) + rng.normal(0, 20, (12, 16, 1)).repeat(8, 0).repeat(
        8, 1
    )
    return np.clip(rgb * light * np.array(tint), 0, 255).astype(np.uint8)


@pytest.fixture
def statistics():
    statistics = InputStatistics(recent=10)
    statistics.mark(room(seed) for seed in range(30))
    return statistics


def show(statistics, **changes):
    for seed in range(100, 110):
        statistics.observe(room(seed, **changes))
    return statistics.drift()


def test_the_same_room_is_no_drift(statistics):
    assert show(statistics)[0] < 1.0


@pytest.mark.parametrize(
    ('changes', 'feature'),
    [
        ({'light': 0.5}, ('brightness', 'contrast')),
        ({'tint': (1.0, 0.8, 0.8)}, ('red',)),
        ({'mirrored': True}, ('layout',)),
    ],
)
def test_another_light_tint_or_layout_is_drift(statistics, changes, feature):
    drift, name = show(statistics, **changes)

    assert drift > 3.0
    assert name in feature


def test_before_the_first_mark_there_is_nothing_to_compare_with():
    assert show(InputStatistics(recent=10)) == (0.0, '')


def test_a_few_images_say_nothing(statistics):
    statistics.observe(room(0, light=0.2))

    assert statistics.drift() == (0.0, '')


def test_a_restart_compares_with_the_same_images(statistics):
    kept = json.loads(json.dumps(statistics.state()))

    again = InputStatistics(recent=10)
    again.restore(kept)

    assert again.marked
    assert again.state() == kept
    drift, feature = show(again, light=0.5)
    assert (pytest.approx(drift, rel=1e-3), feature) == show(statistics, light=0.5)


DAMAGED = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.just('x')
    | st.lists(st.floats() | st.none() | st.just(10**999) | st.just([1.0]), max_size=5)
)


@given(DAMAGED | st.dictionaries(st.sampled_from(['layout', 'mean', 'spread']), DAMAGED))
def test_a_damaged_state_changes_nothing(state):
    statistics = InputStatistics()
    statistics.mark([room(0)])
    before = statistics.state()

    statistics.restore({**before, **state} if isinstance(state, dict) else state)

    assert statistics.state() == before


@pytest.mark.parametrize('name', ['layout', 'mean', 'spread'])
def test_a_state_without_a_part_is_none(statistics, name):
    kept = {other: value for other, value in statistics.state().items() if other != name}

    again = InputStatistics()
    again.restore(kept)

    assert not again.marked
    assert again.state() == {}


def test_a_cycle_without_images_changes_nothing(statistics):
    statistics.mark([])

    assert show(statistics)[0] < 1.0
