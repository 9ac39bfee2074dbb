# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests with real nodes."""

import pytest


@pytest.fixture
def listener():
    """Return a listener in the ROS domain of this run."""
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    from processes import Listener

    listener = Listener()
    yield listener
    listener.close()


@pytest.fixture
def add(store, red_network, tmp_path):
    """Return a function that adds a variant of the red network to the store of the test."""
    from networks import variant

    def add_variant(**changes):
        return store.add(variant(red_network, tmp_path / 'candidate.onnx', **changes))

    return add_variant
