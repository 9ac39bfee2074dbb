# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The health watch: whether a network that was swapped in does its work here.

The network before is kept for a while, and now and then it is asked about the same image. Only
that comparison tells a network that went wrong from a camera that turned to another wall, and a
slow network from a busy machine. What the gate accepted is not questioned again: the limits here
are those of a fault, not of a worse score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import math
import statistics
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Pixels of an image that are looked at.
SAMPLES = 1024
# Images are compared at this period [s]; all of them while the last comparison looks bad, and at
# the shorter one if it was only slow: on a busy machine that is no fault, and would become one.
PERIOD_S, SLOW_PERIOD_S = 0.5, 0.1
# So many bad comparisons in a row, or images that only the network before answers, are an alarm.
STRIKES = 3
# Less of the image may have depth than before by this share.
MISSING = 0.2
# Largest factor between the depths of both networks, beyond what the gate measured and accepted.
SCALE = 2.0
# The check of the gate that measures it.
MEDIAN_SHIFT = 'median shift'
# Largest factor between the spreads of both, as log(far / near); a bare wall has nearly none.
SPREAD, WALL = 3.0, 0.05
# Slow is this factor and this much more time [s], in all but one of so many comparisons.
SLOW, SLOW_S, TIMES = 2.0, 0.005, 10
# A gap between images counts no more than this [s], so that a paused camera is not time watched.
GAP_S = 0.5


@dataclass(frozen=True)
class Look:
    """
    What one depth image looks like.

    Attributes
    ----------
    known : float
        Share of the pixels that have depth.
    median : float
        Median depth [m].
    spread : float
        log(far / near), of the 95th and the 5th percentile.

    """

    known: float
    median: float
    spread: float


def look_at(depth: NDArray[np.float32]) -> Look:
    """Look at a depth image (h, w) [m], NaN where missing, through a grid of its pixels."""
    step = max(1, math.isqrt(depth.size // SAMPLES))
    sample = depth[step // 2 :: step, step // 2 :: step].ravel()
    known = sample[np.isfinite(sample) & (sample > 0)]
    if known.size == 0:
        return Look(0.0, math.nan, math.nan)
    ranks = [round((known.size - 1) * share) for share in (0.05, 0.5, 0.95)]
    near, median, far = np.partition(known, ranks)[ranks].tolist()
    return Look(known.size / sample.size, median, math.log(far / near))


def accepted_shift(made: Mapping[str, Any]) -> float:
    """Return the factor between new and old depth that the gate has seen and accepted."""
    try:
        checks = {check['name']: check['value'] for check in made['verdict']['checks']}
        return max(1.0, float(checks[MEDIAN_SHIFT]))
    except (KeyError, TypeError, ValueError):
        return 1.0


class HealthWatch:
    """
    Watches one network after a swap.

    Parameters
    ----------
    seconds : float
        How long [s], counted while images are answered.
    shift : float
        Factor between the depths of both networks that is known and wanted.

    Attributes
    ----------
    alarm : str
        Why the network before must come back; empty as long as it need not.
    compared : int
        Images that both networks were asked about.

    """

    def __init__(self, seconds: float, shift: float = 1.0) -> None:
        self.alarm = ''
        self.compared = 0
        self._left = seconds
        self._shift = max(shift, 1.0)
        self._last: float | None = None
        self._next = -math.inf
        self._in_a_row = self._failures = 0
        self._times: list[tuple[float, float]] = []

    @property
    def left_s(self) -> float:
        """How much longer the network is watched [s]; 0 when it is done."""
        return max(0.0, self._left)

    def due(self, now_s: float, *, failed: bool = False) -> bool:
        """Count one image; say whether the network before should be asked about it, too."""
        if self._last is not None:
            self._left -= min(max(now_s - self._last, 0.0), GAP_S)
        self._last = now_s
        return failed or now_s >= self._next

    def compare(
        self,
        now_s: float,
        new: Look | str,
        old: Look | None,
        new_s: float = 0.0,
        old_s: float = 0.0,
    ) -> None:
        """
        Take in what both networks made of one image.

        Parameters
        ----------
        now_s : float
            When, by the clock of `due` [s].
        new : Look or str
            Depth of the network under watch, or why it gave none.
        old : Look or None
            Depth of the network before; None if it gave none either.
        new_s, old_s : float
            How long each took [s].

        """
        self.compared += 1
        self._next = now_s + PERIOD_S
        if old is None or old.known == 0:
            return  # then the image is to blame
        if isinstance(new, str):
            self._failures += 1
            problem = f'the network before answers images on which this one fails: {new}'
        else:
            problem = self._judge(new, old)
            self._times.append((new_s, old_s))
        self._in_a_row = self._in_a_row + 1 if problem else 0
        if max(self._in_a_row, self._failures) >= STRIKES:
            self.alarm = problem
        else:
            self.alarm = self._judge_times()
        if problem:
            self._next = now_s  # look closely
        elif is_slow(new_s, old_s):
            self._next = now_s + SLOW_PERIOD_S

    def _judge(self, new: Look, old: Look) -> str:
        """Say what is wrong with depth, given other depth of the same image."""
        if new.known < old.known - MISSING:
            return (
                f'{100 * (1 - new.known):.0f} % of its depth is missing, of that of the network '
                f'before {100 * (1 - old.known):.0f} %'
            )
        if abs(math.log(new.median / old.median)) > math.log(SCALE * self._shift):
            return (
                f'the scale jumped: it says {new.median:.2f} m where the network before says '
                f'{old.median:.2f} m'
            )
        if abs(math.log((new.spread + WALL) / (old.spread + WALL))) > math.log(SPREAD):
            fault = 'collapsed' if new.spread < old.spread else 'blew up'
            return (
                f'its depth {fault}: far is {math.exp(new.spread):.2f} times near, by the network '
                f'before {math.exp(old.spread):.2f} times'
            )
        return ''

    def _judge_times(self) -> str:
        """
        Compare the times that both took on the same images.

        On a busy machine now this one and now that one is held up; only a slow network is the
        slower one nearly every time.
        """
        times = self._times[-TIMES:]
        if sum(is_slow(*pair) for pair in times) < TIMES - 1:
            return ''
        new, old = (statistics.median(column) for column in zip(*times, strict=True))
        return (
            f'it is slow: {1e3 * new:.1f} ms an image, the network before takes {1e3 * old:.1f} ms'
        )


def is_slow(new_s: float, old_s: float) -> bool:
    """Say whether one took much longer than the other [s]."""
    return new_s > old_s * SLOW and new_s > old_s + SLOW_S
