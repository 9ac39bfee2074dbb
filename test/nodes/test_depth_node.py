# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One depth node in its own process, fed and heard over real DDS."""

from array import array

from mono_depth_ros.camera import camera_from_fov
from mono_depth_ros.manifest import read_manifest
from mono_depth_ros.preprocessing import input_size_for
import numpy as np
from processes import running
import pytest

pytestmark = pytest.mark.ros
rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from driver import (
    call,
    CAMERA,
    Camera,
    camera_info,
    DEPTH,
    depth_of,
    HEIGHT,
    points_of,
    RED,
    RGB,
    set_parameter,
    stamped,
    status_values,
    WIDTH,
)
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_srvs.srv import Trigger


@pytest.fixture(scope='module')
def shared_node(red_network):
    """Run one depth node for the tests that leave it as it was."""
    with running('depth_node', model=red_network) as node:
        yield node
        assert node.stop() == 0, node.output


@pytest.fixture
def camera(listener, shared_node):
    return Camera(listener)


def test_an_image_becomes_depth_with_its_header_and_camera(listener, camera):
    depths = listener.subscribe(Image, 'depth/image_rect')
    infos = listener.subscribe(CameraInfo, 'depth/camera_info')

    answer = camera.ask(depths)
    listener.spin_until(lambda: stamped(infos, answer.header.stamp))

    assert answer.header.frame_id == 'front'
    assert (answer.encoding, answer.is_bigendian, answer.step) == ('32FC1', 0, WIDTH * 4)
    np.testing.assert_allclose(depth_of(answer), DEPTH, rtol=1e-5)
    info = stamped(infos, answer.header.stamp)
    assert (info.height, info.width) == (HEIGHT, WIDTH)
    assert list(info.p) == pytest.approx(list(camera_info(CAMERA).p))


def test_a_stamp_from_before_time_ends_nothing(listener, camera):
    depths = listener.subscribe(Image, 'depth/image_rect')
    camera.ask(depths)

    early = Time(sec=-1, nanosec=5)
    assert listener.spin_until(lambda: stamped(depths, camera.send(stamp=early)))

    camera.ask(depths)


def test_a_cloud_has_the_place_and_colour_of_every_second_pixel(listener, camera):
    clouds = listener.subscribe(PointCloud2, 'points')

    cloud = camera.ask(clouds)

    assert (cloud.height, cloud.width, cloud.is_dense) == (HEIGHT // 2, WIDTH // 2, True)
    assert [field.name for field in cloud.fields] == ['x', 'y', 'z', 'rgb']
    points = points_of(cloud)
    v, u = np.mgrid[:HEIGHT:2, :WIDTH:2]
    np.testing.assert_allclose(points[..., 2], DEPTH[::2, ::2], rtol=1e-5)
    np.testing.assert_allclose(
        points[..., 0], (u - CAMERA.cx) / CAMERA.fx * DEPTH[::2, ::2], rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(
        points[..., 1], (v - CAMERA.cy) / CAMERA.fy * DEPTH[::2, ::2], rtol=1e-4, atol=1e-5
    )
    colours = points.view(np.uint32)[..., 3] & 0xFFFFFF
    np.testing.assert_array_equal(colours >> 16, RED[::2, ::2])
    assert set((colours & 0xFFFF).ravel()) == {7 << 8 | 9}


def test_the_coloured_depth_is_an_image_for_people(listener, camera):
    pictures = listener.subscribe(Image, 'depth/image_color')

    picture = camera.ask(pictures)

    assert (picture.encoding, picture.height, picture.width) == ('rgb8', HEIGHT, WIDTH)


def test_without_listeners_nothing_is_inferred(listener, camera):
    diagnostics = listener.subscribe(DiagnosticArray, '/diagnostics')

    def said_idle():
        camera.send()
        values = [status_values(message) for message in diagnostics]
        return any(
            'nobody listens' in value['state']
            and float(value['fps in']) > 0.0
            and float(value['fps out']) == 0.0
            for value in values
        )

    assert listener.spin_until(said_idle)


BAD_IMAGES = {
    'truncated': ({'data': array('B', bytes(10))}, 'truncated'),
    'too long': ({'data': array('B', bytes(WIDTH * HEIGHT * 3 + 1))}, 'too long'),
    'wrong step': ({'step': 5}, 'step must be at least 384'),
    'unknown encoding': ({'encoding': 'bayer_rggb8'}, 'needs cv_bridge'),
    'no pixels': ({'height': 0, 'width': 0, 'step': 0, 'data': array('B')}, 'px on each side'),
    'one pixel': (
        {'height': 1, 'width': 1, 'step': 3, 'data': array('B', bytes(3))},
        'px on each side',
    ),
}


@pytest.mark.parametrize('name', BAD_IMAGES)
def test_a_bad_image_is_counted_and_the_next_one_answered(name, listener, camera):
    change, reason = BAD_IMAGES[name]
    depths = listener.subscribe(Image, 'depth/image_rect')
    diagnostics = listener.subscribe(DiagnosticArray, '/diagnostics')
    camera.ask(depths)
    before = int(status_values(diagnostics[-1]).get('dropped: image', 0)) if diagnostics else 0

    def told():
        camera.send(camera.image(**change), info=camera_info(CAMERA))
        return any(reason in message.status[0].message for message in diagnostics)

    assert listener.spin_until(told), [m.status[0].message for m in diagnostics]
    assert int(status_values(diagnostics[-1])['dropped: image']) > before
    assert camera.ask(depths)


BAD_INFOS = {
    'uncalibrated': (CameraInfo(height=HEIGHT, width=WIDTH), 'all-zero projection matrix'),
    'another size': (camera_info(camera_from_fov(64, 48, 60.0)), 'camera_info is for 64x48'),
}


@pytest.mark.parametrize('name', BAD_INFOS)
def test_a_bad_camera_info_is_told(name, listener, camera):
    info, reason = BAD_INFOS[name]
    listener.subscribe(Image, 'depth/image_rect')
    diagnostics = listener.subscribe(DiagnosticArray, '/diagnostics')

    def told():
        camera.send(info=info)
        return any(reason in message.status[0].message for message in diagnostics)

    assert listener.spin_until(told), [m.status[0].message for m in diagnostics]


def test_a_stamp_that_goes_back_a_little_is_not_answered(listener, camera):
    depths = listener.subscribe(Image, 'depth/image_rect')
    last = camera.ask(depths).header.stamp
    early = type(last)(sec=last.sec - (last.nanosec < 500_000_000), nanosec=0)
    early.nanosec = (last.nanosec - 500_000_000) % 1_000_000_000

    camera.send(stamp=early)
    camera.ask(depths)

    assert stamped(depths, early) is None


def test_images_of_another_shape_are_answered_too(listener, camera):
    depths = listener.subscribe(Image, 'depth/image_rect')
    tall = np.ascontiguousarray(RGB.transpose(1, 0, 2))

    answer = camera.ask(depths, lambda: camera.image(tall))

    assert (answer.height, answer.width) == (WIDTH, HEIGHT)
    np.testing.assert_allclose(depth_of(answer), DEPTH.T, rtol=1e-5)
    assert depth_of(camera.ask(depths)).shape == (HEIGHT, WIDTH)


def test_the_engine_has_the_shape_of_the_camera_before_anybody_listens(listener, red_network):
    reports = listener.subscribe(DiagnosticArray, '/diagnostics')
    height, width = input_size_for(read_manifest(red_network), 256, 64)
    wide = camera_from_fov(256, 64, 60.0)

    with running('depth_node', model=red_network):
        camera = Camera(listener)

        def is_loaded():
            camera.send_info(wide)
            return (
                reports and status_values(reports[-1]).get('network input') == f'{height}x{width}'
            )

        assert listener.spin_until(is_loaded, 30.0)


def test_a_reload_is_for_images_as_they_are_cut(listener, camera, red_network):
    depths = listener.subscribe(Image, 'depth/image_rect')
    strip = np.ascontiguousarray(RGB[:32])
    full_sensor = camera_info(CAMERA)
    full_sensor.roi.width, full_sensor.roi.height = WIDTH, 32
    height, width = input_size_for(read_manifest(red_network), WIDTH, 32)

    def answered():
        stamp = camera.send(camera.image(strip), full_sensor)
        return listener.spin_until(lambda: stamped(depths, stamp), 0.5)

    assert listener.spin_until(answered)
    answer = call(listener, Trigger, '/depth_node/reload_engine', Trigger.Request())
    camera.ask(depths)

    assert answer.message.endswith(f'at {height}x{width}')


@pytest.mark.parametrize(
    ('name', 'value', 'reason'),
    [
        ('cloud_stride', 0, 'cloud_stride must be at least 1, got 0'),
        ('depth_encoding', '8UC1', "must be one of ('32FC1', '16UC1')"),
        ('min_depth', -1.0, 'min_depth must be at least 0'),
        ('max_depth', 0.05, 'max_depth must be greater than min_depth'),
        ('max_depth', 'far', 'max_depth must be a float'),
        ('model', 'street', 'read-only'),
    ],
)
def test_a_bad_parameter_is_rejected_with_the_reason(name, value, reason, listener, shared_node):
    result = set_parameter(listener, name, value)

    assert not result.successful
    assert reason in result.reason


def test_parameters_take_effect_between_two_images(listener, camera):
    depths = listener.subscribe(Image, 'depth/image_rect')
    clouds = listener.subscribe(PointCloud2, 'points')
    settings = {'depth_encoding': '16UC1', 'max_depth': 2, 'cloud_organized': False}
    for name, value in settings.items():
        assert set_parameter(listener, name, value).successful
    try:
        answer, cloud = camera.ask(depths), camera.ask(clouds)
    finally:
        for name, value in (('depth_encoding', '32FC1'), ('max_depth', 0.0)):
            set_parameter(listener, name, value)
        set_parameter(listener, 'cloud_organized', True)

    expected = np.where(DEPTH <= 2.0, np.rint(DEPTH * 1000), 0)
    np.testing.assert_allclose(depth_of(answer), expected, atol=1)
    assert (cloud.height, cloud.is_dense) == (1, True)
    assert cloud.width == int((DEPTH[::2, ::2] <= 2.0).sum())
    assert np.isfinite(points_of(cloud)[..., :3]).all()


def test_diagnostics_name_the_engine(listener, shared_node):
    diagnostics = listener.subscribe(DiagnosticArray, '/diagnostics')

    assert listener.spin_until(lambda: diagnostics)

    values = status_values(diagnostics[0])
    assert values['model'] == 'red'
    assert values['backend'] in ('openvino', 'onnxruntime')
    assert {'fps in', 'fps out', 'latency p50 [ms]', 'latency p99 [ms]', 'precision'} <= set(
        values
    )


def test_images_are_answered_while_engines_are_reloaded(listener, camera):
    depths = listener.subscribe(Image, 'depth/image_rect')
    client = listener.node.create_client(Trigger, '/depth_node/reload_engine')
    assert listener.spin_until(client.service_is_ready)
    camera.ask(depths)

    reloads, answered, sent = 0, 0, 0
    pending = client.call_async(Trigger.Request())
    while reloads < 5:
        stamp = camera.send()
        sent += 1
        answered += listener.spin_until(lambda: stamped(depths, stamp), 2.0)  # noqa: B023
        if pending.done():
            assert pending.result().success, pending.result().message
            reloads += 1
            pending = client.call_async(Trigger.Request())
    listener.spin_until(pending.done)

    assert sent - answered <= 1
    for message in depths:
        np.testing.assert_allclose(depth_of(message), DEPTH, rtol=1e-5)
