# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A builder sees no arithmetic on shapes, and the depth stays the same."""

from mono_depth_ros.engine.folding import fold_constants
from mono_depth_ros.engine.precision import fix_input_size
from mono_depth_ros.model.registry import shipped_models
import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import pytest

ort = pytest.importorskip('onnxruntime')


def run(model, rgb):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {'image': rgb[None]})[0]


@pytest.mark.parametrize('size', [(192, 256), (160, 320)])
def test_the_shipped_network_has_no_integers_left_and_computes_the_same(noise, size):
    model = onnx.load(shipped_models()['indoor'])
    fix_input_size(model, size)
    before = run(model, noise(*size))

    assert fold_constants(model) > 20

    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    kinds = {value.type.tensor_type.elem_type for value in inferred.value_info}
    assert kinds == {TensorProto.FLOAT}
    read = {name for node in model.graph.node for name in node.input}
    assert {tensor.name for tensor in model.graph.initializer} <= read
    assert not {'Range', 'Expand', 'Gather'} & {node.op_type for node in model.graph.node}
    np.testing.assert_allclose(run(model, noise(*size)), before, rtol=1e-6)


def small(nodes, constants, outputs=('depth',)):
    graph = helper.make_graph(
        nodes,
        'small',
        [helper.make_tensor_value_info('image', TensorProto.UINT8, [1, 8, 8, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)


def test_a_size_that_another_size_is_made_of_is_found():
    nodes = [
        helper.make_node('Cast', ['image'], ['x'], to=TensorProto.FLOAT),
        helper.make_node('Shape', ['x'], ['shape'], start=1, end=3),
        helper.make_node('Concat', ['shape', 'rest'], ['target'], axis=0),
        helper.make_node('Reshape', ['x', 'target'], ['flat']),
        helper.make_node('Shape', ['flat'], ['shape2']),
        helper.make_node('Cast', ['shape2'], ['sides'], to=TensorProto.FLOAT),
        helper.make_node('ReduceSum', ['sides', 'first'], ['sum']),
        helper.make_node('Mul', ['flat', 'sum'], ['depth']),
    ]
    model = small(nodes, {'rest': np.array([-1]), 'first': np.array([0])})

    fold_constants(model)

    assert [node.op_type for node in model.graph.node] == ['Cast', 'Reshape', 'Mul']
    rgb = np.ones((8, 8, 3), np.uint8)
    assert np.unique(run(model, rgb)) == 19.0


def test_weights_behind_q_and_dq_stay_in_int8():
    nodes = [
        helper.make_node('Cast', ['image'], ['x'], to=TensorProto.FLOAT),
        helper.make_node('QuantizeLinear', ['weight', 'scale', 'zero'], ['q']),
        helper.make_node('DequantizeLinear', ['q', 'scale', 'zero'], ['w']),
        helper.make_node('MatMul', ['x', 'w'], ['depth']),
    ]
    constants = {
        'weight': np.ones((3, 1), np.float32),
        'scale': np.float32(0.01),
        'zero': np.int8(0),
    }
    model = small(nodes, {name: np.asarray(value) for name, value in constants.items()})

    assert fold_constants(model) == 0


def test_an_output_is_left_where_it_is():
    model = small(
        [helper.make_node('Add', ['one', 'one'], ['depth'])], {'one': np.ones(3, np.float32)}
    )

    assert fold_constants(model) == 0
