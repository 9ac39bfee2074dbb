# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The engine of a node, while another one is being loaded."""

import threading

from mono_depth_ros.camera import camera_from_fov
from mono_depth_ros.config import EngineConfig
from mono_depth_ros.engine.beside import is_beside_images
from mono_depth_ros.errors import ImageError
import numpy as np
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


class Gate(threading.Event):
    """Engines are loaded while it is set; ``beside`` says which gave way to images."""

    def __init__(self):
        super().__init__()
        self.beside = []


@pytest.fixture
def gate(monkeypatch):
    real, gate = engine_loader.load_estimator, Gate()

    def load(*arguments, **options):
        gate.beside.append(is_beside_images())
        assert gate.wait(60)
        return real(*arguments, **options)

    monkeypatch.setattr(engine_loader, 'load_estimator', load)
    gate.set()
    yield gate
    gate.set()


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


def test_only_what_images_are_answered_beside_gives_way_to_them(owner, gate):
    slot = owner.make_slot()
    tall = np.zeros((512, 128, 3), np.uint8)

    with pytest.raises(ImageError, match='loading the engine for images of 128x512 px'):
        slot.infer(tall, camera_from_fov(128, 512, 60.0))
    assert owner.spin_until(lambda: not slot._loader.busy)
    slot._on_plan('')  # it is built
    assert owner.spin_until(lambda: not slot._loader.busy)
    answer = owner.ask_to_reload()
    assert owner.spin_until(answer.done)

    assert gate.beside == [False, False, True, True]
    slot.close()
