# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames are decoded ahead, in order, and no more often than needed."""

from collections.abc import Callable, Iterator
import threading

from mono_depth_ros.errors import DatasetError
from mono_depth_ros.frames import Frame, FrameSource
from mono_depth_ros.prefetch import Prefetch
import numpy as np
import pytest


class Numbers(FrameSource):
    """A source of numbered frames that counts how often each was decoded."""

    def __init__(self, count: int) -> None:
        super().__init__('numbers', count, strict=True)
        self.decoded = 0

    def _loaders(self) -> Iterator[Callable[[], Frame]]:
        for index in range(self.count):
            yield lambda index=index: self._load(index)

    def _load(self, index: int) -> Frame:
        self.decoded += 1
        return Frame(np.zeros((16, 16, 3), np.uint8), index, str(index))


def take(frames: Prefetch, count: int) -> list[str]:
    """Return the names of the next frames."""
    return [frames.next(timeout_s=10.0).name for _ in range(count)]


def test_frames_come_in_order_and_end():
    frames = Prefetch(Numbers(3), ahead=2)

    assert take(frames, 3) == ['0', '1', '2']
    for _ in range(2):
        with pytest.raises(StopIteration):
            frames.next(timeout_s=10.0)


def test_a_short_loop_is_decoded_once():
    source = Numbers(3)
    frames = Prefetch(source, ahead=3, loop=True)

    assert take(frames, 8) == ['0', '1', '2', '0', '1', '2', '0', '1']
    assert source.decoded == 3
    frames.close()


def test_a_long_loop_is_not_kept_in_memory():
    source = Numbers(5)
    frames = Prefetch(source, ahead=2, loop=True)

    assert take(frames, 12)[5:10] == ['0', '1', '2', '3', '4']
    assert source.decoded > 5
    frames.close()


def test_a_limit_plays_the_first_frames_only():
    frames = Prefetch(Numbers(9), ahead=4, loop=True, limit=2)

    assert take(frames, 5) == ['0', '1', '0', '1', '0']
    frames.close()


def test_no_frame_ready_is_none_and_not_the_end():
    gate = threading.Event()

    def wait(frame: Frame) -> Frame:
        gate.wait(10.0)
        return frame

    frames = Prefetch(Numbers(1), ahead=1, prepare=wait)

    assert frames.next() is None
    gate.set()
    assert take(frames, 1) == ['0']


def test_an_error_of_the_source_reaches_the_caller():
    frames = Prefetch(Numbers(0), ahead=1)

    with pytest.raises(DatasetError, match='no usable image'):
        frames.next(timeout_s=10.0)


def test_filling_waits_until_frames_are_ready():
    frames = Prefetch(Numbers(9), ahead=4)

    frames.fill(timeout_s=10.0)

    assert all(frames.next() is not None for _ in range(4))
    frames.close()
