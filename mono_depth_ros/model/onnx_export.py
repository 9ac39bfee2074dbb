# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
FastDepth as an ONNX graph: uint8 NHWC in, metres out, any height and width.

The graph is written node by node instead of traced: it needs no exporter, takes milliseconds on a
robot, folds batch norm and the division by 255 into the weights, and names its free axes
``height`` and ``width``. `check_parity` compares it with the network it was made from.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from mono_depth_ros.errors import ModelError
from mono_depth_ros.manifest import INPUT, Manifest, METADATA_KEY, OUTPUT
from mono_depth_ros.model.blocks import Block
from mono_depth_ros.model.checkpoint import write_atomic
from mono_depth_ros.model.fastdepth import FastDepth
import numpy as np
from numpy.typing import NDArray
import onnx
from onnx import helper, numpy_helper, TensorProto
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

OPSET = 17


class GraphWriter:
    """Collects the nodes and constants of a graph; each method returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def add(self, kind: str, *inputs: str, name: str = '', **attributes: Any) -> str:
        """Add a node with one output."""
        name = name or f'{kind.lower()}_{len(self.nodes)}'
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name, **attributes))
        return name

    def constant(self, name: str, values: NDArray[np.generic] | Sequence[int] | float) -> str:
        """Add a constant: an array, a float, or a list of int64."""
        array = np.asarray(values)
        array = array.astype(np.int64 if array.dtype.kind == 'i' else np.float32)
        self.constants.setdefault(name, numpy_helper.from_array(array, name))
        return name

    def block(self, x: str, name: str, block: nn.Module) -> str:
        """Add the convolutions of a block."""
        assert isinstance(block, Block)
        y, layers = x, list(block)
        for part in range(0, len(layers), 3):
            conv, norm, activation = layers[part : part + 3]
            kind = 'pointwise' if part else 'expand'
            if isinstance(conv, nn.Conv2d) and conv.groups > 1:
                kind = 'depthwise'
            y = self.convolution(y, f'{name}.{kind}', conv, norm, activation)
        return self.add('Add', x, y) if block.residual else y

    def limits(self, x: str, low: float, high: float) -> str:
        """Add limits on every value."""
        ends = (self.constant(f'limit_{end}', end) for end in (low, high))
        return self.add('Clip', x, *ends)

    def convolution(
        self,
        x: str,
        name: str,
        conv: nn.Module,
        norm: nn.Module | None = None,
        activation: nn.Module | None = None,
        *,
        scale: float = 1.0,
    ) -> str:
        """Add a convolution with its batch norm folded in, for inputs multiplied by 1/scale."""
        assert isinstance(conv, nn.Conv2d)
        assert norm is None or isinstance(norm, nn.BatchNorm2d)
        weight, bias = folded(conv, norm)
        x = self.add(
            'Conv',
            x,
            self.constant(f'{name}.weight', weight * np.float32(scale)),
            self.constant(f'{name}.bias', bias),
            name=name,
            kernel_shape=list(weight.shape[2:]),
            strides=list(conv.stride),
            pads=[int(p) for p in conv.padding] * 2,
            group=conv.groups,
        )
        if isinstance(activation, nn.ReLU6):
            return self.limits(x, 0.0, 6.0)
        return self.add('Relu', x) if isinstance(activation, nn.ReLU) else x


def folded(
    conv: nn.Conv2d, norm: nn.BatchNorm2d | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return weight and bias of a convolution followed by a batch norm in evaluation mode."""
    conv = deepcopy(conv).double().eval()
    if norm is not None:
        conv = fuse_conv_bn_eval(conv, deepcopy(norm).double().eval())
    bias = torch.zeros(conv.out_channels) if conv.bias is None else conv.bias.detach()
    return conv.weight.detach().float().numpy(), bias.float().numpy()


def _slopes(graph: GraphWriter, features: str, focal: float, step: int) -> str:
    """Add the ray slopes (1, 2, h, w) of a feature map of stride ``step``."""
    shape = graph.add('Shape', features)
    axes = []
    for name, axis, view in (('x', 3, (1, 1, 1, -1)), ('y', 2, (1, 1, -1, 1))):
        count = graph.add('Gather', shape, graph.constant(f'axis_{axis}', np.int64(axis)))
        zero, one = graph.constant('zero', np.int64(0)), graph.constant('one', np.int64(1))
        cells = graph.add('Cast', graph.add('Range', zero, count, one), to=TensorProto.FLOAT)
        size = graph.add('Cast', count, to=TensorProto.FLOAT)
        # step * k + (step - 1) / 2 - (step * n - 1) / 2 = step * (k - (n - 1) / 2)
        last = graph.add('Sub', size, graph.constant('one_float', 1.0))
        middle = graph.add('Mul', last, graph.constant('half', 0.5))
        centred = graph.add('Sub', cells, middle)
        slope = graph.add('Mul', centred, graph.constant('slope', step / focal))
        axes.append(graph.add('Reshape', slope, graph.constant(f'view_{name}', view)))
    expanded = []
    for slope in axes:
        ends = [graph.constant(f'end_{k}', [k]) for k in (2, 4)]
        plane = graph.add('Slice', shape, *ends)  # (h, w)
        full = graph.add('Concat', graph.constant('ones', [1, 1]), plane, axis=0)
        expanded.append(graph.add('Expand', slope, full))
    return graph.add('Concat', *expanded, axis=1)


def build_graph(network: FastDepth) -> GraphWriter:
    """Write the nodes of a network."""
    graph = GraphWriter()
    x = graph.add('Cast', INPUT, to=TensorProto.FLOAT)
    x = graph.add('Transpose', x, perm=[0, 3, 1, 2])
    x = graph.convolution(x, 'stem', *network.stem, scale=1 / 255)
    spec, skips = network.spec, {}
    for number, block in enumerate(network.encoder, start=1):
        x = graph.block(x, f'conv{number}', block)
        if number == spec.position and network.position is not None:
            slopes = _slopes(graph, x, network.focal, spec.position_stride)
            hidden, relu, output = network.position
            y = graph.convolution(slopes, 'position.hidden', hidden, activation=relu)
            x = graph.add('Add', x, graph.convolution(y, 'position.output', output))
        if number in spec.skips:
            skips[number] = x
    scales = graph.constant('scales', np.array([1, 1, 2, 2], np.float32))
    for number, block in enumerate(network.decoder):
        refine = network.refine[number]
        if isinstance(refine, Block):
            x = graph.block(x, f'refine{number + 1}', refine)
        x = graph.block(x, f'decode{number + 1}', block)
        if number < len(spec.skips):
            x = graph.add(
                'Resize',
                x,
                '',
                scales,
                mode='nearest',
                coordinate_transformation_mode='asymmetric',
                nearest_mode='floor',
            )
            skip, lateral = skips[spec.skips[number]], network.lateral[number]
            if isinstance(lateral, nn.Conv2d):
                skip = graph.convolution(skip, f'lateral{number + 1}', lateral)
            x = graph.add('Add', x, skip)
    x = graph.convolution(x, 'head', network.head)  # (1, 4, h / 2, w / 2)
    x = graph.add('DepthToSpace', x, blocksize=2, mode='CRD')  # (1, 1, h, w)
    x = graph.add('Exp', x)
    x = graph.limits(x, network.min_depth, network.max_depth)
    graph.add('Squeeze', x, graph.constant('channel', [1]), name=OUTPUT)
    return graph


def to_onnx(network: FastDepth, manifest: Manifest) -> onnx.ModelProto:
    """
    Return the ONNX model of a network, with its manifest inside.

    Input ``image`` is (1, height, width, 3) uint8, red first; output ``depth`` is
    (1, height, width) float32, metres at the training focal length. Height and width are free if
    the manifest says dynamic; otherwise they are its input size.
    """
    graph = build_graph(network)
    free: Sequence[str | int] = ('height', 'width')
    height, width = free if manifest.dynamic else manifest.input_size
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            manifest.name,
            [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [1, height, width, 3])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [1, height, width])],
            list(graph.constants.values()),
        ),
        opset_imports=[helper.make_opsetid('', OPSET)],
        producer_name='mono_depth_ros',
        ir_version=8,
    )
    helper.set_model_props(model, {METADATA_KEY: manifest.to_json()})
    onnx.checker.check_model(model, full_check=True)
    return model


def export_onnx(network: FastDepth, manifest: Manifest, path: Path) -> None:
    """
    Write the ONNX file of a network, whole or not at all.

    Raises
    ------
    ModelError
        If the weights are not finite, or the file cannot be written.

    """
    if not all(bool(torch.isfinite(value).all()) for value in network.state_dict().values()):
        raise ModelError(f'{manifest.name} has weights that are not finite: not exported')
    data = to_onnx(network.cpu().eval(), manifest).SerializeToString()
    write_atomic(Path(path), lambda temporary: temporary.write_bytes(data))


@torch.no_grad()
def check_parity(network: FastDepth, depth: NDArray[np.float32], rgb: NDArray[np.uint8]) -> float:
    """
    Return the largest relative difference between an engine's output and the network's.

    Parameters
    ----------
    network : FastDepth
        Where the engine's graph came from.
    depth : np.ndarray, shape (h, w), float32
        Output of the engine.
    rgb : np.ndarray, shape (h, w, 3), uint8
        Input of the engine.

    """
    image = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255
    expected = network.cpu().eval()(image)[0][0].numpy()
    return float(np.max(np.abs(depth - expected) / expected))
