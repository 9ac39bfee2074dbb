# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Compute beforehand what a graph of one input size computes from shapes and constants.

Coordinates and sizes come out of a dozen operations on integers, each of which a parser may or may
not take. At one input size they are numbers, so a builder need not see them.
"""

from __future__ import annotations

from mono_depth_ros.engine.precision import drop_unused, HEAVY
from mono_depth_ros.errors import ModelError
import numpy as np
from numpy.typing import NDArray
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

# Q/DQ of weights is there to stay, and weights are for the builder to fuse.
KEPT = HEAVY | {'QuantizeLinear', 'DequantizeLinear'}
# Larger results would make a larger plan than the operation does.
LARGEST = 1 << 24
Values = dict[str, NDArray[np.generic]]


def fold_constants(model: onnx.ModelProto) -> int:
    """
    Replace every node whose result is known by its result, in place.

    Parameters
    ----------
    model : onnx.ModelProto
        With fixed input sizes.

    Returns
    -------
    int
        Number of nodes that went.

    Raises
    ------
    ModelError
        If the shapes of the graph contradict each other.

    """
    graph, before = model.graph, len(model.graph.node)
    # Each round knows more shapes than the one before.
    while True:
        kept, results = _known(model)
        if len(kept) == len(graph.node):
            return before - len(kept)
        wanted = {name for node in kept for name in node.input} | {v.name for v in graph.output}
        graph.initializer.extend(
            numpy_helper.from_array(value, name)
            for name, value in results.items()
            if name in wanted
        )
        del graph.node[:]
        graph.node.extend(kept)
        drop_unused(graph)


def _known(model: onnx.ModelProto) -> tuple[list[onnx.NodeProto], Values]:
    """Return the nodes that have to be run, and the results of the others."""
    shapes = _shapes(model)
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    outputs = {value.name for value in model.graph.output}
    kept, results = [], Values()
    for node in model.graph.node:
        known = constants | results
        if node.op_type == 'Shape' and node.input[0] in shapes:
            known = {node.input[0]: np.empty(shapes[node.input[0]], np.int8)}
        found = None
        if not outputs & set(node.output) and all(name in known for name in node.input if name):
            found = _evaluate(model, node, known)
        if found is None:
            kept.append(node)
        else:
            results |= found
    return kept, results


def _evaluate(model: onnx.ModelProto, node: onnx.NodeProto, known: Values) -> Values | None:
    """Run one node; None where it is better left in the graph."""
    has_graph = any(a.type in (a.GRAPH, a.GRAPHS) for a in node.attribute)
    if node.op_type in KEPT or has_graph or node.domain:
        return None
    names = [name for name in node.input if name]
    graph = helper.make_graph(
        [node],
        'one',
        [onnx.ValueInfoProto(name=name) for name in names],
        [onnx.ValueInfoProto(name=name) for name in node.output],
    )
    single = helper.make_model(graph, opset_imports=model.opset_import)
    try:
        values = ReferenceEvaluator(single).run(None, {name: known[name] for name in names})
    except (NotImplementedError, RuntimeError, TypeError, ValueError):
        return None
    found = {n: np.asarray(v) for n, v in zip(node.output, values, strict=True) if n}
    return found if sum(value.nbytes for value in found.values()) <= LARGEST else None


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Return the shapes that are known."""
    try:
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    except onnx.shape_inference.InferenceError as error:
        raise ModelError(f'the shapes of the graph cannot be inferred: {error}') from error
    found = {}
    for value in (*inferred.value_info, *inferred.input, *inferred.output):
        dims = value.type.tensor_type.shape.dim
        if all(dim.HasField('dim_value') for dim in dims):
            found[value.name] = tuple(int(dim.dim_value) for dim in dims)
    return found
