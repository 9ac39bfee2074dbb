# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A version that waits to be tried meets depth nodes of every mood, over real DDS."""

from importlib.util import find_spec
import shutil

from processes import running
import pytest

pytestmark = [
    pytest.mark.ros,
    pytest.mark.skipif(find_spec('torch') is None, reason='torch is not installed'),
]
rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')
from mono_depth_ros.engine.store import VersionStore
from mono_depth_ros.nodes.hand_over import BUSY
from robot import MODEL, Robot, SMALL
from std_msgs.msg import String
from std_srvs.srv import Trigger


@pytest.fixture
def robot(listener):
    return Robot(listener)


@pytest.fixture
def store(tmp_path):
    """Return a store with a version that a node left waiting when it was killed."""
    store = VersionStore(tmp_path / 'store')
    store.add(MODEL, MODEL.with_name('weights.safetensors'))
    return store


@pytest.fixture
def version(store):
    return store.candidate().name


class DepthNode:
    """Plays the depth node: gives the answers it is told to, one after the other."""

    def __init__(self, listener, *answers):
        self.answers, self.calls, self.listener = list(answers), 0, listener
        self.service = listener.node.create_service(
            Trigger, '/depth_node/reload_engine', self._on_reload
        )

    def _on_reload(self, request, response):
        self.calls += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        response.success, response.message = answer
        return response

    def stop(self):
        self.listener.node.destroy_service(self.service)


def waits(status):
    return 'it waits to be tried' in status.get('last reason', '')


def adapting(store, **settings):
    return running('adaptation_node', store=store.root, **{**SMALL, **settings})


def test_a_version_that_is_taken_is_promoted(robot, listener, store, version):
    DepthNode(listener, (True, f'using {version}'))
    with adapting(store):
        status = robot.outcome()

    assert status['last outcome'] == 'PROMOTED'
    assert status['last reason'].endswith('the depth node runs it')
    assert store.current_name() == version


def test_a_version_that_a_depth_node_does_not_run_goes_on_waiting(robot, listener, store, version):
    DepthNode(listener, (True, 'street 1 on openvino'))
    with adapting(store):
        status = robot.wait(waits)

    assert status['last reason'].endswith('the depth node answered: street 1 on openvino')
    assert store.current_name() is None
    assert store.candidate().name == version


def test_a_version_that_is_refused_is_rejected(robot, listener, store, version):
    class Strict(DepthNode):
        def _on_reload(self, request, response):
            store.withdraw(version, 'it gives NaN')
            return super()._on_reload(request, response)

    Strict(listener, (False, 'it gives NaN'))
    with adapting(store) as node:
        status = robot.outcome()
        assert node.stop() == 0

    assert status['last outcome'] == 'REJECTED'
    assert 'refuses it: it gives NaN' in status['last reason']
    assert 'it gives NaN' in status['message']
    assert store.find(version).bad.endswith('it gives NaN')
    assert store.current_name() is None
    assert store.candidate() is None


def test_a_busy_depth_node_is_asked_again(robot, listener, store, version):
    busy = (False, BUSY)
    depth_node = DepthNode(listener, busy, busy, (True, f'using {version}'))
    with adapting(store):
        status = robot.outcome()

    assert status['last outcome'] == 'PROMOTED'
    assert depth_node.calls == 3


@pytest.mark.parametrize(
    'trouble',
    [
        'building the TensorRT plan: tactics, 40 %: try again when it is done',
        'no TensorRT plan of model.onnx: the disk is full',
        'no installed backend runs model.onnx: out of memory',
    ],
)
def test_a_version_that_cannot_be_tried_now_is_tried_later(
    robot, listener, store, version, trouble
):
    DepthNode(listener, (False, trouble), (True, f'using {version}'))
    with adapting(store):
        status = robot.wait(waits)
        waiting = store.candidate().name, store.current_name(), store.find(version).bad
        later = robot.outcome()

    assert status['last reason'].endswith(f'the depth node answered: {trouble}')
    assert status['candidate'] == version
    assert waiting == (version, None, '')
    assert (later['last outcome'], later['candidate']) == ('PROMOTED', '')
    assert store.current_name() == version


def test_without_a_depth_node_a_version_waits_until_one_comes(robot, listener, store, version):
    with adapting(store):
        status = robot.wait(waits)
        waiting = store.candidate().name, store.current_name()
        DepthNode(listener, (True, f'using {version}'))
        later = robot.outcome()

    assert status['last reason'].endswith('there is no /depth_node/reload_engine')
    assert waiting == (version, None)
    assert later['last outcome'] == 'PROMOTED'
    assert store.current_name() == version


def test_a_refusal_that_comes_late_is_recorded(robot, listener, store, version):
    with adapting(store):
        robot.wait(waits)
        store.withdraw(version, 'it gives NaN')
        DepthNode(listener, (True, 'using the shipped network'))
        status = robot.outcome()

    assert status['last outcome'] == 'REJECTED'
    assert status['last reason'] == 'the depth node refuses it: it gives NaN'
    assert store.current_name() is None


def test_a_depth_node_that_never_answers_is_not_waited_for(robot, listener, store, version):
    # Its executor does not spin: the service is there, and nobody serves.
    mute = rclpy.create_node('mute', context=listener.node.context)
    mute.create_service(Trigger, '/depth_node/reload_engine', lambda request, response: response)
    with adapting(store, reload_timeout_s=7.0):
        status = robot.wait(waits)
    mute.destroy_node()

    assert 'gave no answer within 7 s' in status['last reason']
    assert store.current_name() is None
    assert store.candidate().name == version


def test_a_depth_node_that_restarts_is_asked_again(robot, listener, store, version):
    mute = rclpy.create_node('mute', context=listener.node.context)
    mute.create_service(Trigger, '/depth_node/reload_engine', lambda request, response: response)
    with adapting(store):
        robot.wait(lambda s: s.get('state') == 'handing over')
        listener.spin_until(lambda: False, 1.0)
        mute.destroy_node()
        listener.spin_until(lambda: False, 1.5)
        DepthNode(listener, (True, f'using {version}'))
        status = robot.outcome()

    assert status['last reason'].endswith('the depth node runs it')


def test_a_version_that_fails_the_watch_is_told_as_rolled_back(robot, listener, store, version):
    DepthNode(listener, (True, f'using {version}'))
    with adapting(store) as node:
        robot.outcome()

        store.withdraw(version, 'depth is 3 times what it was')  # as the depth node does
        status = robot.wait(lambda s: s['last outcome'] == 'ROLLED BACK')
        assert node.stop() == 0

    assert status['last reason'] == 'depth is 3 times what it was'
    assert status['rejections in a row'] == '1'
    assert status['version'] != version
    assert robot.versions[-1].data == status['version']


def test_a_version_withdrawn_before_it_is_promoted_stays_out(robot, listener, store, version):
    class Hasty(DepthNode):
        def _on_reload(self, request, response):
            store.withdraw(version, 'it failed at once')
            return super()._on_reload(request, response)

    Hasty(listener, (True, f'using {version}'))
    with adapting(store):
        status = robot.outcome()

    assert (status['last outcome'], status['last reason']) == ('ROLLED BACK', 'it failed at once')
    assert store.current_name() is None


def test_a_store_that_cannot_be_written_is_told(robot, listener, store, version):
    class Vandal(DepthNode):
        def _on_reload(self, request, response):
            shutil.rmtree(store.versions_path / version)
            return super()._on_reload(request, response)

    Vandal(listener, (True, f'using {version}'))
    with adapting(store) as node:
        status = robot.outcome()
        assert node.stop() == 0

    assert status['last outcome'] == 'FAILED'
    assert f'no version {version}' in status['last reason']


def test_a_depth_node_that_missed_the_news_is_told_again(robot, listener, store, version):
    from robot import LATCHED

    store.promote(version)
    said = listener.node.create_publisher(String, '/depth_node/version', LATCHED)
    said.publish(String(data='an old one'))
    depth_node = DepthNode(listener, (True, f'using {version}'))
    with adapting(store):
        assert listener.spin_until(lambda: depth_node.calls == 1)
        listener.spin_until(lambda: False, 2.0)

    assert depth_node.calls == 1
