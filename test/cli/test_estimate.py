# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`mono_depth estimate` on images whose depth is known."""

from dataclasses import replace

import cv2
from mono_depth_ros.camera import camera_to_json, PinholeCamera
from mono_depth_ros.folders import read_rgb
from mono_depth_ros.manifest import METADATA_KEY, read_manifest
from mono_depth_ros.source.layouts.datasets import open_dataset
import numpy as np
import pytest

CAMERA = PinholeCamera(120.0, 120.0, 63.5, 47.5, 128, 96)


@pytest.fixture
def relative(tmp_path, red_network):
    """Return a network that takes red for near, and knows no metres."""
    import onnx

    model = onnx.load(str(red_network))
    manifest = replace(read_manifest(red_network), output='inverse_depth', metric=False)
    onnx.helper.set_model_props(model, {METADATA_KEY: manifest.to_json()})
    onnx.save(model, str(tmp_path / 'relative.onnx'))
    return tmp_path / 'relative.onnx'


@pytest.fixture
def images(tmp_path):
    """Make an RGB-D folder without depth: two ramps of red."""
    folder = tmp_path / 'images'
    (folder / 'rgb').mkdir(parents=True)
    camera_to_json(folder / 'camera.json', CAMERA)
    for name, top in (('a', 100), ('b', 200)):
        bgr = np.zeros((96, 128, 3), np.uint8)
        bgr[..., 2] = np.linspace(0, top, 128).round()
        cv2.imwrite(str(folder / 'rgb' / f'{name}.png'), bgr)
    return folder


def read_metres(path):
    """Read a 16-bit depth image."""
    values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert values.dtype == np.uint16
    return values / 1000.0


def test_each_image_gets_depth_in_millimetres_and_a_picture(run, images, tmp_path, red_network):
    output = tmp_path / 'new' / 'output'

    status, said, _ = run('estimate', images, '--output', output, '--model', red_network)

    assert status == 0
    assert '2 depth images' in said
    assert sorted(path.name for path in output.iterdir()) == [
        'a.png',
        'a_color.png',
        'b.png',
        'b_color.png',
    ]
    depth = read_metres(output / 'b.png')
    assert depth.shape == (96, 128)
    assert depth[50, 0] == pytest.approx(1.0, abs=0.03)
    assert depth[50, 127] == pytest.approx(3.0, abs=0.03)
    colours = cv2.imread(str(output / 'b_color.png')).astype(int)
    assert colours[50, 0, 2] > colours[50, 0, 0]
    assert colours[50, 127, 0] > colours[50, 127, 2]


@pytest.mark.parametrize('what', ['rgb', 'rgb/a.png'])
def test_no_image_is_overwritten_by_its_depth(run, images, red_network, what):
    before = (images / 'rgb' / 'a.png').read_bytes()

    status, _, said = run(
        'estimate', images / what, '--output', images / 'rgb', '--model', red_network
    )

    assert status == 1
    assert 'would be overwritten by its depth: give another folder as --output' in said
    assert (images / 'rgb' / 'a.png').read_bytes() == before


def test_two_images_of_one_stem_have_two_results(run, images, tmp_path, red_network):
    (images / 'rgb' / 'a.bmp').write_bytes((images / 'rgb' / 'a.png').read_bytes())

    run('estimate', images, '--output', tmp_path / 'output', '--model', red_network)

    assert {path.name for path in (tmp_path / 'output').glob('*[!r].png')} == {
        'a.png.png',
        'a.bmp.png',
        'b.png',
    }


def test_a_cloud_uses_the_camera_of_the_folder(run, images, tmp_path, red_network):
    run('estimate', images, '--output', tmp_path, '--model', red_network, '--ply')

    header, body = (tmp_path / 'a.ply').read_bytes().split(b'end_header\n')
    vertices = np.frombuffer(body, [('xyz', '<f4', 3), ('rgb', 'u1', 3)])
    x, y, z = vertices['xyz'].T
    assert b'element vertex 12288' in header
    assert (CAMERA.fx * x / z + CAMERA.cx).max() == pytest.approx(127, abs=0.01)
    assert (CAMERA.fy * y / z + CAMERA.cy).min() == pytest.approx(0, abs=0.01)


def test_without_a_camera_the_assumption_is_said_once(run, images, tmp_path, red_network):
    status, _, errors = run(
        'estimate', images / 'rgb', '--output', tmp_path, '--model', red_network
    )

    assert status == 0
    assert errors.count('60 degrees') == 1


def test_a_given_camera_is_used_at_the_size_of_the_image(run, images, tmp_path, red_network):
    camera = tmp_path / 'camera.json'
    camera_to_json(camera, CAMERA.resized(64, 48))

    arguments = ('--model', red_network, '--camera', camera, '--ply')
    status, _, errors = run('estimate', images / 'rgb', '--output', tmp_path, *arguments)

    vertices = (tmp_path / 'a.ply').read_bytes().split(b'end_header\n')[1]
    x, _, z = np.frombuffer(vertices, [('xyz', '<f4', 3), ('rgb', 'u1', 3)])['xyz'].T
    assert status == 0
    assert 'degrees' not in errors
    assert (x / z).max() == pytest.approx((127 - CAMERA.cx) / CAMERA.fx, rel=1e-4)


def test_a_corrupt_image_is_told_and_the_rest_is_done(run, images, tmp_path, red_network):
    (images / 'rgb' / 'a.png').write_bytes(b'no image')

    status, said, errors = run('estimate', images, '--output', tmp_path, '--model', red_network)

    assert status == 0
    assert '1 depth image in' in said
    assert '1 could not be used' in said
    assert 'a.png' in errors


def test_a_limit_takes_the_first_images(run, images, tmp_path, red_network):
    output = tmp_path / 'output'

    run('estimate', images, '--output', output, '--model', red_network, '--limit', 1)

    assert {path.name for path in output.iterdir()} == {'a.png', 'a_color.png'}


@pytest.mark.parametrize(
    ('arguments', 'reason'),
    [
        (('--model', '/no/such.onnx'), 'no model at /no/such.onnx'),
        (('--backend', 'abacus'), 'backend must be one of'),
        (('--camera', '/no/camera.json'), 'cannot read /no/camera.json'),
        (('--input-size', 'big'), 'HEIGHTxWIDTH'),
    ],
)
def test_a_bad_option_is_one_sentence(run, images, tmp_path, red_network, arguments, reason):
    option, value = arguments
    options = {'--model': red_network, option: value}

    words = [word for pair in options.items() for word in pair]
    status, _, errors = run('estimate', images, '--output', tmp_path, *words)

    assert status == 1
    assert reason in ' '.join(errors.split())


def test_an_output_that_cannot_be_written_is_said(run, images, tmp_path, red_network):
    (tmp_path / 'file').touch()

    arguments = ('--output', tmp_path / 'file' / 'output', '--model', red_network)
    status, _, errors = run('estimate', images, *arguments)

    assert status == 1
    assert 'cannot write to' in errors


def test_labels_of_a_relative_network_are_images_to_train_on(run, images, tmp_path, relative):
    output = tmp_path / 'labels'

    refused = run('estimate', images, '--output', output, '--model', relative)
    status, said, _ = run('estimate', images, '--labels', '--output', output, '--model', relative)

    first, second = open_dataset(str(output), labels=True)
    assert (refused[0], status) == (1, 0)
    assert '2 disparity images' in said
    assert sorted(path.name for path in output.iterdir()) == ['camera.json', 'disparity', 'rgb']
    assert (first.depth, first.camera) == (None, CAMERA)
    for read, image in ((first, 'a'), (second, 'b')):
        assert np.array_equal(read.rgb, read_rgb(images / 'rgb' / f'{image}.png'))
        assert read.disparity[:, 0].max() < 600 and read.disparity[:, -1].min() > 65000


def test_labels_have_no_cloud_and_a_folder_of_their_own(run, images, red_network):
    with_cloud = run('estimate', images, '--labels', '--ply', '--output', images / 'labels')
    before = {path: path.stat().st_mtime_ns for path in images.rglob('*')}

    in_place = run('estimate', images, '--labels', '--output', images, '--model', red_network)

    assert (with_cloud[0], in_place[0]) == (1, 1)
    assert '--labels have no metres' in with_cloud[2]
    assert 'is not empty: --labels want a folder of their own' in ' '.join(in_place[2].split())
    assert {path: path.stat().st_mtime_ns for path in images.rglob('*')} == before


def test_labels_of_several_cameras_name_none(run, images, tmp_path, red_network):
    cv2.imwrite(str(images / 'rgb' / 'c.png'), np.arange(3072, dtype=np.uint8).reshape(32, 32, 3))
    (images / 'camera.json').rename(tmp_path / 'camera.json')

    run(
        *('estimate', images / 'rgb', '--labels', '--output', tmp_path / 'labels'),
        *('--camera', tmp_path / 'camera.json', '--model', red_network),
    )

    assert {path.name for path in (tmp_path / 'labels').iterdir()} == {'rgb', 'disparity'}
    assert len(list((tmp_path / 'labels' / 'disparity').iterdir())) == 3


def test_labels_are_nothing_to_be_scored_on(run, images, tmp_path, red_network):
    run('estimate', images, '--labels', '--output', tmp_path / 'labels', '--model', red_network)

    status, _, said = run('evaluate', tmp_path / 'labels', '--model', red_network)

    assert status == 1
    assert 'no depth' in said


def test_each_shape_of_image_has_an_input_of_its_shape(run, images, tmp_path, red_network):
    alone, mixed = tmp_path / 'alone', tmp_path / 'mixed'
    for folder in (alone, mixed):
        folder.mkdir()
        upright = np.zeros((128, 96, 3), np.uint8)
        upright[..., 2] = np.linspace(0, 255, 128).round()[:, None]
        cv2.imwrite(str(folder / 'b.png'), upright)
    (mixed / 'a.png').write_bytes((images / 'rgb' / 'a.png').read_bytes())

    for folder in (alone, mixed):
        run('estimate', folder, '--output', folder / 'depth', '--model', red_network)

    depths = [(folder / 'depth' / 'b.png').read_bytes() for folder in (alone, mixed)]
    assert depths[0] == depths[1]


def test_a_camera_lying_down_is_not_that_of_an_upright_image(run, images, tmp_path, red_network):
    cv2.imwrite(str(images / 'rgb' / 'c.png'), np.zeros((128, 96, 3), np.uint8))
    camera = images / 'camera.json'

    status, said, errors = run(
        *('estimate', images / 'rgb', '--output', tmp_path / 'output', '--model', red_network),
        *('--camera', camera),
    )

    assert status == 0
    assert '1 could not be used' in said
    assert 'an image of 96x128 px is not of the given camera' in ' '.join(errors.split())


@pytest.mark.parametrize('name', ['o[v2]', 'out[/red]'])
def test_a_folder_with_brackets_is_said_as_it_is(run, images, tmp_path, red_network, name):
    status, said, _ = run('estimate', images, '--output', tmp_path / name, '--model', red_network)

    assert status == 0
    assert name in said


def test_a_limit_below_0_is_refused(run, images, tmp_path, red_network):
    assert run('estimate', images, '--output', tmp_path / 'o', '--limit', -1)[0] == 2
