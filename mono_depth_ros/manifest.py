# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The manifest: what a network is, written into its ONNX file and beside its weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
import importlib
import json
import math
from pathlib import Path
from typing import Any

from mono_depth_ros.errors import BackendUnavailableError, ModelError

METADATA_KEY = 'mono_depth'
# Names of the input tensor and of the output tensor of the graph.
INPUT, OUTPUT = 'image', 'depth'
OUTPUTS = ('depth', 'inverse_depth')


@dataclass(frozen=True)
class Manifest:
    """
    What a network takes and gives.

    Attributes
    ----------
    name, version : str
        What people call it, and which of its versions this is.
    input_size : tuple of int
        (height, width) of the network input [px]; the default one where the graph is dynamic.
    dynamic : bool
        The graph takes any height and width that are multiples of ``stride``.
    focal : float
        Focal length [px] of the network input at which its output is in metres; depth is scaled
        by f / focal, since a network only sees angles. 0 means unknown: no scaling.
    output : str
        ``depth`` or ``inverse_depth``.
    metric : bool
        The output is in metres (or 1/metres); otherwise it needs a scale before it may go out.
    min_depth, max_depth : float
        Limits of what it can tell [m].
    reach : float
        Where its output ends [m, before the scaling by f / focal]: what is there is so far or
        farther. 0 means that it does not end.
    source, licence : str
        Where the weights come from and the terms they are under.
    notes : dict
        Anything else worth keeping: training command, seed, commit, scores.

    """

    name: str
    version: str = '0'
    input_size: tuple[int, int] = (192, 256)
    dynamic: bool = False
    stride: int = 32
    focal: float = 0.0
    output: str = 'depth'
    metric: bool = True
    min_depth: float = 0.1
    max_depth: float = 10.0
    reach: float = 0.0
    source: str = ''
    licence: str = ''
    notes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, 'input_size', tuple(int(side) for side in self.input_size))
        if len(self.input_size) != 2 or min(self.input_size) < 1:
            raise ModelError(f'manifest of {self.name}: bad input_size {self.input_size}')
        if self.output not in OUTPUTS:
            raise ModelError(
                f'manifest of {self.name}: output must be one of {OUTPUTS}, got {self.output!r}'
            )
        if not math.isfinite(self.focal) or self.focal < 0 or self.stride < 1:
            raise ModelError(f'manifest of {self.name}: focal and stride must be positive')
        if not math.isfinite(self.reach) or self.reach < 0:
            raise ModelError(f'manifest of {self.name}: reach must not be negative')
        if not 0 <= self.min_depth < self.max_depth:
            raise ModelError(
                f'manifest of {self.name}: min_depth {self.min_depth} must be below max_depth '
                f'{self.max_depth}'
            )

    def to_json(self) -> str:
        """Return the manifest as one JSON object."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Read a manifest; keys of later versions of the package are ignored."""
        try:
            values = json.loads(text)
            known = {spec.name for spec in fields(cls)}
            return cls(**{key: value for key, value in values.items() if key in known})
        except (ValueError, TypeError, AttributeError) as error:
            raise ModelError(f'not a manifest of mono_depth_ros: {error}') from error


def import_onnx() -> Any:
    """Return the module onnx; raise BackendUnavailableError if it does not load."""
    try:
        return importlib.import_module('onnx')
    except ImportError as error:
        raise BackendUnavailableError(
            f'networks are read with onnx, which does not load ({error}): pip install onnx'
        ) from error


def read_manifest(onnx_path: Path) -> Manifest:
    """
    Read the manifest inside an ONNX file.

    Raises
    ------
    ModelError
        If the file is missing, is not ONNX, or has no manifest (a network that was not imported).
    BackendUnavailableError
        If onnx is not installed.

    """
    onnx = import_onnx()
    if not onnx_path.is_file():
        raise ModelError(f'no model at {onnx_path}')
    try:
        model = onnx.load(onnx_path, load_external_data=False)
    except Exception as error:  # protobuf raises its own, version-dependent types
        raise ModelError(f'{onnx_path} is not a readable ONNX file: {error}') from error
    for entry in model.metadata_props:
        if entry.key == METADATA_KEY:
            return Manifest.from_json(entry.value)
    raise ModelError(
        f'{onnx_path} has no mono_depth manifest: import it first with '
        f'`mono_depth import {onnx_path.name} --config network.yaml`'
    )
