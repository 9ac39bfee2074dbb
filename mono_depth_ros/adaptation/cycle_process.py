# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A cycle as a child process: start it, watch it, pause it, end it. Needs no torch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
import contextlib
import json
import signal
import subprocess
import sys
import threading
from typing import Any, IO

from mono_depth_ros.adaptation.outcome import CycleJob, FAILED, Outcome

_STOP_TIMEOUT_S = 5.0


class CycleProcess:
    """
    One cycle in a process of its own, so that whatever happens there never touches a frame.

    Parameters
    ----------
    job : CycleJob
        What to do.
    on_event : callable
        Told every line of progress, in a thread of this object.

    Attributes
    ----------
    progress : dict
        The last line of progress: ``stage``, and while training ``step``, ``steps``, ``eta_s``
        and ``losses``.

    """

    def __init__(
        self, job: CycleJob, on_event: Callable[[dict[str, Any]], None] = lambda event: None
    ) -> None:
        self.progress: dict[str, Any] = {'stage': 'start'}
        self._on_event = on_event
        self._outcome: Outcome | None = None
        self._cancelled = ''
        self._complaints: deque[str] = deque(maxlen=20)
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'mono_depth_ros.adaptation.cycle'],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it ended at once: its outcome says why
            self._process.stdin.write(job.to_json())
            self._process.stdin.close()
        self._threads = [
            threading.Thread(target=target, args=(stream,), daemon=True)
            for target, stream in (
                (self._read_events, self._process.stdout),
                (self._read_complaints, self._process.stderr),
            )
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def outcome(self) -> Outcome | None:
        """Return how it ended, None while it runs."""
        return None if self._process.poll() is None else self.wait()

    def wait(self, timeout_s: float | None = None) -> Outcome:
        """Wait for its end; subprocess.TimeoutExpired if that takes too long."""
        status = self._process.wait(timeout_s)
        for thread in self._threads:
            thread.join(_STOP_TIMEOUT_S)
        return self._outcome or Outcome(FAILED, self._obituary(status), self.progress['stage'])

    def cancel(self, reason: str = 'cancelled') -> Outcome:
        """End it now; the store stays as it is."""
        self._cancelled = reason
        self.resume()
        self._process.terminate()
        try:
            return self.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self.wait()

    def pause(self) -> None:
        """Let it use no CPU until `resume`."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def _read_events(self, stream: IO[str]) -> None:
        for line in stream:
            try:
                event = json.loads(line)
            except ValueError:
                continue  # a library that prints
            if not isinstance(event, dict):
                continue
            if 'outcome' in event:
                self._outcome = Outcome(**event['outcome'])
            else:
                self.progress = event
            self._on_event(event)

    def _read_complaints(self, stream: IO[str]) -> None:
        self._complaints.extend(line.rstrip() for line in stream)

    def _obituary(self, status: int) -> str:
        """Say how a process ended that could not say it itself."""
        if self._cancelled:
            return self._cancelled
        step = self.progress.get('step')
        where = f'{self.progress["stage"]}, step {step}' if step else self.progress['stage']
        if status < 0:
            name = signal.Signals(-status).name
            hint = ': was it out of memory?' if status == -signal.SIGKILL else ''
            return f'the process was ended by {name} during {where}{hint}'
        last = next((line for line in reversed(self._complaints) if line.strip()), 'no message')
        return f'the process ended with status {status} during {where}: {last}'
