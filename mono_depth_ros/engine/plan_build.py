# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start the builder in a process of its own, and hear how far it is; needs no TensorRT here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
import json
import logging
from pathlib import Path
import signal
import subprocess
import sys
import tempfile
import threading
from typing import Any, IO

from mono_depth_ros.engine.plans import BuildOptions
from mono_depth_ros.errors import BackendUnavailableError, EngineError

logger = logging.getLogger(__name__)

MODULE = 'mono_depth_ros.engine.builder'
KILL_AFTER_S = 30.0


@dataclass(frozen=True)
class BuiltPlan:
    """
    What came out of a build.

    Attributes
    ----------
    key : str
        Name of the plan.
    path : Path
        Where it is.
    seconds : float
        How long it took.
    built : bool
        False if it was there already.
    refitted : bool
        Another plan took the weights, and computes what the network does.
    gpu, tensorrt, precision : str
        What it is for.

    """

    key: str
    path: Path
    seconds: float
    built: bool
    refitted: bool = False
    gpu: str = ''
    tensorrt: str = ''
    precision: str = ''


class PlanBuild:
    """
    One build in another process.

    Parameters
    ----------
    model_path : Path
        ONNX file in the form of this package.
    input_size : tuple of int, optional
        (height, width) [px]; the manifest's own by default.
    precision : str
        ``auto``, ``fp16``, ``fp32`` or ``int8``.
    engines_path : Path, optional
        Folder of the plans; that of the default store by default.
    options : BuildOptions, optional
        Limits of the builder; a plan that was built with others is built again. By default any
        will do.
    force : bool
        Build even if there is a plan.

    """

    def __init__(
        self,
        model_path: Path,
        input_size: tuple[int, int] | None = None,
        precision: str = 'auto',
        *,
        engines_path: Path | None = None,
        options: BuildOptions | None = None,
        force: bool = False,
    ) -> None:
        self._request = {
            'model': str(model_path),
            'input_size': input_size,
            'precision': precision,
            'engines_path': str(engines_path) if engines_path else None,
            'options': asdict(options) if options else None,
            'force': force,
        }
        self._process: subprocess.Popen[str] | None = None
        self._cancelled = threading.Event()

    def run(
        self, report: Callable[[str, float], None] = lambda phase, fraction: None
    ) -> BuiltPlan:
        """
        Build, and return when it is done.

        Parameters
        ----------
        report : callable
            Gets (phase, fraction of it that is done), in this thread.

        Raises
        ------
        EngineError
            If it fails, crashes, or is cancelled; the message says why and what to do.
        BackendUnavailableError
            If TensorRT or pycuda is not installed.

        """
        command = [sys.executable, '-m', MODULE, json.dumps(self._request)]
        with tempfile.TemporaryFile('w+') as complaints:
            with subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
            ) as process:
                self._process = process
                if self._cancelled.is_set():  # before there was a process to tell
                    process.send_signal(signal.SIGINT)
                assert process.stdout is not None
                try:
                    last = _follow(process.stdout, report)
                except BaseException:
                    self.cancel()
                    raise
                status = process.wait()
            return self._outcome(status, last, complaints)

    def cancel(self) -> None:
        """Stop; `run` raises soon after. Callable from any thread."""
        self._cancelled.set()
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGINT)
        # A step of TensorRT may take long, and only between two steps it listens.
        killer = threading.Timer(KILL_AFTER_S, _kill, [process])
        killer.daemon = True
        killer.start()

    def _outcome(self, status: int, last: dict[str, Any], complaints: IO[str]) -> BuiltPlan:
        if self._cancelled.is_set():
            raise EngineError('the TensorRT build was cancelled')
        if status == 0 and last.get('event') == 'done':
            values = {key: value for key, value in last.items() if key != 'event'}
            return BuiltPlan(**{**values, 'path': Path(values['path'])})
        if last.get('event') == 'error':
            raise EngineError(str(last['message']))
        complaints.seek(0)
        lines = [line.strip() for line in complaints.read().splitlines() if line.strip()]
        said = lines[-1][:400] if lines else 'it said nothing'
        if status < 0:
            name = signal.Signals(-status).name
            remedy = (
                'is there enough memory?' if name == 'SIGKILL' else '`mono_depth doctor --gpu`'
            )
            raise EngineError(f'the TensorRT builder crashed ({name}): {said}: {remedy}')
        if 'ModuleNotFoundError' in said or 'ImportError' in said:
            raise BackendUnavailableError(
                f'the TensorRT builder does not start ({said}): pip install tensorrt pycuda'
            )
        raise EngineError(f'the TensorRT builder ended with status {status}: {said}')


def _follow(lines: IO[str], report: Callable[[str, float], None]) -> dict[str, Any]:
    """Pass progress on; return the last event that is none."""
    last: dict[str, Any] = {}
    for line in lines:
        try:
            event = json.loads(line)
            if event['event'] == 'progress':
                report(str(event['phase']), float(event['fraction']))
            else:
                last = event
        except (ValueError, KeyError, TypeError):
            logger.debug('the builder says: %s', line.rstrip())
    return last


def _kill(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
