# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A cycle ends with a version in the store or with a reason, whatever befalls it."""

from dataclasses import replace
import errno
import os
import re
import shutil
import signal
import time

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from mono_depth_ros.adaptation import session
from mono_depth_ros.adaptation.comparison import Comparison, Run
from mono_depth_ros.adaptation.config import (
    AdapterConfig,
    BufferConfig,
    CycleConfig,
    GateConfig,
)
from mono_depth_ros.adaptation.cycle import run_cycle, WORK
from mono_depth_ros.adaptation.cycle_process import CycleProcess
from mono_depth_ros.adaptation.frame_buffer import FrameBuffer
from mono_depth_ros.adaptation.outcome import CycleJob, STAGES
from mono_depth_ros.adaptation.session import AdaptationRun
from mono_depth_ros.adaptation.target_frame import read_frames, write_frame
from mono_depth_ros.engine import durable
from mono_depth_ros.engine.store import VersionStore
from mono_depth_ros.errors import ConfigError, StoreInUseError
from mono_depth_ros.frames import Frame
from mono_depth_ros.manifest import Manifest
from mono_depth_ros.model.checkpoint import load_network, save_network
from mono_depth_ros.model.onnx_export import export_onnx
from mono_depth_ros.source.pack import read_source_pack, write_source_pack

GENTLE = AdapterConfig(mode='replay', steps=2, batch=2, learning_rate=1e-5, niceness=0)
SMALL = CycleConfig(min_frames=8, source_held_out=4)
# A busy machine says nothing about two networks of one size.
PATIENT = GateConfig(max_latency_ratio=100.0, max_temporal_ratio=1.2)


@pytest.fixture(scope='module')
def place(tmp_path_factory, tiny, samples, frames):
    """Return a folder with a shipped network, its source pack, and collected frames."""
    root = tmp_path_factory.mktemp('place')
    manifest = Manifest('tiny', '1', (64, 96), dynamic=True, focal=80.0)
    save_network(root / 'model', tiny, manifest)
    export_onnx(tiny, manifest, root / 'model' / 'model.onnx')
    write_source_pack(root / 'model' / 'source_pack.zip', samples)
    for number, frame in enumerate(frames):
        write_frame(root / 'frames', replace(frame, held_out=number % 5 in (2, 4)))
    return root


@pytest.fixture
def job(place, tmp_path):
    return CycleJob(
        frames=str(place / 'frames'),
        store=str(tmp_path / 'store'),
        model=str(place / 'model' / 'model.onnx'),
        backend='onnxruntime',
        promote=True,
        adapter=GENTLE,
        gate=PATIENT,
        cycle=SMALL,
    )


def store_of(job):
    return VersionStore(job.store)


def test_a_good_candidate_is_promoted(job):
    events = []

    outcome = run_cycle(job, events.append)

    assert outcome.state == 'PROMOTED', outcome.reason
    assert store_of(job).read_current().version.name == outcome.version
    assert store_of(job).find(outcome.version).made['verdict']['accepted']
    assert [event['stage'] for event in events if len(event) == 1] == list(STAGES)
    assert {'parity', 'latency ratio'} <= {c['name'] for c in outcome.verdict['checks']}
    assert outcome.details['steps'] == 2
    assert outcome.details['peak_memory_mb'] > 0
    assert not (store_of(job).root / 'work').exists()


def test_a_comparison_says_of_a_run_what_a_cycle_would(job, place, tiny):
    samples = read_source_pack(place / 'model' / 'source_pack.zip')
    frames, _ = read_frames(place / 'frames')
    known = Frame(frames[0].rgb, 0, '0', frames[0].camera, np.ones((64, 96), np.float32))
    comparison = Comparison(tiny, samples, {'none': frames}, [known], GENTLE, PATIENT)

    row = comparison.run(Run('replay', 'none', 0))
    outcome = run_cycle(replace(job, cycle=CycleConfig(min_frames=8)))

    checks = [c for c in outcome.verdict['checks'] if c['name'] not in ('parity', 'latency ratio')]
    assert row['verdict']['checks'] == checks
    assert row['accepted'] == (outcome.state == 'PROMOTED')


def test_a_candidate_may_wait_for_the_depth_node(job):
    outcome = run_cycle(replace(job, promote=False))

    assert outcome.state == 'ADDED'
    assert re.fullmatch(r'all \d+ checks passed', outcome.reason)
    assert store_of(job).candidate().name == outcome.version
    assert store_of(job).current_name() is None


def test_the_next_cycle_goes_on_from_the_version_in_use(job, tiny):
    first = run_cycle(job)

    second = run_cycle(replace(job, adapter=replace(GENTLE, seed=1)))

    assert second.details['baseline'] == first.version
    assert second.version.startswith('2-')
    weights = load_network(store_of(job).find(second.version).weights_path)
    assert any(
        not torch.equal(a, b) for a, b in zip(weights.parameters(), tiny.parameters(), strict=True)
    )


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'cycle': replace(SMALL, min_frames=50)}, '10 images collected, 50 are needed'),
        ({'adapter': replace(GENTLE, mode='none')}, 'mode none changes nothing'),
        ({'frames': '/nowhere'}, '0 images collected, 8 are needed'),
    ],
)
def test_there_may_be_nothing_to_do(job, change, reason):
    outcome = run_cycle(replace(job, **change))

    assert (outcome.state, outcome.reason) == ('SKIPPED', reason)
    assert not store_of(job).versions()


def test_a_cycle_takes_held_out_images_where_the_buffer_took_none(job, tmp_path, frames):
    for frame in frames:
        write_frame(tmp_path / 'frames', replace(frame, held_out=False))

    outcome = run_cycle(replace(job, frames=str(tmp_path / 'frames')))

    assert outcome.details['steps'] == 2, outcome.reason


@pytest.mark.parametrize(
    ('number', 'reason'),
    [
        (8, '3 images are held out for the gate, it needs 4'),
        (2, '2 images to train on and 0 held out: both are needed'),
    ],
)
def test_too_few_images_to_hold_some_out_are_not_enough(job, tmp_path, frames, number, reason):
    for frame in frames[:number]:
        write_frame(tmp_path / 'frames', replace(frame, held_out=False))
    few = replace(SMALL, min_frames=2)

    outcome = run_cycle(replace(job, frames=str(tmp_path / 'frames'), cycle=few))

    assert (outcome.state, outcome.reason) == ('SKIPPED', reason)


@pytest.mark.parametrize('measured', [0, 5])
def test_the_floor_gives_metres_where_nothing_else_does(job, tmp_path, frames, measured):
    for number, frame in enumerate(frames):
        points = np.float32([[10, 50, 1.0]] * 40) if number >= 10 - measured else frame.points
        held_out = number % 5 in (2, 4)
        write_frame(tmp_path / 'frames', replace(frame, points=points, held_out=held_out))

    high = replace(SMALL, camera_height=1.0)
    outcome = run_cycle(replace(job, frames=str(tmp_path / 'frames'), cycle=high))

    assert (outcome.details['points'] == 40 * measured) == bool(measured)


def test_a_second_adapter_on_one_store_says_so(job):
    with store_of(job).claim('adaptation of the other robot'):
        outcome = run_cycle(job)

    assert outcome.state == 'SKIPPED'
    assert 'is in use by adaptation of the other robot' in outcome.reason


@pytest.mark.parametrize('mode', ['replay', 'none'])
def test_a_cycle_that_does_not_begin_leaves_the_work_of_another_alone(job, mode):
    work = store_of(job).root / 'work' / 'model.onnx'

    with store_of(job).claim('adaptation of the other robot'):
        work.parent.mkdir()
        work.touch()
        outcome = run_cycle(replace(job, adapter=replace(GENTLE, mode=mode)))

    assert outcome.state == 'SKIPPED'
    assert work.exists()


def test_a_store_in_use_is_known_by_its_error_and_not_by_its_words(job, monkeypatch):
    def claim(store, who):
        raise StoreInUseError('taken')

    monkeypatch.setattr(VersionStore, 'claim', claim)

    outcome = run_cycle(job)

    assert (outcome.state, outcome.reason) == ('SKIPPED', 'taken')


def test_a_cycle_that_helped_nothing_adds_nothing_and_counts_as_none(job, monkeypatch):
    first = run_cycle(job)

    def adapt(source, samples, frames, config, *, start, **options):
        return AdaptationRun(start, 100, 0, 1.0, 0.0, {})

    monkeypatch.setattr(session, 'adapt_network', adapt)
    outcome = run_cycle(job)

    assert (outcome.state, outcome.stage) == ('SKIPPED', 'judge')
    assert outcome.reason.startswith('no better than the network in use')
    assert not outcome.verdict['accepted']
    assert [version.name for version in store_of(job).versions()] == [first.version]


def test_a_ruined_candidate_is_rejected_with_numbers(job):
    wild = AdapterConfig(
        mode='replay', steps=4, batch=2, learning_rate=0.3, max_drift=5.0, ema=0.0
    )

    outcome = run_cycle(replace(job, adapter=wild))

    assert outcome.state == 'REJECTED'
    assert 'must be' in outcome.reason
    assert any(not check['passed'] for check in outcome.verdict['checks'])
    assert not store_of(job).versions()


def broken_model(place, folder, change):
    """Copy the shipped network and break something."""
    shutil.copytree(place / 'model', folder)
    change(folder)
    return str(folder / 'model.onnx')


def with_nan(folder):
    network = load_network(folder)
    with torch.no_grad():
        network.head.weight.fill_(torch.nan)
    save_network(folder, network, Manifest('tiny', '1', (64, 96), dynamic=True, focal=80.0))


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        (with_nan, 'not finite'),
        (lambda folder: (folder / 'weights.safetensors').unlink(), 'can be adapted'),
        (lambda folder: (folder / 'weights.safetensors').write_bytes(b'x'), 'is damaged'),
        (lambda folder: (folder / 'source_pack.zip').write_bytes(b'x'), 'is not a source pack'),
        (lambda folder: (folder / 'model.onnx').unlink(), 'no model at'),
    ],
)
def test_what_is_broken_fails_with_the_reason(job, place, tmp_path, change, reason):
    model = broken_model(place, tmp_path / 'broken', change)

    outcome = run_cycle(replace(job, model=model, adapter=replace(GENTLE, max_skipped=2, steps=4)))

    assert outcome.state == 'FAILED'
    assert reason in outcome.reason
    assert not store_of(job).versions()


@pytest.mark.parametrize(
    ('fault', 'reason'),
    [(errno.ENOSPC, 'the disk is full'), (errno.EROFS, 'the file system is read-only')],
)
def test_a_disk_that_takes_no_more_fails_and_leaves_the_store_as_it_was(
    job, monkeypatch, fault, reason
):
    first = run_cycle(job)

    real = durable.sync

    def refuse(path):
        if WORK in path.parts:  # there was room for what is exported
            return real(path)
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(durable, 'sync', refuse)
    outcome = run_cycle(replace(job, adapter=replace(GENTLE, seed=1)))
    monkeypatch.undo()

    assert (outcome.state, outcome.stage) == ('FAILED', 'add')
    assert reason in outcome.reason
    assert [version.name for version in store_of(job).versions()] == [first.version]
    assert store_of(job).read_current().version.name == first.version


def test_a_store_that_cannot_be_made_is_said_before_any_work(job, tmp_path):
    (tmp_path / 'file').touch()

    outcome = run_cycle(replace(job, store=str(tmp_path / 'file' / 'store')))

    assert (outcome.state, outcome.stage) == ('FAILED', 'load')
    assert 'choose another store folder' in outcome.reason


def test_a_gpu_that_is_not_there_is_told(job, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)

    outcome = run_cycle(replace(job, adapter=replace(GENTLE, device='cuda')))

    assert outcome.state == 'FAILED'
    assert outcome.reason.startswith('device is cuda, but torch finds no GPU')
    assert not store_of(job).versions()


def too_much(*arguments, **options):
    return torch.empty(1 << 50)


def nothing_left(*arguments, **options):
    raise MemoryError


@pytest.mark.parametrize('fault', [too_much, nothing_left])
def test_a_lack_of_memory_fails_and_says_what_to_do(job, monkeypatch, fault):
    monkeypatch.setattr(session, 'adapt_network', fault)

    outcome = run_cycle(job)

    assert (outcome.state, outcome.stage) == ('FAILED', 'train')
    assert outcome.reason == 'out of memory: use a smaller batch'
    assert not store_of(job).versions()


def collapse(network):
    network.head.weight.zero_()


def scale_up(network):
    network.head.bias += 0.3


@pytest.mark.parametrize(
    ('damage', 'reason'),
    [(collapse, 'depth collapsed to a constant'), (scale_up, 'the scale drifted')],
)
def test_a_damaged_candidate_is_refused_for_the_right_reason(job, monkeypatch, damage, reason):
    adapt = session.adapt_network

    def adapt_and_damage(*arguments, **options):
        run = adapt(*arguments, **options)
        with torch.no_grad():
            damage(run.network)
        return run

    monkeypatch.setattr(session, 'adapt_network', adapt_and_damage)

    outcome = run_cycle(job)

    assert (outcome.state, outcome.stage) == ('REJECTED', 'judge')
    assert outcome.reason.startswith(reason)
    assert not store_of(job).versions()


@pytest.mark.parametrize(('level', 'kept'), [(0, 0), (None, 1)])
def test_black_or_equal_images_are_not_collected_and_nothing_is_done(
    job, tmp_path, frames, level, kept
):
    buffer = FrameBuffer(BufferConfig(min_gap_s=0.0), tmp_path / 'frames')
    for number in range(20):
        rgb = frames[0].rgb if level is None else np.full_like(frames[0].rgb, level)
        buffer.add(replace(frames[0], rgb=rgb, stamp_ns=number * 10**9))

    outcome = run_cycle(replace(job, frames=str(tmp_path / 'frames')))

    assert (outcome.state, outcome.reason) == (
        'SKIPPED',
        f'{kept} images collected, 8 are needed',
    )


def test_equal_images_that_got_there_all_the_same_do_no_harm(job, tmp_path, frames):
    for number in range(20):
        same = replace(frames[0], stamp_ns=number * 10**9, held_out=number % 5 in (2, 4))
        write_frame(tmp_path / 'frames', same)

    outcome = run_cycle(replace(job, frames=str(tmp_path / 'frames')))

    assert outcome.state in ('PROMOTED', 'REJECTED')
    assert outcome.details['skipped'] == 0


def test_an_engine_that_differs_from_torch_fails(job):
    outcome = run_cycle(replace(job, gate=replace(PATIENT, max_parity=0.0)))

    assert (outcome.state, outcome.stage) == ('FAILED', 'export')
    assert 'differs from torch' in outcome.reason


def killed_at(job, stage):
    """Run a cycle in a fork that is killed when it enters a stage; return how it ended."""

    def report(event):
        if event['stage'] == stage:
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        run_cycle(job, report)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_kill_at_any_stage_leaves_the_store_readable(job):
    first = run_cycle(job)
    again = replace(job, adapter=replace(GENTLE, seed=1))

    for stage in STAGES:
        assert killed_at(again, stage) == -signal.SIGKILL
        reading = store_of(job).read_current()
        assert (reading.version.name, reading.reason) == (first.version, ''), stage
        assert not store_of(job).verify()

    assert run_cycle(again).state == 'PROMOTED'
    assert not (store_of(job).root / 'work').exists()


def test_a_child_process_tells_its_progress_and_its_outcome(job):
    events = []

    process = CycleProcess(job, events.append)
    outcome = process.wait(120)

    assert outcome.state == 'PROMOTED', outcome.reason
    assert process.outcome() == outcome
    steps = [event for event in events if 'step' in event]
    assert [event['step'] for event in steps] == [1, 2]
    assert {'steps', 'eta_s', 'losses'} <= set(steps[0])


def training(job, **settings):
    """Start a cycle that is long in a child process; return it once it trains."""
    process = CycleProcess(replace(job, adapter=replace(GENTLE, steps=100000, **settings)))
    wait_for(lambda: process.progress.get('step', 0) >= 2)
    return process


def wait_for(condition, timeout_s=120.0):
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.skipif(not hasattr(os, 'SCHED_IDLE'), reason='Linux only')
@pytest.mark.parametrize(
    ('niceness', 'policy', 'added'), [(20, 'SCHED_IDLE', 0), (5, 'SCHED_OTHER', 5)]
)
def test_the_child_gives_way_as_it_is_told(job, niceness, policy, added):
    before = os.getpriority(os.PRIO_PROCESS, 0)
    process = training(job, niceness=niceness)

    found = os.sched_getscheduler(process.pid), os.getpriority(os.PRIO_PROCESS, process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(30)

    assert found == (getattr(os, policy), min(before + added, 19))


def test_a_killed_child_is_a_failure_that_says_where(job):
    process = training(job)

    os.kill(process.pid, signal.SIGKILL)
    outcome = process.wait(30)

    assert outcome.state == 'FAILED'
    assert 'ended by SIGKILL during train, step' in outcome.reason
    assert not store_of(job).versions()


def test_a_paused_child_stands_still_until_it_may_go_on(job):
    psutil = pytest.importorskip('psutil', reason='psutil is not installed')
    process = training(job)
    child = psutil.Process(process.pid)

    process.pause()
    wait_for(lambda: child.status() == psutil.STATUS_STOPPED, 10.0)
    process.resume()
    step = process.progress['step']
    wait_for(lambda: process.progress['step'] > step)
    resumed = child.status()
    process.cancel()

    assert resumed != psutil.STATUS_STOPPED


def test_a_cycle_can_be_cancelled(job):
    process = CycleProcess(replace(job, adapter=replace(GENTLE, steps=100000)))

    outcome = process.cancel('the node shuts down')

    assert (outcome.state, outcome.reason) == ('FAILED', 'the node shuts down')


def test_a_job_travels_as_json(job):
    assert CycleJob.from_json(job.to_json()) == job
    with pytest.raises(ConfigError, match='not an adaptation job'):
        CycleJob.from_json('{"frames": 1, "colour": 2}')
