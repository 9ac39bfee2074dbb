# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Real nodes in processes of their own, and a listener to hear them over DDS."""

from collections.abc import Callable, Iterator
import contextlib
import signal
import subprocess
import sys
import time
from typing import Any

# A busy machine with two cores takes seconds to start a node.
TIMEOUT_S = 60.0


class NodeProcess:
    """A node of the package in a process of its own; ``output`` is read after it ended."""

    def __init__(self, module: str, *arguments: str, **parameters: Any) -> None:
        settings = [
            word for name, value in parameters.items() for word in ('-p', f'{name}:={value}')
        ]
        command = [sys.executable, '-m', f'mono_depth_ros.nodes.{module}', '--ros-args']
        self.process = subprocess.Popen(
            [*command, *settings, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = ''

    def stop(self, signal_number: int = signal.SIGINT) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(signal_number)
        return self.wait()

    def wait(self, timeout_s: float = TIMEOUT_S) -> int:
        """Return the exit status once the process has ended by itself."""
        output, _ = self.process.communicate(timeout=timeout_s)
        self.output += output
        return self.process.returncode

    def kill(self) -> None:
        """End it whatever it does; harmless if it has ended."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@contextlib.contextmanager
def running(module: str, *arguments: str, **parameters: Any) -> Iterator[NodeProcess]:
    """Run a node for the length of a with block."""
    node = NodeProcess(module, *arguments, **parameters)
    try:
        yield node
    finally:
        node.kill()


class Listener:
    """Collects the messages of some topics in this process."""

    def __init__(self) -> None:
        import rclpy
        from rclpy.context import Context
        from rclpy.executors import SingleThreadedExecutor

        self._context = Context()
        rclpy.init(context=self._context)
        self.node = rclpy.create_node('listener', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.received: dict[str, list[Any]] = {}

    def subscribe(self, kind: type, topic: str, qos: Any = 10) -> list[Any]:
        """Return the list into which the messages of a topic will come."""
        messages = self.received.setdefault(topic, [])
        self.node.create_subscription(kind, topic, messages.append, qos)
        return messages

    def spin_until(self, condition: Callable[[], Any], timeout_s: float = TIMEOUT_S) -> bool:
        """Receive until the condition holds; say whether it did in time."""
        until = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > until:
                return False
            self._executor.spin_once(timeout_sec=0.05)
        return True

    def close(self) -> None:
        """Leave the domain."""
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()
