# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a person chooses goes before what a cycle has made."""

import shutil

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')
onnx = pytest.importorskip('onnx')

from mono_depth_ros.adaptation.outcome import ADDED, FAILED, Outcome, PROMOTED, SKIPPED
from mono_depth_ros.engine.store import VersionStore
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
    outcome = network.settle(Outcome(ADDED, 'all checks passed', version=waiting), reply)

    assert outcome.state == state
    current = store.read_current().version
    assert (current.number if current else 0) == in_use
    if state == SKIPPED:
        assert outcome.reason.endswith('another network was chosen before it was tried')


def test_a_version_that_is_gone_is_put_in_use_by_nobody(store):
    network = NetworkInUse(store, resolve_model('indoor'), 5)
    waiting = store.waiting_name()
    shutil.rmtree(store.versions_path / waiting)

    reply = Reply(True, f'indoor {waiting} on openvino')
    outcome = network.settle(Outcome(ADDED, 'all checks passed', version=waiting), reply)

    assert outcome.state == FAILED
    assert store.read_current().version.number == 1
