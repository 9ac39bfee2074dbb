# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Compile a network for OpenVINO in a process of its own.

Compiling and running share the worker threads of a process: while one network is compiled beside
another one, images wait. What a child has compiled is imported in a quarter of the CPU time, and
a compiler that crashes takes no node with it.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
import signal
import subprocess
import sys
import time
from typing import Any

from mono_depth_ros.engine.beside import is_beside_images, is_given_up
from mono_depth_ros.errors import EngineError, MonoDepthError

logger = logging.getLogger(__name__)

# How long the compiler may take on what the images leave over of one core, and after that at
# ordinary priority [s].
IDLE_LIMIT_S, LIMIT_S = 10.0, 120.0
# How often it is asked whether anybody waits for it still [s].
POLL_S = 0.2


def compile_elsewhere(path: Path, shapes: dict[str, list[int]], options: dict[str, str]) -> bytes:
    """
    Compile in a child process, if `beside_images` asks for it.

    Returns
    -------
    bytes
        For ``Core.import_model``; empty if it is to be compiled here.

    Raises
    ------
    EngineError
        If the compiler crashes, which it would do here as well.
    MonoDepthError
        If nobody waits for it any more.

    """
    if not is_beside_images():
        return b''
    job = json.dumps({'path': str(path), 'shapes': shapes, 'options': options}).encode()
    try:
        try:
            child = _run_compiler(job, IDLE_LIMIT_S, idle=True)
        except subprocess.TimeoutExpired:
            # Images or other programs take every moment of this core.
            child = _run_compiler(job, LIMIT_S, idle=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        logger.info('compiling %s in this process: %s', path, error)
        return b''
    if child.returncode < 0:
        name = signal.Signals(-child.returncode).name
        raise EngineError(f'openvino cannot compile {path}: its process was ended by {name}')
    if child.returncode:
        # Here it says why, and with the words of this process.
        logger.info('compiling %s in this process: %s', path, child.stderr.decode()[-200:])
        return b''
    return child.stdout


def _run_compiler(job: bytes, limit_s: float, *, idle: bool) -> subprocess.CompletedProcess[bytes]:
    """
    Run the child to its end.

    A network runs on all cores, and each layer waits for the slowest of them: a compiler that
    takes turns with one doubles the time of every image. With `idle` it gets what images leave
    over, of one core only.
    """
    command = [sys.executable, '-m', __name__]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as child:
        try:
            if idle and hasattr(os, 'SCHED_IDLE'):
                os.sched_setscheduler(child.pid, os.SCHED_IDLE, os.sched_param(0))
                os.sched_setaffinity(child.pid, {max(os.sched_getaffinity(0))})
            output, problem = _communicate(child, job, limit_s)
        except BaseException:
            child.kill()
            raise
    return subprocess.CompletedProcess(command, child.returncode, output, problem)


def _communicate(
    child: subprocess.Popen[bytes], job: bytes, limit_s: float
) -> tuple[bytes, bytes]:
    """Wait for the child, as long as anybody waits for it."""
    until = time.monotonic() + limit_s
    question: bytes | None = job
    while True:
        left_s = until - time.monotonic()
        try:
            return child.communicate(question, max(min(left_s, POLL_S), 0.0))
        except subprocess.TimeoutExpired as error:
            if is_given_up():
                raise MonoDepthError('nobody waits for this network any more') from error
            if left_s <= POLL_S:
                raise subprocess.TimeoutExpired(child.args, limit_s) from error
        question = None  # it has it


def main() -> int:
    """Read a job from standard input, write what was compiled to standard output."""
    # Whatever a library prints must not get between.
    output = os.fdopen(os.dup(sys.stdout.fileno()), 'wb')
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    import openvino

    job: dict[str, Any] = json.load(sys.stdin)
    core = openvino.Core()
    graph = core.read_model(job['path'])
    graph.reshape(job['shapes'])
    exported: Any = core.compile_model(graph, 'CPU', job['options']).export_model()
    with output:
        output.write(exported.getvalue() if hasattr(exported, 'getvalue') else exported)
    return 0


if __name__ == '__main__':
    sys.exit(main())
