# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of pre-training: the shipped file is valid, mistakes are named."""

from dataclasses import fields
import json
from pathlib import Path

from mono_depth_ros.errors import ConfigError
from mono_depth_ros.training.config import ENCODERS, Phase, PretrainConfig, read_pretrain_config
import pytest
import yaml

SHIPPED = Path(__file__).parents[2] / 'config' / 'pretrain.yaml'


def test_the_shipped_file_names_every_setting_and_is_valid():
    config = read_pretrain_config(SHIPPED)

    assert set(yaml.safe_load(SHIPPED.read_text())) == set(config.to_dict())


def test_the_strength_of_colours_is_described_as_it_is():
    comment = SHIPPED.read_text().split('colour_strength:')[0].rsplit('\n\n', 1)[-1]
    (spec,) = (spec for spec in fields(PretrainConfig) if spec.name == 'colour_strength')

    for text in (' '.join(comment.replace('#', '').split()), spec.metadata['description']):
        assert 'change of brightness and saturation' in text
        assert 'contrast' in text.lower() and 'exp(4 x)' in text and 'grey' in text


def test_what_a_file_leaves_out_is_as_in_the_shipped_file(tmp_path):
    (tmp_path / 'empty.yaml').write_text('')

    assert read_pretrain_config(tmp_path / 'empty.yaml') == read_pretrain_config(SHIPPED)
    assert read_pretrain_config(SHIPPED) == PretrainConfig()


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
        ('[]', 'expected a mapping'),
        ('1: 2', r"unknown settings \['1'\]"),
        ('learning_rate: fast', 'learning_rate must be a float'),
        ('learning_rate: -1.0', 'learning_rate must be at least'),
        ('learning_rate: .nan', 'learning_rate must be a number'),
        ('learning_rate: .inf', 'learning_rate must be at most'),
        ('min_depth: far', 'min_depth must be a float'),
        ('ema: high', 'ema must be a float'),
        ('seed: -1', 'seed must be at least 0'),
        ('samples: 0', 'samples must be at least 1'),
        ('samples: 1e3', 'samples must be a int, got 1000.0'),
        ('save_every: 0', 'save_every must be at least 1'),
        ('log_every: 0', 'log_every must be at least 1'),
        ('workers: 0', 'workers must be at least 1'),
        ('pack_samples: -5', 'pack_samples must be at least 1'),
        ('residual: 1', 'residual must be a bool'),
        ('encoder: resnet', 'encoder must be one of'),
        ('width: 0', 'width must be at least'),
        ('min_zoom: 0', 'min_zoom must be at least'),
        ('colour_strength: 3', 'colour_strength must be at most'),
        ('clip: 0', 'clip must be at least'),
        ('start: 5', 'start must be a str'),
        ("start: ''", 'frozen_blocks and frozen_statistics would keep random weights'),
        ("{start: '', frozen_blocks: 0}", 'frozen_statistics would keep random weights'),
        (
            "{start: '', frozen_blocks: 0, frozen_statistics: false, frozen_position: true}",
            'frozen_position would keep random weights',
        ),
        ('domains: []', 'must not be empty'),
        ('domains: 5', 'domains must be names'),
        ('domains: [indoor, 5]', 'domains must be names'),
        ('domains: [indoor, indoor]', 'each once'),
        ('domains: [in/door]', 'domains must be names in small letters'),
        ('render_sizes: [192, 256]', r'render_sizes must be \(height, width\)'),
        ('render_sizes: 5', 'render_sizes must be a list'),
        ('input_size: [100, 128]', 'input_size must be .* multiples of 32'),
        ('input_size: [96]', r'input_size must be \(height, width\)'),
        ('input_size: big', r'input_size must be \(height, width\)'),
        ('phases: 5', 'phases must be a list'),
        ('phases: [5]', 'phases: expected a mapping'),
        ('phases: [{steps: 1}]', r"phases: \['sizes'\] must be given"),
        ('phases: [{steps: 1, sizes: 96}]', 'sizes must be a list'),
        ('phases: [{steps: many, sizes: [[96, 128]]}]', 'steps of a phase must be a whole number'),
        ('phases: [{steps: 1, sizes: [[96, 128]], batch: 1}]', 'batch of a phase must be'),
        ('phases: [{steps: 1, sizes: [[96, 128]], scale: 0}]', 'scale of a phase must be'),
    ],
)
def test_a_bad_setting_is_named(tmp_path, text, message):
    (tmp_path / 'c.yaml').write_text(text)

    with pytest.raises(ConfigError, match=message):
        read_pretrain_config(tmp_path / 'c.yaml')


def test_a_file_that_is_not_text_is_named(tmp_path):
    (tmp_path / 'c.yaml').write_bytes(b'\xff\xfe\x00')

    with pytest.raises(ConfigError, match=r'cannot read .*c\.yaml'):
        read_pretrain_config(tmp_path / 'c.yaml')


@pytest.mark.parametrize(
    ('text', 'rate'), [('1e-3', 1e-3), ('5E-4', 5e-4), ('2.e-3', 2e-3), ('1', 1)]
)
def test_a_number_may_have_an_exponent_without_a_point(tmp_path, text, rate):
    (tmp_path / 'c.yaml').write_text(f'learning_rate: {text}')

    assert read_pretrain_config(tmp_path / 'c.yaml').learning_rate == rate


def test_a_single_domain_needs_no_list(tmp_path):
    (tmp_path / 'c.yaml').write_text('domains: street')

    assert read_pretrain_config(tmp_path / 'c.yaml').domains == ('street',)


def test_the_encoders_are_those_of_the_network():
    fastdepth = pytest.importorskip('mono_depth_ros.model.fastdepth', exc_type=ImportError)

    assert set(ENCODERS) == set(fastdepth.ENCODERS)


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
