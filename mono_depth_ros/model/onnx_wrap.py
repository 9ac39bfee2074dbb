# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Graph surgery: uint8 NHWC in and depth out, around a network of another form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TYPE_CHECKING

from mono_depth_ros.engine.checks import describe
from mono_depth_ros.errors import ConfigError, ModelError
from mono_depth_ros.manifest import INPUT, OUTPUT
from mono_depth_ros.preprocessing import parse_input_size
import numpy as np
from numpy.typing import NDArray
import onnx
from onnx import helper, numpy_helper, TensorProto

if TYPE_CHECKING:
    from mono_depth_ros.model.onnx_import import ImportConfig

PREFIX = 'mono_depth/'
# A foreign tensor may be called like one of ours.
RENAMED = {name: f'{PREFIX}network/{name}' for name in (INPUT, OUTPUT)}
# Resize has the form used here from this opset on.
OLDEST_OPSET, CONVERT_TO = 11, 13
INPUT_TYPES = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UINT8)
Size = tuple[int, int]


@dataclass(frozen=True)
class ForeignNetwork:
    """
    A network to be wrapped.

    Attributes
    ----------
    model : onnx.ModelProto
        Its graph, with no tensor named like ours.
    input, output : str
        Names of the tensors to connect.
    input_type : int
        TensorProto type of the input.
    layout : str
        ``nchw`` or ``nhwc``.
    size : tuple of int
        (height, width) it is wrapped for; the default one if it stays free.
    free : bool
        The file leaves height and width open.
    output_axes : tuple of int
        Axes of the rows and columns of the output.
    output_size : tuple of int or None
        (height, width) of the output at ``size``; None if only running it would tell.

    """

    model: onnx.ModelProto
    input: str
    output: str
    input_type: int
    layout: str
    size: Size
    free: bool
    output_axes: tuple[int, int]
    output_size: Size | None


def foreign_network(model: onnx.ModelProto, path: Path, config: ImportConfig) -> ForeignNetwork:
    """
    Find out what is to be wrapped, and how.

    Raises
    ------
    ModelError
        If it has not one colour image as input, or no output that could be depth.
    ConfigError
        If the settings do not fit it.

    """
    model = _at_least_opset(model, path)
    image = _the_input(model, path)
    output = _the_output(model, path, config.output)
    layout, size, free = _input_form(image, path, config)
    sides = (3, *size) if layout == 'nchw' else (*size, 3)
    _set_shape(image, (1, *sides))
    shape = _output_shape(model, output)
    axes, output_size = _output_form(shape, path, output, layout)
    _rename(model.graph, RENAMED)
    return ForeignNetwork(
        model=model,
        input=image.name,  # as renamed
        output=RENAMED.get(output, output),
        input_type=image.type.tensor_type.elem_type,
        layout=layout,
        size=size,
        free=free,
        output_axes=axes,
        output_size=output_size,
    )


def wrap(network: ForeignNetwork, config: ImportConfig) -> onnx.ModelProto:
    """Return the model with image preparation before the network and depth after it."""
    free = network.free and config.stride > 0
    before, after = GraphWriter('in'), GraphWriter('out')
    _prepare_image(before, network, config)
    _finish_depth(after, network, config, free)
    foreign = network.model.graph
    height, width = ('height', 'width') if free else network.size
    graph = helper.make_graph(
        [*before.nodes, *foreign.node, *after.nodes],
        config.name or foreign.name or 'network',
        [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [1, height, width, 3])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [1, height, width])],
        [*foreign.initializer, *before.constants, *after.constants],
        sparse_initializer=list(foreign.sparse_initializer),
    )
    model = helper.make_model(
        graph,
        opset_imports=list(network.model.opset_import),
        functions=list(network.model.functions),
        ir_version=max(network.model.ir_version, 8),
        producer_name='mono_depth_ros',
    )
    return model


class GraphWriter:
    """Collects nodes and constants; names start with a prefix that no other network uses."""

    def __init__(self, part: str) -> None:
        self.part = part
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output and return its name."""
        name = f'{PREFIX}{self.part}/{kind.lower()}_{len(self.nodes)}'
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name, **attributes))
        return name

    def integers(self, values: Sequence[int]) -> str:
        """Add a constant of int64."""
        return self._constant(np.asarray(values, np.int64))

    def floats(self, values: NDArray[np.float64] | Sequence[float] | float) -> str:
        """Add a constant of float32."""
        return self._constant(np.asarray(values, np.float32))

    def _constant(self, array: NDArray[Any]) -> str:
        name = f'{PREFIX}{self.part}/constant_{len(self.constants)}'
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def rename_last(self, name: str) -> None:
        """Give the output of the last node another name."""
        self.nodes[-1].output[0] = name


def _prepare_image(graph: GraphWriter, network: ForeignNetwork, config: ImportConfig) -> None:
    x = INPUT
    if config.colour == 'bgr':
        x = graph.add('Gather', x, graph.integers([2, 1, 0]), axis=3)
    if network.input_type != TensorProto.UINT8:
        x = graph.add('Cast', x, to=TensorProto.FLOAT)
        std = np.asarray(config.std, np.float64)
        gain = 1.0 / (std * (255.0 if config.input_range == '0..1' else 1.0))
        offset = -np.asarray(config.mean, np.float64) / std
        if (gain != 1).any():
            x = graph.add('Mul', x, graph.floats(gain))
        if (offset != 0).any():
            x = graph.add('Add', x, graph.floats(offset))
    if network.layout == 'nchw':
        x = graph.add('Transpose', x, perm=[0, 3, 1, 2])
    graph.add('Cast', x, to=network.input_type)
    graph.rename_last(network.input)


def _finish_depth(
    graph: GraphWriter, network: ForeignNetwork, config: ImportConfig, free: bool
) -> None:
    x = graph.add('Cast', network.output, to=TensorProto.FLOAT)
    one_one = graph.integers([1, 1])
    if network.output_size is not None and not free:
        planar = graph.integers([1, 1, *network.output_size])
    else:
        sides = graph.add('Gather', graph.add('Shape', x), graph.integers(network.output_axes))
        planar = graph.add('Concat', one_one, sides, axis=0)
    x = graph.add('Reshape', x, planar)  # (1, 1, h', w'), whatever ones there were
    if network.output_size != network.size:
        # In the network's own quantity: between two surfaces it is nearer to linear than depth.
        size = graph.integers([1, 1, *network.size])
        if free:
            sides = graph.add('Gather', graph.add('Shape', INPUT), graph.integers([1, 2]))
            size = graph.add('Concat', one_one, sides, axis=0)
        none = graph.floats([])
        x = graph.add(
            'Resize',
            x,
            none,
            none,
            size,
            mode='linear',
            coordinate_transformation_mode='half_pixel',
        )
    if config.metric:
        x = _to_metres(graph, x, config)
    final = graph.integers([1, *network.size])
    if free:
        final = graph.add('Gather', graph.add('Shape', INPUT), graph.integers([0, 1, 2]))
    graph.add('Reshape', x, final)
    graph.rename_last(OUTPUT)


def _to_metres(graph: GraphWriter, x: str, config: ImportConfig) -> str:
    x = graph.add('Mul', x, graph.floats(1 / config.fb if config.fb else config.scale))
    if config.shift:
        x = graph.add('Add', x, graph.floats(config.shift))
    limits = (config.min_depth, config.max_depth)
    if config.kind == 'depth':
        return graph.add('Clip', x, *(graph.floats(limit) for limit in limits))
    # Limited before the division, so that a zero is as far as it can be.
    far_to_near = (graph.floats(1 / limit) for limit in reversed(limits))
    return graph.add('Reciprocal', graph.add('Clip', x, *far_to_near))


def _at_least_opset(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    versions = [entry.version for entry in model.opset_import if entry.domain in ('', 'ai.onnx')]
    if versions and max(versions) >= OLDEST_OPSET:
        return model
    try:
        return onnx.version_converter.convert_version(model, CONVERT_TO)
    except Exception as error:  # the converter is C++ and raises RuntimeError and others
        raise ModelError(
            f'{path} uses opset {max(versions, default=0)}, which cannot be converted ({error}): '
            f'export it again with opset {CONVERT_TO} or newer'
        ) from error


def _the_input(model: onnx.ModelProto, path: Path) -> onnx.ValueInfoProto:
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs: list[onnx.ValueInfoProto] = [
        value for value in model.graph.input if value.name not in constants
    ]
    listed = '; '.join(describe(value) for value in inputs) or 'none'
    if len(inputs) != 1:
        raise ModelError(f'{path} must have one input, a colour image; it has: {listed}')
    tensor = inputs[0].type.tensor_type
    if tensor.elem_type not in INPUT_TYPES or len(tensor.shape.dim) != 4:
        raise ModelError(
            f'{path}: the input must be a float or uint8 image with 4 axes (batch, channels, rows '
            f'and columns); it is {listed}'
        )
    return inputs[0]


def _the_output(model: onnx.ModelProto, path: Path, wanted: str) -> str:
    names = [value.name for value in model.graph.output]
    listed = '; '.join(describe(value) for value in model.graph.output) or 'none'
    if wanted and wanted not in names:
        raise ModelError(f'{path} has no output {wanted!r}; it has: {listed}')
    if not wanted and len(names) != 1:
        raise ModelError(f'{path} has several outputs, name one with `output:`; it has: {listed}')
    return wanted or names[0]


def _input_form(
    image: onnx.ValueInfoProto, path: Path, config: ImportConfig
) -> tuple[str, Size, bool]:
    """Return the layout, the (height, width) to wrap for, and whether the file leaves it free."""
    dims = [dim.dim_value or None for dim in image.type.tensor_type.shape.dim]
    layout = config.layout
    if layout == 'auto':
        if dims[1] != 3 and dims[3] != 3:
            raise ModelError(
                f'{path}: cannot tell where the 3 channels of {describe(image)} are: set layout'
            )
        layout = 'nchw' if dims[1] == 3 else 'nhwc'
    channels, rows, columns = (1, 2, 3) if layout == 'nchw' else (3, 1, 2)
    if dims[channels] not in (3, None) or dims[0] not in (1, None):
        raise ModelError(
            f'{path}: the input must be one image with 3 channels in layout {layout}; it is '
            f'{describe(image)}'
        )
    wanted = parse_input_size(config.input_size)
    given = (dims[rows], dims[columns])
    free = given == (None, None)
    size = wanted or given
    if size[0] is None or size[1] is None:
        raise ConfigError(f'{path.name} takes images of any size: set input_size')
    if any(side not in (None, want) for side, want in zip(given, size, strict=True)):
        raise ConfigError(
            f'input_size is {config.input_size}, but {path.name} is fixed at '
            f'{given[0] or "?"}x{given[1] or "?"}: leave it at auto'
        )
    if config.stride and not free:
        raise ConfigError(f'{path.name} has a fixed size: leave stride at 0')
    if config.stride and (size[0] % config.stride or size[1] % config.stride):
        raise ConfigError(f'input_size {config.input_size} is no multiple of {config.stride}')
    return layout, (size[0], size[1]), free


def _set_shape(value: onnx.ValueInfoProto, shape: Sequence[int]) -> None:
    for dim, side in zip(value.type.tensor_type.shape.dim, shape, strict=True):
        dim.Clear()
        dim.dim_value = side


def _output_shape(model: onnx.ModelProto, name: str) -> list[int | None]:
    """Return the shape of an output for the input shape just set; None where it is unknown."""
    declared = next(value for value in model.graph.output if value.name == name)
    trial = onnx.ModelProto()
    trial.CopyFrom(model)
    del trial.graph.value_info[:]
    for value in trial.graph.output:
        value.type.tensor_type.ClearField('shape')
    try:
        trial = onnx.shape_inference.infer_shapes(trial, data_prop=True)
    except Exception:  # operators it does not know: what the file declares must do
        trial = model
    found = next(value for value in trial.graph.output if value.name == name)
    if not found.type.tensor_type.shape.dim:
        found = declared
    return [dim.dim_value or None for dim in found.type.tensor_type.shape.dim]


def _output_form(
    shape: list[int | None], path: Path, name: str, layout: str
) -> tuple[tuple[int, int], Size | None]:
    """Return the axes of rows and columns, and their sizes if known."""
    rank = len(shape)
    if rank == 4:
        planar = shape[1] == 1 or (shape[3] != 1 and layout == 'nchw')
        rows, columns = (2, 3) if planar else (1, 2)
    elif rank == 3:
        rows, columns = (0, 1) if shape[2] == 1 and shape[0] != 1 else (1, 2)
    else:
        rows, columns = 0, 1
    others = [side for axis, side in enumerate(shape) if axis not in (rows, columns)]
    if rank not in (2, 3, 4) or any(side not in (1, None) for side in others):
        raise ModelError(
            f'{path}: output {name} must be one depth image, e.g. (1, 1, h, w), (1, h, w) or '
            f'(h, w); it is ({", ".join(str(side or "?") for side in shape)})'
        )
    height, width = shape[rows], shape[columns]
    return (rows, columns), (height, width) if height and width else None


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Rename tensors, in the graph and in those inside its If and Loop nodes."""
    for node in graph.node:
        for tensors in (node.input, node.output):
            for index, name in enumerate(tensors):
                tensors[index] = names.get(name, name)
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField('g') else []), *attribute.graphs):
                _rename(inner, names)
    sparse = [part for t in graph.sparse_initializer for part in (t.values, t.indices)]
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer, *sparse):
        value.name = names.get(value.name, value.name)
