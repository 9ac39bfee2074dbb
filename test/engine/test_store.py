# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The store: what each verb does."""

import json
import os

from mono_depth_ros.engine.store import default_store_path, StoreReader, VersionStore
from mono_depth_ros.engine.store_reader import number_of
from mono_depth_ros.errors import ModelError, StoreError
from mono_depth_ros.manifest import Manifest
import numpy as np
import pytest


@pytest.fixture
def store(tmp_path):
    return VersionStore(tmp_path / 'store')


@pytest.fixture
def add(store, write_tiny):
    """Return a function that adds one more network, with weights."""
    seeds = iter(range(1000))

    def add_next(**made):
        seed = next(seeds)
        path = write_tiny(name=f'{seed}.onnx', seed=seed)
        weights = path.with_suffix('.safetensors')
        weights.write_bytes(bytes([seed % 256]) * 1000)
        return store.add(path, weights, made=made)

    return add_next


def flip(path, position=200):
    data = bytearray(path.read_bytes())
    data[position % len(data)] ^= 4
    path.write_bytes(bytes(data))


def test_an_added_version_holds_the_files_and_how_it_was_made(store, write_tiny, tmp_path):
    weights = tmp_path / 'w'
    weights.write_bytes(b'weights')

    version = store.add(write_tiny(), weights, made={'mode': 'auto', 'score': np.float32(0.25)})

    assert number_of(version.name) == 1
    assert version.onnx_path.read_bytes() == write_tiny().read_bytes()
    assert version.weights_path.read_bytes() == b'weights'
    assert version.manifest.name == 'tiny'
    assert version.made == {'mode': 'auto', 'score': 0.25}
    assert store.find(1) == store.find(version.name) == store.versions()[0] == version


def test_an_added_version_is_not_in_use(store, add):
    add()

    assert store.read_current().version is None
    assert store.read_current().reason == ''


def test_numbers_go_up_and_names_carry_the_hash(add):
    names = [add().name for _ in range(11)]

    assert [int(name.split('-')[0]) for name in names] == list(range(1, 12))
    assert len({name.split('-')[1] for name in names}) == 11


def test_versions_are_listed_by_number_not_by_letter(store, add):
    for _ in range(11):
        add()

    assert [number_of(version.name) for version in store.versions()] == list(range(1, 12))


def test_the_same_network_is_not_added_twice(store, write_tiny):
    first = store.add(write_tiny())

    assert store.add(write_tiny()) == first
    assert len(store.versions()) == 1


def test_what_is_no_network_is_not_added(store, tmp_path):
    (tmp_path / 'x.onnx').write_text('no network')

    with pytest.raises(ModelError, match='is not a readable ONNX file'):
        store.add(tmp_path / 'x.onnx')
    assert store.versions() == []


def test_promoting_puts_a_version_in_use(store, add):
    version = add()

    store.promote(version)

    assert store.read_current().version == version
    assert os.readlink(store.root / 'current') == f'versions/{version.name}'


def test_promoting_an_older_version_goes_back_to_it(store, add):
    first, second = add(), add()
    store.promote(first)
    store.promote(second)

    store.promote(number_of(first.name))

    assert store.read_current().version == first


def test_rolling_back_returns_to_the_version_before_and_marks_the_one_left(store, add):
    first, second = add(), add()
    store.promote(first)
    store.promote(second)

    assert store.rollback('latency doubled') == first

    assert store.read_current().version == first
    assert store.find(2).bad == 'latency doubled'


def test_rolling_back_follows_use_not_numbers(store, add):
    first, second, third = add(), add(), add()
    for version in (first, second, first, third):
        store.promote(version)

    assert store.rollback('worse') == first
    assert store.rollback('also worse') == second
    assert store.rollback('all of them') is None
    assert store.read_current().version is None


def test_a_reset_goes_back_to_the_shipped_network_and_blames_nobody(store, add):
    for _ in range(2):
        store.promote(add())

    assert store.reset()

    assert store.read_current().version is None
    assert [version.bad for version in store.versions()] == ['', '']
    assert store.candidate() is None
    assert not store.reset()


def test_a_reset_of_one_network_leaves_the_versions_of_another(store, write_tiny):
    street, indoor = (
        store.add(
            write_tiny(Manifest(name, input_size=(32, 64), dynamic=True), name=f'{name}.onnx')
        )
        for name in ('street', 'indoor')
    )
    store.promote(street)
    store.add(indoor.onnx_path)  # it waits again

    left = store.reset('lab')
    kept = store.current_name(), store.waiting_name()
    left = left, store.reset('indoor')

    assert left == (False, False)
    assert kept == (street.name, indoor.name)
    assert (store.current_name(), store.waiting_name()) == (street.name, None)
    assert store.reset('street')
    assert store.current_name() is None


def test_rolling_back_goes_no_further_than_a_reset(store, add):
    store.promote(add())
    store.reset()
    second = store.promote(add())
    store.promote(add())

    assert store.rollback('worse') == second
    assert store.rollback('also worse') is None
    assert store.find(1).bad == ''


def test_a_reader_falls_back_to_the_network_that_a_reset_chose(store, add):
    store.promote(add())
    store.reset()
    second = store.promote(add())
    flip(second.onnx_path)

    assert store.read_current().version is None
    assert store.read_current().reason.endswith('using the shipped network')


def test_rolling_back_skips_what_is_bad_or_damaged(store, add):
    versions = [add() for _ in range(4)]
    for version in versions:
        store.promote(version)
    store.withdraw(3, 'flickers')
    flip(versions[1].onnx_path)

    assert store.rollback('worse') == versions[0]


def test_with_the_shipped_network_in_use_there_is_nothing_to_roll_back(store, add):
    add()

    with pytest.raises(StoreError, match='nothing to roll back .* the shipped network is in use'):
        store.rollback('just so')


def test_a_bad_version_is_not_promoted_unless_it_is_forced(store, add):
    add()
    store.withdraw(1, 'constant depth')

    with pytest.raises(StoreError, match=r'1-.* is marked bad \(constant depth\): it is not put'):
        store.promote(1)
    assert store.promote(1, force=True).bad == ''
    assert number_of(store.read_current().version.name) == 1


def test_a_damaged_version_is_never_promoted(store, add):
    flip(add().onnx_path)

    with pytest.raises(StoreError, match='has a damaged model.onnx: it is not put in use'):
        store.promote(1, force=True)


def test_a_version_that_does_not_exist_is_named_with_those_that_do(store, add):
    version = add()

    with pytest.raises(StoreError, match=f'no version 7 in .*, there is: {version.name}'):
        store.promote(7)


@pytest.mark.parametrize('choose', ['promote', 'promote again', 'rollback', 'reset'])
def test_who_chooses_a_version_does_not_get_the_candidate(store, add, choose):
    first, second = store.promote(add()), store.promote(add())
    candidate = add()
    assert store.candidate() == candidate

    if choose == 'promote':
        store.promote(first)
    elif choose == 'promote again':
        store.promote(second)
    elif choose == 'rollback':
        store.rollback('flickers')
    else:
        store.reset()

    assert store.candidate() is None
    assert not candidate.bad
    third = add()
    assert store.candidate() == third


def test_withdrawing_a_version_leaves_the_one_that_waits(store, add):
    second = [store.promote(add()) for _ in range(2)][1]
    candidate = add()

    store.withdraw(second, 'the scale jumped')

    assert store.candidate() == candidate


def test_a_network_that_is_made_again_is_tried_again(store, write_tiny):
    first = store.promote(store.add(write_tiny()))
    store.reset()

    assert store.add(write_tiny()) == first

    assert store.candidate() == first


def test_the_candidate_is_the_newest_version_until_it_is_tried(store, add):
    assert store.candidate() is None
    add()
    store.promote(1)
    assert store.candidate() is None

    second = add()

    assert store.candidate() == second
    store.promote(second)
    assert store.candidate() is None
    store.rollback('worse')
    assert store.candidate() is None


def test_a_candidate_marked_bad_is_not_offered(store, add):
    store.withdraw(add(), 'refused')

    assert store.candidate() is None


def test_a_damaged_candidate_is_told_until_it_is_marked_bad(store, add):
    version = add()
    (version.path / 'manifest.json').write_text('{')

    told = store.damaged_candidate()

    assert store.candidate() is None
    assert told.startswith(f'version {version.name} in {store.root} waits to be tried, but has a ')
    store.withdraw(1, 'damaged')
    assert store.damaged_candidate() == ''


def test_withdrawing_the_version_in_use_goes_back_to_the_one_before(store, add):
    first, second = add(), add()
    store.promote(first)
    store.promote(second)

    assert number_of(store.withdraw(second, 'the scale jumped').name) == 1

    assert store.current_name() == first.name
    assert store.find(2).bad == 'the scale jumped'


@pytest.mark.parametrize('way_back', ['withdraw', 'rollback', 'damage'])
def test_the_version_before_is_one_of_the_same_network(store, write_tiny, way_back):
    names = ['street', 'indoor', 'street']
    for seed, name in enumerate(names):
        manifest = Manifest(name, input_size=(32, 64), dynamic=True)
        store.promote(store.add(write_tiny(manifest, name=f'{seed}.onnx', seed=seed)))
    before = []

    for number in (3, 1):
        if way_back == 'withdraw':
            store.withdraw(number, 'the scale jumped')
        elif way_back == 'rollback':
            store.rollback('worse')
        else:
            flip(store.find(number).onnx_path)
        before.append(store.read_current().version)

    assert [version and number_of(version.name) for version in before] == [1, None]
    assert store.find(2).bad == ''


def test_withdrawing_a_version_that_is_not_in_use_leaves_the_one_that_is(store, add):
    first, second = add(), add()
    store.promote(first)

    assert store.withdraw(second, 'the scale jumped') == store.find(1)

    assert store.current_name() == first.name
    assert store.candidate() is None


@pytest.mark.parametrize('promoted_first', [True, False])
def test_withdrawing_wins_against_whoever_promotes_at_the_same_time(store, add, promoted_first):
    store.promote(add())
    candidate = add()
    if promoted_first:
        store.promote(candidate)

    store.withdraw(candidate, 'it is slow')

    with pytest.raises(StoreError, match=r'is marked bad \(it is slow\): it is not put in use'):
        store.promote(candidate)
    assert number_of(store.read_current().version.name) == 1
    assert store.read_current().reason == ''


def test_the_first_reason_stays(store, add):
    version = add()

    store.withdraw(version, 'the scale jumped')
    store.withdraw(version, 'refused')

    assert store.find(1).bad == 'the scale jumped'


def test_a_reader_takes_what_it_refuses_as_bad_before_the_store_is_told(store, add):
    first, second = add(), add()
    store.promote(first)
    store.promote(second)
    candidate = add()
    refused = {second.name: 'it is slow', candidate.name: 'it is slow, too'}

    reader = StoreReader(store.root, refused=refused)

    assert reader.candidate() is None
    assert reader.damaged_candidate() == ''
    assert number_of(reader.read_current().version.name) == 1
    assert 'is marked bad (it is slow)' in reader.read_current().reason


def test_pruning_keeps_the_last_the_one_in_use_and_the_one_before(store, add):
    for _ in range(8):
        add()
    store.promote(2)
    store.promote(4)

    removed = store.prune(keep=2)

    assert [number_of(version.name) for version in store.versions()] == [2, 4, 7, 8]
    assert len(removed) == 4
    assert number_of(store.rollback('worse').name) == 2


def test_pruning_keeps_the_version_that_waits(store, add):
    store.promote(add())
    candidate = add()

    store.prune(keep=0)

    assert store.candidate() == candidate


def test_numbers_are_not_used_again_after_pruning(store, add):
    for _ in range(4):
        add()
    store.prune(keep=1)

    assert number_of(add().name) == 5


def test_a_schedule_is_kept_and_a_damaged_one_is_empty(store):
    assert store.schedule() == {}

    store.keep_schedule({'cycles': 3})
    kept = store.schedule()
    (store.root / 'schedule.json').write_text('{"cycles"')

    assert (kept, store.schedule()) == ({'cycles': 3}, {})
    (store.root / 'schedule.json').write_text('[1]')
    assert store.schedule() == {}


@pytest.mark.parametrize('file', ['model.onnx', 'weights.safetensors', 'manifest.json'])
@pytest.mark.parametrize('damage', ['flip', 'truncate', 'remove'])
def test_damage_is_found_and_the_reader_falls_back(store, add, file, damage):
    first, second = add(), add()
    store.promote(first)
    store.promote(second)
    path = second.path / file
    if damage == 'flip':
        flip(path)
    elif damage == 'truncate':
        path.write_bytes(path.read_bytes()[:100])
    else:
        path.unlink()

    reading = store.read_current()

    assert reading.version == first
    assert reading.reason.startswith(f'version {second.name} in {store.root} has ')
    assert file in reading.reason
    assert reading.reason.endswith(f'; using {first.name}')
    assert file in store.verify()[second.name]


@pytest.mark.parametrize('key', ['files', 'digest', 'created', 'name'])
def test_a_manifest_that_lacks_something_is_damage(store, add, key):
    version = add()
    store.promote(version)
    path = version.path / 'manifest.json'
    values = json.loads(path.read_text())
    del values[key]
    path.write_text(json.dumps(values))

    assert 'has a damaged manifest.json; using the shipped network' in store.read_current().reason


@pytest.mark.parametrize('target', ['versions/9-00000000', '/', '..', 'nowhere'])
def test_current_that_points_nowhere_is_told_and_survived(store, add, target):
    first = add()
    store.promote(first)
    (store.root / 'current').unlink()
    (store.root / 'current').symlink_to(target)

    reading = store.read_current()

    assert reading.version == first
    assert 'is not there; using 1-' in reading.reason
    assert 'which is not there' in store.verify()['current']
    store.promote(first)
    assert store.read_current().reason == ''


def test_current_that_is_no_link_is_told_and_survived(store, add):
    add()
    (store.root / 'current').mkdir()

    assert 'cannot read the link' in store.read_current().reason


@pytest.mark.parametrize('text', ['', '{', '[1, 2]', '{"a": 1}', '"x"', '[["y"], "../z"]'])
def test_a_damaged_history_falls_back_to_the_shipped_network(store, add, text):
    version = add()
    store.promote(version)
    (store.root / 'history.json').write_text(text)

    assert store.read_current().version == version
    assert store.rollback('worse') is None


def test_a_store_that_does_not_exist_is_empty(tmp_path):
    store = VersionStore(tmp_path / 'none')

    assert store.read_current() == type(store.read_current())(None, '')
    assert store.versions() == []
    assert store.verify() == {}
    assert not store.root.exists()


def test_the_default_is_in_ros_home(monkeypatch, tmp_path):
    monkeypatch.setenv('ROS_HOME', str(tmp_path))
    assert default_store_path() == tmp_path / 'mono_depth'

    monkeypatch.delenv('ROS_HOME')
    monkeypatch.setenv('HOME', '/home/robot')
    assert str(default_store_path()) == '/home/robot/.ros/mono_depth'
