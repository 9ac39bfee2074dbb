# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A network small enough to be made in a test."""

from collections.abc import Callable
from pathlib import Path

from mono_depth_ros.manifest import Manifest, METADATA_KEY
import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import pytest


def tiny_model(
    manifest: Manifest | None,
    *,
    seed: int = 0,
    offset: float = 0.5,
    image_type: int = TensorProto.UINT8,
    names: tuple[str, str] = ('image', 'depth'),
) -> onnx.ModelProto:
    """Return a 3x3 convolution in the form of the package: uint8 NHWC in, positive values out."""
    weights = np.random.default_rng(seed).normal(size=(4, 3, 3, 3)).astype(np.float32)
    free = manifest is None or manifest.dynamic
    sides = ['height', 'width'] if free else list(manifest.input_size)
    nodes = [
        helper.make_node('Cast', [names[0]], ['float'], to=TensorProto.FLOAT),
        helper.make_node('Transpose', ['float'], ['planar'], perm=[0, 3, 1, 2]),
        helper.make_node('Mul', ['planar', 'gain'], ['scaled']),
        helper.make_node('Conv', ['scaled', 'weights'], ['features'], pads=[1, 1, 1, 1]),
        helper.make_node('Relu', ['features'], ['active']),
        helper.make_node('ReduceMean', ['active'], ['mean'], axes=[1], keepdims=0),
        helper.make_node('Add', ['mean', 'offset'], [names[1]]),
    ]
    constants = {'gain': np.float32(1 / 255), 'offset': np.float32(offset), 'weights': weights}
    graph = helper.make_graph(
        nodes,
        'tiny',
        [helper.make_tensor_value_info(names[0], image_type, [1, *sides, 3])],
        [helper.make_tensor_value_info(names[1], TensorProto.FLOAT, [1, *sides])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    if manifest is not None:
        helper.set_model_props(model, {METADATA_KEY: manifest.to_json()})
    return model


@pytest.fixture
def write_tiny(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a tiny network and returns its path."""

    def write(
        manifest: Manifest | None = None, name: str = 'tiny.onnx', **options: object
    ) -> Path:
        manifest = manifest or Manifest('tiny', input_size=(32, 64), dynamic=True)
        onnx.save(tiny_model(manifest, **options), tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture
def noise() -> Callable[[int, int], np.ndarray]:
    """Return a function that makes a random image of height and width."""

    def make(height: int, width: int) -> np.ndarray:
        return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)

    return make
