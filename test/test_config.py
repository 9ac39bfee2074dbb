# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import dataclass, fields

from mono_depth_ros.config import Config, EngineConfig, OutputConfig, ReferenceConfig, setting
from mono_depth_ros.errors import ConfigError
import pytest


@pytest.mark.parametrize(
    ('config_class', 'values', 'message'),
    [
        (EngineConfig, {'backend': 'cuda'}, "backend must be one of .*, got 'cuda'"),
        (EngineConfig, {'threads': -1}, 'threads must be at least 0, got -1'),
        (EngineConfig, {'threads': 1.5}, 'threads must be a int, got 1.5'),
        (EngineConfig, {'threads': True}, 'threads must be a int, got True'),
        (EngineConfig, {'depth_scale': 'big'}, "depth_scale must be a float, got 'big'"),
        (EngineConfig, {'depth_scale': float('nan')}, 'depth_scale must be a number'),
        (EngineConfig, {'input_size': '256'}, "HEIGHTxWIDTH, e.g. 192x256, got '256'"),
        (
            ReferenceConfig,
            {'static_transforms': 'base eye 1 2'},
            "static_transforms: a transform is .*, got 'base eye 1 2'",
        ),
        (OutputConfig, {'cloud_stride': 0}, 'cloud_stride must be at least 1'),
        (OutputConfig, {'cloud_stride': 65}, 'cloud_stride must be at most 64'),
        (OutputConfig, {'min_depth': 5.0, 'max_depth': 2.0}, 'max_depth must be greater'),
        (OutputConfig, {'max_depth': 5.0, 'far_value': 2.0}, 'far_value must be at least'),
    ],
)
def test_a_bad_setting_is_refused_with_what_it_takes(config_class, values, message):
    with pytest.raises(ConfigError, match=message):
        config_class(**values)


def test_a_whole_number_is_as_good_as_a_float():
    assert OutputConfig(min_depth=1).min_depth == 1


def test_an_unknown_key_is_named_with_the_known_ones():
    with pytest.raises(ConfigError, match="unknown setting 'treads', expected one of .*threads"):
        EngineConfig.from_mapping({'treads': 2})


@pytest.mark.parametrize('config_class', [EngineConfig, OutputConfig])
def test_every_setting_says_what_it_does(config_class):
    for spec in fields(config_class):
        assert len(spec.metadata['description']) > 20, spec.name


def test_a_config_cannot_be_changed():
    @dataclass(frozen=True)
    class Tiny(Config):
        size: int = setting(1, 'Side of the thing [px]')

    with pytest.raises(AttributeError):
        Tiny().size = 2
