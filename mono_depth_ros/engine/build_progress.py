# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How far a TensorRT build is, and how it is told to stop."""

from __future__ import annotations

from collections.abc import Callable
import os
import signal
import threading

import tensorrt as trt

Report = Callable[[str, float], None]


class Monitor(trt.IProgressMonitor):
    """
    Hears how far TensorRT is, and tells it to stop.

    TensorRT calls it from several threads. Phases nest, and several follow each other at the top;
    the fraction is that of the present top phase and never goes back within it.
    """

    def __init__(self, report: Report, cancelled: threading.Event) -> None:
        trt.IProgressMonitor.__init__(self)
        self._report, self._cancelled = report, cancelled
        self._lock = threading.Lock()
        self._phases: dict[str, tuple[str | None, int, int]] = {}

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        """Note a phase, its parent and its length."""
        with self._lock:
            self._phases[phase_name] = (parent_phase, max(num_steps, 1), 0)
        self._tell(phase_name)

    def step_complete(self, phase_name: str, step: int) -> bool:
        """Note a step; False stops the build."""
        with self._lock:
            parent, steps, _ = self._phases.get(phase_name, (None, 1, 0))
            self._phases[phase_name] = (parent, steps, min(step + 1, steps))
        self._tell(phase_name)
        return not self._cancelled.is_set()

    def phase_finish(self, phase_name: str) -> None:
        """Forget a phase."""
        with self._lock:
            self._phases.pop(phase_name, None)

    def _tell(self, phase: str) -> None:
        """Report the top phase that this one belongs to."""
        with self._lock:
            fraction, name = 0.0, phase
            for _ in range(len(self._phases)):
                parent, steps, done = self._phases.get(name, (None, 1, 0))
                fraction = min((done + fraction) / steps, 1.0)
                if parent is None or parent not in self._phases:
                    break
                name = parent
        # An exception here would end the build, so only what cannot fail is done.
        self._report(name, round(fraction, 4))


def watch_for_signals() -> threading.Event:
    """
    Return an event that SIGINT and SIGTERM set.

    A handler would not do: Python runs handlers in the main thread only, and that one is inside
    TensorRT until the build is over. Nor would `signal.sigwait` in a thread: the threads that
    numpy has started by now take signals, too. But whichever thread takes one, Python writes it
    to the wake-up descriptor at once.
    """
    cancelled = threading.Event()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
        signal.siginterrupt(number, False)  # no call of a library ends early

    def watch() -> None:
        os.read(reader, 1)
        cancelled.set()

    threading.Thread(target=watch, name='signals', daemon=True).start()
    return cancelled
