# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The engine of a node, while another one is being loaded."""

from contextlib import suppress
from dataclasses import replace
import threading

from mono_depth_ros.camera import camera_from_fov
from mono_depth_ros.config import EngineConfig
from mono_depth_ros.engine.beside import is_beside_images
from mono_depth_ros.errors import ImageError, PlanMissingError
import numpy as np
import pytest

pytestmark = pytest.mark.ros
TALL, WIDE = np.zeros((512, 128, 3), np.uint8), np.zeros((96, 256, 3), np.uint8)
TALL[:, 64:] = WIDE[:, 128:] = 200  # a network whose output is constant is refused
rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')
from mono_depth_ros.nodes import engine_loader
from mono_depth_ros.nodes.engine_slot import EngineSlot
from mono_depth_ros.nodes.plan_builder import PlanBuilder
from networks import new_store, variant
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
        self.image_size = None

    def make_slot(self, watch_s=0.0, **settings):
        config = replace(self._config, **settings)
        return EngineSlot(self.node, config, watch_s, lambda: self.image_size)

    def show(self, slot, rgb):
        """Let a slot answer an image as the depth node does."""
        height, width = self.image_size = rgb.shape[:2]
        return slot.infer(rgb, camera_from_fov(width, height, 60.0))

    def ask_to_reload(self):
        client = self._listener.node.create_client(Trigger, '/owner/reload_engine')
        assert self._listener.spin_until(client.service_is_ready)
        return client.call_async(Trigger.Request())

    def ask_to_load_slowly(self, slot, gate):
        """Return the answer to come, with a slot that loads until the gate opens."""
        gate.clear()
        answer = self.ask_to_reload()
        assert self.spin_until(lambda: slot._loader.busy)
        return answer

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
    lost = owner.ask_to_load_slowly(slot, gate)

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

    with pytest.raises(ImageError, match='loading the engine for images of 128x512 px'):
        owner.show(slot, TALL)
    assert owner.spin_until(lambda: not slot._loader.busy)
    slot._on_plan('')  # it is built
    assert owner.spin_until(lambda: not slot._loader.busy)
    answer = owner.ask_to_reload()
    assert owner.spin_until(answer.done)

    assert gate.beside == [False, False, True, True]
    slot.close()


def test_images_that_wait_for_their_engine_have_it_loaded_once(owner, gate):
    slot = owner.make_slot()
    gate.clear()

    for _ in range(3):
        with pytest.raises(ImageError, match='loading the engine'):
            owner.show(slot, TALL)
    gate.set()
    assert owner.spin_until(lambda: slot.engine.input_size != (96, 128))

    assert owner.show(slot, TALL).shape == slot.engine.input_size
    assert len(gate.beside) == 2  # at the start, and for these
    slot.close()


def test_images_are_answered_while_something_else_is_loaded_and_then_at_their_size(owner, gate):
    slot = owner.make_slot()
    answer = owner.ask_to_load_slowly(slot, gate)

    meanwhile = owner.show(slot, TALL)
    gate.set()
    assert owner.spin_until(answer.done)
    with pytest.raises(ImageError, match='loading the engine'):
        owner.show(slot, TALL)
    assert owner.spin_until(lambda: slot.engine.input_size != (96, 128))

    assert meanwhile.shape == (96, 128)
    assert owner.show(slot, TALL).shape == slot.engine.input_size
    slot.close()


def test_images_of_a_third_size_do_not_wait_for_the_engine_of_the_second(owner, gate):
    slot = owner.make_slot()
    gate.clear()
    with pytest.raises(ImageError, match='128x512'):
        owner.show(slot, TALL)

    assert owner.show(slot, WIDE).shape == (96, 128)

    gate.set()
    slot.close()


def test_the_network_that_comes_back_is_loaded_for_the_images_too(owner, red_network, tmp_path):
    store = new_store(tmp_path / 'store', variant(red_network, tmp_path / '1.onnx', offset=1.01))
    slot = owner.make_slot(watch_s=60.0, store=str(store.root))
    candidate = store.add(variant(red_network, tmp_path / '2.onnx', offset=1.1))
    answer = owner.ask_to_reload()
    assert owner.spin_until(answer.done)

    def shown():
        with suppress(ImageError):
            return owner.show(slot, TALL).shape != (96, 128)

    assert owner.spin_until(shown)
    tried = slot.engine.manifest.version
    slot._take_back('it is of no use')
    back = slot.engine.manifest.version, slot.engine.input_size
    assert owner.spin_until(shown)

    first = store.find(1).name
    assert (tried, back) == (candidate.name, (first, (96, 128)))
    assert slot.engine.manifest.version == first
    slot.close()


@pytest.fixture
def plans(monkeypatch):
    """Let TensorRT lack every plan; return the input sizes of those that are built."""
    real, built = engine_loader.load_estimator, []

    def load(*arguments, on_missing_plan, **options):
        estimator = real(*arguments, **options)
        size = estimator.engine.input_size
        on_missing_plan(PlanMissingError('no plan', key=str(size), input_size=size))
        return estimator

    def start(builder, missing, on_done):
        built.append(missing.input_size)
        return True

    monkeypatch.setattr(engine_loader, 'load_estimator', load)
    monkeypatch.setattr(PlanBuilder, 'start', start)
    return built


@pytest.mark.parametrize(('shape', 'size'), [((96, 128), (96, 128)), ((96, 256), (64, 176))])
def test_a_missing_plan_is_built_once_the_first_image_has_told_its_size(owner, plans, shape, size):
    slot = owner.make_slot()
    before = list(plans)
    rgb = np.resize(np.arange(256, dtype=np.uint8), (*shape, 3))

    def answered():
        with suppress(ImageError):
            return owner.show(slot, rgb) is not None

    assert owner.spin_until(answered)
    owner.show(slot, rgb)

    assert (before, plans) == ([], [size])
    slot.close()


def test_the_network_that_comes_back_has_its_missing_plan_built(
    owner, plans, red_network, tmp_path
):
    store = new_store(tmp_path / 'store', variant(red_network, tmp_path / '1.onnx', offset=1.01))
    slot = owner.make_slot(watch_s=60.0, store=str(store.root))
    store.add(variant(red_network, tmp_path / '2.onnx', offset=1.1))
    answer = owner.ask_to_reload()
    assert owner.spin_until(answer.done)
    rgb = np.resize(np.arange(256, dtype=np.uint8), (96, 128, 3))
    owner.show(slot, rgb)
    before = len(plans)

    slot._take_back('it is of no use')
    owner.show(slot, rgb)

    assert (before, len(plans)) == (1, 2)
    slot.close()


def test_a_missing_plan_whose_size_is_set_is_built_at_once(owner, plans):
    slot = owner.make_slot(input_size='48x64')

    assert plans == [(48, 64)]
    slot.close()
