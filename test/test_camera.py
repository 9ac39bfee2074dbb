# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
from hypothesis import given, settings
from hypothesis import strategies as st
from mono_depth_ros.camera import (
    camera_from_fov,
    camera_from_json,
    camera_from_projection,
    camera_to_json,
    PinholeCamera,
)
from mono_depth_ros.errors import CameraError, ShapeError
from mono_depth_ros.projection import (
    depth_to_points,
    pack_colours,
    PointGrid,
    points_to_pixels,
)
import numpy as np
import pytest

VGA = PinholeCamera(525.0, 520.0, 319.5, 241.0, 640, 480)

cameras = st.builds(
    PinholeCamera,
    fx=st.floats(50, 2000),
    fy=st.floats(50, 2000),
    cx=st.floats(0, 100),
    cy=st.floats(0, 100),
    width=st.integers(2, 40),
    height=st.integers(2, 40),
)


def random_depth(camera, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0.2, 20.0, (camera.height, camera.width)).astype(np.float32)


@settings(max_examples=50, deadline=None)
@given(cameras, st.integers(0, 1000))
def test_projecting_the_points_of_a_depth_image_gives_its_pixels(camera, seed):
    points = depth_to_points(random_depth(camera, seed), camera)

    pixels = points_to_pixels(points.astype(np.float64), camera)

    v, u = np.mgrid[: camera.height, : camera.width]
    np.testing.assert_allclose(pixels, np.stack([u, v], -1), atol=1e-3)


@settings(max_examples=50, deadline=None)
@given(cameras, st.integers(1, 60), st.integers(1, 60))
def test_resizing_a_camera_there_and_back_changes_nothing(camera, width, height):
    back = camera.resized(width, height).resized(camera.width, camera.height)

    for name in ('fx', 'fy', 'cx', 'cy'):
        assert getattr(back, name) == pytest.approx(getattr(camera, name), abs=1e-6, rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(cameras, st.integers(1, 60), st.integers(1, 60))
def test_a_resized_camera_keeps_the_corners_of_the_view(camera, width, height):
    resized = camera.resized(width, height)

    # The left border of the image is at u = -0.5 whatever the size, the right one at width - 0.5.
    for small, large, side in ((resized, camera, -0.5), (resized, camera, None)):
        u_small = side if side is not None else small.width - 0.5
        u_large = side if side is not None else large.width - 0.5
        assert (u_small - small.cx) / small.fx == pytest.approx(
            (u_large - large.cx) / large.fx, abs=1e-6
        )


@settings(max_examples=30, deadline=None)
@given(cameras, st.integers(1, 5), st.integers(0, 1000))
def test_points_of_every_nth_pixel_are_every_nth_point(camera, stride, seed):
    depth = random_depth(camera, seed)

    strided = depth_to_points(depth[::stride, ::stride], camera.strided(stride))

    np.testing.assert_allclose(
        strided, depth_to_points(depth, camera)[::stride, ::stride], rtol=1e-5, atol=1e-6
    )


def test_the_point_on_the_optical_axis_has_no_x_and_y():
    camera = PinholeCamera(100.0, 100.0, 2.0, 1.0, 5, 3)

    points = depth_to_points(np.full((3, 5), 4.0, np.float32), camera)

    np.testing.assert_allclose(points[1, 2], [0, 0, 4])
    np.testing.assert_allclose(points[2, 4], [0.08, 0.04, 4], rtol=1e-6)


@pytest.mark.parametrize('missing', [np.nan, np.inf, -np.inf])
def test_a_pixel_without_depth_has_no_point(missing):
    camera = PinholeCamera(100.0, 100.0, 2.0, 1.0, 5, 3)
    depth = np.ones((3, 5), np.float32)
    depth[1, 3] = missing

    points = depth_to_points(depth, camera)

    assert np.isnan(points[1, 3]).all()
    assert np.isfinite(np.delete(points.reshape(-1, 3), 8, axis=0)).all()


def test_depth_of_another_size_is_refused():
    with pytest.raises(ShapeError, match=r'must be \(480, 640\)'):
        PointGrid(VGA).write(np.ones((2, 2), np.float32), np.empty((480, 640, 3), np.float32))


def test_colours_are_packed_as_rviz_reads_them():
    rgb = np.array([[[1, 2, 3], [255, 128, 0]]], np.uint8)

    packed = pack_colours(rgb)

    assert packed.view(np.uint32).tolist() == [[0xFF010203, 0xFFFF8000]]


def test_points_carry_the_bits_of_their_colours():
    camera = PinholeCamera(100.0, 100.0, 2.0, 1.0, 5, 3)
    colours = pack_colours(np.random.default_rng(0).integers(0, 256, (3, 5, 3), np.uint8))
    points = np.zeros((3, 5, 4), np.float32)

    PointGrid(camera).write(np.ones((3, 5), np.float32), points, colours)

    np.testing.assert_array_equal(points.view(np.uint32)[..., 3], colours.view(np.uint32))
    np.testing.assert_array_equal(points[..., 2], 1.0)


def test_a_field_of_view_spans_the_width():
    camera = camera_from_fov(640, 480, 90.0)

    assert camera.fx == pytest.approx(320.0)
    assert (camera.cx, camera.cy) == (319.5, 239.5)


def test_an_uncalibrated_camera_is_refused_with_the_remedy():
    with pytest.raises(CameraError, match='calibrate the camera'):
        camera_from_projection([0.0] * 12, 640, 480)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'fx': 0.0}, 'focal lengths must be positive'),
        ({'fy': -5.0}, 'focal lengths must be positive'),
        ({'cx': float('nan')}, 'must be finite'),
        ({'width': 0}, 'size must be positive'),
    ],
)
def test_an_impossible_camera_is_refused(change, message):
    values = {'fx': 1.0, 'fy': 1.0, 'cx': 0.0, 'cy': 0.0, 'width': 1, 'height': 1}

    with pytest.raises(CameraError, match=message):
        PinholeCamera(**{**values, **change})


def test_camera_json_round_trip(tmp_path):
    camera_to_json(tmp_path / 'camera.json', VGA, 5000.0)

    assert camera_from_json(tmp_path / 'camera.json') == (VGA, 5000.0, 0.0)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"fx": 1}', "has no 'fy'"),
        ('[1]', 'not a camera.json'),
        ('{', 'not a camera.json'),
        ('{"fx":1,"fy":1,"cx":0,"cy":0,"width":1e400,"height":4}', 'not a camera.json'),
        (
            '{"fx":1,"fy":1,"cx":0,"cy":0,"width":4,"height":4,"depth_scale":0}',
            'depth_scale must be positive',
        ),
    ],
)
def test_a_bad_camera_json_is_refused_by_name(tmp_path, text, message):
    path = tmp_path / 'camera.json'
    path.write_text(text)

    with pytest.raises(CameraError, match=message):
        camera_from_json(path)


def test_a_missing_camera_json_is_named(tmp_path):
    with pytest.raises(CameraError, match='No such file'):
        camera_from_json(tmp_path / 'camera.json')
