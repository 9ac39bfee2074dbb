# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a person chooses goes before what a cycle has made."""

import shutil

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')
onnx = pytest.importorskip('onnx')

from mono_depth_ros.adaptation.outcome import ADDED, FAILED, Outcome, PROMOTED, SKIPPED
from mono_depth_ros.engine.store import VersionStore
from mono_depth_ros.engine.store_reader import number_of
from mono_depth_ros.model.registry import resolve_model
from mono_depth_ros.nodes.hand_over import Reply
from mono_depth_ros.nodes.network_in_use import NetworkInUse


@pytest.fixture
def store(tmp_path):
    """Return a store with a version in use and another that waits to be tried."""
    store, model = VersionStore(tmp_path / 'store'), onnx.load(resolve_model('indoor').path)
    for name in ('in use', 'waiting'):
        model.doc_string = name
        onnx.save(model, tmp_path / 'model.onnx')
        store.add(tmp_path / 'model.onnx')
        if name == 'in use':
            store.promote(1)
    return store


def settle(network, waiting, reply):
    outcome = Outcome(ADDED, 'all checks passed', version=waiting)
    return network.settle(outcome, runs=reply.runs(waiting), said=str(reply))


@pytest.mark.parametrize(
    ('choose', 'state', 'in_use'),
    [
        (lambda store: None, PROMOTED, 2),
        (lambda store: store.promote(2), PROMOTED, 2),
        (lambda store: store.promote(1), SKIPPED, 1),
        (lambda store: store.reset('indoor'), SKIPPED, 0),
        (lambda store: store.rollback('by hand'), SKIPPED, 0),
    ],
    ids=['nothing', 'the same', 'the one before', 'the shipped one', 'a roll-back'],
)
def test_what_a_person_chooses_while_the_depth_node_loads_stays(store, choose, state, in_use):
    network = NetworkInUse(store, resolve_model('indoor'), 5)
    waiting = store.waiting_name()

    choose(store)
    reply = Reply(True, f'indoor {waiting} on openvino')
    outcome = settle(network, waiting, reply)

    assert outcome.state == state
    current = store.read_current().version
    assert (number_of(current.name) if current else 0) == in_use
    if state == SKIPPED:
        assert outcome.reason.endswith('another network was chosen before it was tried')


def test_a_version_that_is_gone_is_put_in_use_by_nobody(store):
    network = NetworkInUse(store, resolve_model('indoor'), 5)
    waiting = store.waiting_name()
    shutil.rmtree(store.versions_path / waiting)

    reply = Reply(True, f'indoor {waiting} on openvino')
    outcome = settle(network, waiting, reply)

    assert outcome.state == FAILED
    assert number_of(store.read_current().version.name) == 1


@pytest.mark.parametrize(
    ('reply', 'said'),
    [
        (Reply(None, 'there is no depth node'), 'there is no depth node'),
        (Reply(False, 'no memory for {}'), 'the depth node answered: no memory for {}'),
        (Reply(True, 'street 1 on openvino'), 'the depth node answered: street 1 on openvino'),
    ],
    ids=['nobody', 'not now', 'another one'],
)
def test_a_version_that_the_depth_node_does_not_run_waits_for_its_reason(store, reply, said):
    network = NetworkInUse(store, resolve_model('indoor'), 5)
    waiting, current = store.waiting_name(), store.current_name()

    outcome = settle(network, waiting, Reply(reply.accepted, reply.message.format(waiting)))

    assert outcome.state == ADDED
    expected = f'all checks passed; it waits to be tried: {said.format(waiting)}'
    assert outcome.reason == expected
    assert (store.waiting_name(), store.current_name()) == (waiting, current)
