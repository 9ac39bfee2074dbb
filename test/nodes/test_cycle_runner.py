# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A cycle beside a node: its images are written, and whatever happens it ends with a reason."""

import errno
import os
from pathlib import Path
import time

from mono_depth_ros.adaptation import target_frame
from mono_depth_ros.adaptation.outcome import CycleJob
from mono_depth_ros.adaptation.target_frame import TargetFrame
from mono_depth_ros.camera import PinholeCamera
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('torch', reason='torch is not installed')
psutil = pytest.importorskip('psutil', reason='psutil is not installed')
from mono_depth_ros.nodes.cycle_runner import CycleRunner

FRAMES = [
    TargetFrame(
        np.full((32, 32, 3), number, np.uint8), PinholeCamera(20, 20, 15.5, 15.5, 32, 32), number
    )
    for number in range(3)
]


@pytest.fixture
def job(tmp_path):
    return CycleJob(frames=str(tmp_path / 'frames'), store=str(tmp_path / 'store'))


def ended(runner, timeout_s=120.0):
    """Poll as a node does, until the cycle has ended."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        outcome = runner.poll()
        if outcome is not None:
            return outcome
        time.sleep(0.05)
    raise AssertionError(runner.progress)


def test_a_cycle_tells_how_it_ended_and_leaves_nothing_behind(job):
    runner = CycleRunner()
    runner.start(job, FRAMES)

    outcome = ended(runner)

    assert (outcome.state, outcome.reason) == ('SKIPPED', '3 images collected, 30 are needed')
    assert not runner.active and runner.poll() is None
    assert not Path(job.frames).exists()


def test_a_full_disk_is_the_reason_and_no_process_begins(job, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(target_frame.np, 'savez', full)
    runner = CycleRunner()
    runner.start(job, FRAMES)

    outcome = ended(runner)

    assert (outcome.state, outcome.stage) == ('FAILED', 'save images')
    assert 'No space left on device' in outcome.reason


def test_what_was_left_of_a_cycle_that_was_killed_is_not_used(job):
    Path(job.frames).mkdir()
    target_frame.write_frame(Path(job.frames), FRAMES[0])
    runner = CycleRunner()
    runner.start(job, FRAMES[1:])

    assert ended(runner).reason.startswith('2 images collected')


def children():
    """Return the processes of cycles."""
    name = 'mono_depth_ros.adaptation.cycle'
    return [child for child in psutil.Process().children() if name in child.cmdline()]


def poll_until(runner, condition, timeout_s=30.0):
    """Poll as a node does, until the condition holds; the cycle must not have ended."""
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, runner.progress
        assert runner.poll() is None
        time.sleep(0.01)


@pytest.mark.parametrize(('stage', 'processes'), [('save images', 0), ('start', 1)])
def test_a_cycle_can_be_ended_at_any_time(job, stage, processes):
    runner = CycleRunner()
    runner.start(job, FRAMES)
    poll_until(runner, lambda: runner.progress['stage'] == stage)
    begun = children()

    outcome = runner.cancel('the node ends')

    assert len(begun) == processes
    assert not any(child.is_running() for child in begun)
    assert (outcome.state, outcome.reason) == ('FAILED', 'the node ends')
    assert runner.cancel('again') is None
    assert not Path(job.frames).exists()


def test_a_cycle_that_begins_during_a_pause_waits(job):
    runner = CycleRunner()
    runner.pause(True)
    runner.start(job, FRAMES)
    poll_until(runner, children)
    (child,) = children()
    poll_until(runner, lambda: child.status() == psutil.STATUS_STOPPED)
    stage = runner.progress['stage']

    runner.pause(False)

    assert stage == 'start'
    assert ended(runner).state == 'SKIPPED'
