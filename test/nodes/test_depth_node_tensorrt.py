# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The depth node on TensorRT, through doubles of its libraries, over real DDS."""

import json
import os
from pathlib import Path
import shutil

import numpy as np
from processes import running
import pytest

pytestmark = pytest.mark.ros
rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')
from diagnostic_msgs.msg import DiagnosticArray
from driver import call, Camera, DEPTH, depth_of, RGB, status_values
from mono_depth_ros.engine.plan_build import PlanBuild
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

pytest.importorskip('onnxruntime', reason='the double of TensorRT runs on onnxruntime')
WIDE = np.tile(RGB, (1, 2, 1))
DOUBLES = Path(__file__).parents[1] / 'doubles'


@pytest.fixture
def gpu(monkeypatch, tmp_path):
    """Give nodes a pretended GPU and a store of their own; return a function that changes it."""
    monkeypatch.setenv('ROS_HOME', str(tmp_path / 'ros_home'))
    path = os.pathsep.join(filter(None, (str(DOUBLES), os.environ.get('PYTHONPATH', ''))))
    monkeypatch.setenv('PYTHONPATH', path)

    def change(**settings):
        monkeypatch.setenv('FAKE_GPU', json.dumps(settings))

    change()
    return change


@pytest.fixture
def statuses(listener):
    return listener.subscribe(DiagnosticArray, '/diagnostics')


def engines():
    return Path(os.environ['ROS_HOME']) / 'mono_depth' / 'engines'


def backend(statuses):
    mine = [m for m in statuses if 'depth' in m.status[0].name]
    return status_values(mine[-1]).get('backend', '') if mine else ''


def test_with_a_plan_it_runs_on_tensorrt_from_the_first_image(
    gpu, listener, statuses, red_network
):
    PlanBuild(red_network, (96, 128)).run()
    camera = Camera(listener)
    depths = listener.subscribe(Image, 'depth/image_rect')

    with running('depth_node', model=red_network) as node:
        answer = camera.ask(depths)
        listener.spin_until(lambda: backend(statuses))
        assert node.stop() == 0, node.output

    np.testing.assert_allclose(depth_of(answer), DEPTH, rtol=1e-3)
    assert backend(statuses) == 'tensorrt'
    assert 'using red 0 on tensorrt (Pretended Orin, fp16) at 96x128' in node.output


@pytest.mark.parametrize('wanted', ['auto', 'tensorrt'])
def test_without_a_plan_it_answers_at_once_builds_and_swaps(
    gpu, listener, statuses, red_network, wanted
):
    gpu(steps=30, step_s=0.2)
    camera = Camera(listener)
    depths = listener.subscribe(Image, 'depth/image_rect')

    with running('depth_node', model=red_network, backend=wanted) as node:
        camera.ask(depths)
        listener.spin_until(lambda: backend(statuses))
        first = backend(statuses)
        built = []

        def swapped():
            camera.send()
            listener.spin_until(lambda: False, 0.1)
            built.extend(
                status_values(m)['TensorRT plan']
                for m in statuses
                if 'TensorRT plan' in status_values(m)
            )
            return backend(statuses) == 'tensorrt'

        assert listener.spin_until(swapped)
        np.testing.assert_allclose(depth_of(camera.ask(depths)), DEPTH, rtol=1e-3)
        assert node.stop() == 0, node.output

    assert first in ('openvino', 'onnxruntime')
    assert any('building the TensorRT plan: Building the engine' in text for text in built)
    assert 'Building it now, images are answered meanwhile' in node.output
    assert len(list(engines().glob('*.plan'))) == 1


def test_a_camera_of_another_shape_has_its_own_plan_built_and_no_other(
    gpu, listener, statuses, red_network
):
    gpu(steps=10, step_s=0.2)
    camera = Camera(listener)
    depths = listener.subscribe(Image, 'depth/image_rect')

    with running('depth_node', model=red_network) as node:
        assert listener.spin_until(lambda: backend(statuses))  # it waits for images
        camera.ask(depths, lambda: camera.image(WIDE))
        assert listener.spin_until(lambda: backend(statuses) == 'tensorrt')
        assert camera.ask(depths, lambda: camera.image(WIDE))
        assert node.stop() == 0, node.output

    assert node.output.count('Building it now') == 1
    assert 'using red 0 on tensorrt (Pretended Orin, fp16) at 64x176' in node.output
    assert len(list(engines().glob('*.plan'))) == 1


def test_a_reload_before_the_first_image_builds_no_plan_of_a_size_that_nobody_wants(
    gpu, listener, red_network, tmp_path
):
    model = tmp_path / 'red.onnx'
    shutil.copy(red_network, model)
    for size in ((96, 128), (64, 176)):
        PlanBuild(model, size).run()
    camera = Camera(listener)
    depths = listener.subscribe(Image, 'depth/image_rect')

    def reload():
        return call(listener, Trigger, '/depth_node/reload_engine', Trigger.Request())

    with running('depth_node', model=model) as node:
        assert reload().success  # it has its plan
        # The same network in other bytes: a plan of its own.
        model.write_bytes(model.read_bytes() + b'\x32\x00')
        early = reload()
        model.write_bytes(red_network.read_bytes())
        assert camera.ask(depths, lambda: camera.image(WIDE))
        model.write_bytes(model.read_bytes() + b'\x32\x00')
        late = reload()
        assert node.stop() == 0, node.output

    assert not early.success
    assert 'nothing has come from the camera yet' in early.message
    assert late.success, late.message
    assert 'on tensorrt (Pretended Orin, fp16) at 64x176' in late.message
    assert len(list(engines().glob('*.plan'))) == 3


def test_build_only_builds_the_plan_and_ends(gpu, red_network):
    options = {'model': red_network, 'input_size': '96x128', 'build_only': 'true'}

    with running('depth_node', **options) as node:
        assert node.wait() == 0, node.output
    with running('depth_node', **options) as again:
        assert again.wait() == 0, again.output

    assert 'Building it now' in node.output and 'Building it now' not in again.output
    assert 'the plan of red 0 for Pretended Orin (fp16, 96x128) is there' in again.output
    assert len(list(engines().glob('*.plan'))) == 1


def test_build_only_that_fails_says_why(gpu, red_network):
    gpu(build_error='Cuda Runtime (out of memory)')

    with running('depth_node', model=red_network, build_only='true') as node:
        assert node.wait() == 1

    assert 'smaller --workspace' in node.output


def test_a_damaged_plan_is_built_again(gpu, listener, statuses, red_network):
    plan = PlanBuild(red_network, (96, 128)).run()
    plan.path.write_bytes(plan.path.read_bytes()[:100])
    camera = Camera(listener)
    depths = listener.subscribe(Image, 'depth/image_rect')

    with running('depth_node', model=red_network) as node:
        camera.ask(depths)
        assert listener.spin_until(lambda: backend(statuses) == 'tensorrt')
        assert camera.ask(depths)
        assert node.stop() == 0, node.output

    assert 'it is damaged' in node.output


def test_a_plan_of_another_version_is_built_again(gpu, listener, statuses, red_network):
    PlanBuild(red_network, (96, 128)).run()
    gpu(tensorrt='11.4.1')
    camera = Camera(listener)
    depths = listener.subscribe(Image, 'depth/image_rect')

    with running('depth_node', model=red_network):
        camera.ask(depths)
        assert listener.spin_until(lambda: backend(statuses) == 'tensorrt')

    assert len(list(engines().glob('*.plan'))) == 2


def test_a_build_that_fails_leaves_the_node_on_its_stand_in(gpu, listener, statuses, red_network):
    gpu(build_error='Cuda Runtime (out of memory)')
    camera = Camera(listener)
    depths = listener.subscribe(Image, 'depth/image_rect')

    with running('depth_node', model=red_network) as node:
        camera.ask(depths)
        listener.spin_until(lambda: False, 8.0)
        assert camera.ask(depths)
        assert backend(statuses) in ('openvino', 'onnxruntime')
        assert node.stop() == 0

    assert 'the engine in use stays: no TensorRT plan of' in node.output
    assert 'smaller --workspace' in node.output
    assert node.output.count('Building it now') == 1


def test_images_are_answered_on_tensorrt_while_another_network_is_built_and_swapped_in(
    gpu, listener, statuses, red_network, tmp_path
):
    onnx = pytest.importorskip('onnx')
    model = tmp_path / 'red.onnx'
    shutil.copy(red_network, model)
    PlanBuild(model, (96, 128)).run()
    gpu(steps=10, step_s=0.3)
    camera = Camera(listener)
    depths = listener.subscribe(Image, 'depth/image_rect')

    with running('depth_node', model=model) as node:
        camera.ask(depths)
        network = onnx.load(model)
        gain = next(t for t in network.graph.initializer if t.name == 'gain')
        gain.CopyFrom(onnx.numpy_helper.from_array(np.float32(0.02), 'gain'))
        onnx.save(network, model)
        client = listener.node.create_client(Trigger, '/depth_node/reload_engine')
        assert listener.spin_until(client.service_is_ready)
        future, answered = client.call_async(Trigger.Request()), 0

        while not future.done():
            answered += np.allclose(depth_of(camera.ask(depths)), DEPTH, rtol=1e-3)
        assert future.result().success, future.result().message
        twice = depth_of(camera.ask(depths))
        assert node.stop() == 0, node.output

    assert answered >= 5
    np.testing.assert_allclose(twice, 1 + 2 * (DEPTH - 1), rtol=1e-3)
    assert 'on tensorrt' in future.result().message
    assert 'openvino' not in node.output


def test_a_reload_whose_build_fails_keeps_the_engine(gpu, listener, red_network, tmp_path):
    model = tmp_path / 'red.onnx'
    shutil.copy(red_network, model)
    PlanBuild(model, (96, 128)).run()
    gpu(unsupported='Gather')
    camera = Camera(listener)
    depths = listener.subscribe(Image, 'depth/image_rect')

    with running('depth_node', model=model) as node:
        camera.ask(depths)
        # The same network in other bytes: a plan of its own.
        model.write_bytes(model.read_bytes() + b'\x32\x00')
        answer = call(listener, Trigger, '/depth_node/reload_engine', Trigger.Request())

        assert not answer.success
        assert 'Gather: No importer' in answer.message
        assert camera.ask(depths)
        assert node.stop() == 0, node.output


def test_reloads_under_load_lose_nothing_on_the_gpu(gpu, listener, red_network):
    PlanBuild(red_network, (96, 128)).run()
    camera = Camera(listener)
    depths = listener.subscribe(Image, 'depth/image_rect')

    with running('depth_node', model=red_network) as node:
        camera.ask(depths)
        for _ in range(8):
            client = listener.node.create_client(Trigger, '/depth_node/reload_engine')
            listener.spin_until(client.service_is_ready)
            future = client.call_async(Trigger.Request())
            while not future.done():
                camera.ask(depths)
            assert future.result().success, future.result().message
            listener.node.destroy_client(client)
        assert node.stop() == 0, node.output

    # The doubles end the process or warn when something leaks or is used after it was freed.
    assert 'could not be cleaned up' not in node.output
    assert 'ContractError' not in node.output
