# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Networks on disk survive damage, full disks and changes of architecture."""

import errno
from pathlib import Path

from mono_depth_ros.errors import ModelError
from mono_depth_ros.manifest import Manifest
import pytest

torch = pytest.importorskip('torch')

from mono_depth_ros.model.checkpoint import (
    load_network,
    load_training_state,
    save_network,
    save_training_state,
    WEIGHTS,
    write_atomic,
)
from mono_depth_ros.model.fastdepth import FastDepth

MANIFEST = Manifest(name='tiny', dynamic=True, focal=220.0)


def test_a_saved_network_comes_back_the_same(tmp_path):
    network, image = FastDepth(0.25, high_resolution=0.5).eval(), torch.rand(1, 3, 64, 64)
    save_network(tmp_path, network, MANIFEST)

    again = load_network(tmp_path)

    assert again.architecture == network.architecture
    torch.testing.assert_close(again(image)[0], network(image)[0], rtol=0, atol=0)
    assert Manifest.from_json((tmp_path / 'manifest.json').read_text()) == MANIFEST


def test_a_full_disk_keeps_what_was_there_before(tmp_path, monkeypatch):
    save_network(tmp_path, FastDepth(0.25), MANIFEST)
    before = (tmp_path / WEIGHTS).read_bytes()

    def full(path, data):
        with open(path, 'wb') as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(Path, 'write_bytes', full)

    with pytest.raises(ModelError, match='No space left on device.*is kept'):
        save_network(tmp_path, FastDepth(0.25), MANIFEST)
    assert (tmp_path / WEIGHTS).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ['manifest.json', WEIGHTS]


def test_a_training_state_on_a_full_disk_keeps_the_previous_one(tmp_path):
    # /dev/full takes no byte: the real error, not an imitation.
    if not Path('/dev/full').exists():
        pytest.skip('needs /dev/full')

    state = tmp_path / 'state.pt'
    save_training_state(state, {'done': 1})

    with pytest.raises(ModelError, match='what was there before is kept'):
        write_atomic(state, lambda path: torch.save({'done': 2}, '/dev/full'))
    assert load_training_state(state) == {'done': 1}


def test_a_training_state_never_runs_code(tmp_path):
    torch.save({'harmless': Path('/')}, tmp_path / 'state.pt')

    with pytest.raises(ModelError, match='is not a training state'):
        load_training_state(tmp_path / 'state.pt')


def test_a_training_state_comes_back(tmp_path):
    save_training_state(tmp_path / 'state.pt', {'done': 3, 'weights': {'a': torch.ones(2)}})

    state = load_training_state(tmp_path / 'state.pt')

    assert state['done'] == 3
    assert state['weights']['a'].tolist() == [1, 1]


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(ModelError, match=f'no weights at {tmp_path}'):
        load_network(tmp_path)


def test_truncated_weights_are_refused(tmp_path):
    save_network(tmp_path, FastDepth(0.25), MANIFEST)
    path = tmp_path / WEIGHTS
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(ModelError, match='is damaged'):
        load_network(path)


def test_weights_of_another_program_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({'a': torch.ones(1)}, tmp_path / WEIGHTS)

    with pytest.raises(ModelError, match='does not say its architecture'):
        load_network(tmp_path)


def test_weights_that_do_not_fit_their_architecture_are_refused(tmp_path):
    network = FastDepth(0.25)
    network.architecture['width'] = 0.5
    save_network(tmp_path, network, MANIFEST)

    with pytest.raises(ModelError, match='does not fit the network'):
        load_network(tmp_path)
