# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The health watch, on sequences of what two networks make of the same images."""

from itertools import count, cycle
import math
import random
import re
import time

from hypothesis import given, settings
from hypothesis import strategies as st
from mono_depth_ros.health import accepted_shift, HealthWatch, Look, look_at, SLOW_PERIOD_S
import numpy as np
import pytest

PERIOD = 1 / 30


def room(depth=2.0, seed=0):
    """Return a depth image that goes from near to far, with some texture."""
    rows = np.linspace(0.5, 2.0, 192, dtype=np.float32)[:, None] * depth
    noise = np.random.default_rng(seed).uniform(0.9, 1.1, (192, 256))
    return (rows * noise).astype(np.float32)


def play(watch, images, new, old=lambda depth: depth, times=lambda: (0.006, 0.006)):
    """
    Show depth images to a watch as the node does, until it decides.

    ``new`` and ``old`` make of the true depth what each network says; an exception is a failure.
    Returns the number of images shown.
    """
    for number, image in enumerate(images):
        now = number * PERIOD
        try:
            depth, failure = new(image), ''
        except ArithmeticError as error:
            depth, failure = None, str(error)
        if watch.due(now, failed=depth is None):
            try:
                before = look_at(old(image))
            except ArithmeticError:
                before = None
            watch.compare(now, failure or look_at(depth), before, *times())
        if watch.alarm or watch.left_s == 0:
            return number + 1
    return len(images)


def fails(depth):
    raise ArithmeticError('network output is constant (2)')


def test_a_look_says_how_much_is_known_how_far_and_how_varied():
    depth = np.geomspace(1.0, 4.0, 192 * 256).astype(np.float32).reshape(192, 256)
    depth[:48] = np.nan

    look = look_at(depth)

    assert look.known == pytest.approx(0.75)
    assert look.median == pytest.approx(4**0.625, rel=0.05)
    assert look.spread == pytest.approx(0.9 * 0.75 * math.log(4), rel=0.05)


@pytest.mark.parametrize('shape', [(1, 1), (3, 5), (16, 400), (480, 640)])
def test_images_of_any_shape_are_looked_at(shape):
    assert look_at(np.full(shape, 3.0, np.float32)) == Look(1.0, 3.0, 0.0)
    assert look_at(np.full(shape, np.nan, np.float32)).known == 0.0


def test_a_look_costs_next_to_nothing():
    depth = room().repeat(3, axis=0)[:480].repeat(3, axis=1)[:, :640].copy()

    def once():
        started = time.perf_counter()
        look_at(depth)
        return time.perf_counter() - started

    assert sorted(once() for _ in range(200))[20] < 200e-6


def test_a_network_that_does_its_work_is_trusted_after_its_time():
    watch = HealthWatch(10.0)

    shown = play(watch, [room()] * 1000, new=lambda depth: depth * 1.1)

    assert watch.alarm == ''
    assert shown == pytest.approx(10.0 / PERIOD, abs=2)
    assert watch.compared < 30


FAULTS = {
    'fails': (fails, r'answers images on which this one fails: network output is constant \(2\)'),
    'NaN': (
        lambda depth: np.where(np.arange(256) < 128, np.nan, depth),
        '49 % of its depth is missing, of that of the network before 0 %',
    ),
    'all NaN': (lambda depth: depth * np.nan, '100 % of its depth is missing'),
    'scale up': (lambda depth: depth * 2.5, 'the scale jumped: it says 6.24 m where .* 2.49 m'),
    'scale down': (lambda depth: depth / 2.5, 'the scale jumped: it says 1.00 m where .* 2.49 m'),
    'collapsed': (
        lambda depth: 2.5 + depth * 1e-3,
        'its depth collapsed: far is 1.00 times near, by the network before 3.41 times',
    ),
    'blown up': (
        lambda depth: depth.mean() * (depth / depth.mean()) ** 5,
        'its depth blew up: far is .* times near',
    ),
}


@pytest.mark.parametrize('name', FAULTS)
def test_a_fault_is_an_alarm_within_a_few_images(name):
    new, reason = FAULTS[name]
    watch = HealthWatch(10.0)

    shown = play(watch, [room(seed=seed) for seed in range(5)], new)

    assert re.search(reason, watch.alarm), watch.alarm
    assert shown == 3


def test_a_fault_that_begins_later_is_an_alarm_too():
    watch, images = HealthWatch(10.0), count()

    def new(depth):
        return depth * (4.0 if next(images) > 100 else 1.0)

    shown = play(watch, [room()] * 1000, new)

    assert 'the scale jumped' in watch.alarm
    assert shown * PERIOD < 100 * PERIOD + 2.0


def test_failing_now_and_then_is_an_alarm_where_the_network_before_answers():
    watch, images = HealthWatch(10.0), count()

    def new(depth):
        return fails(depth) if next(images) % 20 == 7 else depth

    assert play(watch, [room()] * 1000, new) == 48
    assert 'answers images on which this one fails' in watch.alarm


def test_images_on_which_both_fail_are_no_alarm():
    watch = HealthWatch(5.0)

    play(watch, [room()] * 1000, new=fails, old=fails)

    assert watch.alarm == ''
    assert watch.left_s == 0


def test_images_that_neither_network_can_tell_are_no_alarm():
    watch = HealthWatch(5.0)

    play(watch, [np.full((48, 64), np.nan, np.float32)] * 1000, new=lambda depth: depth)

    assert watch.alarm == ''


def test_a_slow_network_is_an_alarm():
    watch = HealthWatch(10.0)

    shown = play(watch, [room()] * 1000, lambda depth: depth, times=lambda: (0.025, 0.006))

    assert watch.alarm == 'it is slow: 25.0 ms an image, the network before takes 6.0 ms'
    assert shown * PERIOD < 4.0


def test_a_slow_moment_does_not_make_the_machine_busier():
    watch = HealthWatch(3.0)
    times = cycle([(0.025, 0.006), (0.025, 0.006), (0.006, 0.006)])

    play(watch, [room()] * 90, lambda depth: depth, times=lambda: next(times))

    assert watch.alarm == ''
    assert watch.compared <= 3.0 / SLOW_PERIOD_S


@pytest.mark.parametrize('seed', range(50))
def test_a_busy_machine_is_no_alarm(seed):
    watch, luck = HealthWatch(10.0), random.Random(seed)

    def times():
        # Each is held up now and then, and for a while both are.
        load = luck.choice([1.0, 1.0, 4.0])
        return tuple(0.006 * load * luck.choice([1.0, 1.0, 1.0, 5.0]) for _ in range(2))

    play(watch, [room()] * 1000, lambda depth: depth, times=times)

    assert watch.alarm == ''


def test_a_camera_that_turns_to_another_wall_is_no_alarm():
    watch = HealthWatch(10.0)
    walls = [np.full((192, 256), 0.4, np.float32), room(8.0), room(0.5), room(3.0)]
    images = [walls[number // 15 % 4] for number in range(1000)]
    noise = np.random.default_rng(0).uniform(0.9, 1.1, (192, 256)).astype(np.float32)

    play(watch, images, new=lambda depth: depth * noise, old=lambda depth: depth / noise)

    assert watch.alarm == ''


@settings(max_examples=25, deadline=None)
@given(
    depth=st.floats(0.2, 50.0),
    factor=st.floats(0.6, 1.6),
    contrast=st.floats(0.6, 1.6),
    missing=st.floats(0.0, 0.15),
)
def test_what_the_gate_lets_pass_is_no_alarm(depth, factor, contrast, missing):
    watch = HealthWatch(2.0)

    def new(image):
        middle = np.median(image)
        changed = factor * middle * (image / middle) ** contrast
        changed[: int(missing * len(changed))] = np.nan
        return changed

    play(watch, [room(depth)] * 70, new)

    assert watch.alarm == ''


def test_a_shift_that_the_gate_has_accepted_is_no_alarm_and_twice_that_is():
    made = {'verdict': {'checks': [{'name': 'median shift', 'value': 2.2}]}}

    for factor, alarm in ((2.2, ''), (1 / 2.2, ''), (5.0, 'the scale jumped')):
        watch = HealthWatch(2.0, accepted_shift(made))
        play(watch, [room()] * 100, new=lambda depth: depth * factor)  # noqa: B023
        assert watch.alarm.startswith(alarm) and bool(watch.alarm) == bool(alarm)


@pytest.mark.parametrize(
    'made',
    [{}, {'verdict': None}, {'verdict': {'checks': [{'name': 'median shift', 'value': None}]}}],
)
def test_without_a_verdict_no_shift_is_accepted(made):
    assert accepted_shift(made) == 1.0


def test_a_pause_of_the_camera_is_not_time_watched():
    watch = HealthWatch(10.0)

    watch.due(0.0)
    watch.due(3600.0)

    assert watch.left_s == pytest.approx(9.5)


def test_a_clock_that_goes_back_does_no_harm():
    watch = HealthWatch(10.0)

    watch.due(100.0)
    watch.due(50.0)

    assert watch.left_s == 10.0
