# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
INT8 by explicit Q/DQ nodes, made with the static quantisation of ONNX Runtime.

The Q/DQ graph is plain ONNX: TensorRT, ONNX Runtime and OpenVINO all run it, so what INT8 costs in
accuracy can be measured on any machine. Weights are quantised for each output channel, activations
symmetrically with one scale a tensor, as TensorRT wants it; the first convolution, the head and
what does not come from the image stay in float.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import contextlib
from dataclasses import dataclass, replace
import io
import logging
from pathlib import Path
import tempfile
from typing import Any

import cv2
from mono_depth_ros.engine.base import Engine
from mono_depth_ros.engine.precision import fix_input_size, HEAVY
from mono_depth_ros.errors import BackendUnavailableError, ConfigError, EngineError
from mono_depth_ros.frames import Frame
from mono_depth_ros.manifest import INPUT, Manifest, METADATA_KEY
from mono_depth_ros.metrics import mean_scores, Protocol, score_image
from mono_depth_ros.pipeline import DepthEstimator
import numpy as np
from numpy.typing import NDArray
import onnx
from onnx import helper

# So many images in all, half from the source domain and half from where the robot is.
FEWEST, MOST = 200, 500
# abs_rel may grow by this share.
ALLOWED = 0.03
# Frames that are held while their activations are counted; all at once would be gigabytes.
CHUNK = 16
PERCENTILE = 99.99


@dataclass(frozen=True)
class Comparison:
    """
    abs_rel of the float network and of its INT8 form.

    Attributes
    ----------
    before, after : dict
        By alignment (``none``, ``median``).
    frames : int
        How many were scored.

    """

    before: dict[str, float]
    after: dict[str, float]
    frames: int

    @property
    def worst(self) -> float:
        """Largest relative growth of abs_rel."""
        return max(self.after[name] / self.before[name] - 1 for name in self.before)

    @property
    def accepted(self) -> bool:
        """Say whether INT8 is good enough."""
        return self.worst < ALLOWED

    def describe(self) -> str:
        """Return the numbers in words."""
        parts = (f'{self.before[n]:.4f} -> {self.after[n]:.4f} ({n})' for n in self.before)
        return f'abs_rel {", ".join(parts)} on {self.frames} frames, {100 * self.worst:+.1f} %'


def kept_in_float(model: onnx.ModelProto) -> list[str]:
    """Return the names of the heavy nodes that stay in float: first, last, not of the image."""
    # A shape is not of the image: it is a number that is known before there is one.
    reached, heads, inner = {INPUT}, list[str](), set[str]()
    kept = []
    first = True
    for node in model.graph.node:
        from_image = bool(reached & set(node.input)) and node.op_type != 'Shape'
        if from_image:
            reached |= set(node.output)
        if node.op_type not in HEAVY:
            continue
        if not from_image or first:
            kept.append(node.name)
        first = first and not from_image
    # The last ones: no other heavy node reads what comes out of them.
    for node in reversed(model.graph.node):
        ends = not (inner & set(node.output))
        if node.op_type in HEAVY and ends and node.name not in kept:
            heads.append(node.name)
        if node.op_type in HEAVY or not ends:
            inner |= set(node.input)
    return [*kept, *heads]


def quantise(
    model_path: Path,
    frames: Sequence[NDArray[np.uint8]],
    size: tuple[int, int],
    output: Path,
) -> None:
    """
    Write the INT8 form of a network.

    Parameters
    ----------
    model_path : Path
        ONNX file in the form of this package.
    frames : sequence of np.ndarray, shape (h, w, 3), uint8
        Images of ``size`` to calibrate with.
    size : tuple of int
        (height, width) that the INT8 form runs at [px].
    output : Path
        ONNX file to write.

    Raises
    ------
    ConfigError
        If there are not enough frames.
    BackendUnavailableError
        If ONNX Runtime is not installed.

    """
    if not FEWEST <= len(frames) <= MOST:
        raise ConfigError(
            f'INT8 calibration takes {FEWEST} to {MOST} images, half of them of the place; got '
            f'{len(frames)}'
        )
    try:
        from onnxruntime import quantization as ort
    except ImportError as error:
        raise BackendUnavailableError(
            f'INT8 needs onnxruntime ({error}): pip install onnxruntime'
        ) from error
    model = onnx.load(model_path)
    fix_input_size(model, size)
    _name_nodes(model)
    float_nodes = kept_in_float(model)
    with tempfile.TemporaryDirectory(prefix='mono_depth_int8_') as folder, _quiet():
        typed = Path(folder) / 'float.onnx'
        onnx.save(onnx.shape_inference.infer_shapes(model), typed)
        ranges = _activation_ranges(ort, typed, frames, Path(folder))
        ort.quantize_static(
            str(typed),
            str(output),
            _Reader(frames[:1]),
            quant_format=ort.QuantFormat.QDQ,
            op_types_to_quantize=sorted(HEAVY | {'Add'}),
            per_channel=True,
            activation_type=ort.QuantType.QInt8,
            weight_type=ort.QuantType.QInt8,
            nodes_to_exclude=float_nodes,
            calibrate_method=ort.CalibrationMethod.MinMax,
            extra_options={
                'ActivationSymmetric': True,
                'WeightSymmetric': True,
                # TensorRT takes float weights behind Q/DQ, and no integer biases.
                'AddQDQPairToWeight': True,
                'QuantizeBias': False,
                'DedicatedQDQPair': True,
                'TensorQuantOverrides': ranges,
            },
        )
    made = onnx.load(output)
    manifest = next(entry.value for entry in model.metadata_props if entry.key == METADATA_KEY)
    fixed = replace(Manifest.from_json(manifest), input_size=size, dynamic=False)
    helper.set_model_props(made, {METADATA_KEY: fixed.to_json()})
    onnx.save(made, output)


def _name_nodes(model: onnx.ModelProto) -> None:
    """Give every node a name, since nodes are left out by name."""
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f'{node.op_type}_{index}'


class _Reader:
    """Hands images to ONNX Runtime, one at a time."""

    def __init__(self, frames: Sequence[NDArray[np.uint8]]) -> None:
        self._frames = iter(frames)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """Return the next input, None at the end."""
        frame = next(self._frames, None)
        return None if frame is None else {INPUT: np.ascontiguousarray(frame)[None]}


def _activation_ranges(
    ort: Any, model: Path, frames: Sequence[NDArray[np.uint8]], folder: Path
) -> dict[str, list[dict[str, Any]]]:
    """Return the range of each activation that holds all but the rarest values."""
    calibrator = ort.create_calibrator(
        str(model),
        sorted(HEAVY | {'Add'}),
        augmented_model_path=str(folder / 'augmented.onnx'),
        calibrate_method=ort.CalibrationMethod.Percentile,
        extra_options={'percentile': PERCENTILE, 'symmetric': True},
    )
    for start in range(0, len(frames), CHUNK):
        calibrator.collect_data(_Reader(frames[start : start + CHUNK]))
        calibrator.clear_collected_data()
    found = calibrator.compute_data()
    ranges = {}
    for name, data in found.items():
        lowest, highest = (np.float32(np.max(v) if v is not None else 0) for v in data.range_value)
        ranges[name] = [{'rmin': lowest, 'rmax': highest, 'symmetric': True}]
    return ranges


def compare(before: Engine, after: Engine, frames: Sequence[Frame]) -> Comparison:
    """
    Score two engines of one network on held-out images, all with depth and camera.

    Raises
    ------
    EngineError
        If no image has labels in the range of the network.

    """
    scores = [dict[str, float](), dict[str, float]()]
    for found, engine in zip(scores, (before, after), strict=True):
        predicted = [_estimate(engine, frame) for frame in frames]
        for align in ('none', 'median'):
            protocol = Protocol(align=align, max_depth=engine.manifest.max_depth)
            rows = [
                score_image(depth, _labels(frame, depth.shape), protocol)
                for depth, frame in zip(predicted, frames, strict=True)
            ]
            valid = [row for row in rows if row]
            if not valid:
                raise EngineError('no labelled image to score INT8 with')
            found[align] = mean_scores(valid)['abs_rel']
    return Comparison(scores[0], scores[1], len(frames))


def _estimate(engine: Engine, frame: Frame) -> NDArray[np.float32]:
    assert frame.camera is not None
    return DepthEstimator(engine).infer(frame.rgb, frame.camera)


def _labels(frame: Frame, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return labels at the size of the network; no value is made up between two of them."""
    assert frame.depth is not None
    labels = np.where(np.isfinite(frame.depth), frame.depth, np.nan).astype(np.float32)
    resized = cv2.resize(labels, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST)
    return resized.astype(np.float32)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the advice and the progress of ONNX Runtime's quantisation from a user."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(max(level, logging.ERROR))
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        root.setLevel(level)
