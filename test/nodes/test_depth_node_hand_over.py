# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Networks handed to a running depth node: tried, watched, taken back; faults of the store."""

import re

import numpy as np
from processes import running
import pytest

pytestmark = pytest.mark.ros
rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('onnx', reason='onnx is not installed')
from diagnostic_msgs.msg import DiagnosticArray
from driver import call, Camera, DEPTH, depth_of, status_values
from mono_depth_ros.errors import StoreError
from networks import blind_to_green_7, never_finite, new_store, slow, takes_floats, variant
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Robot:
    """A camera, a store, and what a depth node says."""

    def __init__(self, listener, store):
        self.listener, self.store = listener, store
        self.camera = Camera(listener)
        self.depths = listener.subscribe(Image, 'depth/image_rect')
        self.statuses = listener.subscribe(DiagnosticArray, '/diagnostics')
        self.versions = listener.subscribe(String, '/depth_node/version', LATCHED)

    def depth(self):
        return depth_of(self.camera.ask(self.depths))

    def reload(self):
        return call(self.listener, Trigger, '/depth_node/reload_engine', Trigger.Request())

    def until(self, condition):
        """Send images until the condition holds."""

        def met():
            self.camera.send()
            self.listener.spin_until(lambda: False, 0.05)
            return condition()

        return self.listener.spin_until(met)

    def version(self):
        return self.versions[-1].data if self.versions else ''

    def status(self):
        return status_values(self.statuses[-1]) if self.statuses else {}


@pytest.fixture
def store(red_network, tmp_path):
    """Return a store whose version 1 is the red network with one more centimetre."""
    return new_store(tmp_path / 'store', variant(red_network, tmp_path / '1.onnx', offset=1.01))


@pytest.fixture
def robot(listener, store):
    return Robot(listener, store)


def test_a_candidate_that_does_its_work_stays(robot, store, add, red_network):
    with running('depth_node', model=red_network, store=store.root, health_watch_s=1.5) as node:
        np.testing.assert_allclose(robot.depth(), DEPTH + 0.01, rtol=1e-5)
        assert robot.version() == store.current_name()
        candidate = add(offset=1.1)

        answer = robot.reload()
        store.promote(candidate)

        assert answer.success, answer.message
        assert candidate.name in answer.message
        np.testing.assert_allclose(robot.depth(), DEPTH + 0.1, rtol=1e-5)
        assert robot.version() == candidate.name
        assert robot.until(lambda: 'health watch' in robot.status())
        assert f'compared with {store.find(1).name}' in robot.status()['health watch']
        assert robot.until(lambda: 'health watch' not in robot.status())
        np.testing.assert_allclose(robot.depth(), DEPTH + 0.1, rtol=1e-5)
        assert node.stop() == 0, node.output
    assert store.current_name() == candidate.name
    assert store.find(2).bad == ''
    assert 'taken back' not in node.output


FAULTS = {
    'scale': ({'gain': 0.04, 'offset': 4.04}, 'the scale jumped: it says 9'),
    'collapsed': ({'gain': 1e-5, 'offset': 2.0}, 'its depth collapsed: far is 1.00 times near'),
    'NaN': ({'change': blind_to_green_7}, 'on which this one fails: network output has no posit'),
    'slow': ({'change': slow}, 'it is slow: '),
}


@pytest.mark.parametrize('promoted', [False, True])
@pytest.mark.parametrize('fault', FAULTS)
def test_a_candidate_with_a_fault_is_taken_back(robot, store, add, red_network, fault, promoted):
    changes, reason = FAULTS[fault]
    with running('depth_node', model=red_network, store=store.root) as node:
        robot.depth()
        candidate = add(**changes)

        answer = robot.reload()
        if promoted:
            store.promote(candidate)
        assert answer.success, answer.message
        assert robot.until(lambda: 'taken back' in robot.status())

        np.testing.assert_allclose(robot.depth(), DEPTH + 0.01, rtol=1e-5)
        assert robot.listener.spin_until(lambda: store.find(2).bad)
        assert reason in store.find(2).bad
        assert robot.listener.spin_until(lambda: store.current_name() == store.find(1).name)
        assert robot.status()['taken back'] == f'{candidate.name}: {store.find(2).bad}'
        assert robot.version() == store.find(1).name
        with pytest.raises(StoreError, match='marked bad'):
            store.promote(candidate)
        assert store.find(1).name in robot.reload().message
        np.testing.assert_allclose(robot.depth(), DEPTH + 0.01, rtol=1e-5)
        assert node.stop() == 0, node.output
    errors = [line for line in node.output.splitlines() if 'taken back' in line]
    assert len(errors) == 1
    assert errors[0].startswith('[ERROR]')
    assert f'version {candidate.name} is taken back' in errors[0]


def test_a_fault_is_remembered_where_the_store_cannot_be_written(robot, store, add, red_network):
    with running('depth_node', model=red_network, store=store.root) as node:
        robot.depth()
        candidate = add(gain=0.04, offset=4.0)
        (store.root / 'lock').unlink()
        (store.root / 'lock').mkdir()
        robot.reload()
        assert robot.until(lambda: 'taken back' in robot.status())

        answer = robot.reload()

        assert answer.success
        assert store.find(1).name in answer.message
        np.testing.assert_allclose(robot.depth(), DEPTH + 0.01, rtol=1e-5)
        assert node.stop() == 0, node.output
    assert candidate.bad == ''
    assert 'only this node knows that, until it ends: cannot write to' in node.output


def test_a_person_who_goes_back_is_not_questioned(robot, store, add, red_network):
    store.promote(add(gain=0.025, offset=2.5))
    with running('depth_node', model=red_network, store=store.root) as node:
        np.testing.assert_allclose(robot.depth(), 2.5 * DEPTH, rtol=1e-5)

        store.rollback('too far')

        assert robot.reload().success
        np.testing.assert_allclose(robot.depth(), DEPTH + 0.01, rtol=1e-5)
        assert 'health watch' not in robot.status()
        assert node.stop() == 0, node.output
    assert store.find(1).bad == ''


def test_what_a_person_chooses_goes_before_what_waits(robot, store, add, red_network):
    store.promote(add(offset=2.0))
    with running('depth_node', model=red_network, store=store.root) as node:
        robot.depth()
        add(offset=3.0)

        store.promote(1)
        answer = robot.reload()

        assert store.find(1).name in answer.message
        np.testing.assert_allclose(robot.depth(), DEPTH + 0.01, rtol=1e-5)
        assert node.stop() == 0, node.output


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(bytes(data))


DAMAGES = {
    'truncated': (lambda path: path.write_bytes(path.read_bytes()[:99]), 'has a damaged model'),
    'one bit': (flip_a_bit, 'has a damaged model.onnx'),
    'missing': (lambda path: path.unlink(), 'has lost model.onnx'),
    'manifest': (
        lambda path: path.with_name('manifest.json').write_text('{'),
        'has a damaged manifest.json',
    ),
}


def test_a_candidate_that_cannot_run_is_refused(robot, store, add, red_network):
    with running('depth_node', model=red_network, store=store.root) as node:
        robot.depth()
        for damage, reason in DAMAGES.values():
            candidate = add(offset=1.0 + len(store.versions()))
            damage(candidate.onnx_path)

            answer = robot.reload()

            assert not answer.success
            assert f'version {candidate.name}' in answer.message
            assert reason in answer.message
            mark = candidate.path / 'bad'
            assert reason in mark.read_text()
        candidate = add(change=takes_floats)

        answer = robot.reload()

        assert not answer.success
        assert 'input must be image uint8 (1, h, w, 3)' in answer.message
        assert store.find(candidate).bad.startswith('it was refused: ')
        np.testing.assert_allclose(robot.depth(), DEPTH + 0.01, rtol=1e-5)
        assert robot.version() == store.find(1).name
        assert node.stop() == 0, node.output
    assert node.output.count('the engine in use stays') == len(DAMAGES) + 1


@pytest.mark.parametrize('damage', [*DAMAGES, 'current'])
def test_a_node_starts_whatever_happened_to_the_store(robot, store, add, red_network, damage):
    store.promote(add(offset=3.0))
    if damage == 'current':
        (store.root / 'current').unlink()
        (store.root / 'current').symlink_to('versions/7-01234567')
        reason, expected = 'version 7-01234567 in .* is not there; using 2-', DEPTH + 2
    else:
        change, reason = DAMAGES[damage]
        change(store.find(2).onnx_path)
        expected = DEPTH + 0.01

    with running('depth_node', model=red_network, store=store.root) as node:
        depth = robot.depth()
        assert node.stop() == 0, node.output

    np.testing.assert_allclose(depth, expected, rtol=1e-5)
    assert re.search(reason, node.output), node.output


def test_a_node_starts_though_the_version_in_use_gives_nan(robot, store, add, red_network):
    version = store.promote(add(change=never_finite))
    with running('depth_node', model=red_network, store=store.root) as node:
        np.testing.assert_allclose(robot.depth(), DEPTH + 0.01, rtol=1e-5)
        assert robot.until(lambda: 'taken back' in robot.status())
        assert robot.version() == store.find(1).name == store.current_name()
        assert node.stop() == 0, node.output

    told = robot.status()['taken back']
    assert told.startswith(version.name) and 'gives no finite depth' in told
    assert 'gives no finite depth' in store.find(version).bad
    errors = [line for line in node.output.splitlines() if 'cannot run' in line]
    assert len(errors) == 1 and errors[0].startswith('[ERROR]')


def test_reloads_at_the_same_time_are_all_answered(robot, store, add, red_network):
    with running('depth_node', model=red_network, store=store.root) as node:
        robot.depth()
        candidate = add(offset=1.1)
        client = robot.listener.node.create_client(Trigger, '/depth_node/reload_engine')
        assert robot.listener.spin_until(client.service_is_ready)

        answers = [client.call_async(Trigger.Request()) for _ in range(4)]

        assert robot.until(lambda: all(answer.done() for answer in answers))
        for answer in (future.result() for future in answers):
            wanted = candidate.name if answer.success else 'an engine is being loaded already'
            assert wanted in answer.message
        assert any(future.result().success for future in answers)
        np.testing.assert_allclose(robot.depth(), DEPTH + 0.1, rtol=1e-5)
        assert node.stop() == 0, node.output


def test_who_comes_late_still_hears_the_version(robot, store, red_network):
    with running('depth_node', model=red_network, store=store.root):
        robot.depth()
        late = robot.listener.subscribe(String, '/depth_node/version', LATCHED)

        assert robot.listener.spin_until(lambda: late)

    assert late[-1].data == store.current_name()
