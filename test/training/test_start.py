# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What training may start from, and where it may run."""

from pathlib import Path

from mono_depth_ros.errors import ConfigError
import pytest
import yaml

torch = pytest.importorskip('torch')

from mono_depth_ros.training.distributed import choose_device
from mono_depth_ros.training.start import describe_start, start_folder

CONFIGS = Path(__file__).parents[2] / 'config'


@pytest.mark.parametrize('name', ['indoor', 'street'])
def test_a_shipped_network_is_found_from_anywhere(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert (start_folder(name) / 'weights.safetensors').is_file()
    assert describe_start(name).startswith(name)


@pytest.mark.parametrize('file', ['pretrain.yaml', 'pretrain_street.yaml'])
def test_the_settings_start_from_a_network_that_is_there(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    start_folder(yaml.safe_load((CONFIGS / file).read_text())['start'])


def test_random_weights_are_named_so():
    assert describe_start('') == 'random weights'


def test_a_start_that_is_no_network_is_refused(tmp_path):
    weights = start_folder('indoor') / 'weights.safetensors'
    (tmp_path / 'weights.safetensors').write_bytes(b'')

    with pytest.raises(ConfigError, match=r"start is '/nowhere', .* \(indoor, street\)"):
        start_folder('/nowhere')
    with pytest.raises(ConfigError, match=r'there is no .*weights\.safetensors/weights'):
        start_folder(str(weights))
    with pytest.raises(ConfigError, match=r'there is no .*manifest\.json'):
        start_folder(str(tmp_path))


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)

    assert choose_device('auto') == choose_device('cpu') == 'cpu'
    with pytest.raises(ConfigError, match='torch finds no GPU'):
        choose_device('cuda')
    with pytest.raises(ConfigError, match="device must be one of .*, got 'banana'"):
        choose_device('banana')
