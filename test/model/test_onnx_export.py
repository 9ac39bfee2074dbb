# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The exported graph computes what the network computes, at any size, on every backend."""

from dataclasses import replace

from mono_depth_ros.errors import ModelError
from mono_depth_ros.manifest import Manifest, read_manifest
import numpy as np
import pytest

torch = pytest.importorskip('torch')
onnx = pytest.importorskip('onnx')

from mono_depth_ros.model.fastdepth import FastDepth
from mono_depth_ros.model.onnx_export import check_parity, export_onnx

MANIFEST = Manifest(name='tiny', input_size=(64, 96), dynamic=True, focal=80.0)


def trained_looking_network(**settings):
    """Build a network whose batch statistics and outputs are not trivial."""
    torch.manual_seed(0)
    network = FastDepth(0.25, focal=80.0, **settings)
    network.train()
    with torch.no_grad():
        for _ in range(5):
            network(torch.rand(4, 3, 64, 96))
        network.head.weight.mul_(30)
    return network.eval()


@pytest.fixture(
    scope='module', params=[{}, {'residual': True}, {'encoder': 'mobilenet_v2'}], ids=str
)
def exported(request, tmp_path_factory):
    path = tmp_path_factory.mktemp('export') / 'model.onnx'
    network = trained_looking_network(**request.param)
    export_onnx(network, MANIFEST, path)
    return network, path


def photograph(size):
    return np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)


@pytest.mark.parametrize('size', [(64, 96), (32, 160)])
def test_onnxruntime_agrees_with_torch(exported, size):
    onnxruntime = pytest.importorskip('onnxruntime')
    network, path = exported
    rgb = photograph(size)

    (depth,) = onnxruntime.InferenceSession(str(path)).run(['depth'], {'image': rgb[None]})

    assert depth.shape == (1, *size)
    assert depth.std() > 0.01
    assert check_parity(network, depth[0], rgb) < 1e-4


@pytest.mark.parametrize('size', [(64, 96), (32, 160)])
def test_openvino_reshapes_the_graph_and_agrees_with_torch(exported, size):
    openvino = pytest.importorskip('openvino')
    network, path = exported
    rgb = photograph(size)
    core = openvino.Core()
    model = core.read_model(path)

    model.reshape({'image': [1, *size, 3]})
    precision = {'INFERENCE_PRECISION_HINT': 'f32'}
    depth = core.compile_model(model, 'CPU', precision)(rgb[None])[0]

    assert check_parity(network, depth[0], rgb) < 1e-3


def test_a_network_without_coordinates_is_exported_too(tmp_path):
    onnxruntime = pytest.importorskip('onnxruntime')
    network = trained_looking_network(coordinates=False, stem_kernel=5)
    export_onnx(network, MANIFEST, tmp_path / 'model.onnx')
    rgb = photograph((64, 96))

    session = onnxruntime.InferenceSession(str(tmp_path / 'model.onnx'))
    (depth,) = session.run(['depth'], {'image': rgb[None]})

    assert check_parity(network, depth[0], rgb) < 1e-4


def test_the_graph_takes_bytes_and_names_its_free_axes(exported):
    _, path = exported
    graph = onnx.load(path).graph

    def axes(value):
        return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]

    assert axes(graph.input[0]) == [1, 'height', 'width', 3]
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert axes(graph.output[0]) == [1, 'height', 'width']


def test_the_file_carries_its_manifest(exported):
    assert read_manifest(exported[1]) == MANIFEST


def test_a_fixed_graph_has_the_size_of_its_manifest(tmp_path):
    fixed = replace(MANIFEST, dynamic=False)

    export_onnx(trained_looking_network(), fixed, tmp_path / 'model.onnx')

    shape = onnx.load(tmp_path / 'model.onnx').graph.input[0].type.tensor_type.shape
    assert [axis.dim_value for axis in shape.dim] == [1, 64, 96, 3]


def test_weights_that_are_not_finite_are_not_exported(tmp_path):
    network = trained_looking_network()
    with torch.no_grad():
        network.head.bias[0] = torch.nan

    with pytest.raises(ModelError, match='not finite'):
        export_onnx(network, MANIFEST, tmp_path / 'model.onnx')
    assert not (tmp_path / 'model.onnx').exists()
