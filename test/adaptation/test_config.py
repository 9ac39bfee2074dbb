# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of adaptation: adaptation.yaml has every one, and bad ones are refused."""

from dataclasses import fields
from pathlib import Path

from mono_depth_ros.adaptation.config import (
    AdapterConfig,
    BufferConfig,
    CycleConfig,
    GateConfig,
    MODES,
)
from mono_depth_ros.adaptation.schedule import ScheduleConfig
from mono_depth_ros.config import AdaptationNodeConfig, DepthNodeConfig, EngineConfig, OutputConfig
from mono_depth_ros.errors import ConfigError
import pytest
import yaml

KINDS = (
    ScheduleConfig,
    AdaptationNodeConfig,
    BufferConfig,
    AdapterConfig,
    GateConfig,
    CycleConfig,
)
SETTINGS = [spec for kind in KINDS for spec in fields(kind)]
FILE = Path(__file__).resolve().parent.parent.parent / 'config' / 'adaptation.yaml'


def test_adaptation_yaml_has_every_setting_with_its_default():
    parameters = yaml.safe_load(FILE.read_text())['/**']['ros__parameters']

    assert parameters == {spec.name: spec.default for spec in SETTINGS}
    assert len(parameters) == len(SETTINGS)  # no name in two groups


def test_one_file_may_hold_the_parameters_of_both_nodes():
    depth = {
        spec.name
        for kind in (DepthNodeConfig, EngineConfig, OutputConfig)
        for spec in fields(kind)
    }

    assert not depth & {spec.name for spec in SETTINGS}


@pytest.mark.parametrize('spec', SETTINGS, ids=lambda spec: spec.name)
def test_adaptation_yaml_says_what_each_setting_does(spec):
    comments = ' '.join(
        line.strip().lstrip('# ') for line in FILE.read_text().splitlines() if '#' in line
    )

    assert spec.metadata['description'].rstrip('.') in comments


def test_every_mode_has_a_recipe():
    pytest.importorskip('torch')
    from mono_depth_ros.adaptation.recipes import RECIPES

    assert set(RECIPES) == set(MODES)


@pytest.mark.parametrize(
    ('kind', 'values', 'message'),
    [
        (AdapterConfig, {'mode': 'magic'}, 'mode must be one of'),
        (BufferConfig, {'held_out': 0.9}, 'held_out must be at most 0.5'),
        (GateConfig, {'max_median_ratio': 0.5}, 'at least 1.0'),
        (CycleConfig, {'camera_height': 300.0}, 'camera_height must be at most 100.0, got 300'),
        (AdapterConfig, {'seed': 2**32}, 'seed must be at most 2147483647'),
    ],
)
def test_bad_settings_are_refused(kind, values, message):
    with pytest.raises(ConfigError, match=message):
        kind(**values)
