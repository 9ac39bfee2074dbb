# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Collect images of a camera, with what is known of their depth, without holding anybody up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
import os
import threading
import time
from typing import Any

import cv2
from mono_depth_ros.adaptation.drift import InputStatistics
from mono_depth_ros.adaptation.frame_buffer import FrameBuffer, KEPT
from mono_depth_ros.adaptation.segment import Segment
from mono_depth_ros.adaptation.target_frame import make_target_frame, TargetFrame
from mono_depth_ros.camera import info_to_camera
from mono_depth_ros.errors import MonoDepthError, ShapeError
from mono_depth_ros.nodes.camera_input import CameraInput
from mono_depth_ros.nodes.conversions import check_pair, message_to_rgb
from mono_depth_ros.nodes.references import References
from mono_depth_ros.references import DELAY_S, WAITING
from mono_depth_ros.stamps import header_stamp, serialized_stamp
from mono_depth_ros.statistics import FrameStatistics
from rclpy.lifecycle import LifecycleNode
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo

# Seven images a second are enough to track corners, and more than the buffer takes.
LONGEST_PERIOD_S = 0.15
NICENESS = 10
# Images that wait may take so much memory [bytes].
WAITING_BYTES = 256_000_000
# So many images in a row of one stamp, or of another shape than those collected, are no accident.
SAME_STAMP, OTHER_SHAPE = 30, 20
# Poses that explain less of what images explain themselves are not of this camera.
UNEXPLAINED = 0.02


class Collector:
    """
    Takes images from the camera, pairs them, and offers them to a frame buffer.

    The callbacks look at the stamp and put the bytes aside; a thread of lower priority reads,
    resizes and judges them.

    Parameters
    ----------
    node : LifecycleNode
        Owner of the subscriptions.
    buffer : FrameBuffer
        Where images go.
    references : References
        What else is known.
    size_for : callable
        Size of the network input (height, width) for images of a (height, width).
    load : float
        Largest share of one CPU core that the thread takes, on average.

    Attributes
    ----------
    paused : bool
        Images are left alone.
    references : References
        What else is known.
    problem : str
        Why the last image could not be used, empty if it could.
    statistics : InputStatistics
        Of the images that were usable.
    received, taken, lost : int
        Images that came, that were looked at, and that nobody had time for.

    """

    def __init__(
        self,
        node: LifecycleNode,
        buffer: FrameBuffer,
        references: References,
        size_for: Callable[[tuple[int, int]], tuple[int, int]],
        load: float,
    ) -> None:
        self._node, self._buffer, self.references = node, buffer, references
        self._size_for = size_for
        self.statistics = InputStatistics()
        self.paused = False
        self.problem = ''
        self.received = self.taken = self.lost = 0
        self._delivery = FrameStatistics()
        self._new = self._same_stamp = self._other_shape = 0
        self._load, self._worked, self._idle_until = load, 0.0, 0.0
        self._period_ns = round(min(LONGEST_PERIOD_S, buffer.config.min_gap_s) * 1e9)
        self._segment = Segment()
        self._camera: CameraInput | None = None
        self._info: CameraInfo | None = None
        self._last_stamp: int | None = None
        self._waiting: deque[tuple[float, bytes, CameraInfo | None]] = deque()
        self._full = False
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None

    def start(self, transport: str) -> None:
        """Subscribe to the camera and begin."""
        self._camera = CameraInput(
            self._node, transport, self._on_info, self._on_image, depth=2, raw=True
        )
        self.references.subscribe()
        self._thread = threading.Thread(
            target=self._run, args=(self._camera.kind,), name='collector', daemon=True
        )
        self._thread.start()

    def check_delivery(self) -> None:
        """See to it that images arrive, and warn if they do not; called once a second."""
        if self._camera is None:
            return
        report = self._delivery.report(offered=self._camera.offered)
        if warning := self._camera.check(report):
            self._node.get_logger().warning(warning)

    def stop(self) -> None:
        """Unsubscribe; what was collected stays."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        self.references.unsubscribe()
        thread, self._thread = self._thread, None
        with self._wake:
            self._waiting.clear()
            self._wake.notify()
        if thread is not None:
            thread.join()
        self._info = self._last_stamp = None

    def new_frames(self) -> int:
        """Return how many images were kept since the last call."""
        with self._wake:
            new, self._new = self._new, 0
        return new

    # In the thread of the node.

    def _on_info(self, info: CameraInfo) -> None:
        self._info = info
        self._delivery.received_info()

    def _on_image(self, raw: bytes) -> None:
        """Put an image aside if it is time for one."""
        self.received += 1
        stamp, last = serialized_stamp(raw), self._last_stamp
        self._delivery.received(stamp)
        self._same_stamp = self._same_stamp + 1 if stamp == last else 0
        if self._same_stamp >= SAME_STAMP:
            self.problem = 'every image has the same stamp: set header.stamp in the camera driver'
        # A stamp that went back is of a clock that was set, or of a bag that began anew.
        if self.paused or (last is not None and 0 <= stamp - last < self._period_ns):
            return
        if time.monotonic() < self._idle_until:
            return
        self._last_stamp = stamp
        with self._wake:
            # Once there are too many, none until all are done: corners need runs without gaps.
            most = min(WAITING, max(2, WAITING_BYTES // len(raw)))
            self._full = len(self._waiting) >= most or (self._full and bool(self._waiting))
            if self._full:
                self.lost += 1
                return
            self._waiting.append((time.monotonic(), raw, self._info))
            self.references.expect(stamp)
            self._wake.notify()

    # In the thread of the collector.

    def _run(self, kind: type) -> None:
        os.nice(NICENESS)  # of this thread alone, on Linux
        cv2.setNumThreads(1)
        while (image := self._next()) is not None:
            begun = time.thread_time()
            done: list[TargetFrame] = []
            raw, info = image
            try:
                done = self._take(deserialize_message(raw, kind), info)
                self.problem = self._doubt()
                self._offer(done)
            except MonoDepthError as error:
                self.problem = str(error)
            except Exception as error:  # whatever one image does, the next one is looked at
                self.problem = f'{type(error).__name__}: {error}'
            self._worked += time.thread_time() - begun
            if done:
                self._rest()
        self._offer(self._segment.flush(sweep=False))  # somebody waits for the end

    def _rest(self) -> None:
        """Take no new images for a while after a run of them: what is put aside is finished."""
        self._idle_until = time.monotonic() + self._worked * (1 / self._load - 1)
        self._worked = 0.0

    def _doubt(self) -> str:
        """Say whether the poses of the robot are of another camera; NaN is no reason to."""
        explained = self._segment.explained
        if not explained < UNEXPLAINED:
            return ''
        return (
            f'poses explain {explained:.1%} of what images tell of their own motion: check '
            'reference/odometry and where the camera is on the robot'
        )

    def _next(self) -> tuple[bytes, CameraInfo | None] | None:
        """Wait for an image with its camera, and until what goes with it has had time to come."""
        with self._wake:
            while True:
                if self._thread is not threading.current_thread():
                    return None
                delay = DELAY_S if self.references.heard else 0.0
                left = self._waiting[0][0] + delay - time.monotonic() if self._waiting else None
                if left is not None and left <= 0:
                    _, raw, info = self._waiting.popleft()
                    return raw, info or self._info  # the first one may come before its camera
                self._wake.wait(left)

    def _take(self, message: Any, info: CameraInfo | None) -> list[TargetFrame]:
        """Pair one image; return those that are done."""
        self.taken += 1
        camera = info_to_camera(check_pair(message, info))
        rgb = message_to_rgb(message)
        header, stamp = message.header, header_stamp(message.header)
        points = self.references.points(stamp, camera, header.frame_id)
        size = self._size_for((camera.height, camera.width))
        frame = make_target_frame(rgb, camera, size, stamp_ns=stamp, points=points)
        pose = self.references.pose(stamp, header.frame_id)
        return self._segment.add(frame, rgb, camera, pose)

    def _offer(self, frames: list[TargetFrame]) -> None:
        for frame in frames:
            self.statistics.observe(frame.rgb)
            try:
                verdict = self._buffer.add(frame)
                self._other_shape = 0
            except ShapeError as error:
                self._other_shape += 1
                if self._other_shape < OTHER_SHAPE:
                    self.problem = str(error)
                    continue
                self._node.get_logger().warning(
                    'the camera has another shape than the images collected: beginning anew'
                )
                self._buffer.clear()
                verdict = self._buffer.add(frame)
            if verdict == KEPT:
                with self._wake:
                    self._new += 1
