# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The adaptation node in its own process, with the child it starts, over real DDS."""

from importlib.util import find_spec
import os
import signal

import numpy as np
from processes import running
import pytest

pytestmark = [
    pytest.mark.ros,
    pytest.mark.skipif(find_spec('torch') is None, reason='torch is not installed'),
]
rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')
psutil = pytest.importorskip('psutil', reason='psutil is not installed')
from driver import call, depth_of, stamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from mono_depth_ros.engine.store import VersionStore
from robot import LATCHED, MODEL, Robot, SMALL
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

LONG = {**SMALL, 'steps': 100_000}


@pytest.fixture
def robot(listener):
    return Robot(listener)


@pytest.fixture
def store(tmp_path):
    return VersionStore(tmp_path / 'store')


def child_of(node):
    """Return the process of the cycle that a node runs."""
    children = psutil.Process(node.process.pid).children()
    return next((child for child in children if 'cycle' in ' '.join(child.cmdline())), None)


def training(status):
    return int(status.get('step') or 0) > 0


def test_a_robot_adapts_swaps_and_goes_back(robot, listener, store):
    depths = listener.subscribe(Image, 'depth/image_rect')
    in_depth_node = listener.subscribe(String, '/depth_node/version', LATCHED)
    with (
        running('depth_node', store=store.root) as depth_node,
        running('adaptation_node', store=store.root, **SMALL) as node,
    ):
        robot.collect(12)
        assert robot.adapt().success
        again = robot.adapt()
        status = robot.outcome()
        version = store.current_name()
        robot.wait(lambda s: s['version'] == version == s['depth node runs'])
        back = robot.roll_back()
        listener.spin_until(lambda: robot.versions[-1].data == in_depth_node[-1].data != version)
        nothing = robot.roll_back()
        robot.wait(lambda s: stamped(depths, robot.stamp), drive=True)
        assert node.stop() == 0, node.output
        assert depth_node.stop() == 0

    assert not again.success and 'a cycle is running' in again.message
    assert status['last outcome'] == 'PROMOTED', status
    assert 'the depth node runs it' in status['last reason']
    assert status['verdict: median shift'].endswith('ok')
    said = [message.data for message in robot.versions]
    assert said[1] == version and said[0] == said[2] != version
    assert [message.data for message in in_depth_node][:3] == said
    assert back.success and 'back to the shipped network' in back.message
    assert 'rolled back by ~/rollback' in store.find(version).bad
    assert not nothing.success
    assert np.isfinite(depth_of(depths[-1])).mean() > 0.5
    assert 'a cycle begins' in node.output and 'cycle PROMOTED' in node.output


def test_a_cycle_begins_by_itself_and_its_end_by_force_is_told(robot, store):
    with running('adaptation_node', store=store.root, **{**LONG, 'after_frames': 10}) as node:
        robot.wait(training, drive=True)

        child_of(node).send_signal(signal.SIGKILL)
        status = robot.outcome()

        assert status['last outcome'] == 'FAILED'
        assert 'ended by SIGKILL during train, step' in status['last reason']
        assert float(status['back-off [s]']) > 0
        assert not store.versions()
        assert robot.adapt().success  # by hand there is no need to wait
        assert node.stop() == 0, node.output


def test_a_pause_stops_images_and_the_cycle(robot, store):
    with running('adaptation_node', store=store.root, **LONG) as node:
        robot.collect(10)
        robot.adapt()
        robot.wait(training)

        robot.enable(False)
        status = robot.wait(lambda s: 'paused' in s['state'])
        robot.drive(5)
        later = robot.wait(lambda s: int(s['images received']) > int(status['images received']))
        stopped = child_of(node).status()
        refusal = robot.adapt()
        robot.enable(True)
        robot.wait(lambda s: int(s['step']) > int(later['step']))

        assert stopped == psutil.STATUS_STOPPED
        assert later['step'] == status['step']
        assert later['frames'] == status['frames']
        assert not refusal.success
        child = child_of(node)
        assert node.stop() == 0, node.output
        assert not child.is_running()


def test_a_node_that_is_killed_takes_a_paused_cycle_with_it(robot, store):
    with running('adaptation_node', store=store.root, **LONG) as node:
        robot.collect(10)
        robot.adapt()
        robot.wait(training)
        child = child_of(node)
        robot.enable(False)

        node.kill()

        child.wait(10)
    assert not store.verify() and store.current_name() is None


def test_the_lifecycle_ends_the_cycle(robot, listener, store):
    def change(transition):
        request = ChangeState.Request(transition=Transition(id=transition))
        return call(listener, ChangeState, '/adaptation_node/change_state', request).success

    with running('adaptation_node', store=store.root, autostart='false', **LONG) as node:
        assert change(Transition.TRANSITION_CONFIGURE)
        refusal = robot.adapt()
        assert change(Transition.TRANSITION_ACTIVATE)
        few = robot.adapt()
        robot.collect(10)
        assert robot.adapt().success
        robot.wait(training)
        assert change(Transition.TRANSITION_DEACTIVATE)
        assert child_of(node) is None
        assert change(Transition.TRANSITION_CLEANUP)
        assert change(Transition.TRANSITION_CONFIGURE)
        assert node.stop() == 0, node.output

    assert (refusal.success, refusal.message) == (False, 'the node is not active')
    assert (few.success, few.message) == (False, '0 images collected, 8 are needed')


def test_an_inactive_node_tells_the_depth_node_of_a_roll_back(robot, listener, store):
    def change(transition):
        request = ChangeState.Request(transition=Transition(id=transition))
        return call(listener, ChangeState, '/adaptation_node/change_state', request).success

    def on_reload(request, response):
        calls.append(store.current_name())
        response.success = True
        return response

    calls = []
    version = store.promote(store.add(MODEL, MODEL.with_name('weights.safetensors'))).name
    listener.node.create_service(Trigger, '/depth_node/reload_engine', on_reload)
    with running('adaptation_node', store=store.root, autostart='false', **SMALL) as node:
        assert change(Transition.TRANSITION_CONFIGURE)

        back = robot.roll_back()

        assert back.success, back.message
        assert listener.spin_until(lambda: calls)
        assert robot.versions[-1].data != version
        assert node.stop() == 0, node.output
    assert calls == [None]


def test_a_second_node_on_one_store_says_so(robot, store):
    with running('adaptation_node', store=store.root, **SMALL):
        robot.wait(lambda s: s)
        with running('adaptation_node', '-r', '__node:=second', store=store.root) as second:
            assert second.wait() == 1

    assert 'is in use by /adaptation_node' in second.output


@pytest.mark.parametrize(
    ('settings', 'reason'),
    [
        ({'model': 'nowhere'}, "no network 'nowhere'"),
        ({'mode': 'magic'}, 'mode must be one of'),
        ({'static_transforms': "'base eye 1'"}, 'a transform is'),
        ({'store': '/proc/store'}, 'cannot make the store'),
    ],
)
def test_a_node_that_cannot_start_says_why(settings, reason, store):
    with running('adaptation_node', **{'store': store.root, **settings}) as node:
        assert node.wait() == 1

    assert reason in node.output
    assert 'Traceback' not in node.output


def test_a_network_without_weights_is_not_adapted(red_network, store):
    with running('adaptation_node', store=store.root, model=red_network) as node:
        assert node.wait() == 1

    assert 'only networks of this package can be adapted' in node.output


def test_what_was_collected_outlives_a_restart(robot, store):
    settings = {**SMALL, 'keep_frames': 'true'}
    with running('adaptation_node', store=store.root, **settings) as node:
        robot.collect(10)
        assert node.stop() == 0
    robot.diagnostics.clear()

    with running('adaptation_node', store=store.root, **settings):
        status = robot.wait(lambda s: s.get('frames', '0') != '0')

    assert int(status['frames']) >= 10
    assert os.stat(store.root / 'frames').st_mode & 0o077 == 0


def test_clocks_that_stand_still_or_jump_hold_nothing_up(robot, store):
    with running('adaptation_node', store=store.root, use_sim_time='true', **SMALL) as node:
        robot.collect(5)  # there is no /clock
        stamp = robot.stamp
        for sec in (stamp.sec + 10**6, stamp.sec, 1, 2):
            robot.camera.send(stamp=type(stamp)(sec=sec))
        status = robot.wait(lambda s: int(s['images received']) > 5)
        robot.collect(int(status['frames']) + 3)
        assert node.stop() == 0, node.output
