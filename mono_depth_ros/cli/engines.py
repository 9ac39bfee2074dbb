# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Options for the network and where it runs, shared by the commands that run one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, ExitStack
from dataclasses import fields
from typing import Annotated, Any, TYPE_CHECKING

from mono_depth_ros.config import EngineConfig
import typer

if TYPE_CHECKING:
    from mono_depth_ros.pipeline import DepthEstimator


def option(config: type[Any], name: str, *flags: str, metavar: str | None = None) -> Any:
    """Make the option of a setting, described as in its config."""
    (spec,) = (spec for spec in fields(config) if spec.name == name)
    return typer.Option(*flags, help=spec.metadata['description'] + '.', metavar=metavar)


Model = Annotated[str, option(EngineConfig, 'model')]
Backend = Annotated[str, option(EngineConfig, 'backend')]
Precision = Annotated[str, option(EngineConfig, 'precision')]
InputSize = Annotated[str, option(EngineConfig, 'input_size', metavar='HEIGHTxWIDTH')]
Threads = Annotated[int, option(EngineConfig, 'threads')]
DepthScale = Annotated[float, option(EngineConfig, 'depth_scale')]
DepthShift = Annotated[float, option(EngineConfig, 'depth_shift')]
Store = Annotated[
    str, typer.Option(help='Folder of the networks of a robot: run the version in use there.')
]
Fov = Annotated[
    float, typer.Option(help='Horizontal field of view assumed without intrinsics (degrees).')
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

    store = StoreReader(config.store) if config.store else None
    estimator = load_estimator(config, store, image_size)
    try:
        yield estimator
    finally:
        estimator.engine.close()


class Estimators:
    """
    A network, loaded once for every input size that images ask for, as a node would load it.

    Parameters
    ----------
    config : EngineConfig
        Which network, and where it runs.

    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self._stack = ExitStack()
        self._by_size: dict[tuple[int, int], DepthEstimator] = {}

    def __enter__(self) -> Estimators:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def of(self, image_size: tuple[int, int]) -> DepthEstimator:
        """Return the estimator for images of this (height, width); raise as `open_estimator`."""
        from mono_depth_ros.preprocessing import input_size_for, parse_input_size

        if self._by_size:
            height, width = image_size
            size = parse_input_size(self.config.input_size) or input_size_for(
                self.first.engine.manifest, width, height
            )
            if size in self._by_size:
                return self._by_size[size]
        opened = self._stack.enter_context(open_estimator(self.config, image_size))
        self._by_size[opened.engine.input_size] = opened
        return opened

    @property
    def first(self) -> DepthEstimator:
        """The one that was loaded first."""
        return next(iter(self._by_size.values()))

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Input sizes (height, width) that it is loaded for [px]."""
        return sorted(self._by_size)
