# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Nodes of this package as child processes of a command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
import queue
import re
import signal
import subprocess
import sys
import threading
from typing import Any, IO

from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.ros_environment import private_environment

STOP_TIMEOUT_S = 10.0


def node_command(
    node: str, parameters: Mapping[str, Any], remap: Mapping[str, str] | None = None
) -> list[str]:
    """Return the command of a node of this package with these parameters and topics."""
    command = [sys.executable, '-m', f'mono_depth_ros.nodes.{node}', '--ros-args']
    for name, value in parameters.items():
        command += ['-p', f'{name}:={value}']
    for name, topic in (remap or {}).items():
        command += ['-r', f'{name}:={topic}']
    return command


class NodeGroup:
    """
    Nodes that talk to each other only, and all end with the ``with`` block.

    Parameters
    ----------
    logs : Path
        Folder for one log file a node.

    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._environment = private_environment()
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._lines: dict[str, queue.SimpleQueue[str]] = {}

    def __enter__(self) -> NodeGroup:
        # By default SIGTERM ends this process at once, and its nodes go on without it.
        self._terminate = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return self

    def start(
        self, module: str, *, remap: Mapping[str, str] | None = None, **parameters: Any
    ) -> None:
        """Start a node; its messages go to the log, its standard output to ``lines``."""
        with self._log(module).open('w') as log:
            process = subprocess.Popen(
                node_command(module, parameters, remap),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._processes[module] = process
        lines = self._lines[module] = queue.SimpleQueue()
        assert process.stdout is not None
        threading.Thread(target=_collect, args=(process.stdout, lines), daemon=True).start()

    def lines(self, module: str) -> list[str]:
        """Return what a node printed since the last call."""
        found = []
        while not self._lines[module].empty():
            found.append(self._lines[module].get())
        return found

    def check(self) -> None:
        """Raise MonoDepthError, with its reason, if a node has ended."""
        for module, process in self._processes.items():
            status = process.poll()
            if status is not None:
                raise MonoDepthError(
                    f'{module} ended with status {status}: {self._last_words(module)}'
                )

    def complaint(self) -> str:
        """Return what is wrong as the nodes tell it."""
        words = {module: self._last_words(module) for module in self._processes}
        said = [f'{module} says "{text}"' for module, text in words.items() if text]
        return '; '.join(said) or f'the logs are in {self._logs}'

    def _log(self, module: str) -> Path:
        return self._logs / f'{module}.log'

    def _last_words(self, module: str) -> str:
        return last_words(self._log(module).read_text(errors='replace'))

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._terminate)
        # The player first and the recorder last, so that nothing waits for who is gone.
        for process in reversed(self._processes.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def last_words(log: str) -> str:
    """Return what a node gave as the reason of its end: its first error, else its last line."""
    lines = log.strip().splitlines()
    errors = [line for line in lines if line.startswith(('[ERROR]', '[FATAL]'))]
    word = next(iter(errors or lines[-1:]), '')
    return re.sub(r'^\[\w+\] \[[\d.]+\] \[\S+\]: ', '', word)


def _collect(stream: IO[str], lines: queue.SimpleQueue[str]) -> None:
    for line in stream:
        lines.put(line)
