# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The driver of a camera, as the tests of the depth node play it."""

from array import array
import time

from mono_depth_ros.camera import camera_from_fov
import numpy as np
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

WIDTH, HEIGHT = 128, 96
CAMERA = camera_from_fov(WIDTH, HEIGHT, 60.0)
# Red tells the depth of every pixel to the network of these tests: 1 m to 3.55 m.
RED = np.tile(np.arange(WIDTH, dtype=np.uint8) * 2, (HEIGHT, 1))
RGB = np.stack([RED, np.full_like(RED, 7), np.full_like(RED, 9)], axis=-1)
DEPTH = 1.0 + 0.01 * RED.astype(np.float32)


class Camera:
    """The driver of a camera: publishes images and waits for what the node makes of them."""

    def __init__(self, listener, namespace='', transport='raw'):
        self.listener = listener
        node = listener.node
        kind, topic = (Image, 'image_rect')
        if transport == 'compressed':
            kind, topic = (CompressedImage, 'image_rect/compressed')
        self._images = node.create_publisher(kind, f'{namespace}/{topic}', 1)
        self._infos = node.create_publisher(CameraInfo, f'{namespace}/camera_info', 10)
        self._clock = node.get_clock()

    def image(self, rgb=RGB, **changes):
        message = Image(height=rgb.shape[0], width=rgb.shape[1], encoding='rgb8')
        message.step = rgb.shape[1] * 3
        message.data = array('B', rgb.tobytes())
        for name, value in changes.items():
            setattr(message, name, value)
        return message

    def send(self, message=None, info='matching', stamp=None):
        """Publish one image with its camera_info; return its stamp."""
        message = message or self.image()
        message.header.stamp = stamp or self._clock.now().to_msg()
        message.header.frame_id = message.header.frame_id or 'front'
        if info == 'matching':
            size = (getattr(message, 'width', WIDTH), getattr(message, 'height', HEIGHT))
            info = camera_info(camera_from_fov(*size, 60.0)) if min(size) > 0 else None
        if info is not None:
            info.header = message.header
            self._infos.publish(info)
        self._images.publish(message)
        return message.header.stamp

    def send_info(self, camera=CAMERA):
        """Publish a camera_info whose image gets lost."""
        info = camera_info(camera)
        info.header.stamp, info.header.frame_id = self._clock.now().to_msg(), 'front'
        self._infos.publish(info)
        time.sleep(0.005)

    def ask(self, answers, make=None, timeout_s=60.0):
        """Send images until one is answered; return the answer to the last one sent."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            stamp = self.send(make() if make else None)
            if self.listener.spin_until(lambda: stamped(answers, stamp), 0.5):  # noqa: B023
                return stamped(answers, stamp)
        raise AssertionError('no image was answered')


def camera_info(camera):
    info = CameraInfo(height=camera.height, width=camera.width)
    info.p = [camera.fx, 0.0, camera.cx, 0.0, 0.0, camera.fy, camera.cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def stamped(messages, stamp):
    return next((message for message in messages if message.header.stamp == stamp), None)


def depth_of(message):
    kind = np.float32 if message.encoding == '32FC1' else np.uint16
    return np.frombuffer(message.data, kind).reshape(message.height, message.width)


def points_of(message):
    points = np.frombuffer(message.data, np.float32)
    return points.reshape(message.height, message.width, message.point_step // 4)


def call(listener, kind, name, request, timeout_s=60.0, again_s=60.0):
    """
    Call a service and return its answer.

    The first answer is lost if the server does not know its client yet, though the client knows
    the server. What may be asked twice is asked again after ``again_s``.
    """
    client = listener.node.create_client(kind, name)
    assert listener.spin_until(client.service_is_ready, timeout_s)
    until = time.monotonic() + timeout_s
    future = client.call_async(request)
    while not listener.spin_until(future.done, again_s):
        assert time.monotonic() < until, f'{name} did not answer'
        future = client.call_async(request)
    listener.node.destroy_client(client)
    return future.result()


def status_values(message):
    return {entry.key: entry.value for entry in message.status[0].values}


def set_parameter(listener, name, value):
    kinds = {float: 'double', int: 'integer', str: 'string', bool: 'bool'}
    kind = kinds[type(value)]
    held = ParameterValue(type=getattr(ParameterType, f'PARAMETER_{kind.upper()}'))
    setattr(held, f'{kind}_value', value)
    request = SetParameters.Request(parameters=[Parameter(name=name, value=held)])
    answer = call(listener, SetParameters, '/depth_node/set_parameters', request, again_s=10.0)
    return answer.results[0]
