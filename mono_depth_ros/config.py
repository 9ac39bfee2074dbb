# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Settings: frozen dataclasses that check themselves.

A default is written once, here. ROS parameters, YAML files and command-line options are made
from these classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, MISSING
import math
from typing import Any, TypeVar

from mono_depth_ros.errors import ConfigError
from mono_depth_ros.poses import parse_transforms
from mono_depth_ros.preprocessing import parse_input_size

C = TypeVar('C', bound='Config')

BACKENDS = ('auto', 'tensorrt', 'openvino', 'onnxruntime', 'torch')
PRECISIONS = ('auto', 'fp32', 'fp16', 'int8')
OUTPUT_SIZES = ('camera', 'network')
DEPTH_ENCODINGS = ('32FC1', '16UC1')
IMAGE_TRANSPORTS = ('raw', 'compressed')
SCALE_SOURCES = ('none', 'camera_height', 'reference')
INTERPOLATIONS = ('edge', 'linear', 'nearest')


def setting(
    default: Any,
    description: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    one_of: tuple[str, ...] | None = None,
    dynamic: bool = False,
) -> Any:
    """
    Declare one setting: its default, a sentence with unit and effect, and what values it takes.

    ``dynamic`` settings may change while a node runs; the others hold for the life of the process.
    """
    return field(
        default=default,
        metadata={
            'description': description,
            'minimum': minimum,
            'maximum': maximum,
            'one_of': one_of,
            'dynamic': dynamic,
        },
    )


@dataclass(frozen=True)
class Config:
    """
    Base of all settings: checks types and limits when it is made.

    Raises
    ------
    ConfigError
        If a value has the wrong type or lies outside its limits.

    """

    def __post_init__(self) -> None:
        for spec in fields(self):
            check_setting(spec.name, getattr(self, spec.name), spec.default, spec.metadata)

    @classmethod
    def from_mapping(cls: type[C], values: Mapping[str, Any]) -> C:
        """Make the config from a mapping, e.g. a YAML file; raise ConfigError on unknown keys."""
        known = [spec.name for spec in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ConfigError(f'unknown setting {unknown[0]!r}, expected one of {sorted(known)}')
        return cls(**values)


def check_setting(name: str, value: Any, default: Any, limits: Mapping[str, Any]) -> None:
    """Raise ConfigError unless ``value`` has the type of ``default`` and is within the limits."""
    if default is MISSING or not limits:
        return
    expected: type | tuple[type, ...] = type(default)
    if expected is float:
        expected = (float, int)
    if not isinstance(value, expected) or (isinstance(value, bool) and type(default) is not bool):
        raise ConfigError(
            f'{name} must be a {type(default).__name__}, got {value!r} ({type(value).__name__})'
        )
    one_of, minimum, maximum = limits['one_of'], limits['minimum'], limits['maximum']
    if one_of is not None and value not in one_of:
        raise ConfigError(f'{name} must be one of {one_of}, got {value!r}')
    if isinstance(value, float) and math.isnan(value):
        raise ConfigError(f'{name} must be a number, got NaN')
    if minimum is not None and value < minimum:
        raise ConfigError(f'{name} must be at least {minimum}, got {value}')
    if maximum is not None and value > maximum:
        raise ConfigError(f'{name} must be at most {maximum}, got {value}')
    if isinstance(value, float) and math.isinf(value):
        raise ConfigError(f'{name} must be finite, got {value}')


@dataclass(frozen=True)
class EngineConfig(Config):
    """Which network runs, and where."""

    model: str = setting(
        'indoor',
        'Network to run: a shipped one (indoor, street) or the path of an imported ONNX file. A '
        'version in use in the store takes precedence',
    )
    backend: str = setting(
        'auto',
        'Where the network runs: auto takes the first that works of tensorrt, openvino, '
        'onnxruntime, torch',
        one_of=BACKENDS,
    )
    precision: str = setting(
        'auto',
        'Arithmetic of the engine; auto is fp16 with TensorRT, and with torch on a GPU, else fp32',
        one_of=PRECISIONS,
    )
    input_size: str = setting(
        'auto',
        'Network input as HEIGHTxWIDTH in pixels; auto keeps the model area and takes the aspect '
        'ratio of the camera',
    )
    threads: int = setting(0, 'CPU threads of the engine; 0 lets the backend choose', minimum=0)
    store: str = setting(
        '',
        'Folder with the network versions made on this robot; empty is '
        '$ROS_HOME/mono_depth, by default ~/.ros/mono_depth',
    )
    depth_scale: float = setting(
        0.0,
        'Factor on the depth of the network, or on its inverse depth where that is what it '
        'gives; required by a network that only knows relative depth, 0 means not given',
        minimum=0.0,
    )
    depth_shift: float = setting(
        0.0, 'Offset added after depth_scale [m, or 1/m for inverse depth]'
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_input_size(self.input_size)


@dataclass(frozen=True)
class OutputConfig(Config):
    """What is published of each depth image; every value may change while the node runs."""

    output_size: str = setting(
        'camera',
        'Size of the depth image: camera is the size of the input image, network that of the '
        'network input (smaller messages, no upsampling)',
        one_of=OUTPUT_SIZES,
        dynamic=True,
    )
    upsampling: str = setting(
        'edge',
        'How depth grows to the camera size: edge is linear inside surfaces and nearest across '
        'depth edges, so that no points fly between objects',
        one_of=INTERPOLATIONS,
        dynamic=True,
    )
    depth_encoding: str = setting(
        '32FC1',
        'Encoding of depth/image_rect: 32FC1 metres, or 16UC1 millimetres with 0 for missing',
        one_of=DEPTH_ENCODINGS,
        dynamic=True,
    )
    min_depth: float = setting(
        0.1, 'Nearest depth published [m]; nearer pixels become -inf', minimum=0.0, dynamic=True
    )
    max_depth: float = setting(
        0.0,
        'Farthest depth published [m]; farther pixels become +inf or far_value, 0 takes the '
        'limit of the model',
        minimum=0.0,
        dynamic=True,
    )
    far_value: float = setting(
        0.0,
        'Depth given to pixels beyond max_depth [m], so that a costmap can clear along their '
        'rays, or that limit where it is farther; 0 keeps +inf as REP 117 says',
        minimum=0.0,
        dynamic=True,
    )
    cloud_stride: int = setting(
        2,
        'Every n-th pixel and row makes a point of the cloud',
        minimum=1,
        maximum=64,
        dynamic=True,
    )
    cloud_organized: bool = setting(
        True,
        'Keep one point per pixel, NaN where depth is missing; false keeps the valid points only',
        dynamic=True,
    )
    cloud_max_depth: float = setting(
        0.0,
        'Farthest point of the cloud [m]; 0 takes max_depth',
        minimum=0.0,
        dynamic=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0.0 < self.max_depth <= self.min_depth:
            raise ConfigError(
                f'max_depth must be greater than min_depth, got {self.max_depth} and '
                f'{self.min_depth} m'
            )
        if 0.0 < self.far_value < self.max_depth:
            raise ConfigError(
                f'far_value must be at least max_depth, got {self.far_value} and '
                f'{self.max_depth} m'
            )


@dataclass(frozen=True)
class DepthNodeConfig(Config):
    """How the depth node is wired."""

    image_transport: str = setting(
        'raw',
        'Transport of the input image: raw reads image_rect, compressed reads '
        'image_rect/compressed (JPEG or PNG, less to transfer, some CPU to decode)',
        one_of=IMAGE_TRANSPORTS,
    )
    autostart: bool = setting(
        True,
        'Configure and activate at start; false waits for a lifecycle manager, e.g. that of Nav2',
    )
    build_only: bool = setting(
        False,
        'Build the TensorRT plan of the network for this GPU unless it is there, and end: for '
        'setting up a robot',
    )
    health_watch_s: float = setting(
        10.0,
        'How long a network of the robot is watched after it is swapped in [s]; until then the '
        'one before stays loaded, and comes back on a fault. 0 trusts at once',
        minimum=0.0,
    )


@dataclass(frozen=True)
class ReferenceConfig(Config):
    """How what a robot knows beside its images is matched with them."""

    reference_tolerance_s: float = setting(
        0.05,
        'Largest time between an image and its reference points or depth [s]. Poses are '
        'interpolated: the ones before and after may be up to 0.2 s away, or this value if that '
        'is larger',
        minimum=0.0,
    )
    static_transforms: str = setting(
        '',
        "Fixed transforms 'parent child x y z qx qy qz qw', several separated by ';', where "
        '/tf_static does not tell where the camera is on the robot',
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            parse_transforms(self.static_transforms)
        except ConfigError as error:
            raise ConfigError(f'static_transforms: {error}') from error


@dataclass(frozen=True)
class ScaleConfig(ReferenceConfig):
    """What corrects the metres of the network while the depth node runs."""

    scale_source: str = setting(
        'none',
        'What corrects the metres of the network, slowly: reference is reference/points or '
        'reference/depth, camera_height the floor below a camera of known height, none nothing',
        one_of=SCALE_SOURCES,
    )
    camera_height: float = setting(
        0.0,
        'Height of the camera over the floor [m], which anchors the scale; 0 is unknown',
        minimum=0.0,
        maximum=100.0,
    )
    scale_rate: float = setting(
        0.1,
        'Largest change of any published depth by scale_source, as a share a second',
        minimum=0.001,
        maximum=1.0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale_source == 'camera_height' and self.camera_height <= 0.0:
            raise ConfigError(
                'scale_source camera_height needs camera_height, the height of the camera over '
                f'the floor [m], got {self.camera_height}'
            )


@dataclass(frozen=True)
class AdaptationNodeConfig(ReferenceConfig):
    """How the adaptation node is wired."""

    depth_node: str = setting(
        'depth_node',
        'Name of the depth node that is handed the networks; without a leading / it is in the '
        'namespace of this node',
    )
    reload_timeout_s: float = setting(
        300.0,
        'Longest wait for the depth node to load a network [s]: TensorRT may build a plan first. '
        'A network without an answer waits in the store and is handed over again',
        minimum=1.0,
    )
    collecting_load: float = setting(
        0.25,
        'Largest share of one CPU core used to recover motion from images; between two runs of '
        'images it rests to stay below that',
        minimum=0.01,
        maximum=1.0,
    )
    keep_frames: bool = setting(
        False,
        'Keep the collected images on disk, in the folder frames of the store, so that a restart '
        'goes on with them (about 0.1 MB an image at 192x256, twice that for those held out)',
    )
