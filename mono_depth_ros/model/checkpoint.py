# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Networks on disk: weights.safetensors and manifest.json, written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import json
from pathlib import Path
from typing import Any

from mono_depth_ros.engine import durable
from mono_depth_ros.errors import ModelError
from mono_depth_ros.manifest import Manifest
from mono_depth_ros.model.fastdepth import FastDepth
from safetensors import safe_open, SafetensorError
from safetensors.torch import save
import torch
from torch import nn, Tensor

ARCHITECTURE_KEY = 'architecture'
WEIGHTS = 'weights.safetensors'
MANIFEST = 'manifest.json'


def write_atomic(path: Path, write: Callable[[Path], object]) -> None:
    """
    Let ``write`` fill a temporary file, flush it to the disk, and rename it to ``path``.

    If anything fails, a full disk included, the previous ``path`` survives untouched.

    Raises
    ------
    ModelError
        If the file cannot be written.

    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with durable.whole(path) as temporary:
            write(temporary)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch.save raises RuntimeError
        raise ModelError(f'cannot write {path}: {error}; what was there before is kept') from error


def state_of(network: nn.Module) -> dict[str, Tensor]:
    """Return the weights and statistics of a network as contiguous float32 tensors on the CPU."""
    return {
        name: value.detach().to('cpu', torch.float32).contiguous().clone()
        for name, value in network.state_dict().items()
        if value.is_floating_point()
    }


def save_network(folder: Path, network: FastDepth, manifest: Manifest) -> None:
    """Write ``weights.safetensors`` (with the architecture inside) and ``manifest.json``."""
    folder = Path(folder)
    metadata = {ARCHITECTURE_KEY: json.dumps(network.architecture)}
    state = state_of(network)
    write_atomic(folder / WEIGHTS, lambda path: path.write_bytes(save(state, metadata)))
    write_atomic(folder / MANIFEST, lambda path: path.write_text(manifest.to_json() + '\n'))


def load_network(path: Path) -> FastDepth:
    """
    Build a network from ``weights.safetensors``, or from the folder that holds it.

    Returns
    -------
    FastDepth
        In evaluation mode, on the CPU.

    Raises
    ------
    ModelError
        If the file is missing or damaged, or its weights do not fit its architecture.

    """
    path = Path(path)
    path = path / WEIGHTS if path.is_dir() else path
    if not path.is_file():
        raise ModelError(f'no weights at {path}')
    try:
        with safe_open(path, framework='pt') as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelError(f'{path} is damaged: {error}') from error
    if ARCHITECTURE_KEY not in metadata:
        raise ModelError(
            f'{path} does not say its architecture: it was not written by this package'
        )
    try:
        network = FastDepth(**json.loads(metadata[ARCHITECTURE_KEY]))
    except (TypeError, ValueError) as error:
        raise ModelError(f'{path}: bad architecture: {error}') from error
    load_state(network, state, path)
    return network.eval()


def load_state(network: nn.Module, state: Mapping[str, Tensor], origin: Path) -> None:
    """Load every floating-point entry of a network; anything missing or extra is refused."""
    wanted = {name for name, value in network.state_dict().items() if value.is_floating_point()}
    missing, extra = wanted - set(state), set(state) - wanted
    if missing or extra:
        raise ModelError(
            f'{origin} does not fit the network: {len(missing)} entries missing '
            f'{sorted(missing)[:3]}, {len(extra)} unknown {sorted(extra)[:3]}'
        )
    try:
        network.load_state_dict(dict(state), strict=False)  # num_batches_tracked is not kept
    except RuntimeError as error:
        raise ModelError(f'{origin} does not fit the network: {error}') from error


def save_training_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write the state of a training run: weights, averages, optimiser, counters."""
    write_atomic(path, lambda temporary: torch.save(dict(state), temporary))


def load_training_state(path: Path) -> dict[str, Any]:
    """Read what `save_training_state` wrote; only tensors and plain values, never code."""
    try:
        state: dict[str, Any] = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # torch raises many types for a damaged file
        raise ModelError(f'{path} is not a training state: {error}') from error
    return state
