# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`mono_depth store`: every verb on the command line."""

from mono_depth_ros.cli.main import main
from mono_depth_ros.engine.store import VersionStore
from mono_depth_ros.engine.store_reader import number_of
from mono_depth_ros.manifest import Manifest, METADATA_KEY
import onnx
from onnx import helper
import pytest


@pytest.fixture
def store(tmp_path):
    """Return a store with three versions, of which the second is in use."""
    store = VersionStore(tmp_path / 'store')
    for number in range(3):
        model = helper.make_model(helper.make_graph([], f'network{number}', [], []))
        helper.set_model_props(model, {METADATA_KEY: Manifest('indoor').to_json()})
        onnx.save(model, tmp_path / 'model.onnx')
        store.add(tmp_path / 'model.onnx', made={'mode': 'auto'})
    store.promote(1)
    store.promote(2)
    return store


@pytest.fixture
def run(store, capsys):
    """Return a function that runs a verb and returns its status and what it printed."""

    def run_verb(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(['store', *map(str, arguments), '--store', str(store.root)])
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out + printed.err

    return run_verb


def test_list_names_every_version_and_the_one_in_use(run, store):
    status, text = run('list')

    assert status == 0
    lines = {line.split()[1]: line for line in text.splitlines() if 'indoor' in line}
    assert len(lines) == 3
    assert [name for name, line in lines.items() if 'in use' in line] == [store.find(2).name]


def test_list_names_the_version_that_waits(run, store, tmp_path):
    model = onnx.load(tmp_path / 'model.onnx')
    model.graph.name = 'another'
    onnx.save(model, tmp_path / 'model.onnx')
    store.add(tmp_path / 'model.onnx')

    lines = run('list')[1].splitlines()

    (line,) = (line for line in lines if 'waits to be tried' in line)
    assert store.candidate().name in line


def test_show_prints_what_is_known(run):
    status, text = run('show', 1)

    assert status == 0
    assert '"mode": "auto"' in text


def test_promote_and_rollback(run, store):
    assert run('promote', 3)[0] == 0
    assert number_of(store.read_current().version.name) == 3

    status, text = run('rollback', '--reason', 'flickers')

    assert status == 0
    assert f'in use: {store.find(2).name}' in text
    assert 'ros2 service call NODE/reload_engine' in text
    assert 'its name with its namespace' in text
    assert store.find(3).bad == 'rolled back by hand: flickers'


def test_reset_goes_back_to_the_shipped_network_and_blames_nobody(run, store):
    status, text = run('reset')

    assert (status, store.current_name()) == (0, None)
    assert 'in use: the shipped network' in text
    assert not any(version.bad for version in store.versions())


def test_a_bad_version_needs_force(run, store):
    store.withdraw(3, 'flickers')

    assert run('promote', 3)[0] == 1
    assert run('promote', 3, '--force')[0] == 0
    assert number_of(store.read_current().version.name) == 3


def test_verify_has_status_1_on_damage(run, store):
    assert run('verify')[0] == 0

    store.find(3).onnx_path.write_bytes(b'')
    status, text = run('verify')

    assert status == 1
    assert 'has a damaged model.onnx' in text
    assert 'has a damaged model.onnx' in run('list')[1].replace('\n', ' ')


def test_prune(run, store):
    assert run('prune', '--keep', 0)[0] == 0

    assert [number_of(version.name) for version in store.versions()] == [1, 2]


def test_an_unknown_version_is_one_line_of_error(run):
    status, text = run('show', 9)

    assert status == 1
    assert text.startswith('Error: no version 9 in')
