# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run one cycle at a time beside a node: its images on disk, then its process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
import shutil
import threading
from typing import Any

from mono_depth_ros.adaptation.cycle_process import CycleProcess
from mono_depth_ros.adaptation.outcome import CycleJob, FAILED, Outcome
from mono_depth_ros.adaptation.target_frame import TargetFrame, write_frame
from mono_depth_ros.errors import MonoDepthError


class CycleRunner:
    """
    Starts a cycle without holding anybody up, and cleans up after it.

    All but the writing of images happens in the thread that calls: Linux ends the process with
    the thread that started it, so that one must be there as long as the node is.
    """

    def __init__(self) -> None:
        self._job: CycleJob | None = None
        self._process: CycleProcess | None = None
        self._writer: threading.Thread | None = None
        self._problem = ''
        self._paused = False

    @property
    def active(self) -> bool:
        """Say whether a cycle runs."""
        return self._job is not None

    @property
    def progress(self) -> dict[str, Any]:
        """What the cycle told last: its stage, and while training step, steps and eta_s."""
        if self._process is not None:
            return self._process.progress
        return {'stage': 'save images'} if self.active else {}

    def start(self, job: CycleJob, frames: Sequence[TargetFrame]) -> None:
        """Write the images where the job looks for them, then begin."""
        assert self._job is None
        self._job, self._problem = job, ''

        def write() -> None:
            try:
                folder = Path(job.frames)
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True, mode=0o700)
                for frame in frames:
                    write_frame(folder, frame)
            except (MonoDepthError, OSError) as error:
                self._problem = str(error)

        self._writer = threading.Thread(target=write, name='cycle_images', daemon=True)
        self._writer.start()

    def poll(self) -> Outcome | None:
        """Go on; return the outcome once, when the cycle has ended."""
        if self._job is None:
            return None
        if self._process is None:
            if self._writer is not None and self._writer.is_alive():
                return None
            outcome = self._begin()
        else:
            outcome = self._process.outcome()
        if outcome is not None:
            self._clean_up()
        return outcome

    def pause(self, paused: bool) -> None:
        """Stop the cycle where it is, or let it go on."""
        self._paused = paused
        if self._process is not None:
            (self._process.pause if paused else self._process.resume)()

    def cancel(self, reason: str) -> Outcome | None:
        """End the cycle now; None if there is none."""
        if self._job is None:
            return None
        if self._writer is not None:
            self._writer.join()
        outcome = Outcome(FAILED, reason, 'save images')
        if self._process is not None:
            outcome = self._process.cancel(reason)
        self._clean_up()
        return outcome

    def _begin(self) -> Outcome | None:
        assert self._job is not None
        if self._problem:
            return Outcome(FAILED, self._problem, 'save images')
        try:
            self._process = CycleProcess(self._job)
        except OSError as error:
            return Outcome(FAILED, f'no process can be started: {error.strerror}', 'load')
        if self._paused:
            self._process.pause()
        return None

    def _clean_up(self) -> None:
        assert self._job is not None
        shutil.rmtree(self._job.frames, ignore_errors=True)
        self._job = self._process = self._writer = None
