# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""INT8 is explicit in the graph, runs everywhere, and is only kept if it is nearly as good."""

import shutil

from mono_depth_ros.camera import camera_from_fov
from mono_depth_ros.engine import int8
from mono_depth_ros.engine.durable import sha256
from mono_depth_ros.engine.plan_build import PlanBuild
from mono_depth_ros.engine.plans import PlanFolder
from mono_depth_ros.engine.quantisation import compare, Comparison, kept_in_float, quantise
from mono_depth_ros.engine.select import load_engine
from mono_depth_ros.errors import ConfigError, EngineError
from mono_depth_ros.frames import Frame
from mono_depth_ros.model.registry import shipped_models
import numpy as np
import onnx
from onnx import numpy_helper
import pytest

pytest.importorskip('onnxruntime')
SIZE = (64, 96)


@pytest.fixture(scope='module')
def network(tmp_path_factory):
    """Return the file of a small network of the package, not trained."""
    torch = pytest.importorskip('torch')
    from mono_depth_ros.manifest import Manifest
    from mono_depth_ros.model.fastdepth import FastDepth
    from mono_depth_ros.model.onnx_export import export_onnx

    torch.manual_seed(0)
    manifest = Manifest('small', input_size=SIZE, dynamic=True, focal=80.0)
    path = tmp_path_factory.mktemp('network') / 'model.onnx'
    export_onnx(FastDepth(width=0.125, focal=80.0).eval(), manifest, path)
    return path


@pytest.fixture(scope='module')
def frames():
    """Return images of blocks of colour."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (200, 4, 6, 3), np.uint8)
    return list(coarse.repeat(16, axis=1).repeat(16, axis=2))


@pytest.fixture(scope='module')
def quantised(network, frames, tmp_path_factory):
    path = tmp_path_factory.mktemp('int8') / 'int8.onnx'
    quantise(network, frames, SIZE, path)
    return path


def test_first_convolution_head_and_coordinates_stay_in_float(network):
    names = kept_in_float(onnx.load(network))

    assert names == ['stem', 'position.hidden', 'position.output', 'head']


def test_the_graph_is_what_tensorrt_wants(quantised):
    graph = onnx.load(quantised).graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    by_output = {n.output[0]: n for n in graph.node}

    scales = [n for n in graph.node if n.op_type == 'QuantizeLinear']
    assert len(scales) > 40
    assert all(not constants[n.input[2]].any() for n in scales)
    for node in graph.node:
        if node.op_type == 'Conv':
            source = by_output.get(node.input[1])
            quantised = source is not None and source.op_type == 'DequantizeLinear'
            assert quantised == (not node.name.startswith(('stem', 'position', 'head'))), node.name
            if quantised:  # one scale for each output channel, and the bias in float
                assert constants[source.input[1]].size == constants_of(graph, source).shape[0]
                assert constants[node.input[2]].dtype == np.float32


def constants_of(graph, node):
    """Return the weights behind a pair of Q and DQ."""
    quantise = next(n for n in graph.node if n.output[0] == node.input[0])
    return next(numpy_helper.to_array(t) for t in graph.initializer if t.name == quantise.input[0])


@pytest.mark.parametrize('backend', ['onnxruntime', 'openvino', 'tensorrt'])
def test_it_runs_everywhere_and_says_int8(quantised, network, frames, backend, request):
    if backend == 'tensorrt':
        request.getfixturevalue('gpu')
        PlanBuild(quantised).run()
    else:
        pytest.importorskip(backend)
    whole = load_engine(network, 'onnxruntime', input_size=SIZE).infer(frames[0])

    engine = load_engine(quantised, backend)

    difference = np.abs(engine.infer(frames[0]) / whole - 1)
    assert engine.precision == 'int8'
    assert 0 < difference.mean() < 0.05
    engine.close()


def test_what_onnx_runtime_prints_is_not_shown(network, frames, tmp_path, capsys):
    quantise(network, frames, SIZE, tmp_path / 'int8.onnx')

    assert capsys.readouterr().out == ''


def test_too_few_images_are_refused(network, tmp_path, frames):
    with pytest.raises(ConfigError, match='200 to 500 images, half of them of the place; got 20'):
        quantise(network, frames[:20], SIZE, tmp_path / 'int8.onnx')


def labelled(frames, engine):
    camera = camera_from_fov(SIZE[1], SIZE[0], 60.0)
    return [Frame(rgb, 0, '', camera, 1.2 * engine.infer(rgb).copy()) for rgb in frames[:10]]


def test_both_networks_are_scored_on_the_same_labels(quantised, network, frames):
    before = load_engine(network, 'onnxruntime', input_size=SIZE)

    same = compare(before, before, labelled(frames, before))
    found = compare(before, load_engine(quantised, 'onnxruntime'), labelled(frames, before))

    assert same.worst == 0.0
    assert found.worst > 0
    assert set(found.before) == {'none', 'median'} and found.frames == 10


@pytest.mark.parametrize(('after', 'accepted'), [(0.1029, True), (0.1031, False), (0.09, True)])
def test_three_percent_is_the_limit(after, accepted):
    comparison = Comparison({'none': 0.1}, {'none': after}, 5)

    assert comparison.accepted == accepted


@pytest.fixture
def made(monkeypatch, frames, network, tmp_path):
    """Return a function that makes the INT8 form with a verdict that is given."""
    engine = load_engine(network, 'onnxruntime', input_size=SIZE)
    with_labels = labelled(frames, engine)
    monkeypatch.setattr(int8, 'images_of_place', lambda images: (frames, with_labels))
    monkeypatch.setattr(int8, 'images_of_source', lambda *_: (frames, []))

    def make(after: float) -> Comparison:
        verdict = Comparison({'none': 0.1}, {'none': after}, 10)
        monkeypatch.setattr(int8, 'compare', lambda *_: verdict)
        return int8.make_int8(network, SIZE, tmp_path / 'engines', 'images')

    return make


def test_a_good_one_is_kept_and_built(gpu, made, network, tmp_path):
    made(0.101)

    plan = PlanBuild(network, SIZE, 'int8', engines_path=tmp_path / 'engines').run()

    engine = load_engine(
        network, 'tensorrt', input_size=SIZE, precision='int8', engines_path=tmp_path / 'engines'
    )
    assert plan.precision == engine.precision == 'int8'
    engine.close()
    path = PlanFolder(tmp_path / 'engines').int8_path(sha256(network))
    assert PlanFolder(tmp_path / 'engines').record(path)['images'] == 400


def test_a_bad_one_is_refused_and_not_kept(made, tmp_path):
    with pytest.raises(EngineError, match=r'INT8 is refused: .*\+10.0 %, allowed is 3 %'):
        made(0.11)

    assert not list(tmp_path.glob('engines/*'))


def test_a_network_replaced_meanwhile_is_neither_scored_nor_filed(
    made, network, tmp_path, monkeypatch
):
    copy, original = tmp_path / 'model.onnx', sha256(network)
    copy.write_bytes(network.read_bytes())
    real = int8.quantise

    def replaced_meanwhile(path, *rest):
        real(path, *rest)
        copy.write_bytes(b'another network')

    monkeypatch.setattr(int8, 'quantise', replaced_meanwhile)
    monkeypatch.setattr(int8, 'compare', lambda *_: Comparison({'none': 0.1}, {'none': 0.1}, 10))

    int8.make_int8(copy, SIZE, tmp_path / 'engines', 'images')

    assert PlanFolder(tmp_path / 'engines').int8_path(original).is_file()


def test_a_network_without_an_int8_form_runs_in_fp16_and_says_so(gpu, network, caplog):
    PlanBuild(network, None, 'fp16').run()

    engine = load_engine(network, 'tensorrt', precision='int8')

    assert (engine.backend, engine.precision) == ('tensorrt', 'fp16')
    assert 'no INT8 form (not built yet) and runs in fp16' in caplog.text
    assert '--precision int8 --calibration IMAGES' in caplog.text
    engine.close()


def test_building_int8_without_calibration_says_what_to_do(gpu, network):
    with pytest.raises(EngineError, match='no INT8 form of .*--calibration IMAGES'):
        PlanBuild(network, None, 'int8').run()


@pytest.mark.parametrize('name', ['indoor', 'street'])
def test_a_version_of_a_store_is_calibrated_with_the_source_of_its_own_network(name, tmp_path):
    adapted = tmp_path / 'model.onnx'
    shutil.copyfile(shipped_models()[name], adapted)
    here = shipped_models()[name].with_name('source_pack.zip')

    images, labelled = int8.images_of_source(adapted, '')

    known, _ = int8.images_of_source(adapted, str(here))
    assert len(images) == len(known) > 100 and labelled
    np.testing.assert_array_equal(images[0], known[0])


def test_a_network_of_another_name_has_no_source_but_one_that_is_given(network):
    with pytest.raises(ConfigError, match='give one, or images, with --source'):
        int8.images_of_source(network, '')


def test_too_few_images_of_the_place_are_told(monkeypatch, network, tmp_path, frames):
    monkeypatch.setattr(int8, 'images_of_place', lambda images: (frames[:30], []))
    monkeypatch.setattr(int8, 'images_of_source', lambda *_: (frames, []))

    with pytest.raises(ConfigError, match='at least 100 images of the place .* got 30 and 200'):
        int8.make_int8(network, SIZE, tmp_path, 'images')
