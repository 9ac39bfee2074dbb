# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Options for the network and where it runs, shared by the commands that run one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, TYPE_CHECKING

from mono_depth_ros.config import EngineConfig
import typer

if TYPE_CHECKING:
    from mono_depth_ros.pipeline import DepthEstimator


def option(name: str, *, metavar: str | None = None) -> Any:
    """Make the option of an engine setting, described as in ``config.py``."""
    (spec,) = (spec for spec in fields(EngineConfig) if spec.name == name)
    return typer.Option(help=spec.metadata['description'] + '.', metavar=metavar)


Model = Annotated[str, option('model')]
Backend = Annotated[str, option('backend')]
Precision = Annotated[str, option('precision')]
InputSize = Annotated[str, option('input_size', metavar='HEIGHTxWIDTH')]
Threads = Annotated[int, option('threads')]
DepthScale = Annotated[float, option('depth_scale')]
DepthShift = Annotated[float, option('depth_shift')]
Store = Annotated[
    str, typer.Option(help='Folder of the networks of a robot: run the version in use there.')
]
DEFAULTS = EngineConfig()


def engine_config(options: Mapping[str, Any]) -> EngineConfig:
    """Make the settings of an engine from the options of a command: its ``locals()``."""
    return EngineConfig(**{spec.name: options[spec.name] for spec in fields(EngineConfig)})


@contextmanager
def open_estimator(config: EngineConfig, image_size: tuple[int, int]) -> Iterator[DepthEstimator]:
    """
    Load a network for images of this (height, width), and close it in the end.

    Raises
    ------
    MonoDepthError
        With what is wrong with the model, the backend or the store.

    """
    from mono_depth_ros.engine.store_reader import StoreReader
    from mono_depth_ros.loading import load_estimator

    store = StoreReader(Path(config.store)) if config.store else None
    estimator = load_estimator(config, store, image_size)
    try:
        yield estimator
    finally:
        estimator.engine.close()
