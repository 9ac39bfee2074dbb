# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When a cycle begins: on a clock of the test, without waiting."""

import json

from hypothesis import given
from hypothesis import strategies as st
from mono_depth_ros.adaptation.outcome import ADDED, FAILED, PROMOTED, REJECTED, SKIPPED, STATES
from mono_depth_ros.adaptation.schedule import Schedule, ScheduleConfig
from mono_depth_ros.errors import ConfigError
import pytest


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def schedule(**settings):
    clock = Clock()
    values = {'after_frames': 0, 'min_new_frames': 0, 'rest_s': 0.0, 'backoff_s': 10.0, **settings}
    return Schedule(ScheduleConfig(**values), clock), clock


def test_a_cycle_begins_after_a_while():
    plan, clock = schedule(every_s=60.0)

    clock.now += 59
    early = plan.due()
    clock.now += 1

    assert (early, plan.due()) == ('', '60 s since the last one')


def test_a_cycle_begins_after_new_images():
    plan, _ = schedule(after_frames=5)

    plan.kept(4)
    early = plan.due()
    plan.kept(1)

    assert (early, plan.due()) == ('', '5 new images')


def test_a_cycle_begins_when_the_place_looks_different():
    plan, _ = schedule(on_drift=3.0)

    assert plan.due(2.9) == ''
    assert plan.due(3.0) == 'the images have changed by 3.0 standard deviations'


def test_without_a_schedule_it_begins_by_hand_only():
    plan, clock = schedule()

    plan.kept(10_000)
    clock.now += 1e6

    assert plan.due(100.0) == ''
    assert plan.describe() == 'by hand'


def test_no_cycle_begins_by_itself_on_old_images():
    plan, clock = schedule(every_s=60.0, min_new_frames=10)

    clock.now += 100
    plan.kept(9)
    early = plan.due()
    plan.kept(1)

    assert (early, bool(plan.due())) == ('', True)


def test_there_are_never_two_at_once():
    plan, clock = schedule(every_s=60.0)
    clock.now += 60
    plan.begin()

    clock.now += 600

    assert plan.due() == ''
    assert plan.running


def test_the_images_of_a_cycle_are_not_counted_again():
    plan, _ = schedule(after_frames=5)
    plan.kept(5)

    plan.begin()
    plan.end(PROMOTED)

    assert plan.due() == ''


def test_the_wait_doubles_with_each_rejection_up_to_its_limit():
    plan, _ = schedule(backoff_s=10.0, max_backoff_s=35.0, reset_after=0)
    waits = []

    for _ in range(4):
        plan.begin()
        plan.end(REJECTED)
        waits.append(plan.wait_s)

    assert waits == [10.0, 20.0, 35.0, 35.0]


def test_nothing_begins_by_itself_before_the_wait_is_over():
    plan, clock = schedule(every_s=1.0, backoff_s=10.0)
    plan.begin()
    plan.end(FAILED)

    clock.now += 9.9
    early = plan.due()
    clock.now += 0.2

    assert (early, bool(plan.due())) == ('', True)


def test_a_robot_rests_between_two_cycles():
    plan, clock = schedule(after_frames=5, rest_s=30.0)
    plan.begin()
    plan.kept(5)
    plan.end(PROMOTED)

    clock.now += 29
    early = plan.due()
    clock.now += 1

    assert (early, plan.due()) == ('', '5 new images')


def test_a_candidate_that_waits_to_be_tried_has_not_ended_the_cycle():
    plan, _ = schedule()
    plan.begin()

    assert not plan.end(ADDED)
    assert plan.running


def test_the_third_rejection_in_a_row_leads_back_to_the_source():
    plan, _ = schedule(reset_after=3)

    assert [plan.end(state) for state in (REJECTED, REJECTED, REJECTED)] == [False, False, True]
    assert plan.rejections == 0


def test_a_promotion_forgives_what_was_before():
    plan, _ = schedule(reset_after=3)

    ends = [plan.end(state) for state in (REJECTED, REJECTED, PROMOTED, REJECTED, REJECTED)]

    assert not any(ends)
    assert plan.wait_s == 20.0


def test_a_promotion_that_the_watch_takes_back_has_forgiven_nothing():
    plan, _ = schedule(reset_after=3)
    ends, waits = [], []

    for _ in range(3):
        plan.end(PROMOTED)
        plan.take_back()
        ends.append(plan.end(REJECTED))
        waits.append(plan.wait_s)

    assert ends == [False, False, True]
    assert waits == [10.0, 20.0, 40.0]


def test_a_promotion_that_is_taken_back_counts_with_what_came_after_it():
    plan, _ = schedule(reset_after=4)

    ends = [plan.end(state) for state in (REJECTED, REJECTED, PROMOTED, REJECTED)]

    assert (ends[-1], plan.rejections) == (False, 1)
    plan.take_back()
    assert plan.rejections == 3
    assert plan.end(REJECTED)


def test_a_cycle_that_failed_or_was_cancelled_has_used_up_no_images():
    plan, clock = schedule(after_frames=5, backoff_s=10.0, rest_s=10.0)
    plan.kept(5)

    plan.begin()
    plan.end(FAILED)
    clock.now += 10
    failed = plan.due()
    plan.begin()
    plan.kept(1)
    plan.cancel()
    early = plan.due()
    clock.now += 10

    assert (failed, early, plan.due()) == ('5 new images', '', '6 new images')


def test_a_candidate_has_used_up_its_images_whatever_becomes_of_it():
    plan, _ = schedule(after_frames=5)
    plan.kept(5)
    plan.begin()
    plan.end(ADDED)

    plan.cancel()

    assert plan.due() == ''


def test_a_restart_goes_on_where_it_was():
    plan, clock = schedule(every_s=60.0, after_frames=50, min_new_frames=10)
    plan.begin()
    plan.end(REJECTED)
    plan.begin()
    plan.end(REJECTED)
    plan.kept(40)
    clock.now += 15.0

    again = Schedule(plan.config, Clock())
    again.restore(json.loads(json.dumps(plan.state())), frames=300)

    assert again.state() == plan.state()
    assert again.describe() == plan.describe()
    assert (again.cycles, again.rejections, again.wait_s) == (2, 2, 5.0)


def test_a_restart_in_the_middle_of_a_cycle_has_used_up_no_images():
    plan, _ = schedule(after_frames=50)
    plan.kept(50)
    plan.begin()

    again = Schedule(plan.config)
    again.restore(plan.state(), frames=300)

    assert (again.cycles, again.due()) == (1, '50 new images')


def test_images_that_a_restart_has_lost_are_not_new():
    plan, _ = schedule(after_frames=50)
    plan.kept(50)

    again = Schedule(plan.config)
    again.restore(plan.state(), frames=3)

    assert again.state()['new_frames'] == 3


@given(
    st.dictionaries(
        st.sampled_from(sorted(schedule()[0].state())),
        st.none() | st.booleans() | st.integers() | st.floats() | st.just('x') | st.just(10**999),
    )
)
def test_a_damaged_state_never_stops_the_schedule(state):
    plan, clock = schedule(every_s=5.0, backoff_s=10.0, max_backoff_s=100.0)

    plan.restore(state, frames=300)

    assert 0.0 <= plan.wait_s <= 100.0
    plan.end(REJECTED)
    clock.now += 105.0
    assert plan.due()
    assert plan.rate_factor > 0


def test_failures_back_off_and_never_lead_back_to_the_source():
    plan, _ = schedule(reset_after=3, backoff_s=1.0, max_backoff_s=100.0)

    assert not any(plan.end(FAILED) for _ in range(5))
    assert plan.wait_s == 16.0


def test_the_learning_rate_is_halved_after_each_rejection():
    plan, _ = schedule(reset_after=0)
    factors = []

    for state in (REJECTED, REJECTED, SKIPPED, PROMOTED):
        plan.end(state)
        factors.append(plan.rate_factor)

    assert factors == [0.5, 0.25, 0.25, 1.0]


@given(st.lists(st.sampled_from(STATES), max_size=200))
def test_whatever_happens_the_wait_is_bounded_and_it_goes_on(states):
    plan, clock = schedule(every_s=5.0, backoff_s=10.0, max_backoff_s=100.0)

    for state in states:
        plan.begin()
        plan.end(state)
        assert 0.0 <= plan.wait_s <= 100.0
        assert 2.0**-4 <= plan.rate_factor <= 1.0
        plan.describe()
    plan.end(SKIPPED)
    clock.now += 105.0

    assert plan.due()


def test_it_says_when_the_next_one_begins():
    plan, _ = schedule(every_s=60.0, after_frames=100, on_drift=3.0, min_new_frames=20)
    plan.end(REJECTED)

    assert plan.describe() == (
        '60 s from now or after 100 new images or on drift of 3, with at least 20 new images, '
        'in 10 s at the earliest'
    )


def test_a_limit_below_the_first_wait_is_refused():
    with pytest.raises(ConfigError, match='max_backoff_s must be at least backoff_s'):
        ScheduleConfig(backoff_s=100.0, max_backoff_s=10.0)
