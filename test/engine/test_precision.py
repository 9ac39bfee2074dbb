# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Half precision is in the graph, where it does no harm."""

from mono_depth_ros.engine.precision import fix_input_size, float_the_image, to_half
from mono_depth_ros.errors import ModelError
from mono_depth_ros.frames import open_frames
from mono_depth_ros.model.registry import shipped_models
from mono_depth_ros.preprocessing import resize_rgb
import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import pytest

ort = pytest.importorskip('onnxruntime')
SIZE = (96, 128)


@pytest.fixture(scope='module')
def network(tmp_path_factory):
    """Return the network of the package, small and not trained."""
    torch = pytest.importorskip('torch')
    from mono_depth_ros.manifest import Manifest
    from mono_depth_ros.model.fastdepth import FastDepth
    from mono_depth_ros.model.onnx_export import to_onnx

    torch.manual_seed(0)
    manifest = Manifest('small', input_size=SIZE, dynamic=True, focal=220.0)
    return to_onnx(FastDepth(width=0.25).eval(), manifest)


def run(model, rgb):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    # As it is written: an optimiser that moved casts would measure itself.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {'image': rgb[None]})[0][0]


def typed(model, size=SIZE):
    """Return the model as a build in fp16 sees it, and how many nodes became half."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    fix_input_size(copy, size)
    float_the_image(copy)
    return copy, to_half(copy)


def kinds(model):
    """Return the type of every tensor."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = [*inferred.value_info, *inferred.input, *inferred.output]
    return {v.name: v.type.tensor_type.elem_type for v in values} | {
        t.name: t.data_type for t in inferred.initializer
    }


def test_nearly_all_convolutions_become_half_and_the_graph_stays_valid(network):
    half, count = typed(network)

    onnx.checker.check_model(half, full_check=True)
    of = kinds(half)
    convolutions = [node for node in half.graph.node if node.op_type == 'Conv']
    in_half = [n.name for n in convolutions if of[n.output[0]] == TensorProto.FLOAT16]
    in_float = [n.name for n in convolutions if of[n.output[0]] == TensorProto.FLOAT]
    assert in_float == ['position.hidden', 'position.output', 'head']
    assert len(in_half) == len(convolutions) - 3
    assert count > len(in_half)


def test_image_coordinates_head_and_scale_stay_in_float(network):
    half, _ = typed(network)
    of = kinds(half)

    for node in half.graph.node:
        if node.op_type in ('Exp', 'Range', 'Expand', 'DepthToSpace'):
            assert of[node.output[0]] != TensorProto.FLOAT16, node.op_type
    assert of['image'] == TensorProto.UINT8
    assert of['depth'] == TensorProto.FLOAT


def test_every_operation_has_inputs_of_one_type(network):
    half, _ = typed(network)
    of = kinds(half)

    for node in half.graph.node:
        if node.op_type in ('Conv', 'Add', 'Mul', 'Sub', 'Relu', 'Clip', 'Concat'):
            assert len({of[name] for name in node.input if name}) == 1, node


def test_the_file_shrinks_to_half(network):
    half, _ = typed(network)

    assert half.ByteSize() < 0.6 * network.ByteSize()


@pytest.mark.parametrize('size', [SIZE, (64, 160)])
def test_depth_changes_by_less_than_one_percent(network, noise, size):
    half, _ = typed(network, size)
    whole = onnx.ModelProto()
    whole.CopyFrom(network)
    fix_input_size(whole, size)
    rgb = noise(*size)

    difference = np.abs(run(half, rgb) / run(whole, rgb) - 1)

    assert difference.max() < 0.01
    assert 0 < difference.mean() < 0.002


def test_the_shipped_network_keeps_its_depth_on_real_images(kitchen):
    model = onnx.load(shipped_models()['indoor'])
    half, _ = typed(model, (192, 256))
    fix_input_size(model, (192, 256))
    images = [frame.rgb for _, frame in zip(range(3), open_frames(kitchen), strict=False)]

    for rgb in images:
        small = np.ascontiguousarray(resize_rgb(rgb, (192, 256)))
        difference = np.abs(run(half, small) / run(model, small) - 1)
        assert difference.mean() < 0.002 and difference.max() < 0.01


def test_a_weight_too_large_for_half_is_refused(network):
    copy = onnx.ModelProto()
    copy.CopyFrom(network)
    weight = next(t for t in copy.graph.initializer if t.name == 'conv5.pointwise.weight')
    values = numpy_helper.to_array(weight).copy()
    values.flat[0] = 1e6
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))

    with pytest.raises(ModelError, match=r'conv5.pointwise.weight .*65504.*precision to fp32'):
        typed(copy)


@pytest.mark.parametrize(
    'first',
    [
        helper.make_node('Gather', ['image', 'order'], ['bgr'], axis=3),
        helper.make_node('Cast', ['image'], ['bgr'], to=TensorProto.INT32),
    ],
)
def test_only_a_cast_to_float_reads_the_uint8_image(first):
    nodes = [
        first,
        helper.make_node('Cast', ['bgr'], ['float'], to=TensorProto.FLOAT),
        helper.make_node('ReduceMean', ['float'], ['depth'], axes=[3], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        'bgr',
        [helper.make_tensor_value_info('image', TensorProto.UINT8, [1, 'h', 'w', 3])],
        [helper.make_tensor_value_info('depth', TensorProto.FLOAT, [1, 'h', 'w'])],
        [numpy_helper.from_array(np.array([2, 1, 0]), 'order')],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    rgb = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    before = run(model, rgb)

    half, count = typed(model)

    (reader,) = (n for n in half.graph.node if 'image' in n.input)
    assert (reader.op_type, reader.attribute[0].i, count) == ('Cast', TensorProto.FLOAT, 0)
    np.testing.assert_array_equal(run(half, rgb), before)
