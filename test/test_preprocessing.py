# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
from hypothesis import given, settings
from hypothesis import strategies as st
from mono_depth_ros.errors import ConfigError, ModelError, ShapeError
from mono_depth_ros.manifest import Manifest, read_manifest
from mono_depth_ros.preprocessing import input_size_for, parse_input_size, resize_rgb
import numpy as np
import pytest

DYNAMIC = Manifest('net', input_size=(192, 256), dynamic=True)


@pytest.mark.parametrize(
    ('width', 'height', 'expected'),
    [
        (640, 480, (192, 256)),
        (1600, 1200, (192, 256)),
        (1226, 370, (128, 416)),
        (480, 640, (256, 192)),
        (512, 512, (224, 224)),
    ],
)
def test_the_input_takes_the_aspect_ratio_of_the_camera(width, height, expected):
    assert input_size_for(DYNAMIC, width, height) == expected


def test_a_network_of_fixed_size_keeps_it():
    fixed = Manifest('net', input_size=(48, 48))

    assert input_size_for(fixed, 1226, 370) == (48, 48)


@settings(max_examples=200, deadline=None)
@given(st.integers(64, 4000), st.floats(0.2, 5.0))
def test_every_input_costs_about_the_same(width, aspect):
    height = max(1, round(width / aspect))
    rows, columns = input_size_for(DYNAMIC, width, height)

    assert rows % 32 == 0 and columns % 32 == 0
    assert 0.3 * 192 * 256 <= rows * columns <= 1.5 * 192 * 256


def test_shrinking_averages_so_that_nothing_aliases():
    stripes = np.zeros((480, 640, 3), np.uint8)
    stripes[:, ::2] = 200

    small = resize_rgb(stripes, (192, 256))

    assert abs(int(small.min()) - 100) < 25 and abs(int(small.max()) - 100) < 25


def test_an_image_of_the_right_size_is_not_copied():
    rgb = np.zeros((192, 256, 3), np.uint8)

    assert resize_rgb(rgb, (192, 256)) is rgb


@pytest.mark.parametrize(
    'bad', [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
)
def test_what_is_not_an_image_is_refused(bad):
    with pytest.raises(ShapeError, match='image must be'):
        resize_rgb(bad, (2, 2))


def test_an_input_size_is_read_height_first():
    assert parse_input_size('192x256') == (192, 256)
    assert parse_input_size('auto') is None


@pytest.mark.parametrize('text', ['192', '192x', 'x256', '192x256x3', '-1x2', '0x64'])
def test_a_bad_input_size_is_refused(text):
    with pytest.raises(ConfigError, match='HEIGHTxWIDTH'):
        parse_input_size(text)


def test_a_manifest_survives_its_json():
    manifest = Manifest('net', '3-abc', (96, 128), True, 32, 110.0, notes={'seed': 1})

    assert Manifest.from_json(manifest.to_json()) == manifest


def test_a_manifest_of_a_later_version_is_read_without_its_new_keys():
    text = Manifest('net').to_json().replace('{', '{"colour": "blue",', 1)

    assert Manifest.from_json(text) == Manifest('net')


@pytest.mark.parametrize('text', ['', '[]', '{}', '{"name": "x", "output": "range"}'])
def test_a_bad_manifest_is_refused(text):
    with pytest.raises(ModelError, match='manifest'):
        Manifest.from_json(text)


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(ModelError, match='no model at .*net.onnx'):
        read_manifest(tmp_path / 'net.onnx')


def test_a_file_that_is_not_onnx_is_refused(tmp_path):
    path = tmp_path / 'net.onnx'
    path.write_bytes(b'\xff' * 64)

    with pytest.raises(ModelError, match='not a readable ONNX file'):
        read_manifest(path)
