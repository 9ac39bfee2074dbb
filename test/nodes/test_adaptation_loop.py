# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The loop of the adaptation node on a real store; cycles and the depth node are played."""

from contextlib import contextmanager
from dataclasses import replace
import logging
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')
from mono_depth_ros.adaptation.config import AdapterConfig, BufferConfig, CycleConfig, GateConfig
from mono_depth_ros.adaptation.drift import InputStatistics
from mono_depth_ros.adaptation.outcome import ADDED, FAILED, Outcome, REJECTED
from mono_depth_ros.adaptation.schedule import ScheduleConfig
from mono_depth_ros.config import AdaptationNodeConfig, EngineConfig
from mono_depth_ros.engine.store import VersionStore
from mono_depth_ros.engine.store_reader import BY_HAND
from mono_depth_ros.errors import StoreError
from mono_depth_ros.model.registry import resolve_model, shipped_models
from mono_depth_ros.nodes.adaptation_loop import AdaptationLoop, KEEP_TICKS, Settings
from mono_depth_ros.nodes.hand_over import Reply
from mono_depth_ros.nodes.network_in_use import NetworkInUse

MODEL = shipped_models()['indoor']
BRIGHT = np.tile(np.arange(100, 228, 2, dtype=np.uint8)[:, None], (48, 1, 3))
DARK = BRIGHT // 2


class PlayedCycle:
    """A cycle whose outcome the test sets."""

    def __init__(self):
        self.job, self.outcome, self.cancelled = None, None, ''
        self.progress = {'stage': 'train', 'step': 3, 'steps': 10, 'eta_s': 7.0}

    @property
    def active(self):
        return self.job is not None

    def start(self, job, frames):
        self.job, self.outcome = job, None

    def poll(self):
        if self.outcome is not None:
            self.job = None
        return self.outcome

    def pause(self, paused):
        self.paused = paused

    def cancel(self, reason):
        if self.job is None:
            return None
        self.job, self.cancelled = None, reason
        return Outcome(FAILED, reason)


class PlayedHandOver:
    """A depth node that gives the answer the test sets."""

    service = '/depth_node/reload_engine'

    def __init__(self):
        self.active, self.version, self.running, self.begun = False, '', '', []
        self.reply, self.ready = None, True

    def begin(self, version=''):
        self.active, self.version = True, version
        self.begun.append(version)

    def poll(self):
        self.active = False
        return self.reply or Reply(True, f'using {self.version}')

    def cancel(self):
        self.active = False


class PlayedCollector:
    """A camera that gives as many new images as the test sets."""

    def __init__(self):
        self.new, self.paused = 0, False
        self.statistics = InputStatistics(recent=3)

    def new_frames(self):
        new, self.new = self.new, 0
        return new


class Buffer(list):
    def snapshot(self):
        return list(self)


@pytest.fixture
def loop(tmp_path):
    return new_loop(tmp_path)


def new_loop(tmp_path, model='indoor'):
    """Return a loop on the store in a folder, as a node makes it when it starts."""
    settings = Settings(
        AdaptationNodeConfig(),
        EngineConfig(),
        ScheduleConfig(after_frames=10, min_new_frames=0, rest_s=0.0, backoff_s=0.0),
        BufferConfig(),
        AdapterConfig(),
        GateConfig(),
        CycleConfig(min_frames=4, keep_versions=5),
    )
    store = VersionStore(tmp_path / 'store')
    in_use = NetworkInUse(store, resolve_model(model), 5)
    made = AdaptationLoop(
        settings,
        in_use,
        Buffer([SimpleNamespace(rgb=BRIGHT)] * 8),
        PlayedCollector(),
        PlayedHandOver(),
        logging.getLogger('test'),
    )
    made.runner = PlayedCycle()
    return made


def add_version(loop, tmp_path, number=0):
    """Put a version into the store that differs in a byte of its metadata."""
    import onnx

    model = onnx.load(str(MODEL))
    model.doc_string = f'version {number}'
    onnx.save(model, str(tmp_path / 'model.onnx'))
    shutil.copy(MODEL.with_name('weights.safetensors'), tmp_path)
    store = loop.in_use.store
    return store.add(tmp_path / 'model.onnx', tmp_path / 'weights.safetensors').name


def end_cycle(loop, outcome):
    """Let a cycle begin, end like this, and be handed over."""
    loop.begin('of the test')
    loop.runner.outcome = outcome
    for _ in range(3):
        loop.tick()


def pass_gate(loop, version):
    """Let a cycle end with a version that is handed over."""
    end_cycle(loop, Outcome(ADDED, 'all checks passed', version=version))


def promote_new(loop, tmp_path, number=0):
    """Return a new version that a cycle has made, and that is in use now."""
    version = add_version(loop, tmp_path, number)
    pass_gate(loop, version)
    return version


def look(loop, rgb):
    """Let the camera look at this for a while."""
    for _ in range(3):
        loop.collector.statistics.observe(rgb)


@contextmanager
def full_disk(store):
    """Let no version of a store be put in use meanwhile."""

    def full(*arguments, **options):
        raise StoreError('cannot promote a version: the disk is full')

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, 'follow', full)
        yield


def test_enough_new_images_begin_a_cycle(loop):
    loop.collector.new = 9
    loop.tick()
    early = loop.runner.active
    loop.collector.new = 1
    loop.tick()

    assert (early, loop.runner.active) == (False, True)
    assert loop.refusal() == 'a cycle is running: train, step 3 of 10, 7 s left'


def test_images_that_differ_begin_a_cycle(loop, tmp_path):
    loop.schedule.config = ScheduleConfig(after_frames=0, min_new_frames=0, on_drift=3.0)
    look(loop, BRIGHT)
    loop.tick()
    same = loop.runner.active

    look(loop, DARK)
    loop.tick()

    assert (same, loop.runner.active) == (False, True)


def test_a_restart_compares_images_with_those_before(loop, tmp_path):
    on_drift = ScheduleConfig(after_frames=0, min_new_frames=0, on_drift=3.0, rest_s=0.0)
    loop.begin('of the test')
    loop.stop('the node ends')

    again = new_loop(tmp_path)
    again.schedule.config = on_drift
    again.buffer[:] = [SimpleNamespace(rgb=DARK)] * 8
    look(again, DARK)
    again.tick()

    assert again.runner.active


def test_what_is_compared_with_is_kept_before_the_first_cycle(loop, tmp_path):
    loop.tick()
    loop.stop('the node ends')

    assert new_loop(tmp_path).collector.statistics.state() == loop.collector.statistics.state()


def test_a_few_images_are_not_where_a_robot_began(loop):
    del loop.buffer[3:]
    loop.tick()
    few = loop.collector.statistics.marked
    loop.buffer.append(loop.buffer[0])
    loop.tick()

    assert (few, loop.collector.statistics.marked) == (False, True)


def test_a_schedule_without_what_is_compared_with_is_read(loop, tmp_path):
    end_cycle(loop, Outcome(REJECTED, 'the scale drifted'))
    loop.in_use.store.keep_schedule(loop.schedule.state())

    again = new_loop(tmp_path)

    assert again.schedule.rejections == 1
    assert not again.collector.statistics.marked


def test_a_candidate_is_promoted_once_the_depth_node_has_it(loop, tmp_path):
    version = add_version(loop, tmp_path)

    pass_gate(loop, version)

    assert loop.hand_over.begun == [version]
    assert loop.outcome.state == 'PROMOTED'
    assert loop.in_use.version == version == loop.in_use.store.current_name()


def test_the_third_rejection_in_a_row_goes_back_to_the_shipped_network(loop, tmp_path):
    for number in range(2):
        version = promote_new(loop, tmp_path, number)
    in_use = [loop.in_use.store.current_name()]

    for _ in range(3):
        end_cycle(loop, Outcome(REJECTED, 'the scale drifted'))
        in_use.append(loop.in_use.store.current_name())

    assert in_use == [version, version, version, None]
    assert loop.hand_over.begun[-1] == ''  # the depth node shall look again
    assert not any(version.bad for version in loop.in_use.store.versions())  # they served well
    assert loop.in_use.store.candidate() is None


def test_a_version_that_cannot_be_tried_waits_longer_each_time(loop, tmp_path):
    version = add_version(loop, tmp_path)
    loop.hand_over.reply = Reply(False, 'no TensorRT plan: the disk is full')
    pass_gate(loop, version)
    asked = []

    for tick in range(200):
        loop.tick()
        asked += [tick] * (len(loop.hand_over.begun) > len(asked) + 1)
    loop.hand_over.reply = None
    loop.begin('a newer one is not in the way')
    loop.runner.outcome = Outcome(REJECTED, 'the scale drifted')
    for _ in range(200):
        loop.tick()

    assert np.diff(asked) == pytest.approx([41, 81], abs=2)
    assert loop.in_use.version == version


def test_a_version_is_not_handed_over_while_there_is_no_depth_node(loop, tmp_path):
    version = add_version(loop, tmp_path)
    loop.hand_over.reply = Reply(None, 'there is no /depth_node/reload_engine')
    loop.hand_over.ready = False
    pass_gate(loop, version)
    for _ in range(100):
        loop.tick()
    begun = list(loop.hand_over.begun)
    loop.hand_over.ready, loop.hand_over.reply = True, None

    for _ in range(2):
        loop.tick()

    assert begun == [version]
    assert loop.outcome.state == 'PROMOTED'
    assert loop.in_use.version == version


def test_what_the_depth_node_runs_is_promoted_once_the_disk_has_room(loop, tmp_path):
    version = add_version(loop, tmp_path)
    with full_disk(loop.in_use.store):
        pass_gate(loop, version)
        loop.hand_over.running = version
        for _ in range(50):
            loop.tick()
        waiting = loop.outcome.state, loop.candidate, loop.outcome.reason

    for _ in range(100):
        loop.tick()

    assert waiting[:2] == (ADDED, version)
    assert waiting[2].endswith(
        'the store has to follow: cannot promote a version: the disk is full'
    )
    assert loop.outcome.state == 'PROMOTED'
    assert loop.in_use.version == version == loop.in_use.store.current_name()
    assert (loop.candidate, loop.schedule.rejections) == ('', 0)
    assert loop.hand_over.begun == [version]  # a network that runs is not loaded again


def test_what_a_person_chose_before_the_disk_had_room_stays(loop, tmp_path):
    first, second = (add_version(loop, tmp_path, number) for number in range(2))
    with full_disk(loop.in_use.store):
        pass_gate(loop, second)
        loop.hand_over.running = second
    loop.in_use.store.promote(first)
    loop.hand_over.reply = Reply(True, f'using {first}')

    for _ in range(100):
        loop.tick()

    assert (loop.outcome.state, loop.candidate) == ('SKIPPED', '')
    assert loop.in_use.version == first == loop.in_use.store.current_name()


def test_what_is_damaged_before_it_was_promoted_is_not_waited_for(loop, tmp_path):
    version = add_version(loop, tmp_path)
    loop.in_use.store.find(version).onnx_path.write_bytes(b'damaged')

    pass_gate(loop, version)

    assert (loop.outcome.state, loop.candidate) == (FAILED, '')
    assert 'has a damaged model.onnx' in loop.outcome.reason


def test_what_was_taken_back_before_it_was_promoted_is_not(loop, tmp_path):
    version = add_version(loop, tmp_path)
    with full_disk(loop.in_use.store):
        pass_gate(loop, version)
    loop.in_use.store.withdraw(version, 'depth jumps')
    loop.hand_over.reply = Reply(True, 'using indoor 1500')

    for _ in range(100):
        loop.tick()

    assert (loop.outcome.state, loop.candidate) == ('REJECTED', '')
    assert loop.in_use.store.current_name() is None


def test_a_version_that_waits_is_not_promoted_once_a_person_has_chosen(loop, tmp_path):
    first = promote_new(loop, tmp_path)
    second = add_version(loop, tmp_path, 2)
    loop.hand_over.reply = Reply(True, f'using {first}')

    loop.begin('of the test')
    loop.runner.outcome = Outcome(ADDED, 'all checks passed', version=second)
    loop.tick()
    loop.in_use.store.promote(first)
    loop.tick()

    assert (loop.outcome.state, loop.candidate) == ('SKIPPED', '')
    assert loop.outcome.reason.endswith('another network was chosen before it was tried')
    assert loop.in_use.version == first


def test_cycles_go_on_while_a_version_waits(loop, tmp_path):
    first = add_version(loop, tmp_path)
    loop.hand_over.reply = Reply(None, 'there is no /depth_node/reload_engine')
    loop.hand_over.ready = False
    pass_gate(loop, first)
    loop.collector.new = 10
    loop.tick()

    assert loop.runner.active
    assert loop.candidate == first
    second = add_version(loop, tmp_path, 2)
    loop.runner.outcome = Outcome(ADDED, 'all checks passed', version=second)
    loop.tick()
    assert loop.candidate == second


def test_versions_that_were_refused_are_pruned(loop, tmp_path):
    for number in range(8):
        version = add_version(loop, tmp_path, number)
        loop.in_use.store.withdraw(version, 'it gives NaN')
        loop.hand_over.reply = Reply(False, 'it gives NaN')
        pass_gate(loop, version)

    assert loop.outcome.state == 'REJECTED'
    assert len(loop.in_use.store.versions()) == 5


def test_a_restart_draws_the_next_cycle_anew_and_knows_of_the_rejection(loop, tmp_path):
    end_cycle(loop, Outcome(REJECTED, 'the scale drifted'))
    loop.collector.new = 7
    loop.tick()
    loop.stop('the node ends')

    again = new_loop(tmp_path)
    again.collector.new = 3
    again.tick()

    assert again.runner.active
    assert again.runner.job.adapter.seed == 1
    assert again.runner.job.rate_factor == 0.5


def test_a_robot_without_power_loses_a_minute_of_images_at_most(loop, tmp_path):
    loop.collector.new = 7
    for _ in range(KEEP_TICKS):
        loop.tick()

    assert new_loop(tmp_path).schedule.state()['new_frames'] == 7


def test_a_node_that_ends_during_a_cycle_has_used_up_no_images(loop, tmp_path):
    loop.collector.new = 10
    loop.tick()
    active = loop.runner.active
    loop.stop('the node ends')

    again = new_loop(tmp_path)

    assert active
    assert again.schedule.state()['new_frames'] == 8  # all that it holds


def test_a_schedule_that_cannot_be_kept_stops_nothing(loop, caplog):
    (loop.in_use.store.root).parent.mkdir(exist_ok=True)
    loop.in_use.store.root.write_text('a file is in the way')

    end_cycle(loop, Outcome(REJECTED, 'the scale drifted'))

    assert loop.schedule.rejections == 1
    assert 'a restart will not know when the next cycle is due' in caplog.text


def test_after_a_rejection_the_next_cycle_is_more_careful_and_drawn_anew(loop):
    end_cycle(loop, Outcome(REJECTED, 'the scale drifted'))

    loop.begin('again')

    assert loop.runner.job.rate_factor == 0.5
    assert loop.runner.job.adapter.seed == 1


def test_after_the_largest_seed_comes_the_first(loop):
    loop.settings = replace(loop.settings, adapter=AdapterConfig(seed=2**31 - 1))
    end_cycle(loop, Outcome(REJECTED, 'the scale drifted'))

    loop.begin('again')

    assert loop.runner.job.adapter.seed == 0


def test_a_cycle_ends_when_the_network_it_began_with_is_withdrawn(loop, tmp_path):
    version = promote_new(loop, tmp_path)
    loop.begin('of the test')

    loop.in_use.store.withdraw(version, 'depth jumps')
    loop.tick()

    assert loop.runner.cancelled == 'the network in use changed'
    assert (loop.outcome.state, loop.outcome.reason) == ('ROLLED BACK', 'depth jumps')
    assert loop.schedule.rejections == 1


def test_versions_that_the_watch_takes_back_one_after_the_other_lead_to_a_reset(loop, tmp_path):
    loop.schedule.config = ScheduleConfig(rest_s=0.0, backoff_s=10.0)
    good = promote_new(loop, tmp_path)
    in_use, waits = [], []

    for number in range(1, 4):
        version = promote_new(loop, tmp_path, number)
        loop.in_use.store.withdraw(version, 'depth jumps')  # as the depth node does
        loop.tick()
        in_use.append(loop.in_use.store.current_name())
        waits.append(loop.schedule.wait_s)

    assert in_use == [good, good, None]
    assert waits == pytest.approx([10, 20, 40], abs=1)


def test_a_version_that_a_person_promotes_is_no_rejection(loop, tmp_path):
    versions = [promote_new(loop, tmp_path, number) for number in range(2)]

    loop.in_use.store.promote(versions[0])
    loop.tick()

    assert loop.in_use.version == versions[0]
    assert loop.schedule.rejections == 0


@pytest.mark.parametrize('by', ['the service', 'the command line'])
def test_a_roll_back_by_a_person_is_no_rejection(loop, tmp_path, by):
    versions = [promote_new(loop, tmp_path, number) for number in range(3)]
    for _ in range(2):
        end_cycle(loop, Outcome(REJECTED, 'the scale drifted'))

    if by == 'the service':
        loop.roll_back('by hand')
    else:
        loop.in_use.store.rollback(f'{BY_HAND}: it flickers')
    loop.tick()

    store = loop.in_use.store
    assert loop.in_use.version == versions[1] == store.current_name()
    assert [bool(store.find(version).bad) for version in versions] == [False, False, True]
    assert loop.schedule.rejections == 2


def test_there_is_no_way_back_from_the_shipped_network(loop):
    with pytest.raises(StoreError, match='nothing to roll back'):
        loop.roll_back('by hand')


def test_a_roll_back_ends_the_cycle_and_tells_the_depth_node(loop, tmp_path):
    version = promote_new(loop, tmp_path)
    loop.begin('of the test')

    assert loop.roll_back('by hand') == ''

    assert 'was rolled back' in loop.runner.cancelled
    assert loop.hand_over.begun == [version, '']
    assert loop.in_use.store.find(version).bad == 'by hand'


def test_a_version_of_another_network_is_left_aside(loop, tmp_path):
    version = add_version(loop, tmp_path)
    loop.in_use.store.promote(version)
    shipped = resolve_model('street').version

    other = new_loop(tmp_path, 'street')
    other.hand_over.running = shipped
    for _ in range(40):
        other.tick()

    assert other.in_use.version == shipped
    assert other.hand_over.begun == []
    with pytest.raises(StoreError, match='nothing to roll back in .*: the shipped network is in'):
        other.roll_back('by hand')
    assert other.in_use.store.find(version).bad == ''


def test_a_reset_leaves_the_version_of_another_network_in_use(loop, tmp_path):
    version = add_version(loop, tmp_path)
    loop.in_use.store.promote(version)
    other = new_loop(tmp_path, 'street')
    other.hand_over.running = other.in_use.version

    for _ in range(3):
        end_cycle(other, Outcome(REJECTED, 'the scale drifted'))

    assert other.in_use.store.current_name() == version
    assert other.hand_over.begun == []


def test_what_becomes_of_another_network_is_no_rejection_and_ends_no_cycle(loop, tmp_path):
    version = add_version(loop, tmp_path)
    loop.in_use.store.promote(version)
    other = new_loop(tmp_path, 'street')
    other.begin('of the test')

    other.in_use.store.withdraw(version, 'depth jumps')
    other.tick()

    assert other.runner.active
    assert (other.outcome, other.schedule.rejections) == (None, 0)


def test_one_roll_back_may_follow_the_other_at_once(loop, tmp_path):
    for number in range(2):
        promote_new(loop, tmp_path, number)
    loop.roll_back('by hand')

    assert loop.roll_back('by hand') == ''

    assert loop.hand_over.active


def test_no_roll_back_while_a_version_is_tried(loop, tmp_path):
    version = add_version(loop, tmp_path)
    loop.begin('of the test')
    loop.runner.outcome = Outcome(ADDED, 'all checks passed', version=version)
    loop.tick()

    with pytest.raises(StoreError, match=f'is trying version {version}: try again'):
        loop.roll_back('by hand')


def test_a_depth_node_that_lags_is_told_once(loop):
    loop.hand_over.running = 'another one'

    for _ in range(40):
        loop.tick()

    assert loop.hand_over.begun == ['']


def test_a_pause_keeps_a_cycle_from_beginning(loop):
    loop.pause(True)
    loop.collector.new = 100
    loop.tick()
    paused = loop.runner.active, loop.refusal()
    loop.pause(False)
    loop.tick()

    assert paused == (False, 'adaptation is paused: call ~/enable with true')
    assert loop.runner.active


def test_a_store_that_cannot_be_read_is_told_and_the_loop_goes_on(loop, monkeypatch):
    def broken():
        raise StoreError('the store is broken')

    monkeypatch.setattr(loop.in_use.store, 'current_name', broken)
    loop.tick()
    told = loop.problem
    monkeypatch.undo()
    loop.tick()

    assert (told, loop.problem) == ('the store is broken', '')
