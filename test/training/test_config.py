# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of pre-training: the shipped file is valid, mistakes are named."""

import json
from pathlib import Path

from mono_depth_ros.errors import ConfigError
from mono_depth_ros.training.config import Phase, PretrainConfig, read_pretrain_config
import pytest
import yaml

SHIPPED = Path(__file__).parents[2] / 'config' / 'pretrain.yaml'


def test_the_shipped_file_names_every_setting_and_is_valid():
    config = read_pretrain_config(SHIPPED)

    assert set(yaml.safe_load(SHIPPED.read_text())) == set(config.to_dict())


def test_a_config_survives_yaml(tmp_path):
    config = PretrainConfig(seed=3, phases=(Phase(10, ((64, 96), (32, 32)), 8, 0.5),))
    (tmp_path / 'c.yaml').write_text(json.dumps(config.to_dict()))  # JSON is YAML

    assert read_pretrain_config(tmp_path / 'c.yaml') == config


def test_the_street_settings_are_valid():
    config = read_pretrain_config(SHIPPED.with_name('pretrain_street.yaml'))

    assert (config.name, config.domains, config.max_depth) == ('street', ('street',), 80.0)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('sede: 1', r"unknown settings \['sede'\]"),
        ('loss: l2', 'loss must be one of'),
        ('phases: [{steps: 1, sizes: [[100, 128]]}]', 'multiples of 32'),
        ('phases: [{steps: 1, size: [[96, 128]]}]', r"unknown settings \['size'\]"),
        ('phases: []', 'must not be empty'),
        ('ema: 1.0', 'ema must lie in'),
        ('max_depth: 0.05', 'min_depth < max_depth'),
        ('just words', 'expected a mapping'),
        ('a: [', 'cannot read'),
    ],
)
def test_a_bad_setting_is_named(tmp_path, text, message):
    (tmp_path / 'c.yaml').write_text(text)

    with pytest.raises(ConfigError, match=message):
        read_pretrain_config(tmp_path / 'c.yaml')


def test_the_rate_warms_up_stays_and_falls_to_zero():
    config = PretrainConfig(
        phases=(Phase(100, ((32, 32),)),), learning_rate=1.0, warmup_steps=10, decay_fraction=0.4
    )

    rates = [config.learning_rate_at(step) for step in range(101)]

    assert rates[0] == pytest.approx(0.1)
    assert rates[9:61] == [1.0] * 52
    assert rates[80] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0)
    assert rates[60:] == sorted(rates[60:], reverse=True)


def test_every_update_belongs_to_its_phase():
    small, large = Phase(2, ((32, 32),)), Phase(3, ((64, 64),))
    config = PretrainConfig(phases=(small, large))

    assert [config.phase_at(step) for step in range(5)] == [small] * 2 + [large] * 3
    assert config.steps == 5
    with pytest.raises(ConfigError, match='only 5 updates'):
        config.phase_at(5)
