# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth nodes that are started in a way of their own, fed and heard over real DDS."""

from array import array
import itertools
import os
import re
import shutil
import signal

import cv2
import numpy as np
from processes import running
import pytest

pytestmark = pytest.mark.ros
rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')
from driver import (
    call,
    CAMERA,
    Camera,
    DEPTH,
    depth_of,
    RGB,
    stamped,
)
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_srvs.srv import Trigger


def test_a_refused_reload_keeps_the_engine_in_use(listener, red_network, tmp_path):
    model = tmp_path / 'red.onnx'
    shutil.copy(red_network, model)
    camera = Camera(listener)
    depths = listener.subscribe(Image, 'depth/image_rect')
    with running('depth_node', model=model) as node:
        camera.ask(depths)
        model.write_bytes(b'not a network')

        answer = call(listener, Trigger, '/depth_node/reload_engine', Trigger.Request())

        assert not answer.success
        assert 'not a readable ONNX file' in answer.message
        assert camera.ask(depths)
        assert node.stop(signal.SIGTERM) == 0
    assert 'the engine in use stays' in node.output


def test_a_lifecycle_manager_can_own_the_node(listener, red_network):
    camera = Camera(listener)
    depths = listener.subscribe(Image, 'depth/image_rect')

    def change(transition):
        request = ChangeState.Request(transition=Transition(id=transition))
        return call(listener, ChangeState, '/depth_node/change_state', request).success

    def state():
        return call(
            listener, GetState, '/depth_node/get_state', GetState.Request()
        ).current_state.label

    with running('depth_node', model=red_network, autostart='false') as node:
        assert state() == 'unconfigured'
        for _ in range(2):
            assert change(Transition.TRANSITION_CONFIGURE)
            assert change(Transition.TRANSITION_ACTIVATE)
            assert state() == 'active'
            assert camera.ask(depths)
            assert change(Transition.TRANSITION_DEACTIVATE)
            stamp = camera.send()
            assert not listener.spin_until(lambda: stamped(depths, stamp), 1.0)  # noqa: B023
            assert change(Transition.TRANSITION_CLEANUP)
        assert state() == 'unconfigured'
        assert node.stop() == 0, node.output


def test_compressed_images_are_answered(listener, red_network):
    camera = Camera(listener, transport='compressed')
    depths = listener.subscribe(Image, 'depth/image_rect')
    png = array('B', cv2.imencode('.png', RGB[..., ::-1])[1].tobytes())

    with running('depth_node', model=red_network, image_transport='compressed'):
        answer = camera.ask(depths, lambda: CompressedImage(format='png', data=png))

    np.testing.assert_allclose(depth_of(answer), DEPTH, rtol=1e-5)


def test_depth_may_stay_at_the_size_of_the_network(listener, red_network):
    camera = Camera(listener)
    depths = listener.subscribe(Image, 'depth/image_rect')
    infos = listener.subscribe(CameraInfo, 'depth/camera_info')

    with running(
        'depth_node', model=red_network, output_size='network', input_size='48x64'
    ) as node:
        answer = camera.ask(depths)
        listener.spin_until(lambda: stamped(infos, answer.header.stamp))
        assert node.stop() == 0

    assert (answer.height, answer.width) == (48, 64)
    small = CAMERA.resized(64, 48)
    assert list(infos[-1].p)[:7] == pytest.approx(
        [small.fx, 0, small.cx, 0, 0, small.fy, small.cy]
    )


def test_cameras_in_namespaces_have_a_node_each(listener, red_network):
    left, right = Camera(listener, '/left'), Camera(listener, '/right')
    lefts = listener.subscribe(Image, '/left/depth/image_rect')
    rights = listener.subscribe(Image, '/right/eye/depth')
    remapped = ('-r', '__ns:=/right', '-r', 'depth/image_rect:=eye/depth')

    with (
        running('depth_node', '-r', '__ns:=/left', model=red_network),
        running('depth_node', *remapped, model=red_network),
    ):
        assert left.ask(lefts)
        seen = len(rights)
        assert right.ask(rights)

    assert seen == 0


def test_simulated_time_passes_through(listener, red_network):
    camera = Camera(listener)
    depths = listener.subscribe(Image, 'depth/image_rect')
    clock = listener.node.create_publisher(Clock, '/clock', 1)
    ticks = iter(range(100, 100_000))

    def simulated():
        message = Clock()
        message.clock.sec = next(ticks)
        clock.publish(message)
        return camera.send(stamp=message.clock)

    with running('depth_node', model=red_network, use_sim_time='true'):
        assert listener.spin_until(lambda: simulated() and depths)

    assert depths[0].header.stamp.sec < 100_000


def test_quality_of_service_can_be_overridden(listener, red_network):
    camera = Camera(listener)
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    depths = listener.subscribe(Image, 'depth/image_rect', best_effort)
    overrides = {
        'qos_overrides./image_rect.subscription.reliability': 'reliable',
        'qos_overrides./depth/image_rect.publisher.reliability': 'best_effort',
    }

    with running('depth_node', model=red_network, **overrides):
        assert camera.ask(depths)
        subscription = listener.node.get_subscriptions_info_by_topic('/image_rect')[0]
        publisher = listener.node.get_publishers_info_by_topic('/depth/image_rect')[0]

    assert subscription.qos_profile.reliability == ReliabilityPolicy.RELIABLE
    assert publisher.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT


def test_lost_images_are_asked_for_again_reliably(listener, red_network):
    camera = Camera(listener)
    overrides = {'qos_overrides./image_rect.subscription.depth': 3}
    depths = listener.subscribe(Image, 'depth/image_rect')

    lost = itertools.cycle((1, 30, 2, 40, 1, 3))

    def reliable():
        # A driver whose images get lost at random: every camera_info arrives.
        for _ in range(next(lost)):
            camera.send_info()
        stamp = camera.send()
        listener.spin_until(lambda: stamped(depths, stamp), 0.2)
        subscriptions = listener.node.get_subscriptions_info_by_topic('/image_rect')
        return any(s.qos_profile.reliability == ReliabilityPolicy.RELIABLE for s in subscriptions)

    with running('depth_node', model=red_network, **overrides) as node:
        camera.ask(depths)
        assert not reliable()
        assert listener.spin_until(reliable)
        assert camera.ask(depths)
        node.stop()

    assert 'asking for them again, reliably' in node.output


def test_without_onnx_the_start_ends_with_what_to_do(red_network, tmp_path, monkeypatch):
    (tmp_path / 'onnx.py').write_text('raise ModuleNotFoundError("No module named \'onnx\'")')
    monkeypatch.setenv(
        'PYTHONPATH', os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')])
    )

    with running('depth_node', model=red_network) as node:
        assert node.wait() == 1

    assert 'pip install onnx' in node.output
    assert 'Traceback' not in node.output


@pytest.mark.parametrize(
    ('parameters', 'reason'),
    [
        ({'model': '/nowhere/net.onnx'}, 'no model at /nowhere/net.onnx'),
        ({'model': 'nonsense'}, "no network 'nonsense'"),
        ({'backend': 'cuda'}, "backend must be one of .*, got 'cuda'"),
        ({'input_size': 'big'}, 'input_size must be auto or HEIGHTxWIDTH'),
        ({'static_transforms': "'base eye 1'"}, "static_transforms: .* got 'base eye 1'"),
        ({'cloud_stride': 'two'}, 'cloud_stride must be a int'),
    ],
)
def test_a_bad_start_ends_with_what_to_do(parameters, reason, red_network):
    with running('depth_node', **{'model': red_network, **parameters}) as node:
        assert node.wait() == 1

    assert re.search(reason, node.output), node.output
    assert 'Traceback' not in node.output
