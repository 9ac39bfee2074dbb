# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
from mono_depth_ros.statistics import FrameStatistics
import numpy as np
import pytest

PERIOD = 33_000_000


def feed(statistics, frames, lost=()):
    for index in frames:
        statistics.received_info()
        if index not in lost:
            statistics.received(1_000_000_000 + index * PERIOD)


def test_a_steady_camera_loses_nothing():
    statistics = FrameStatistics()
    feed(statistics, range(60))

    report = statistics.report()

    assert (report.missing, report.received, report.loses_images) == (0, 60, False)


def test_gaps_in_the_stamps_are_counted_as_missing_images():
    statistics = FrameStatistics()
    feed(statistics, range(60), lost={20, 21, 22, 30, 31, 40, 50, 51})

    report = statistics.report()

    assert report.missing == 8
    assert report.loses_images


@pytest.mark.parametrize('share', [0.2, 0.5, 0.95])
def test_images_lost_at_random_are_told(share):
    statistics = FrameStatistics()
    chance = np.random.default_rng(0)
    feed(statistics, range(400), lost={i for i in range(400) if chance.random() < share})

    report = statistics.report()

    assert report.loses_images
    assert report.missing > 0.1 * report.sent


def test_images_that_never_come_are_told_by_their_camera_info():
    statistics = FrameStatistics()
    feed(statistics, range(30), lost=range(30))

    report = statistics.report()

    assert (report.missing, report.loses_images) == (30, True)


def test_images_that_nobody_sends_are_not_lost():
    statistics = FrameStatistics()
    feed(statistics, range(30), lost=range(30))

    assert not statistics.report(offered=False).loses_images


@pytest.mark.parametrize('kept', [1 / 2, 2 / 3, 2 / 5, 3 / 10, 1 / 30])
def test_images_that_are_throttled_are_not_lost_though_camera_info_is_not(kept):
    statistics = FrameStatistics()
    feed(
        statistics,
        range(300),
        lost={i for i in range(300) if int(i * kept) == int((i - 1) * kept)},
    )

    report = statistics.report()

    assert report.received == pytest.approx(300 * kept, abs=1)
    assert (report.missing, report.loses_images) == (0, False)


def test_a_pause_between_two_rare_images_is_no_loss():
    statistics = FrameStatistics()
    feed(statistics, range(0, 300, 30))
    statistics.report()

    feed(statistics, range(301, 330), lost=range(301, 330))

    assert not statistics.report().loses_images


def test_a_driver_that_hiccups_loses_nothing():
    statistics = FrameStatistics()
    feed(statistics, range(60), lost=range(20, 30))

    assert not statistics.report().loses_images


def test_a_busy_node_does_not_blame_the_transport():
    statistics = FrameStatistics()
    feed(statistics, range(60), lost=set(range(1, 60, 2)))
    statistics.worked(1e6)

    assert not statistics.report().loses_images


def test_a_stamp_that_goes_back_a_little_is_out_of_order():
    statistics = FrameStatistics()

    assert statistics.received(5_000_000_000)
    assert not statistics.received(4_900_000_000)
    assert statistics.received(5_033_000_000)


def test_a_stamp_that_goes_back_far_is_a_new_start():
    statistics = FrameStatistics()
    statistics.received(50_000_000_000)

    assert statistics.received(1_000_000_000)
    assert statistics.received(1_033_000_000)


def test_a_driver_that_never_stamps_is_answered():
    statistics = FrameStatistics()

    assert all(statistics.received(0) for _ in range(20))
    assert not statistics.report().loses_images


def test_drops_are_totals_by_reason():
    statistics = FrameStatistics()
    statistics.drop('image')
    statistics.report()
    statistics.drop('image')
    statistics.drop('engine')

    report = statistics.report()

    assert report.dropped == {'image': 2, 'engine': 1}
    assert report.dropped_now == 2


def test_latency_quantiles_are_in_milliseconds():
    statistics = FrameStatistics()
    for latency in (0.005,) * 99 + (0.050,):
        statistics.published(latency)

    report = statistics.report()

    assert report.latency_p50_ms == pytest.approx(5.0)
    assert report.latency_p99_ms > 5.0
