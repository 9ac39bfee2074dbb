# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ask the depth node to look at the store, whether it is there, busy, restarting or gone."""

from __future__ import annotations

from dataclasses import dataclass
import time
from typing import Any

from mono_depth_ros.nodes.qos import LATCHED
from rclpy.node import Node
from std_msgs.msg import String
from std_srvs.srv import Trigger

# How long a depth node that is not there may take to appear: it may be restarting.
ABSENT_S = 5.0
RETRY_S = 1.0
# What the depth node answers while it loads another engine; that takes seconds.
BUSY = 'an engine is being loaded already: try again when it is done'


@dataclass(frozen=True)
class Reply:
    """
    What came of it.

    Attributes
    ----------
    accepted : bool or None
        What the depth node answered; None if nobody did.
    message : str
        Its answer, or why there is none.

    """

    accepted: bool | None
    message: str

    def runs(self, version: str) -> bool:
        """Say whether the depth node runs a version: an answer names the network it runs."""
        return bool(self.accepted) and version in self.message

    def __str__(self) -> str:
        if self.accepted is None:
            return self.message
        return f'the depth node answered: {self.message}'


class HandOver:
    """
    One call of ``reload_engine`` at a time, never waited for: `poll` says when it is over.

    Parameters
    ----------
    node : Node
        Owner of the client.
    depth_node : str
        Name of the depth node.
    timeout_s : float
        Longest wait for its answer.

    Attributes
    ----------
    service : str
        Name of the service that is called.
    version : str
        What is handed over; empty where the depth node shall only look again.
    running : str
        Version that the depth node says it runs; empty if it was never heard.

    """

    def __init__(self, node: Node, depth_node: str, timeout_s: float) -> None:
        self._node, self._timeout_s = node, timeout_s
        self.service = node.resolve_service_name(f'{depth_node}/reload_engine')
        self._client = node.create_client(Trigger, self.service)
        self._future: Any = None
        self._began = self._seen = self._not_before = 0.0
        self._active = False
        self.version = self.running = ''
        self._subscription = node.create_subscription(
            String, f'{depth_node}/version', self._on_version, LATCHED
        )

    def _on_version(self, message: String) -> None:
        self.running = message.data

    @property
    def active(self) -> bool:
        """Say whether an answer is waited for."""
        return self._active

    @property
    def ready(self) -> bool:
        """Say whether there is a depth node to ask."""
        return bool(self._client.service_is_ready())

    def begin(self, version: str = '') -> None:
        """Ask the depth node to load what the store has for it."""
        self.cancel()
        self._active, self.version = True, version
        self._began = self._seen = self._not_before = time.monotonic()

    def cancel(self) -> None:
        """Wait no longer for an answer."""
        if self._future is not None:
            self._client.remove_pending_request(self._future)
        self._future, self._active = None, False

    def poll(self) -> Reply | None:
        """Go on; return the answer once there is one, or it is clear that none will come."""
        if not self._active:
            return None
        reply = self._go_on(time.monotonic())
        if reply is not None:
            self.cancel()
        return reply

    def _go_on(self, now: float) -> Reply | None:
        if self._future is not None and self._future.done():
            answer, self._future = self._future.result(), None
            if answer is not None and (answer.success or BUSY not in answer.message):
                return Reply(answer.success, answer.message)
            self._not_before = now + RETRY_S
        if now - self._began > self._timeout_s:
            return Reply(None, f'{self.service} gave no answer within {self._timeout_s:g} s')
        if self.ready:
            self._seen = now
            if self._future is None and now >= self._not_before:
                self._future = self._client.call_async(Trigger.Request())
        elif now - self._seen > ABSENT_S:
            return Reply(None, f'there is no {self.service}')
        elif self._future is not None:
            # It ended while it was asked: what comes back will not know of the question.
            self._client.remove_pending_request(self._future)
            self._future = None
        return None

    def close(self) -> None:
        """Destroy the client and the subscription."""
        self.cancel()
        self._node.destroy_client(self._client)
        self._node.destroy_subscription(self._subscription)
