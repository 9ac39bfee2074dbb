# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is published follows what is believed slowly, and never jumps."""

from hypothesis import given, settings
from hypothesis import strategies as st
from mono_depth_ros.scale import Correction, Fit
from mono_depth_ros.slow_scale import PERSISTENCE, SlowScale
import numpy as np
import pytest

NEAR, FAR, RATE = 0.3, 6.0, 0.05
DEPTHS = np.geomspace(0.05, 50.0, 60).astype(np.float32)


def fit(scale, shift=0.0, points=200, inliers=180):
    return Fit(Correction(scale, shift, NEAR, FAR), points, inliers)


def run(slow, seconds, start=0.0, period=0.1):
    """Advance image by image; return the correction of the last one."""
    for step in range(round(seconds / period) + 1):
        correction = slow.advance(start + step * period)
    return correction


def believing(scale):
    slow = SlowScale(NEAR, FAR, RATE)
    for _ in range(10):
        slow.observe(fit(scale))
    run(slow, 60.0)
    return slow


def test_without_a_fit_nothing_is_corrected():
    slow = SlowScale(NEAR, FAR, RATE)

    assert run(slow, 100.0).apply(DEPTHS) is DEPTHS


def test_what_fits_agree_on_is_reached_at_the_rate():
    slow = SlowScale(NEAR, FAR, RATE)
    slow.observe(fit(1.5))

    early, late = run(slow, 4.0), run(slow, 60.0, start=4.0)

    assert early.scale == pytest.approx(1.05**4, rel=1e-3)
    assert late.scale == pytest.approx(1.5)
    assert slow.settled


fits = st.builds(
    fit,
    st.floats(0.5, 2.0),
    st.sampled_from([0.0, -0.05, 0.1, 0.4]),
    st.integers(0, 300),
    st.integers(0, 300),
)
events = st.lists(
    st.one_of(
        fits,
        st.none(),
        st.floats(-5.0, 30.0),
        st.sampled_from(['image', 'image', 'image']),
    ),
    max_size=60,
)


@settings(max_examples=100, deadline=None)
@given(events)
def test_no_depth_ever_changes_faster_than_the_rate(events):
    slow, stamp = SlowScale(NEAR, FAR, RATE), 100.0
    before = slow.advance(stamp).apply(DEPTHS)

    for event in events:
        elapsed = 0.1
        if isinstance(event, float):
            elapsed = event
        elif event != 'image':
            slow.observe(event)
        stamp += elapsed
        after = slow.advance(stamp).apply(DEPTHS)
        allowed = np.log1p(RATE) * min(max(elapsed, 0.0), 1.0)
        assert np.abs(np.log(after / before)).max() <= allowed + 1e-5
        before = after


@pytest.mark.parametrize(
    ('poor', 'reason'),
    [
        (None, 'nothing in the image'),
        (fit(1.4, points=49, inliers=49), '49 points, at least 50 are needed'),
        (fit(1.4, inliers=40), 'only 20 % of the points agree'),
        (fit(4.0), 'differs from the 10 before by a factor of 3.33'),
    ],
)
def test_poor_evidence_freezes_what_was_believed(poor, reason):
    slow = believing(1.2)

    believed = slow.observe(poor)

    assert not believed
    assert reason in slow.refused
    assert run(slow, 100.0, start=60.0).scale == pytest.approx(1.2)


def test_one_good_fit_ends_the_refusal():
    slow = believing(1.2)
    slow.observe(None)

    assert slow.observe(fit(1.2))
    assert slow.refused == ''


def test_another_place_is_believed_when_it_persists():
    slow = believing(1.2)

    believed = [slow.observe(fit(2.4)) for _ in range(PERSISTENCE)]

    assert believed == [False] * (PERSISTENCE - 1) + [True]
    assert run(slow, 60.0, start=60.0).scale == pytest.approx(2.4)


def test_disagreement_now_and_then_changes_nothing():
    slow = believing(1.2)

    for _ in range(3 * PERSISTENCE):
        slow.observe(fit(2.4))
        slow.observe(fit(1.2))

    assert run(slow, 60.0, start=60.0).scale == pytest.approx(1.2)


def test_noise_of_single_fits_is_averaged():
    rng = np.random.default_rng(0)
    slow, published = SlowScale(NEAR, FAR, RATE), []

    for number in range(600):
        if number % 5 == 0:
            slow.observe(fit(1.2 * float(np.exp(rng.normal(0, 0.1)))))
        published.append(slow.advance(number * 0.1).scale)

    assert np.std(np.log(published[200:])) < 0.04
    assert np.median(published[200:]) == pytest.approx(1.2, rel=0.03)


def test_another_network_goes_on_from_what_was_published():
    slow = believing(1.5)

    slow.change_network(NEAR, FAR, ratio=0.9)  # what it says is already near the truth
    first = slow.advance(60.1)

    assert first.scale == pytest.approx(0.9)
    assert run(slow, 60.0, start=60.1).scale == pytest.approx(0.9)  # until a fit says otherwise
    slow.observe(fit(1.0))
    assert run(slow, 60.0, start=120.2).scale == pytest.approx(1.0)


def test_what_was_still_on_its_way_goes_on():
    slow = SlowScale(NEAR, FAR, RATE)
    slow.observe(fit(1.44))
    slow.advance(0.0)

    slow.change_network(NEAR, FAR, ratio=1.0)
    slow.change_network(NEAR, FAR, ratio=1.0)  # a rollback before any fit

    assert run(slow, 60.0, start=0.0).scale == pytest.approx(1.44)


def test_another_network_without_any_evidence_is_taken_at_its_word_slowly():
    slow = SlowScale(NEAR, FAR, RATE)
    slow.advance(0.0)

    slow.change_network(NEAR, FAR, ratio=1.1)

    assert slow.advance(0.1).scale == pytest.approx(1.1, rel=0.01)
    assert run(slow, 10.0, start=0.1).scale == pytest.approx(1.0)
