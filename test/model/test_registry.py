# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which file a name means: shipped, a path, or the version in use in the store."""

import sys

from mono_depth_ros.engine.store import VersionStore
from mono_depth_ros.errors import ModelError
from mono_depth_ros.manifest import Manifest, METADATA_KEY
from mono_depth_ros.model import registry
from mono_depth_ros.model.registry import resolve_model, shipped_models
import onnx
from onnx import helper
import pytest


def write_network(path, name, version='0'):
    """Write an ONNX file with a manifest; the registry looks at nothing else."""
    model = helper.make_model(helper.make_graph([], version, [], []))
    helper.set_model_props(model, {METADATA_KEY: Manifest(name, version=version).to_json()})
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Ship two networks, indoor and street."""
    monkeypatch.setattr(registry, 'WEIGHTS_PATH', tmp_path / 'weights')
    for name in ('indoor', 'street'):
        write_network(tmp_path / 'weights' / name / 'model.onnx', name, 'shipped')


@pytest.fixture
def store(tmp_path):
    """Return a store whose version 1, adapted from indoor, is in use."""
    store = VersionStore(tmp_path / 'store')
    store.promote(store.add(write_network(tmp_path / 'a.onnx', 'indoor', 'adapted')))
    return store


def test_a_shipped_name(shipped):
    model = resolve_model('street')

    assert (model.manifest.name, model.version, model.origin) == ('street', 'shipped', 'shipped')
    assert sorted(shipped_models()) == ['indoor', 'street']


def test_a_path(tmp_path):
    path = write_network(tmp_path / 'mine' / 'model.onnx', 'mine', '7')

    assert resolve_model(str(path)).path == path
    assert resolve_model(str(path.parent)).path == path
    assert resolve_model(str(path)).origin == 'file'


def test_the_version_in_use_goes_before_the_network_it_was_adapted_from(shipped, store):
    model = resolve_model('indoor', store)

    assert model.path == store.find(1).onnx_path
    assert (model.version, model.origin) == (store.find(1).name, 'store')
    assert model.warning == ''


def test_the_version_in_use_leaves_other_networks_alone(shipped, store):
    model = resolve_model('street', store)

    assert model.origin == 'shipped'
    assert "was adapted from 'indoor', not from 'street': it is left aside" in model.warning


def test_a_path_into_the_store_means_that_file(store, tmp_path):
    store.promote(store.add(write_network(tmp_path / 'b.onnx', 'indoor', 'newer')))

    model = resolve_model(str(store.find(1).onnx_path), store)

    assert model.path == store.find(1).onnx_path


def test_a_reload_prefers_the_candidate(shipped, store, tmp_path):
    second = store.add(write_network(tmp_path / 'b.onnx', 'indoor', 'newer'))

    assert resolve_model('indoor', store).version == store.find(1).name
    assert resolve_model('indoor', store, candidate=True).version == second.name


def test_a_candidate_of_another_network_does_not_hide_the_version_in_use(shipped, store, tmp_path):
    store.add(write_network(tmp_path / 'b.onnx', 'street', 'newer'))

    assert resolve_model('indoor', store, candidate=True).version == store.find(1).name


def test_a_damaged_store_is_told_and_the_shipped_network_runs(shipped, store):
    (store.find(1).onnx_path).write_bytes(b'')

    model = resolve_model('indoor', store, candidate=True)

    assert model.origin == 'shipped'
    assert 'has a damaged model.onnx; using the shipped network' in model.warning


def test_an_unknown_name_lists_those_there_are(shipped):
    with pytest.raises(
        ModelError, match=r"no network 'outdoor': .* \(indoor, street\) or the path"
    ):
        resolve_model('outdoor')


def test_a_missing_file_is_named():
    with pytest.raises(ModelError, match='no model at nowhere/model.onnx'):
        resolve_model('nowhere/model.onnx')


def test_the_registry_needs_no_torch():
    import subprocess

    code = 'import sys, mono_depth_ros.model.registry; print("torch" in sys.modules)'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == 'False'
