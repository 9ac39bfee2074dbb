# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every engine asks of a model file before it runs, and of itself before it is used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mono_depth_ros.engine.base import Engine
from mono_depth_ros.errors import ConfigError, EngineError, ModelError
from mono_depth_ros.manifest import import_onnx, INPUT, Manifest, OUTPUT, read_manifest
import numpy as np

HEIGHT, WIDTH = 'height', 'width'


@dataclass(frozen=True)
class CheckedModel:
    """
    A model file whose graph has the form of this package.

    Attributes
    ----------
    path : Path
        The ONNX file.
    manifest : Manifest
        What the network is.
    input_size : tuple of int
        (height, width) that an engine is to be made for [px].
    quantised : bool
        The graph has explicit Q/DQ nodes, so it runs in int8.
    engines_path : Path or None
        Folder of the plans built from networks; None is that of the default store.

    """

    path: Path
    manifest: Manifest
    input_size: tuple[int, int]
    quantised: bool
    engines_path: Path | None = None


def check_model(
    path: Path, input_size: tuple[int, int] | None = None, engines_path: Path | None = None
) -> CheckedModel:
    """
    Check a model file before a backend sees it.

    Parameters
    ----------
    path : Path
        ONNX file of this package's form: input ``image`` uint8 (1, h, w, 3), output ``depth``
        float32 (1, h, w), a manifest inside.
    input_size : tuple of int, optional
        (height, width) to run at [px]; the manifest's own by default.
    engines_path : Path, optional
        Folder of the plans; that of the default store by default.

    Raises
    ------
    ModelError
        If the file is missing, damaged, not ONNX, was not imported, or has other inputs or
        outputs.
    ConfigError
        If the network cannot run at ``input_size``.
    BackendUnavailableError
        If onnx is not installed.

    """
    onnx = import_onnx()
    path = Path(path)
    try:
        empty = path.is_file() and path.stat().st_size == 0
        manifest = None if empty else read_manifest(path)
    except OSError as error:
        raise ModelError(f'cannot read {path}: {error.strerror}') from error
    if manifest is None:
        raise ModelError(f'{path} is empty: copy or import the model again')
    model = onnx.load(path, load_external_data=False)
    external = onnx.TensorProto.EXTERNAL
    if any(tensor.data_location == external for tensor in model.graph.initializer):
        raise ModelError(f'{path} keeps its weights in another file: import it again')
    _check_tensor(path, 'input', INPUT, model.graph.input, onnx.TensorProto.UINT8, 4)
    _check_tensor(path, 'output', OUTPUT, model.graph.output, onnx.TensorProto.FLOAT, 3)
    sides = _sides(model)
    if sides[2:] != (1, 3):
        raise ModelError(f'{path}: input {INPUT} must be (1, h, w, 3), NHWC: import it again')
    fixed = None if None in sides[:2] else (int(sides[0] or 0), int(sides[1] or 0))
    quantised = any(node.op_type == 'DequantizeLinear' for node in model.graph.node)
    size = _choose_size(path, manifest, fixed, input_size)
    return CheckedModel(path, manifest, size, quantised, engines_path)


def _check_tensor(path: Path, what: str, name: str, found: Any, dtype: int, rank: int) -> None:
    """Raise ModelError unless the graph has this one input, or this output, of dtype and rank."""
    named = {value.name: value.type.tensor_type for value in found}
    good = name in named and (what == 'output' or len(named) == 1)
    if good and named[name].elem_type == dtype and len(named[name].shape.dim) == rank:
        return
    wanted = 'image uint8 (1, h, w, 3)' if what == 'input' else 'depth float (1, h, w)'
    raise ModelError(
        f'{path}: {what} must be {wanted}, the model has '
        f'{"; ".join(describe(value) for value in found) or "none"}: import it again with '
        '`mono_depth import`'
    )


def describe(value: Any) -> str:
    """Return name, type and shape of a tensor of a graph."""
    import onnx

    tensor = value.type.tensor_type
    kind = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
    sides = ', '.join(dim.dim_param or str(dim.dim_value or '?') for dim in tensor.shape.dim)
    return f'{value.name} {kind} ({sides})'


def _sides(model: Any) -> tuple[int | None, int | None, int | None, int | None]:
    """Return (height, width, batch, channels) of the input; None where it is free."""
    dims = model.graph.input[0].type.tensor_type.shape.dim
    batch, height, width, channels = (dim.dim_value or None for dim in dims)
    return height, width, batch, channels


def _choose_size(
    path: Path,
    manifest: Manifest,
    fixed: tuple[int, int] | None,
    wanted: tuple[int, int] | None,
) -> tuple[int, int]:
    if fixed is None and not manifest.dynamic:
        fixed = manifest.input_size
    size = wanted or fixed or manifest.input_size
    if fixed is not None and size != fixed:
        raise ConfigError(
            f'input_size is {size[0]}x{size[1]}, but {path.name} ({manifest.name}) only runs at '
            f'{fixed[0]}x{fixed[1]}: set input_size to auto'
        )
    if fixed is None and (min(size) < 1 or any(side % manifest.stride for side in size)):
        raise ConfigError(
            f'input_size must be multiples of {manifest.stride} for {manifest.name}, got '
            f'{size[0]}x{size[1]}'
        )
    return size


def plain_precision(model: CheckedModel, wanted: str, backend: str) -> str:
    """
    Return the precision of a backend that runs the graph's own arithmetic: fp32, or int8 (Q/DQ).

    Raises
    ------
    EngineError
        If another one is asked for.

    """
    own = 'int8' if model.quantised else 'fp32'
    if wanted in ('auto', own):
        return own
    raise EngineError(
        f'{backend} runs {model.path.name} in {own}, not in {wanted}: set precision to auto'
    )


def warm_up(engine: Engine) -> None:
    """
    Run an engine on a noise image and on a grey one, and check what it returns.

    Whether a single frame is good is for the pipeline to say; an engine that gives nothing
    finite on noise never will.

    Raises
    ------
    EngineError
        If it fails, or its output has another shape or type than promised.
    ModelError
        If no pixel of the output is finite.

    """
    height, width = engine.input_size
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    for rgb in (np.full_like(noise, 128), noise, noise):
        depth = engine.infer(rgb)
        if depth.shape != engine.input_size or depth.dtype != np.float32:
            raise EngineError(
                f'{engine.backend} returned {depth.shape} {depth.dtype} for '
                f'{engine.manifest.name}, expected {engine.input_size} float32'
            )
    if not np.isfinite(depth).any():
        raise ModelError(
            f'{engine.manifest.name} gives no finite depth on {engine.backend} '
            f'({engine.precision}): its weights are damaged, or overflow in this precision'
        )


def brief(error: BaseException) -> str:
    """Return what a backend complains about, without its stack of C++ source lines."""
    noise = ('Exception from ', "Check '", 'FrontEnd API failed', 'Summary:')
    lines = [line.strip() for line in str(error).splitlines()]
    text = ' '.join(line for line in lines if line and not line.startswith(noise))
    return text[:400] or type(error).__name__
