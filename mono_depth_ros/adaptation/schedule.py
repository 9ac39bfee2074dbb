# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When to adapt: after a while, after new images, in a place that looks different."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import time
from typing import Any

from mono_depth_ros.adaptation.outcome import ADDED, FAILED, PROMOTED, REJECTED, SKIPPED
from mono_depth_ros.config import Config, setting
from mono_depth_ros.errors import ConfigError

# The learning rate is halved with every rejection, so many times at most.
MAX_HALVINGS = 4


@dataclass(frozen=True)
class ScheduleConfig(Config):
    """When a cycle begins by itself, and what follows rejections."""

    every_s: float = setting(
        0.0, 'Begin a cycle so long after the last one ended [s]; 0 never does', minimum=0.0
    )
    after_frames: int = setting(
        100, 'Begin a cycle after so many new images were kept; 0 never does', minimum=0
    )
    on_drift: float = setting(
        0.0,
        'Begin a cycle when brightness, contrast, tint, detail or layout of the images are so '
        'many standard deviations from those of the last cycle, or of the first images before '
        'there was one; 3 is a new place, 0 never does',
        minimum=0.0,
    )
    min_new_frames: int = setting(
        20, 'Images to keep since the last cycle before one begins by itself', minimum=0
    )
    rest_s: float = setting(
        60.0,
        'Shortest time between the end of a cycle and one that begins by itself [s]',
        minimum=0.0,
    )
    backoff_s: float = setting(
        60.0,
        'Wait after a cycle that was rejected or failed [s]; it doubles with each in a row',
        minimum=0.0,
    )
    max_backoff_s: float = setting(3600.0, 'Longest such wait [s]', minimum=0.0)
    reset_after: int = setting(
        3,
        'Go back to the shipped network after so many rejections in a row; 0 never does',
        minimum=0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_backoff_s < self.backoff_s:
            raise ConfigError(
                f'max_backoff_s must be at least backoff_s, got {self.max_backoff_s} and '
                f'{self.backoff_s} s'
            )


class Schedule:
    """
    Decides when a cycle begins; one at a time.

    Time is that of a steady clock, so that neither a simulated clock nor one that is set makes
    it wait for ever or begin again and again.

    Parameters
    ----------
    config : ScheduleConfig
        Settings.
    clock : callable
        Seconds of a clock that never goes back.

    Attributes
    ----------
    running : bool
        A cycle was begun and has not ended.
    rejections : int
        Cycles in a row whose result was refused, by the gate, the depth node or its watch.
    cycles : int
        Cycles that were begun, in this process and before.

    """

    def __init__(
        self, config: ScheduleConfig, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.config = config
        self._clock = clock
        self._last = clock()
        self._not_before = self._last
        self._failures = 0
        # (rejections, failures) that the last promotion has forgiven.
        self._forgiven = (0, 0)
        # Images kept since the last cycle, and those that the running one has taken.
        self._new_frames = self._taken = 0
        self.running = False
        self.rejections = self.cycles = 0

    def kept(self, frames: int) -> None:
        """Count images that the buffer has kept."""
        self._new_frames += frames

    @property
    def wait_s(self) -> float:
        """How long no cycle begins by itself any more [s]."""
        return max(0.0, self._not_before - self._clock())

    @property
    def rate_factor(self) -> float:
        """Factor on the learning rate of the next cycle: halved with every rejection."""
        return float(0.5 ** min(self.rejections, MAX_HALVINGS))

    def due(self, drift: float = 0.0) -> str:
        """
        Say why a cycle should begin now; empty if it should not.

        Parameters
        ----------
        drift : float
            How far the images are from those of the last cycle, before it from the first ones,
            in standard deviations.

        """
        config = self.config
        if self.running or self.wait_s > 0 or self._new_frames < config.min_new_frames:
            return ''
        elapsed = self._clock() - self._last
        if config.every_s and elapsed >= config.every_s:
            return f'{elapsed:.0f} s since the last one'
        if config.after_frames and self._new_frames >= config.after_frames:
            return f'{self._new_frames} new images'
        if config.on_drift and drift >= config.on_drift:
            return f'the images have changed by {drift:.1f} standard deviations'
        return ''

    def begin(self) -> None:
        """Note that a cycle begins."""
        self.running = True
        self.cycles += 1
        self._taken, self._new_frames = self._new_frames, 0

    def cancel(self) -> None:
        """Note that a cycle was ended before it could tell anything: its images still count."""
        self.running = False
        self._last = self._clock()
        self._not_before = max(self._not_before, self._last + self.config.rest_s)
        self._new_frames, self._taken = self._new_frames + self._taken, 0

    def end(self, state: str) -> bool:
        """
        Note how a cycle ended; back off if it was for nothing.

        One that failed has learned nothing from its images, so they still count as new.

        Parameters
        ----------
        state : str
            One of `outcome.STATES`; ADDED waits to be tried and has not ended.

        Returns
        -------
        bool
            True if it is time to go back to the shipped network.

        """
        if state == FAILED:
            self._new_frames += self._taken
        self._taken = 0
        if state == ADDED:
            return False
        self.running = False
        self._last = self._clock()
        if state == PROMOTED:
            self._forgiven = (self.rejections, self._failures)
            self.rejections = self._failures = 0
            self._not_before = self._last + self.config.rest_s
            return False
        if state == REJECTED:
            self.rejections += 1
        if state != SKIPPED:
            self._failures += 1
        doublings = min(max(self._failures - 1, 0), 60)  # 2^60 s is for ever
        wait = min(self.config.backoff_s * 2.0**doublings, self.config.max_backoff_s)
        self._not_before = self._last + max(wait, self.config.rest_s)
        if not self.config.reset_after or self.rejections < self.config.reset_after:
            return False
        self.rejections = 0
        return True

    def take_back(self) -> None:
        """Count again what the last promotion has forgiven: the watch found it no good."""
        self.rejections += self._forgiven[0]
        self._failures += self._forgiven[1]
        self._forgiven = (0, 0)

    def state(self) -> dict[str, int]:
        """Return what a restart should know, in plain values; times are in seconds."""
        elapsed = self._clock() - self._last if self.config.every_s else 0
        return {
            'cycles': self.cycles,
            'rejections': self.rejections,
            'failures': self._failures,
            'forgiven_rejections': self._forgiven[0],
            'forgiven_failures': self._forgiven[1],
            'new_frames': self._new_frames + self._taken,
            'wait_s': round(self.wait_s),
            'elapsed_s': round(elapsed),
        }

    def restore(self, state: Mapping[str, Any], frames: int) -> None:
        """
        Go on from the `state` of an earlier process; whatever is not in it is 0.

        Parameters
        ----------
        state : mapping
            As it was read from the disk, damaged or not.
        frames : int
            Images held: only they can still be new.

        """

        def count(name: str) -> int:
            value = state.get(name)
            return min(max(value, 0), 1_000_000_000) if isinstance(value, int) else 0

        self.cycles, self.rejections = count('cycles'), count('rejections')
        self._failures = count('failures')
        self._forgiven = (count('forgiven_rejections'), count('forgiven_failures'))
        self._new_frames = min(count('new_frames'), frames)
        now = self._clock()
        self._not_before = now + min(
            count('wait_s'), max(self.config.max_backoff_s, self.config.rest_s)
        )
        self._last = now - count('elapsed_s')

    def describe(self) -> str:
        """Say in words when the next cycle begins."""
        config = self.config
        if self.running:
            return 'after the cycle that is running'
        reasons = [
            f'{max(0.0, config.every_s - (self._clock() - self._last)):.0f} s from now'
            if config.every_s
            else '',
            f'after {max(0, config.after_frames - self._new_frames)} new images'
            if config.after_frames
            else '',
            f'on drift of {config.on_drift:g}' if config.on_drift else '',
        ]
        text = ' or '.join(filter(None, reasons)) or 'by hand'
        short = config.min_new_frames - self._new_frames
        if text != 'by hand' and short > 0:
            text += f', with at least {short} new images'
        return f'{text}, in {self.wait_s:.0f} s at the earliest' if self.wait_s > 0 else text
