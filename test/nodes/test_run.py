# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How a node ends."""

import signal
import time

import pytest

pytestmark = pytest.mark.ros


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_node_that_is_signalled_again_while_it_ends_still_ends_cleanly(listener, number):
    from diagnostic_msgs.msg import DiagnosticArray
    from processes import running, TIMEOUT_S

    diagnostics = listener.subscribe(DiagnosticArray, '/diagnostics')
    with running('depth_node', autostart='false') as node:
        assert listener.spin_until(lambda: diagnostics)

        until = time.monotonic() + TIMEOUT_S
        while node.process.poll() is None and time.monotonic() < until:
            node.process.send_signal(number)
            time.sleep(0.003)

        assert node.wait() == 0, node.output
        assert 'Traceback' not in node.output
