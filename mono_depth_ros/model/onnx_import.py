# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Import any ONNX depth network: wrap it into the graph form of this package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
import logging
import math
from pathlib import Path
from typing import Any

from mono_depth_ros.config import Config, setting
from mono_depth_ros.engine import durable
from mono_depth_ros.engine.select import load_engine
from mono_depth_ros.errors import BackendUnavailableError, ConfigError, EngineError, ModelError
from mono_depth_ros.manifest import Manifest, METADATA_KEY
from mono_depth_ros.model.onnx_wrap import foreign_network, wrap
from mono_depth_ros.preprocessing import parse_input_size
from mono_depth_ros.settings_file import read_settings
import onnx

LAYOUTS = ('auto', 'nchw', 'nhwc')
COLOURS = ('rgb', 'bgr')
RANGES = ('0..1', '0..255')
KINDS = ('depth', 'inverse_depth', 'disparity')

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImportConfig(Config):
    """What an ONNX file does not say about a depth network."""

    name: str = setting('', 'Name of the network; empty takes the name of the file')
    licence: str = setting('', 'Terms the weights are under')
    source: str = setting('', 'Where the weights come from')
    input_size: str = setting(
        'auto',
        'Network input as HEIGHTxWIDTH [px]; auto takes the fixed size of the file, one with '
        'free sizes needs it',
    )
    stride: int = setting(
        0,
        'Keep free sizes free, for multiples of so many pixels; 0 fixes them at input_size',
        minimum=0,
    )
    layout: str = setting(
        'auto', 'Order of the input axes; auto looks where the 3 channels are', one_of=LAYOUTS
    )
    colour: str = setting('rgb', 'Order of the input channels', one_of=COLOURS)
    input_range: str = setting(
        '0..1', 'Range of the input before mean and std; uint8 inputs ignore it', one_of=RANGES
    )
    mean: tuple[float, ...] = setting(
        (0.0, 0.0, 0.0), 'Subtracted from each channel, in the order and range of the input'
    )
    std: tuple[float, ...] = setting((1.0, 1.0, 1.0), 'Each channel is then divided by this')
    output: str = setting('', 'Name of the output; empty takes the only one')
    kind: str = setting('depth', 'What the output is', one_of=KINDS)
    scale: float = setting(
        0.0,
        'For depth and inverse_depth: value times scale plus shift is metres (or 1/m); 0 means '
        'unknown, the network is relative',
        minimum=0.0,
    )
    shift: float = setting(0.0, 'Added after scale [m, or 1/m for inverse_depth]')
    fb: float = setting(
        0.0,
        'For disparity: depth [m] is fb / disparity; 0 means unknown, the network is relative',
        minimum=0.0,
    )
    focal: float = setting(
        0.0,
        'Focal length [px] of the network input, sqrt(fx fy), at which it was trained; depth is '
        'scaled for other cameras. 0 means unknown: no scaling',
        minimum=0.0,
    )
    min_depth: float = setting(0.1, 'Nearest depth it can tell [m]', minimum=1e-3)
    max_depth: float = setting(80.0, 'Farthest depth it can tell [m]', minimum=1e-3)

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_input_size(self.input_size)
        _check_channels('mean', self.mean)
        _check_channels('std', self.std)
        if min(self.std) <= 0:
            raise ConfigError(f'std must be positive, got {self.std}')
        if self.max_depth <= self.min_depth:
            raise ConfigError(f'max_depth must be above min_depth {self.min_depth} m')
        if self.kind == 'disparity' and (self.scale or self.shift):
            raise ConfigError('a disparity takes fb, not scale and shift')
        if self.shift and not self.scale:
            raise ConfigError('shift needs scale: without it the network is relative')
        if self.kind != 'disparity' and self.fb:
            raise ConfigError(f'fb is for kind disparity, {self.kind} takes scale and shift')

    @property
    def metric(self) -> bool:
        """The output can be turned into metres."""
        return self.scale > 0 or self.fb > 0


def _check_channels(name: str, values: Sequence[Any]) -> None:
    numbers = [value for value in values if isinstance(value, (int, float))]
    if len(values) != 3 or len(numbers) != 3 or not all(map(math.isfinite, numbers)):
        raise ConfigError(f'{name} must be 3 numbers, one a channel, got {list(values)}')


def read_import_config(path: Path) -> ImportConfig:
    """
    Read the YAML file that describes a network.

    Raises
    ------
    ConfigError
        If it cannot be read, is not YAML, or has an unknown or wrong setting.

    """
    values = read_settings(path)
    if not isinstance(values, dict):
        raise ConfigError(f'{path} must hold settings, one `name: value` a line')
    try:
        return ImportConfig.from_mapping(
            {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
        )
    except ConfigError as error:
        raise ConfigError(f'{path}: {error}') from error


def import_network(onnx_path: Path, config: ImportConfig, output_path: Path) -> Manifest:
    """
    Wrap a foreign network, prove that it runs, and write it.

    Parameters
    ----------
    onnx_path : Path
        Any ONNX depth network with one colour image as its input.
    config : ImportConfig
        What the file does not say.
    output_path : Path
        ONNX file of this package's form; nothing is written unless the network runs.

    Returns
    -------
    Manifest
        What was written into it.

    Raises
    ------
    ModelError
        If the file is missing, damaged or no depth network, or the result does not run.
    ConfigError
        If the settings do not fit the network.

    """
    onnx_path, output_path = Path(onnx_path), Path(output_path)
    network = foreign_network(_read(onnx_path), onnx_path, config)
    model = wrap(network, config)
    relative = 'depth' if config.kind == 'depth' else 'inverse_depth'
    manifest = Manifest(
        name=config.name or onnx_path.stem,
        version=durable.sha256(onnx_path)[:8],
        input_size=network.size,
        dynamic=config.stride > 0 and network.free,
        stride=max(1, config.stride),
        focal=config.focal,
        output='depth' if config.metric else relative,
        metric=config.metric,
        min_depth=config.min_depth,
        max_depth=config.max_depth,
        reach=config.max_depth if config.metric else 0.0,
        source=config.source,
        licence=config.licence,
        notes={'imported_from': onnx_path.name, 'import_config': asdict(config)},
    )
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, manifest.to_json()
    _write(model, output_path)
    return Manifest.from_json(entry.value)  # as it will be read


def _read(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise ModelError(f'no model at {path}')
    try:
        model = onnx.load(path)
    except (OSError, onnx.checker.ValidationError) as error:  # weights in another file
        raise ModelError(
            f'{path} cannot be read, or keeps its weights in a file that is not beside it: {error}'
        ) from error
    except Exception as error:  # protobuf raises its own, version-dependent types
        raise ModelError(f'{path} is not a readable ONNX file: {error}') from error
    if not model.graph.node:
        raise ModelError(f'{path} is not an ONNX network: it has no nodes')
    if any(entry.key == METADATA_KEY for entry in model.metadata_props):
        raise ModelError(f'{path} is imported already: run it as it is')
    return model


def _write(model: onnx.ModelProto, path: Path) -> None:
    """Write the model if a backend runs it."""
    try:
        onnx.checker.check_model(model)
        path.parent.mkdir(parents=True, exist_ok=True)
        with durable.whole(path) as temporary:
            temporary.write_bytes(model.SerializeToString())
            _prove(temporary, path.name)
    except OSError as error:
        raise ModelError(f'cannot write {path}: {error.strerror}') from error
    except (onnx.checker.ValidationError, ValueError) as error:
        raise ModelError(f'the network cannot be wrapped: {error}') from error


def _prove(path: Path, name: str) -> None:
    try:
        load_engine(path).close()
    except BackendUnavailableError as error:
        logger.warning('the imported network was not tried: %s', error)
    except (EngineError, ModelError) as error:
        said = str(error).replace(str(path), name)
        raise ModelError(f'the imported network does not run: {said}') from error
