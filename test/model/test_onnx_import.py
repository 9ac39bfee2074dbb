# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Import of foreign networks: every layout, kind, type and size, and what cannot be imported."""

import itertools
from pathlib import Path

from mono_depth_ros.camera import camera_from_fov
from mono_depth_ros.engine.select import load_engine
from mono_depth_ros.errors import ConfigError, ModelError
from mono_depth_ros.manifest import read_manifest
from mono_depth_ros.model.onnx_import import import_network, ImportConfig, read_import_config
from mono_depth_ros.pipeline import DepthEstimator
import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = REPOSITORY.parent / 'shared'
WEIGHTS = np.array([0.5, 0.3, 0.2], np.float32)
FREE = {'layout': 'nchw', 'sides': ('h', 'w')}


def foreign(
    layout='nchw',
    sides=(32, 48),
    dtype=TensorProto.FLOAT,
    rank=4,
    stride=1,
    names=('rgb', 'result'),
    opset=17,
):
    """
    Return a network whose output is a weighted sum of the channels, plus 0.1.

    The output is (1, 1, h, w), (1, h, w, 1), (1, h, w) or (h, w), every ``stride``-th pixel.
    """
    channel = 1 if layout == 'nchw' else 3
    shape = [1, 3, *sides] if layout == 'nchw' else [1, *sides, 3]
    view = (1, 3, 1, 1) if layout == 'nchw' else (1, 1, 1, 3)
    constants = {'w': WEIGHTS.reshape(view), 'bias': np.float32(0.1)}
    nodes = [
        helper.make_node('Cast', [names[0]], ['x'], to=TensorProto.FLOAT),
        helper.make_node('Mul', ['x', 'w'], ['y']),
        helper.make_node('ReduceMean', ['y'], ['mean'], axes=[channel], keepdims=1),
        helper.make_node('Add', ['mean', 'bias'], ['z']),
    ]
    last = 'z'
    if stride > 1:
        axes = [2, 3] if layout == 'nchw' else [1, 2]
        for name, values in (
            ('starts', [0, 0]),
            ('ends', [9999, 9999]),
            ('axes', axes),
            ('steps', [stride, stride]),
        ):
            constants[name] = np.array(values, np.int64)
        nodes.append(helper.make_node('Slice', ['z', 'starts', 'ends', 'axes', 'steps'], ['s']))
        last = 's'
    if rank < 4:
        constants['squeezed'] = np.array([channel] if rank == 3 else [0, channel], np.int64)
        nodes.append(helper.make_node('Squeeze', [last, 'squeezed'], ['q']))
        last = 'q'
    kind = dtype if dtype != TensorProto.UINT8 else TensorProto.FLOAT
    nodes.append(helper.make_node('Cast', [last], [names[1]], to=kind))
    graph = helper.make_graph(
        nodes,
        'foreign',
        [helper.make_tensor_value_info(names[0], dtype, shape)],
        [helper.make_tensor_value_info(names[1], kind, [None] * rank)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset)], ir_version=8)


@pytest.fixture
def rgb():
    return np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)


@pytest.fixture
def imported(tmp_path):
    """Return a function that imports a model and returns its manifest and an engine."""

    def make(model, backend='onnxruntime', run_at=None, **settings):
        pytest.importorskip(backend)
        onnx.save(model, tmp_path / 'foreign.onnx')
        output = tmp_path / 'imported.onnx'
        manifest = import_network(tmp_path / 'foreign.onnx', ImportConfig(**settings), output)
        assert read_manifest(output) == manifest
        engine = load_engine(output, backend, input_size=run_at, threads=1)
        return manifest, engine

    return make


def value_of(rgb, divisor=255.0):
    """Return what `foreign` gives for an image: ReduceMean divides by three."""
    return rgb.astype(np.float32) / divisor @ WEIGHTS / 3 + np.float32(0.1)


@pytest.mark.parametrize('backend', ['openvino', 'onnxruntime'])
@pytest.mark.parametrize(('layout', 'rank'), list(itertools.product(('nchw', 'nhwc'), (4, 3, 2))))
def test_every_layout_of_input_and_output(imported, rgb, backend, layout, rank):
    manifest, engine = imported(foreign(layout, rank=rank), backend, kind='depth', scale=1.0)

    np.testing.assert_allclose(engine.infer(rgb), value_of(rgb), rtol=1e-5)
    assert (manifest.input_size, manifest.metric, manifest.dynamic) == ((32, 48), True, False)


@pytest.mark.parametrize(
    ('dtype', 'divisor', 'tolerance'),
    [
        (TensorProto.FLOAT, 255.0, 1e-5),
        (TensorProto.FLOAT16, 255.0, 2e-3),
        (TensorProto.DOUBLE, 255.0, 1e-5),
        (TensorProto.UINT8, 1.0, 1e-5),
    ],
)
def test_every_type_of_input(imported, rgb, dtype, divisor, tolerance):
    _, engine = imported(foreign(dtype=dtype), kind='depth', scale=1.0)

    np.testing.assert_allclose(
        engine.infer(rgb), np.clip(value_of(rgb, divisor), 0.1, 80.0), rtol=tolerance
    )


@pytest.mark.parametrize('layout', ['nchw', 'nhwc'])
def test_bgr_range_mean_and_std(imported, rgb, layout):
    mean, std = (100.0, 110.0, 120.0), (50.0, 60.0, 70.0)
    _, engine = imported(
        foreign(layout),
        kind='depth',
        scale=1.0,
        shift=2.0,
        colour='bgr',
        input_range='0..255',
        mean=mean,
        std=std,
    )

    prepared = (rgb[..., ::-1].astype(np.float32) - mean) / std

    expected = (prepared @ WEIGHTS) / 3 + 0.1 + 2.0
    np.testing.assert_allclose(engine.infer(rgb), expected, rtol=1e-4)


@pytest.mark.parametrize(
    ('settings', 'metres'),
    [
        ({'kind': 'depth', 'scale': 10.0}, lambda x: 10 * x),
        ({'kind': 'depth', 'scale': 10.0, 'shift': 0.5}, lambda x: 10 * x + 0.5),
        ({'kind': 'inverse_depth', 'scale': 0.5}, lambda x: 1 / (0.5 * x)),
        ({'kind': 'inverse_depth', 'scale': 2, 'shift': -0.1}, lambda x: 1 / (2 * x - 0.1)),
        ({'kind': 'disparity', 'fb': 0.8}, lambda x: 0.8 / x),
    ],
)
def test_every_kind_with_a_scale_gives_limited_metres(imported, rgb, settings, metres):
    manifest, engine = imported(foreign(), min_depth=1.0, max_depth=5.0, **settings)

    expected = np.clip(metres(value_of(rgb).astype(np.float64)), 1.0, 5.0)

    np.testing.assert_allclose(engine.infer(rgb), expected, rtol=1e-4)
    assert (manifest.metric, manifest.output) == (True, 'depth')
    assert (manifest.min_depth, manifest.max_depth) == (1.0, 5.0)


@pytest.mark.parametrize(
    ('kind', 'output'),
    [('depth', 'depth'), ('inverse_depth', 'inverse_depth'), ('disparity', 'inverse_depth')],
)
def test_without_a_scale_the_network_stays_relative_and_untouched(imported, rgb, kind, output):
    manifest, engine = imported(foreign(), kind=kind)

    np.testing.assert_allclose(engine.infer(rgb), value_of(rgb), rtol=1e-5)
    assert (manifest.metric, manifest.output) == (False, output)


def test_a_zero_disparity_is_as_far_as_it_can_be(imported):
    model = foreign()
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.float32(0), 'bias'))
    _, engine = imported(model, kind='disparity', fb=3.0, max_depth=7.0)

    depth = engine.infer(np.zeros((32, 48, 3), np.uint8))

    np.testing.assert_allclose(depth, 7.0, rtol=1e-6)


@pytest.mark.parametrize('ratio', [0.6, 1.0, 1.4])
@pytest.mark.parametrize('settings', [{'scale': 10.0}, {'kind': 'disparity', 'fb': 0.6}])
def test_what_is_as_far_as_it_can_be_is_farther(imported, rgb, settings, ratio):
    camera = camera_from_fov(48, 32, 60.0)
    _, engine = imported(foreign(), max_depth=2.5, focal=camera.focal / ratio, **settings)
    said = engine.infer(rgb)
    far = said >= 2.5 * 0.995

    depth = DepthEstimator(engine).estimate(rgb, camera)

    assert 0.1 < far.mean() < 0.9
    np.testing.assert_array_equal(np.isposinf(depth), far | (said * np.float32(ratio) > 2.5))


@pytest.mark.parametrize('backend', ['openvino', 'onnxruntime'])
@pytest.mark.parametrize('layout', ['nchw', 'nhwc'])
def test_a_smaller_output_is_enlarged(imported, rgb, backend, layout):
    import cv2

    _, engine = imported(foreign(layout, stride=2), backend, kind='depth', scale=1.0)

    expected = cv2.resize(value_of(rgb)[::2, ::2], (48, 32), interpolation=cv2.INTER_LINEAR)

    np.testing.assert_allclose(engine.infer(rgb), expected, rtol=1e-4)


@pytest.mark.parametrize('backend', ['openvino', 'onnxruntime'])
@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('rank', [4, 2])
def test_a_free_size_can_stay_free(imported, rgb, backend, stride, rank):
    import cv2

    manifest, engine = imported(
        foreign(**FREE, stride=stride, rank=rank),
        backend,
        (32, 48),
        input_size='64x64',
        stride=16,
        scale=1.0,
    )

    expected = cv2.resize(value_of(rgb)[::stride, ::stride], (48, 32))

    np.testing.assert_allclose(engine.infer(rgb), expected, rtol=1e-4)
    assert (manifest.dynamic, manifest.stride, manifest.input_size) == (True, 16, (64, 64))


def test_a_free_size_can_be_fixed(imported, rgb):
    manifest, engine = imported(foreign(**FREE), input_size='32x48', scale=1.0)

    np.testing.assert_allclose(engine.infer(rgb), value_of(rgb), rtol=1e-5)
    assert (manifest.dynamic, manifest.input_size) == (False, (32, 48))


@pytest.mark.parametrize('names', [('image', 'depth'), ('depth', 'image'), ('x1', 'image')])
def test_tensors_called_like_ours_do_not_collide(imported, rgb, names):
    _, engine = imported(foreign(names=names), scale=1.0, output=names[1])

    np.testing.assert_allclose(engine.infer(rgb), value_of(rgb), rtol=1e-5)


@pytest.mark.parametrize('opset', [9, 11, 13, 17])
def test_older_opsets(imported, rgb, opset):
    model = foreign(opset=opset)

    _, engine = imported(model, scale=1.0)

    np.testing.assert_allclose(engine.infer(rgb), value_of(rgb), rtol=1e-5)


def test_weights_in_another_file_are_taken_in(tmp_path, rgb):
    path, output = tmp_path / 'foreign.onnx', tmp_path / 'imported.onnx'
    onnx.save(
        foreign(), path, save_as_external_data=True, location='weights.bin', size_threshold=0
    )

    import_network(path, ImportConfig(scale=1.0), output)
    (tmp_path / 'weights.bin').unlink()

    np.testing.assert_allclose(load_engine(output).infer(rgb), value_of(rgb), rtol=1e-5)
    with pytest.raises(ModelError, match='keeps its weights in a file that is not beside it'):
        import_network(path, ImportConfig(scale=1.0), output)


def test_the_manifest_says_where_the_network_comes_from(imported):
    manifest, _ = imported(foreign(), licence='MIT', source='somewhere', focal=123.0)

    assert manifest.name == 'foreign'
    assert (manifest.licence, manifest.source, manifest.focal) == ('MIT', 'somewhere', 123.0)
    assert manifest.notes['imported_from'] == 'foreign.onnx'
    assert len(manifest.version) == 8


def refuse(tmp_path, model, error, match, **settings):
    """Assert that an import is refused and leaves nothing behind."""
    onnx.save(model, tmp_path / 'foreign.onnx')
    output = tmp_path / 'out' / 'imported.onnx'

    with pytest.raises(error, match=match):
        import_network(tmp_path / 'foreign.onnx', ImportConfig(**settings), output)

    assert not output.exists()
    assert not list(tmp_path.rglob('.tmp-*'))


def test_several_outputs_are_listed(tmp_path, imported, rgb):
    model = foreign()
    model.graph.output.add().CopyFrom(
        helper.make_tensor_value_info('mean', TensorProto.FLOAT, [1, 1, 32, 48])
    )

    refuse(tmp_path, model, ModelError, r'several outputs, .* result float .*; mean float \(1, 1')
    refuse(tmp_path, model, ModelError, r"no output 'disp'; it has: result", output='disp')
    _, engine = imported(model, output='mean', scale=1.0, min_depth=0.001)
    np.testing.assert_allclose(engine.infer(rgb), value_of(rgb) - 0.1, rtol=1e-3, atol=1e-3)


def test_an_output_with_many_channels_is_refused(tmp_path):
    model = foreign()
    model.graph.output[0].CopyFrom(
        helper.make_tensor_value_info('y', TensorProto.FLOAT, [1, 3, 32, 48])
    )

    refuse(tmp_path, model, ModelError, r'must be one depth image.* it is \(1, 3, 32, 48\)')


def test_two_inputs_are_refused(tmp_path):
    model = foreign()
    model.graph.input.add().CopyFrom(
        helper.make_tensor_value_info('camera', TensorProto.FLOAT, [3, 3])
    )

    refuse(
        tmp_path, model, ModelError, r'must have one input.*rgb float .*; camera float \(3, 3\)'
    )


def test_an_input_that_is_no_image_is_refused(tmp_path):
    model = foreign()
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info('rgb', TensorProto.INT64, [1, 9]))

    refuse(tmp_path, model, ModelError, 'must be a float or uint8 image with 4 axes')


def test_a_grey_or_a_batched_input_is_refused(tmp_path):
    for shape in ([1, 1, 32, 48], [4, 3, 32, 48]):
        model = foreign()
        model.graph.input[0].CopyFrom(
            helper.make_tensor_value_info('rgb', TensorProto.FLOAT, shape)
        )
        refuse(tmp_path, model, ModelError, 'one image with 3 channels', layout='nchw')


def test_a_layout_that_cannot_be_guessed_must_be_set(tmp_path):
    model = foreign(**FREE)
    for dim in model.graph.input[0].type.tensor_type.shape.dim:
        dim.Clear()

    refuse(tmp_path, model, ModelError, 'cannot tell where the 3 channels .* set layout')


@pytest.mark.parametrize(
    ('model', 'settings', 'match'),
    [
        (foreign(), {'input_size': '64x64'}, 'is fixed at 32x48: leave it at auto'),
        (foreign(), {'stride': 32}, 'has a fixed size: leave stride at 0'),
        (foreign(**FREE), {}, 'takes images of any size: set input_size'),
        (foreign(**FREE), {'input_size': '32x50', 'stride': 32}, 'no multiple of 32'),
    ],
)
def test_a_size_that_does_not_fit_is_refused(tmp_path, model, settings, match):
    refuse(tmp_path, model, ConfigError, match, **settings)


@pytest.mark.parametrize(
    ('settings', 'match'),
    [
        ({'mean': (0.5, 0.5)}, 'mean must be 3 numbers'),
        ({'std': (1.0, 0.0, 1.0)}, 'std must be positive'),
        ({'std': (1.0, 'a', 1.0)}, 'std must be 3 numbers'),
        ({'kind': 'disparity', 'scale': 1.0}, 'a disparity takes fb'),
        ({'kind': 'depth', 'fb': 1.0}, 'fb is for kind disparity'),
        ({'kind': 'range'}, 'kind must be one of'),
        ({'min_depth': 9.0, 'max_depth': 2.0}, 'max_depth must be above'),
        ({'input_size': '48'}, 'input_size must be auto or HEIGHTxWIDTH'),
        ({'scale': -1.0}, 'scale must be at least 0'),
        ({'scale': np.inf}, 'scale must be finite'),
        ({'shift': 3.0}, 'shift needs scale'),
        ({'colour': 'rbg'}, 'colour must be one of'),
    ],
)
def test_wrong_settings_are_refused(settings, match):
    with pytest.raises(ConfigError, match=match):
        ImportConfig(**settings)


def test_files_that_are_no_network(tmp_path):
    missing, text, own = tmp_path / 'a.onnx', tmp_path / 'b.onnx', tmp_path / 'c.onnx'
    text.write_text('no network here' * 50)
    onnx.save(foreign(), tmp_path / 'foreign.onnx')
    import_network(tmp_path / 'foreign.onnx', ImportConfig(), own)

    for path, match in (
        (missing, 'no model at'),
        (text, 'is not a readable ONNX file'),
        (own, 'is imported already'),
    ):
        with pytest.raises(ModelError, match=match):
            import_network(path, ImportConfig(), tmp_path / 'out.onnx')


def test_a_network_that_does_not_run_is_not_written(tmp_path):
    model = foreign()
    model.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(np.ones((1, 5, 1, 1), np.float32), 'w')
    )

    refuse(tmp_path, model, ModelError, 'does not run|cannot be wrapped', scale=1.0)


def test_the_example_in_the_package_is_complete():
    config = read_import_config(REPOSITORY / 'config' / 'import_example.yaml')

    assert (config.kind, config.fb, config.output) == ('disparity', 357.0, 'disparity')
    text = (REPOSITORY / 'config' / 'import_example.yaml').read_text()
    for name in ImportConfig.__dataclass_fields__:
        assert f'{name}:' in text, name


def test_a_number_may_have_an_exponent_without_a_point(tmp_path):
    (tmp_path / 'net.yaml').write_text('scale: 1e-3')

    assert read_import_config(tmp_path / 'net.yaml').scale == 0.001


@pytest.mark.parametrize(
    ('text', 'match'),
    [
        ('kind: [', 'cannot read'),
        ('- a', 'must hold settings'),
        ('scael: 1.0', "net.yaml: unknown setting 'scael', expected one of"),
        ('scale: big', 'net.yaml: scale must be a float'),
    ],
)
def test_a_wrong_yaml_file_is_named(tmp_path, text, match):
    (tmp_path / 'net.yaml').write_text(text)

    with pytest.raises(ConfigError, match=match):
        read_import_config(tmp_path / 'net.yaml')


@pytest.mark.parametrize('name', ['kitti', 'nyuv2'])
@pytest.mark.parametrize('backend', ['openvino', 'onnxruntime'])
def test_real_networks_give_what_they_gave_before(tmp_path, name, backend):
    onnxruntime = pytest.importorskip('onnxruntime')
    pytest.importorskip(backend)
    path = SHARED / 'models' / f'upydnet_{name}.onnx'
    if not path.is_file():
        pytest.skip(f'no network at {path}')
    config = ImportConfig(kind='disparity', fb=357.0)
    import_network(path, config, tmp_path / 'model.onnx')
    engine = load_engine(tmp_path / 'model.onnx', backend, threads=1)
    original = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    rgb = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)

    prepared = (rgb.astype(np.float32) / 255).transpose(2, 0, 1)[None]
    disparity = original.run(None, {'image': prepared})[0][0, 0]

    with np.errstate(divide='ignore'):
        expected = np.clip(357.0 / disparity, config.min_depth, config.max_depth)
    np.testing.assert_allclose(engine.infer(rgb), expected, rtol=1e-3)


def test_a_real_network_sees_the_shape_of_a_kitchen(tmp_path):
    import cv2
    from mono_depth_ros.preprocessing import resize_rgb

    path, frames = SHARED / 'models' / 'upydnet_nyuv2.onnx', SHARED / 'data' / 'kitchen'
    if not path.is_file() or not frames.is_dir():
        pytest.skip(f'no network at {path} or no images at {frames}')
    import_network(path, ImportConfig(kind='disparity', fb=280.0), tmp_path / 'model.onnx')
    engine = load_engine(tmp_path / 'model.onnx', threads=1)
    errors, constant = [], []
    for image in sorted((frames / 'rgb').iterdir())[::20]:
        rgb = cv2.cvtColor(cv2.imread(str(image)), cv2.COLOR_BGR2RGB)
        truth = cv2.imread(str(frames / 'depth' / f'{image.stem}.png'), -1) / 1000.0
        depth = cv2.resize(engine.infer(resize_rgb(rgb, (48, 48))), truth.shape[::-1])
        valid = truth > 0
        metres, depth = truth[valid], depth[valid]
        aligned = depth * np.median(metres) / np.median(depth)
        errors.append(np.mean(np.abs(aligned - metres) / metres))
        constant.append(np.mean(np.abs(np.median(metres) - metres) / metres))

    assert np.mean(errors) < 0.27
    assert np.mean(errors) < 0.8 * np.mean(constant)
