# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network whose weights training starts from."""

from __future__ import annotations

import math
from pathlib import Path

from mono_depth_ros.errors import ConfigError, ModelError
from mono_depth_ros.manifest import Manifest
from mono_depth_ros.model.checkpoint import load_network, MANIFEST, WEIGHTS
from mono_depth_ros.model.fastdepth import FastDepth
from mono_depth_ros.model.registry import shipped_models
import torch

# What may differ from the network that a run starts from.
RANGE = ('min_depth', 'max_depth', 'focal')


def start_folder(name_or_path: str) -> Path:
    """
    Return the folder of a shipped network, or of one that was trained.

    Raises
    ------
    ConfigError
        If it does not hold the weights of a network and its manifest.

    """
    shipped = shipped_models()
    folder = Path(name_or_path).expanduser()
    if name_or_path in shipped:
        folder = shipped[name_or_path].parent
    for name in (WEIGHTS, MANIFEST):
        if not (folder / name).is_file():
            names = ', '.join(shipped) or 'none in this installation'
            raise ConfigError(
                f'start is {name_or_path!r}, but there is no {folder / name}: give a shipped '
                f'network ({names}) or the folder of one that was trained'
            )
    return folder


def describe_start(name_or_path: str) -> str:
    """Say where the weights come from; raise as `start_folder` does."""
    if not name_or_path:
        return 'random weights'
    path = start_folder(name_or_path) / MANIFEST
    manifest = Manifest.from_json(path.read_text(errors='replace'))
    return f'{manifest.name} {manifest.version} ({manifest.source})'


def start_from(network: FastDepth, folder: Path) -> None:
    """
    Copy the weights of another network of the same channels, moved to the range of this one.

    Raises
    ------
    ModelError
        If it is missing, damaged or of other channels.

    """
    source = load_network(folder)
    try:
        network.load_state_dict(source.state_dict())
    except RuntimeError as error:
        wanted = network.architecture
        differing = ', '.join(
            f'{name} {value!r} instead of {wanted[name]!r}'
            for name, value in source.architecture.items()
            if name not in RANGE and value != wanted[name]
        )
        raise ModelError(
            f'cannot start from {folder}, which has {differing}: give its values as settings, '
            "or start: '' for random weights"
        ) from error
    assert network.head.bias is not None
    with torch.no_grad():
        network.head.bias += math.log(network.max_depth / source.max_depth)
