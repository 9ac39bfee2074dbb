# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a node counts: rates, latencies, drops, and images that never arrived."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
import math
import time

import numpy as np

# Frames over which latency quantiles are taken, and gaps between them that tell their period.
WINDOW, GAPS = 300, 100
# A stamp this far back is a bag that starts again or a clock that was set, not a late frame.
RESTART_NS = 1_000_000_000
# Fewer gaps tell nothing.
ENOUGH = 5
# What throttles images leaves gaps that differ by one period of the camera, so none is longer than
# two of the shortest. Gaps of more periods are images lost in a row; a few are a driver's hiccup.
LONG_GAP, HICCUPS = 2.5, 0.01


@dataclass(frozen=True)
class Report:
    """
    What was counted since the last report, and in all.

    Attributes
    ----------
    fps_in, fps_out : float
        Images that came and that were answered [1/s].
    latency_p50_ms, latency_p99_ms : float
        From the stamp of an image to its answer [ms], of the last images; NaN where there is none.
    busy : float
        Share of the time spent on images.
    missing : int
        Images that were sent, as far as that can be told, and that never arrived.
    received : int
        Images that arrived.
    dropped : dict
        Images that were not answered since the start, by reason.
    dropped_now : int
        Those since the last report.

    """

    fps_in: float
    fps_out: float
    latency_p50_ms: float
    latency_p99_ms: float
    busy: float
    missing: int
    received: int
    dropped: dict[str, int] = field(default_factory=dict)
    dropped_now: int = 0

    @property
    def loses_images(self) -> bool:
        """Say whether the transport, not the node, loses more than one image in ten."""
        return self.busy < 0.8 and self.sent >= 5 and self.missing > 0.1 * self.sent

    @property
    def sent(self) -> int:
        """Images that were sent to the node."""
        return self.received + self.missing


class FrameStatistics:
    """Counts frames between two reports; used from one thread."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self._latencies: deque[float] = deque(maxlen=WINDOW)
        self._intervals: deque[int] = deque(maxlen=GAPS)
        self._last_stamp: int | None = None
        self._last_arrival = -math.inf
        self._reset(time.monotonic())

    def _reset(self, now: float) -> None:
        self._since = now
        self._received = self._infos = self._published = self._dropped_now = 0
        self._busy = 0.0
        self._new_intervals: list[int] = []

    def received(self, stamp_ns: int) -> bool:
        """
        Count an image that arrived.

        Returns
        -------
        bool
            False if its stamp is a little before that of the one before: it came out of order.

        """
        self._received += 1
        self._last_arrival = time.monotonic()
        last, self._last_stamp = self._last_stamp, stamp_ns
        if last is None or stamp_ns == last or stamp_ns < last - RESTART_NS:
            return True
        if stamp_ns < last:
            self._last_stamp = last
            return False
        self._new_intervals.append(stamp_ns - last)
        return True

    def received_info(self) -> None:
        """Count a camera_info, which drivers send at least with every image and none loses."""
        self._infos += 1

    def published(self, latency_s: float) -> None:
        """Count an image answered ``latency_s`` seconds after its stamp."""
        self._published += 1
        self._latencies.append(latency_s)

    def worked(self, seconds: float) -> None:
        """Count time spent on an image, published or not."""
        self._busy += seconds

    def drop(self, reason: str) -> None:
        """Count an image that was not answered, and why."""
        self.dropped[reason] += 1
        self._dropped_now += 1

    def report(self, *, offered: bool = True) -> Report:
        """Return the counts since the last report and begin anew; is anybody sending images?"""
        now = time.monotonic()
        elapsed = max(now - self._since, 1e-3)
        self._intervals.extend(self._new_intervals)
        latencies = np.array(self._latencies) * 1e3 if self._latencies else np.array([np.nan])
        report = Report(
            fps_in=self._received / elapsed,
            fps_out=self._published / elapsed,
            latency_p50_ms=float(np.percentile(latencies, 50)),
            latency_p99_ms=float(np.percentile(latencies, 99)),
            busy=min(self._busy / elapsed, 1.0),
            missing=self._missing(now) if offered else 0,
            received=self._received,
            dropped=dict(self.dropped),
            dropped_now=self._dropped_now,
        )
        self._reset(now)
        return report

    def _missing(self, now: float) -> int:
        """
        Count the images that were lost since the last report.

        Who throttles images may leave camera_info at the rate of the camera. So a camera_info
        without its image tells nothing while images come in regular intervals.
        """
        gaps = np.array(self._intervals, np.float64)
        # Most gaps of a lossy stream are multiples of the period; its lower quantile is one.
        period = float(np.percentile(gaps, 10)) if len(gaps) >= ENOUGH else 0.0
        if not self._received:
            silent = now - self._last_arrival > LONG_GAP * period * 1e-9
            return self._infos if silent else 0
        long = int((gaps > LONG_GAP * period).sum()) if period else 0
        if long < 2 or long <= HICCUPS * len(gaps):
            return 0
        steps = np.rint(np.array(self._new_intervals) / period)
        return int(np.clip(steps - 1, 0, 1000).sum())
