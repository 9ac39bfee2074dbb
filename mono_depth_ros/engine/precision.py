# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Write the precision of a network into its ONNX graph.

TensorRT 11 only builds strongly typed networks: each layer runs in the type its graph says. So
half precision is not a switch of the builder but a graph with float16 tensors in it, and any
runtime that reads the graph does the same arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mono_depth_ros.errors import ModelError
from mono_depth_ros.manifest import INPUT
import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto

HALF_LIMIT = float(np.finfo(np.float16).max)
# What takes the time. Only what lies between two of these is worth running in half precision.
HEAVY = frozenset({'Conv', 'ConvTranspose', 'MatMul', 'Gemm'})
# Safe in half precision. Sums over many values, exponentials and norms are not here on purpose.
SAFE = HEAVY | {
    'Add',
    'AveragePool',
    'Clip',
    'Concat',
    'DepthToSpace',
    'Flatten',
    'Gelu',
    'HardSigmoid',
    'HardSwish',
    'Identity',
    'LeakyRelu',
    'MaxPool',
    'Mul',
    'PRelu',
    'Pad',
    'Relu',
    'Reshape',
    'Resize',
    'Sigmoid',
    'Slice',
    'SpaceToDepth',
    'Split',
    'Squeeze',
    'Sub',
    'Tanh',
    'Transpose',
    'Unsqueeze',
}
# Inputs that keep float32 whatever the type of the first one.
ALWAYS_FLOAT = {'Resize': (1, 2)}
FLOAT = TensorProto.FLOAT
Node = onnx.NodeProto


def fix_input_size(model: onnx.ModelProto, size: tuple[int, int]) -> None:
    """Give the graph one input size (height, width), so that a builder may fold its shapes."""
    for value, sides in (
        (model.graph.input[0], (1, *size, 3)),
        (model.graph.output[0], (1, *size)),
    ):
        dims = value.type.tensor_type.shape.dim
        for dim, side in zip(dims, sides, strict=True):
            dim.Clear()
            dim.dim_value = side
    # Shapes of the tensors between may name the sides that are numbers now.
    del model.graph.value_info[:]


def float_the_image(model: onnx.ModelProto) -> None:
    """
    Let nothing but a cast to float read the uint8 image.

    TensorRT takes uint8 at the border of a network, and converts it to float32 or float16 only.
    """
    graph = model.graph
    readers = [n for n in graph.node if INPUT in n.input and not _casts_to_float(n)]
    if not readers:
        return
    name = f'{INPUT}/float'
    for node in readers:
        _rename_input(node, INPUT, name)
    graph.node.insert(0, helper.make_node('Cast', [INPUT], [name], name, to=FLOAT))


def _casts_to_float(node: Node) -> bool:
    kinds = (TensorProto.FLOAT, TensorProto.FLOAT16)
    return node.op_type == 'Cast' and any(a.name == 'to' and a.i in kinds for a in node.attribute)


def to_half(model: onnx.ModelProto) -> int:
    """
    Type the bulk of a float32 graph as float16, in place.

    What stays in float32: everything before the first heavy operation (the uint8 image and its
    normalisation), everything from the last one on (the head, exp and scale), all arithmetic
    that does not come from the image (coordinates), and every operation that is not known to be
    safe. Casts join the two.

    Parameters
    ----------
    model : onnx.ModelProto
        In the form of this package.

    Returns
    -------
    int
        Number of nodes that run in half precision now; 0 where a graph has one heavy operation
        or none.

    Raises
    ------
    ModelError
        If a weight is too large for float16.

    """
    plan = _choose(model)
    _Typing(model.graph, plan).apply()
    return len(plan.half)


@dataclass(frozen=True)
class _Choice:
    """Indices of the nodes that go to half precision, and which tensors are float32."""

    half: frozenset[int]
    floats: frozenset[str]


def _choose(model: onnx.ModelProto) -> _Choice:
    """Find the safe nodes that lie between two heavy ones on the way from image to depth."""
    graph = model.graph
    floats = _float_tensors(model)
    from_image = _reached(graph.node, {INPUT}, floats | {INPUT})
    heavy = {i for i in from_image if graph.node[i].op_type in HEAVY}
    after = _reached(graph.node, _outputs(graph.node, heavy), floats)
    before = _reaching(graph.node, _inputs(graph.node, heavy), floats)
    half = {
        i
        for i in from_image & before & (after | heavy)
        if graph.node[i].op_type in SAFE and _all_float(graph.node[i], floats)
    }
    return _Choice(frozenset(half), frozenset(floats))


def _float_tensors(model: onnx.ModelProto) -> set[str]:
    """Return the names of all float32 tensors."""
    try:
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    except onnx.shape_inference.InferenceError as error:
        raise ModelError(f'the types of the graph cannot be inferred: {error}') from error
    values = [*inferred.value_info, *inferred.input, *inferred.output]
    floats = {v.name for v in values if v.type.tensor_type.elem_type == FLOAT}
    return floats | {t.name for t in inferred.initializer if t.data_type == FLOAT}


def _all_float(node: Node, floats: set[str]) -> bool:
    return all(name in floats for name in node.output) and node.input[0] in floats


def _outputs(nodes: Iterable[Node], chosen: set[int]) -> set[str]:
    return {name for i, node in enumerate(nodes) if i in chosen for name in node.output}


def _inputs(nodes: Iterable[Node], chosen: set[int]) -> set[str]:
    return {name for i, node in enumerate(nodes) if i in chosen for name in node.input}


def _reached(nodes: Iterable[Node], start: set[str], through: set[str]) -> set[int]:
    """Return the nodes that data flows to from ``start`` through these tensors; topological."""
    known, found = set(start), set()
    for index, node in enumerate(nodes):
        if any(name in known for name in node.input):
            found.add(index)
            known |= {name for name in node.output if name in through}
    return found


def _reaching(nodes: Iterable[Node], end: set[str], through: set[str]) -> set[int]:
    """Return the nodes from which data flows to ``end`` through these tensors."""
    known, found = {name for name in end if name in through}, set()
    for index, node in reversed(list(enumerate(nodes))):
        if any(name in known for name in node.output):
            found.add(index)
            known |= {name for name in node.input if name in through}
    return found


class _Typing:
    """Rewrites a graph: half tensors get a name of their own, casts join them to the others."""

    def __init__(self, graph: onnx.GraphProto, choice: _Choice) -> None:
        self.graph, self.choice = graph, choice
        self.made = {n for i in choice.half for n in graph.node[i].output}
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        self.done: set[str] = set()

    def apply(self) -> None:
        """Rewrite the graph."""
        nodes: list[Node] = []
        wanted = self._wanted_in_float()
        for index, node in enumerate(self.graph.node):
            if index in self.choice.half:
                nodes += self._half_inputs(node)
            nodes.append(node)
            if index in self.choice.half:
                nodes += self._half_outputs(node, wanted)
        del self.graph.node[:]
        self.graph.node.extend(nodes)
        drop_unused(self.graph)
        del self.graph.value_info[:]

    def _wanted_in_float(self) -> set[str]:
        """Return what is read by nodes that stay in float32, or leaves the graph."""
        wanted = {value.name for value in self.graph.output}
        for index, node in enumerate(self.graph.node):
            if index not in self.choice.half:
                wanted |= set(_read(node))
        return wanted

    def _half_inputs(self, node: Node) -> list[Node]:
        casts = []
        for position, name in enumerate(node.input):
            if position in ALWAYS_FLOAT.get(node.op_type, ()) or name not in self.choice.floats:
                continue
            half = f'{name}/half'
            node.input[position] = half
            if name in self.made or half in self.done:
                continue
            self.done.add(half)
            if name in self.constants:
                self.graph.initializer.append(_half_constant(self.constants[name], half))
            else:
                casts.append(_cast(name, half, TensorProto.FLOAT16))
        return casts

    def _half_outputs(self, node: Node, wanted: set[str]) -> list[Node]:
        casts = []
        for position, name in enumerate(node.output):
            node.output[position] = f'{name}/half'
            if name in wanted:
                casts.append(_cast(f'{name}/half', name, FLOAT))
        return casts


def drop_unused(graph: onnx.GraphProto) -> None:
    """Remove the constants that no node reads any more."""
    used = {name for node in graph.node for name in _read(node)}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _read(node: Node) -> Iterable[str]:
    """Yield what a node reads, its subgraphs included."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _read(inner)


def _cast(source: str, target: str, kind: int) -> Node:
    return helper.make_node('Cast', [source], [target], f'{target}/cast', to=kind)


def _half_constant(tensor: onnx.TensorProto, name: str) -> onnx.TensorProto:
    values = numpy_helper.to_array(tensor)
    if values.size and float(np.abs(values).max()) > HALF_LIMIT:
        raise ModelError(
            f'{tensor.name} has values beyond float16 ({HALF_LIMIT:.0f}): set precision to fp32'
        )
    return numpy_helper.from_array(values.astype(np.float16), name)


def _rename_input(node: Node, old: str, new: str) -> None:
    for position, name in enumerate(node.input):
        if name == old:
            node.input[position] = new
