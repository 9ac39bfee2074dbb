# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a node counts: rates, latencies, drops, and images that never arrived."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
import time

import numpy as np

# Frames over which latency quantiles and the camera period are taken.
WINDOW = 300
# A stamp this far back is a bag that starts again or a clock that was set, not a late frame.
RESTART_NS = 1_000_000_000


@dataclass(frozen=True)
class Report:
    """
    Counts since the last report, and totals.

    Rates are in frames per second, latencies (image stamp to publish) in milliseconds, NaN where
    nothing was measured. ``missing`` counts images that the stamps say were sent and that never
    arrived; ``busy`` is the share of the time spent on images.
    """

    fps_in: float
    fps_out: float
    latency_p50_ms: float
    latency_p99_ms: float
    busy: float
    missing: int
    received: int
    infos: int
    dropped: dict[str, int] = field(default_factory=dict)
    dropped_now: int = 0

    @property
    def loses_images(self) -> bool:
        """Say whether the transport, not the node, loses more than one image in ten."""
        sent = max(self.received + self.missing, self.infos)
        lost = sent - self.received
        return self.busy < 0.8 and sent >= 5 and lost > 0.1 * sent


class FrameStatistics:
    """Counts frames between two reports; used from one thread."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self._latencies: deque[float] = deque(maxlen=WINDOW)
        self._intervals: deque[int] = deque(maxlen=WINDOW)
        self._last_stamp: int | None = None
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
        last, self._last_stamp = self._last_stamp, stamp_ns
        if last is None or stamp_ns == last or stamp_ns < last - RESTART_NS:
            return True
        if stamp_ns < last:
            self._last_stamp = last
            return False
        self._new_intervals.append(stamp_ns - last)
        return True

    def received_info(self) -> None:
        """Count a camera_info, which drivers send with every image and no transport loses."""
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

    def report(self) -> Report:
        """Return the counts since the last report and begin anew."""
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
            missing=self._missing(),
            received=self._received,
            infos=self._infos,
            dropped=dict(self.dropped),
            dropped_now=self._dropped_now,
        )
        self._reset(now)
        return report

    def _missing(self) -> int:
        """Count the images that fit into the gaps between the stamps of this second."""
        if len(self._intervals) < 10 or not self._new_intervals:
            return 0
        # Most gaps of a lossy stream are multiples of the period; its lower quantile is one.
        period = float(np.percentile(np.array(self._intervals), 10))
        steps = np.rint(np.array(self._new_intervals) / max(period, 1.0))
        return int(np.clip(steps - 1, 0, 1000).sum())
