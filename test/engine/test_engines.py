# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every engine gives the same depth, keeps its memory, and says what is wrong."""

from mono_depth_ros.engine.select import load_engine
from mono_depth_ros.errors import EngineError, ModelError, ShapeError
from mono_depth_ros.manifest import Manifest
from mono_depth_ros.model.registry import shipped_models
import numpy as np
import pytest

CPU_BACKENDS = ('openvino', 'onnxruntime')


def load(path, backend, **options):
    pytest.importorskip(backend)
    return load_engine(path, backend, threads=1, **options)


def expected_depth(rgb, seed=0):
    """Compute the tiny network with numpy."""
    weights = np.random.default_rng(seed).normal(size=(4, 3, 3, 3)).astype(np.float32)
    height, width = rgb.shape[:2]
    padded = np.pad(rgb.astype(np.float32) / 255, ((1, 1), (1, 1), (0, 0)))
    features = np.zeros((4, height, width), np.float32)
    for row in range(3):
        for column in range(3):
            shifted = padded[row : row + height, column : column + width]
            features += np.einsum('hwc,oc->ohw', shifted, weights[:, :, row, column])
    return np.maximum(features, 0).mean(axis=0) + 0.5


@pytest.mark.parametrize('backend', CPU_BACKENDS)
@pytest.mark.parametrize('size', [(32, 64), (64, 96)])
def test_an_engine_computes_the_graph_at_any_size_it_takes(write_tiny, noise, backend, size):
    engine = load(write_tiny(), backend, input_size=size)
    rgb = noise(*size)

    depth = engine.infer(rgb)

    assert (depth.shape, depth.dtype) == (size, np.float32)
    assert (engine.backend, engine.device, engine.precision) == (backend, 'CPU', 'fp32')
    np.testing.assert_allclose(depth, expected_depth(rgb), rtol=1e-5)


@pytest.mark.parametrize('backend', CPU_BACKENDS)
def test_an_engine_reuses_its_output_memory(write_tiny, noise, backend):
    engine = load(write_tiny(), backend)

    first = engine.infer(noise(32, 64))
    before = first.copy()
    second = engine.infer(np.zeros((32, 64, 3), np.uint8))

    assert np.shares_memory(first, second)
    assert not np.array_equal(before, second)


@pytest.mark.parametrize('backend', CPU_BACKENDS)
def test_an_image_that_is_not_contiguous_gives_the_same_depth(write_tiny, noise, backend):
    engine = load(write_tiny(), backend)
    wide = noise(32, 128)

    depth = engine.infer(wide[:, ::2]).copy()

    np.testing.assert_array_equal(depth, engine.infer(np.ascontiguousarray(wide[:, ::2])))


@pytest.mark.parametrize('backend', CPU_BACKENDS)
def test_two_engines_live_side_by_side(write_tiny, noise, backend):
    rgb = noise(32, 64)
    first, second = load(write_tiny(), backend), load(write_tiny(name='b.onnx', seed=5), backend)

    depths = first.infer(rgb), second.infer(rgb)
    first.close()

    np.testing.assert_allclose(depths[0], expected_depth(rgb), rtol=1e-5)
    np.testing.assert_allclose(second.infer(rgb), expected_depth(rgb, seed=5), rtol=1e-5)


@pytest.mark.parametrize('backend', CPU_BACKENDS)
@pytest.mark.parametrize(
    'rgb',
    [
        np.zeros((64, 32, 3), np.uint8),
        np.zeros((32, 64), np.uint8),
        np.zeros((32, 64, 3), np.float32),
    ],
)
def test_a_wrong_image_is_refused_and_the_next_one_works(write_tiny, noise, backend, rgb):
    engine = load(write_tiny(), backend)

    with pytest.raises(ShapeError, match=r'engine input must be \(32, 64, 3\) uint8, got'):
        engine.infer(rgb)

    assert np.isfinite(engine.infer(noise(32, 64))).all()


@pytest.mark.parametrize('backend', CPU_BACKENDS)
def test_a_closed_engine_says_so(write_tiny, noise, backend):
    engine = load(write_tiny(), backend)
    engine.close()
    engine.close()

    with pytest.raises(EngineError, match=f'{backend} engine is closed'):
        engine.infer(noise(32, 64))


@pytest.mark.parametrize('backend', CPU_BACKENDS)
def test_a_network_that_gives_nothing_finite_is_refused(write_tiny, backend):
    path = write_tiny(offset=float('nan'))

    with pytest.raises(ModelError, match='tiny gives no finite depth on'):
        load(path, backend)


@pytest.mark.parametrize('backend', CPU_BACKENDS)
def test_half_precision_on_a_cpu_is_refused(write_tiny, backend):
    with pytest.raises(EngineError, match='in fp32, not in fp16: set precision to auto'):
        load(write_tiny(), backend, precision='fp16')


@pytest.mark.parametrize('backend', CPU_BACKENDS)
def test_an_output_of_another_size_than_the_input_is_refused(tmp_path, write_tiny, backend):
    import onnx

    path = write_tiny(Manifest('half', input_size=(32, 64)))
    model = onnx.load(path)
    conv = next(node for node in model.graph.node if node.op_type == 'Conv')
    conv.attribute.append(onnx.helper.make_attribute('strides', [2, 2]))
    model.graph.output[0].type.tensor_type.ClearField('shape')
    for side in (1, 'a', 'b'):
        dim = model.graph.output[0].type.tensor_type.shape.dim.add()
        dim.dim_value, dim.dim_param = (side, '') if isinstance(side, int) else (0, side)
    onnx.save(model, path)

    with pytest.raises(EngineError, match=r'\(16, 32\)|cannot load|failed'):
        load(path, backend)


@pytest.mark.parametrize('size', [(64, 96), (96, 64)])
def test_all_backends_agree_on_the_network_of_the_package(tmp_path, noise, size):
    torch = pytest.importorskip('torch')
    from mono_depth_ros.model.checkpoint import save_network
    from mono_depth_ros.model.fastdepth import FastDepth
    from mono_depth_ros.model.onnx_export import export_onnx

    torch.manual_seed(0)
    network = FastDepth(width=0.125).eval()
    manifest = Manifest('small', input_size=(64, 96), dynamic=True, focal=220.0)
    save_network(tmp_path, network, manifest)
    export_onnx(network, manifest, tmp_path / 'model.onnx')
    rgb = noise(*size)

    depths = {
        name: load(tmp_path / 'model.onnx', name, input_size=size).infer(rgb)
        for name in (*CPU_BACKENDS, 'torch')
    }

    assert depths['torch'].shape == size
    for name in CPU_BACKENDS:
        np.testing.assert_allclose(depths[name], depths['torch'], rtol=1e-3)


def test_torch_says_what_it_needs_to_run_an_imported_network(write_tiny):
    with pytest.raises(ModelError, match='torch needs weights.safetensors beside .*tiny.onnx'):
        load(write_tiny(), 'torch')


def test_torch_multiplies_float32_as_float32(tmp_path, noise):
    torch = pytest.importorskip('torch')
    engine = load(shipped_models()['indoor'], 'torch')
    before, seen = torch.backends.cudnn.allow_tf32, []
    engine._network.register_forward_hook(lambda *_: seen.append(torch.backends.cudnn.allow_tf32))

    engine.infer(noise(*engine.input_size))

    assert seen == [False]
    assert torch.backends.cudnn.allow_tf32 == before
    engine.close()
