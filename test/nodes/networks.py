# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Variants of the red network: as good as it, or with a fault that loading does not show."""

import itertools

from mono_depth_ros.engine.store import VersionStore
import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto


def variant(source, path, *, gain=0.01, offset=1.0, change=None):
    """Write the red network with another gain and offset, and a change of its graph."""
    network = onnx.load(source)
    for name, value in (('gain', gain), ('offset', offset)):
        (held,) = (tensor for tensor in network.graph.initializer if tensor.name == name)
        held.CopyFrom(numpy_helper.from_array(np.float32(value), name))
    if change is not None:
        change(network.graph)
    onnx.save(network, path)
    return path


def _append(graph, nodes, **constants):
    """Let more nodes make ``depth`` of what made it until now, which they call ``plain``."""
    graph.node[-1].output[0] = 'plain'
    graph.node.extend(helper.make_node(*node[:3], **dict(node[3:])) for node in nodes)
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    )


def blind_to_green_7(graph):
    """Make every pixel NaN whose green is 7, as in the images of the tests; noise has few."""
    _append(
        graph,
        [
            ('Gather', ['image', 'one'], ['green'], ('axis', 3)),
            ('Cast', ['green'], ['green_float'], ('to', TensorProto.FLOAT)),
            ('Sub', ['green_float', 'seven'], ['difference']),
            ('Abs', ['difference'], ['distance']),
            ('Log', ['distance'], ['log']),
            ('Mul', ['log', 'zero'], ['nothing']),
            ('Add', ['plain', 'nothing'], ['depth']),
        ],
        one=np.int64(1),
        seven=np.float32(7),
        zero=np.float32(0),
    )


def never_finite(graph):
    """Make every pixel NaN, whatever the image."""
    _append(
        graph,
        [('Mul', ['plain', 'zero'], ['nothing']), ('Div', ['nothing', 'nothing'], ['depth'])],
        zero=np.float32(0),
    )


def slow(graph):
    """Compute a lot that changes nothing."""
    weights = np.random.default_rng(0).normal(0, 0.05, (64, 64, 3, 3)).astype(np.float32)
    layers = [f'layer{number}' for number in range(7)]
    convolutions = [
        ('Conv', [before, 'weights'], [after], ('pads', [1, 1, 1, 1]))
        for before, after in itertools.pairwise(layers)
    ]
    _append(
        graph,
        [
            ('Unsqueeze', ['plain', 'axis'], ['planar']),
            ('Conv', ['planar', 'first'], [layers[0]], ('pads', [1, 1, 1, 1])),
            *convolutions,
            ('ReduceMean', [layers[-1]], ['mean'], ('axes', [1]), ('keepdims', 0)),
            ('Mul', ['mean', 'tiny'], ['nothing']),
            ('Add', ['plain', 'nothing'], ['depth']),
        ],
        axis=np.array([1]),
        first=weights[:, :1].copy(),
        weights=weights,
        tiny=np.float32(1e-9),
    )


def takes_floats(graph):
    """Take an image of another type than the package gives."""
    graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT


def new_store(root, *networks):
    """Return a store with these networks, the first of them in use."""
    store = VersionStore(root)
    versions = [store.add(network) for network in networks]
    store.promote(versions[0])
    return store
