# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a node starts and ends."""

import logging
import signal
import time

import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy', reason='rclpy is not installed')
from mono_depth_ros.errors import EngineError, MonoDepthError
from mono_depth_ros.nodes.run import autostart, ClosingNode, RosLogHandler
from rclpy.lifecycle import TransitionCallbackReturn


class Fragile(ClosingNode):
    """A node whose steps can be made to fail; ``steps`` are those that it took."""

    def __init__(self, context, **failures):
        super().__init__('fragile', context=context, enable_communication_interface=False)
        self.steps, self.failures = [], failures

    def _take(self, step):
        self.steps.append(step)
        if step in self.failures:
            raise self.failures[step]

    def configure(self):
        self._take('configure')

    def activate(self):
        self._take('activate')

    def deactivate(self):
        self._take('deactivate')

    def close(self):
        self._take('close')


@pytest.fixture
def fragile(listener):
    """Return a function that makes a node whose steps fail."""
    nodes = []

    def make(**failures):
        nodes.append(Fragile(listener.node.context, **failures))
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()


def test_a_transition_that_fails_unforeseen_is_undone_and_told(fragile, capfd):
    node = fragile(configure=KeyError('surprise'))

    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE

    assert node.steps == ['configure', 'close']
    assert "KeyError: 'surprise'" in capfd.readouterr().err
    node.failures.clear()
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS


def test_a_transition_that_fails_as_foreseen_is_told_in_one_line(fragile, capfd):
    node = fragile(activate=EngineError('no engine'))
    node.trigger_configure()

    assert node.trigger_activate() == TransitionCallbackReturn.FAILURE

    assert node.steps == ['configure', 'activate', 'deactivate']
    said = capfd.readouterr().err
    assert 'no engine' in said
    assert 'Traceback' not in said


@pytest.mark.parametrize('failure', [EngineError('no engine'), KeyboardInterrupt()])
def test_a_node_that_cannot_start_itself_is_closed(fragile, failure):
    node = fragile(activate=failure)

    with pytest.raises((MonoDepthError, KeyboardInterrupt)):
        autostart(node)

    assert node.steps[-1] == 'close'


def test_a_node_that_starts_itself_stays_open(fragile):
    node = fragile()

    autostart(node)

    assert node.steps == ['configure', 'activate']


def test_a_node_that_cannot_be_deactivated_is_closed(fragile, capfd):
    node = fragile(deactivate=OSError('stuck'))
    node.trigger_configure()
    node.trigger_activate()

    node.trigger_deactivate()

    assert node.steps[-2:] == ['deactivate', 'close']
    assert 'OSError: stuck' in capfd.readouterr().err


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_node_that_is_signalled_again_while_it_ends_still_ends_cleanly(listener, number):
    from diagnostic_msgs.msg import DiagnosticArray
    from processes import running, TIMEOUT_S

    diagnostics = listener.subscribe(DiagnosticArray, '/diagnostics')
    with running('depth_node', autostart='false') as node:
        assert listener.spin_until(lambda: diagnostics)

        until = time.monotonic() + TIMEOUT_S
        while node.process.poll() is None and time.monotonic() < until:
            node.process.send_signal(number)
            time.sleep(0.003)

        assert node.wait() == 0, node.output
        assert 'Traceback' not in node.output


def test_what_the_core_logs_stands_in_the_log_of_ros(capfd):
    core = logging.Logger('mono_depth_ros.engine')
    core.addHandler(RosLogHandler())

    core.warning('version %d is damaged', 3)
    core.error('no %s', 'engine')
    core.info('using torch')

    log = ''.join(capfd.readouterr())
    for line in (
        '[WARN]',
        'version 3 is damaged',
        '[ERROR]',
        'no engine',
        '[INFO]',
        'using torch',
    ):
        assert line in log
    assert '[mono_depth_ros.engine]' in log
