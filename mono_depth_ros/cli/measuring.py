# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Processes under measurement: their commands, their lives, their memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
import signal
import subprocess
import sys
import time
from typing import Any

from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.ros_environment import private_environment


@dataclass(frozen=True)
class Setup:
    """What every measurement of a benchmark shares."""

    images: str
    model: Path
    backend: str
    seconds: float
    environment: dict[str, str] = field(default_factory=private_environment)


def node_command(setup: Setup) -> list[str]:
    """Return the command of the depth node under test."""
    return ros_command('depth_node', model=setup.model, backend=setup.backend)


def this_module() -> list[str]:
    """Return the command of the processes of this benchmark."""
    return [sys.executable, '-m', 'mono_depth_ros.nodes.benchmark_nodes']


def ros_command(node: str, **parameters: Any) -> list[str]:
    """Return the command of a node of this package with these parameters."""
    command = [sys.executable, '-m', f'mono_depth_ros.nodes.{node}', '--ros-args']
    for name, value in parameters.items():
        command += ['-p', f'{name}:={value}']
    return command


@contextmanager
def running(command: list[str], setup: Setup) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process for the length of a block; end it as Ctrl-C would."""
    process = subprocess.Popen(command, env=setup.environment)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def watch_memory(
    node: subprocess.Popen[bytes], until: subprocess.Popen[bytes]
) -> dict[str, float]:
    """
    Sample the resident memory of a node [MB] until another process ends.

    Returns
    -------
    dict
        ``highest``; ``growth`` between the end of the first quarter and the end; ``growth of
        peaks`` between the highest of the second and that of the last quarter.

    """
    samples = []
    while until.poll() is None:
        time.sleep(0.5)
        if node.poll() is not None:
            until.kill()
            raise MonoDepthError(f'the node ended with status {node.returncode}; see above')
        samples.append(resident_memory(node.pid))
    # A node that has just started still fills its buffers.
    quarter = len(samples) // 4
    peaks = max(samples[quarter : 2 * quarter + 1]), max(samples[-quarter - 1 :])
    return {
        'highest': max(samples),
        'growth': samples[-1] - samples[quarter],
        'growth of peaks': peaks[1] - peaks[0],
    }


def resident_memory(pid: int) -> float:
    """Return the resident memory of a process [MB]."""
    for line in Path(f'/proc/{pid}/status').read_text().splitlines():
        if line.startswith('VmRSS:'):
            return int(line.split()[1]) / 1024
    return float('nan')
