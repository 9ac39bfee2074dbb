# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `mono_depth benchmark --adaptation` measures, with a real node and a real cycle."""

import time

import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('torch', reason='torch is not installed')
from mono_depth_ros.adaptation import cycle_process
from mono_depth_ros.adaptation.outcome import Outcome
from mono_depth_ros.cli import adaptation_benchmark
from mono_depth_ros.cli.adaptation_benchmark import adaptation_summary, measure_adaptation
from mono_depth_ros.cli.benchmark import write_noise
from mono_depth_ros.cli.measuring import Setup
from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.model.registry import resolve_model


@pytest.fixture
def setup(tmp_path):
    noise = tmp_path / 'noise'
    noise.mkdir()
    return Setup(write_noise(noise), resolve_model('indoor').path, 'auto', 4.0)


def test_a_short_cycle_beside_the_depth_node_is_measured(setup, capsys, monkeypatch):
    monkeypatch.setattr(adaptation_benchmark, 'FRAMES', 40)

    report = measure_adaptation(setup, 2)

    with capsys.disabled():
        print(f'\n{adaptation_summary(report)}')
    assert report['cycle']['steps'] == 2
    assert report['cycle']['state'] in ('ADDED', 'REJECTED', 'SKIPPED')
    assert 100 < report['cycle']['peak_memory_mb'] < 2000
    # The node was watched from the beginning of the cycle to its end.
    assert report['busy']['sent'] > 0.7 * 15 * report['cycle']['seconds']
    for phase in ('idle', 'busy'):
        assert 0.3 < report[phase]['answered'] <= 1
        assert 0 < report[phase]['p50'] <= report[phase]['p99']


class Helpless:
    """A cycle that trains for some seconds, and finds nothing better."""

    def __init__(self, job):
        self.details = {'steps': job.adapter.steps, 'training_seconds': 4.0}

    def wait(self):
        time.sleep(8)
        return Outcome('SKIPPED', 'no better than the network in use', details=self.details)


def test_a_cycle_that_helped_nothing_is_measured(setup, monkeypatch):
    monkeypatch.setattr(adaptation_benchmark, 'FRAMES', 8)
    monkeypatch.setattr(cycle_process, 'CycleProcess', Helpless)

    report = measure_adaptation(setup, 2)

    assert report['cycle']['state'] == 'SKIPPED'
    assert report['cycle']['training_seconds'] == 4.0
    assert report['busy']['sent'] > 0


def test_a_recording_that_is_too_short_for_a_cycle_is_refused(setup, monkeypatch):
    monkeypatch.setattr(adaptation_benchmark, 'FRAMES', 4)

    with pytest.raises(MonoDepthError, match='SKIPPED: 4 images collected, 30 are needed'):
        measure_adaptation(setup, 2)
