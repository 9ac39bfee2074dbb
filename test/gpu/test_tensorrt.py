# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""TensorRT and CUDA themselves, on a real GPU; elsewhere these tests are skipped and say why."""

import os
from pathlib import Path

from mono_depth_ros.engine.comparison import compare_with_reference, images
from mono_depth_ros.engine.plan_build import PlanBuild
from mono_depth_ros.engine.plans import BuildOptions
from mono_depth_ros.engine.quantisation import FEWEST, quantise
from mono_depth_ros.engine.select import load_engine
from mono_depth_ros.errors import PlanMissingError
from mono_depth_ros.model.registry import PACK, shipped_models
from mono_depth_ros.preprocessing import resize_rgb
from mono_depth_ros.source.pack import read_source_pack
import numpy as np
import onnx
from onnx import numpy_helper
import pytest

pytestmark = pytest.mark.gpu
PAGE = os.sysconf('SC_PAGE_SIZE')
# Mean relative difference to float32.
ALLOWED = {'fp16': 0.01, 'fp32': 0.001}
# The same Q/DQ graph on a CPU; sums in another order round to another of 255 steps now and then.
ALLOWED_INT8 = 0.02


@pytest.fixture(scope='module')
def cuda():
    """Return torch if it sees a GPU."""
    torch = pytest.importorskip('torch', reason='torch is not installed')
    if not torch.cuda.is_available():
        pytest.skip('torch sees no CUDA GPU')
    return torch


@pytest.fixture(scope='module')
def tensorrt():
    """Return the module that needs TensorRT, pycuda and a GPU."""
    pytest.importorskip('pycuda.driver', reason='pycuda is not installed')
    module = pytest.importorskip(
        'mono_depth_ros.engine.tensorrt_engine',
        reason='TensorRT is not installed',
        exc_type=ImportError,
    )
    try:
        module.first_gpu()
    except Exception as error:
        pytest.skip(f'no usable GPU: {error}')
    return module


@pytest.fixture(scope='module')
def engines(tmp_path_factory):
    return tmp_path_factory.mktemp('store') / 'engines'


@pytest.fixture(scope='module')
def network():
    return shipped_models()['indoor']


def load(network, engines, precision='fp16'):
    return load_engine(network, 'tensorrt', precision=precision, engines_path=engines)


@pytest.mark.parametrize('precision', ALLOWED)
def test_tensorrt_agrees_with_the_reference(tensorrt, network, engines, precision):
    PlanBuild(network, None, precision, engines_path=engines).run()
    engine = load(network, engines, precision)

    difference = compare_with_reference(engine, network)

    assert difference.mean < ALLOWED[precision]
    engine.close()


def test_int8_agrees_with_the_same_graph_on_a_cpu(tensorrt, network, engines, tmp_path):
    pytest.importorskip('onnxruntime')
    samples = zip(range(FEWEST), read_source_pack(network.with_name(PACK)), strict=False)
    size = load_engine(network, 'onnxruntime').input_size
    frames = [np.ascontiguousarray(resize_rgb(sample.rgb, size)) for _, sample in samples]
    quantise(network, frames, size, tmp_path / 'int8.onnx')
    PlanBuild(tmp_path / 'int8.onnx', engines_path=engines).run()

    ours = load(tmp_path / 'int8.onnx', engines, 'auto')

    assert ours.precision == 'int8'
    theirs = load_engine(tmp_path / 'int8.onnx', 'onnxruntime')
    errors = [np.abs(ours.infer(f) / theirs.infer(f) - 1) for f in frames[:8]]
    assert np.mean(errors) < ALLOWED_INT8
    ours.close()


def test_a_plan_takes_the_weights_of_another_network(tensorrt, network, engines, tmp_path):
    model = onnx.load(network)
    weight = next(t for t in model.graph.initializer if len(t.dims) == 4)
    values = 1.05 * numpy_helper.to_array(weight)
    weight.CopyFrom(numpy_helper.from_array(values.astype(np.float32), weight.name))
    onnx.save(model, tmp_path / 'adapted.onnx')
    refittable = BuildOptions(refittable=True)
    PlanBuild(network, None, 'fp16', engines_path=engines, options=refittable).run()

    assert PlanBuild(tmp_path / 'adapted.onnx', None, 'fp16', engines_path=engines).run().refitted

    engine = load(tmp_path / 'adapted.onnx', engines)
    assert compare_with_reference(engine, tmp_path / 'adapted.onnx').accepted
    engine.close()


def test_a_second_build_is_a_cache_hit(tensorrt, network, engines):
    PlanBuild(network, engines_path=engines).run()

    assert not PlanBuild(network, engines_path=engines).run().built


def test_garbage_with_a_record_is_refused_and_built_again(tensorrt, network, engines):
    from mono_depth_ros.engine.plans import PlanFolder

    plan = PlanBuild(network, None, 'fp16', engines_path=engines).run()
    PlanFolder(engines).write(plan.path, b'no plan' * 1000, {})

    with pytest.raises(PlanMissingError, match='built again'):
        load(network, engines)

    assert PlanBuild(network, None, 'fp16', engines_path=engines).run().built


def test_two_hundred_reloads_take_no_memory(tensorrt, network, engines):
    PlanBuild(network, engines_path=engines).run()
    gpu = tensorrt.first_gpu()
    engine, free, resident = load(network, engines), [], []
    rgb = images(engine.input_size)[0]

    for _ in range(200):
        following = load(network, engines)
        engine.infer(rgb)
        engine.close()
        engine = following
        free.append(gpu.free_memory())
        resident.append(int(Path('/proc/self/statm').read_text().split()[1]) * PAGE)
    engine.close()

    assert free[20] - free[-1] < 16 << 20
    assert resident[-1] - resident[20] < 32 << 20


def test_torch_and_tensorrt_share_the_gpu(tensorrt, cuda, network, engines):
    PlanBuild(network, engines_path=engines).run()
    ours, theirs = load(network, engines), load_engine(network, 'torch')

    for rgb in images(ours.input_size):
        difference = np.abs(ours.infer(rgb) / theirs.infer(rgb) - 1)
        assert difference.mean() < 0.02
    ours.close()

    assert np.isfinite(theirs.infer(rgb)).all()
    theirs.close()


@pytest.mark.parametrize('precision', ALLOWED)
def test_torch_agrees_with_the_reference(cuda, network, precision):
    engine = load_engine(network, 'torch', precision=precision)

    difference = compare_with_reference(engine, network)

    assert difference.mean < ALLOWED[precision]
    engine.close()


def test_the_cuda_graph_of_torch_computes_what_its_kernels_do(cuda, network, monkeypatch):
    from mono_depth_ros.engine.torch_engine import TorchEngine

    graph = load_engine(network, 'torch')
    monkeypatch.setattr(TorchEngine, 'use_graph', False)
    eager = load_engine(network, 'torch')

    for rgb in images(graph.input_size):
        np.testing.assert_allclose(graph.infer(rgb), eager.infer(rgb), rtol=1e-2)
    assert graph._graph is not None
    graph.close()
    eager.close()
