# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The engine of a node, while another one is being loaded."""

import threading

from mono_depth_ros.config import EngineConfig
import pytest

pytestmark = pytest.mark.ros
rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')
from mono_depth_ros.nodes import engine_loader
from mono_depth_ros.nodes.engine_slot import EngineSlot
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from std_srvs.srv import Trigger


class Owner:
    """A node in this process that may have a slot, and spins together with a listener."""

    def __init__(self, listener, model):
        self._listener, context = listener, listener.node.context
        self.node = LifecycleNode('owner', context=context, enable_communication_interface=False)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self._config = EngineConfig(model=str(model), backend='onnxruntime', store='')

    def make_slot(self):
        return EngineSlot(self.node, self._config, 0.0, lambda: None)

    def ask_to_reload(self):
        client = self._listener.node.create_client(Trigger, '/owner/reload_engine')
        assert self._listener.spin_until(client.service_is_ready)
        return client.call_async(Trigger.Request())

    def spin_until(self, condition, timeout_s=60.0):
        def met():
            self._executor.spin_once(timeout_sec=0.01)
            return condition()

        return self._listener.spin_until(met, timeout_s)


@pytest.fixture
def owner(listener, red_network):
    made = Owner(listener, red_network)
    yield made
    made.node.destroy_node()


@pytest.fixture
def gate(monkeypatch):
    """Return an event: engines are loaded while it is set."""
    real, opened = engine_loader.load_estimator, threading.Event()

    def load(*arguments, **options):
        assert opened.wait(60)
        return real(*arguments, **options)

    monkeypatch.setattr(engine_loader, 'load_estimator', load)
    opened.set()
    yield opened
    opened.set()


def test_a_node_that_is_cleaned_up_while_it_loads_can_be_configured_again(owner, gate):
    slot = owner.make_slot()
    gate.clear()
    lost = owner.ask_to_reload()
    assert owner.spin_until(lambda: slot._loader.busy)

    slot.close()
    gate.set()
    assert owner.spin_until(lambda: not slot._loader.busy)
    owner.spin_until(lambda: False, 0.5)
    again = owner.make_slot()
    answer = owner.ask_to_reload()

    assert owner.spin_until(answer.done)
    assert answer.result().success, answer.result().message
    assert not lost.done()
    again.close()
