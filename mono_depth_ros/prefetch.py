# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames decoded ahead in a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from queue import Empty, Full, Queue
import threading
import time

from mono_depth_ros.frames import Frame, FrameSource

POLL_S = 0.1


class Prefetch:
    """
    Hands out the frames of a source at once, decoded ahead by a thread.

    Parameters
    ----------
    source : FrameSource
        What to decode.
    ahead : int
        Frames kept ready; a looped source of no more frames is decoded only once.
    loop : bool
        Begin anew after the last frame.
    limit : int
        Use the first frames only; 0 uses all.
    prepare : function
        Applied to every frame in the thread.

    """

    def __init__(
        self,
        source: FrameSource,
        ahead: int,
        *,
        loop: bool = False,
        limit: int = 0,
        prepare: Callable[[Frame], Frame] = lambda frame: frame,
    ) -> None:
        self._source, self._ahead, self._loop, self._limit = source, ahead, loop, limit
        self._prepare = prepare
        self._ready: Queue[Frame | BaseException] = Queue(ahead)
        self._ended: BaseException | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name='prefetch', daemon=True)
        self._thread.start()

    def next(self, timeout_s: float = 0.0) -> Frame | None:
        """
        Return the next frame, or None if it is not decoded yet.

        Raises
        ------
        StopIteration
            After the last frame.
        MonoDepthError
            As the source raises.

        """
        if self._ended is not None:
            raise self._ended
        try:
            item = self._ready.get(timeout=timeout_s) if timeout_s else self._ready.get_nowait()
        except Empty:
            return None
        if isinstance(item, BaseException):
            self._ended = item
            raise item
        return item

    def fill(self, timeout_s: float) -> None:
        """Wait until as many frames are ready as are kept ready, or there are no more."""
        until = time.monotonic() + timeout_s
        while self._thread.is_alive() and not self._ready.full() and time.monotonic() < until:
            time.sleep(0.01)

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        try:
            for frame in self._frames():
                if not self._put(frame):
                    return
            self._put(StopIteration())
        except Exception as error:  # raised again by next, in the thread of the caller
            self._put(error)

    def _frames(self) -> Iterator[Frame]:
        """Go through the source, once or for ever."""
        kept: list[Frame] = []
        fits = True
        while True:
            for frame in islice(iter(self._source), self._limit or None):
                prepared = self._prepare(frame)
                if self._loop and fits:
                    kept.append(prepared)
                    fits = len(kept) <= self._ahead
                yield prepared
            if not self._loop:
                return
            while fits and kept:
                yield from kept
            kept.clear()

    def _put(self, item: Frame | BaseException) -> bool:
        """Wait until there is room; False once nobody wants frames any more."""
        while not self._closed.is_set():
            try:
                self._ready.put(item, timeout=POLL_S)
            except Full:
                continue
            return True
        return False
