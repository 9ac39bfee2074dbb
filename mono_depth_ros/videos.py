# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Video files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
from mono_depth_ros.errors import DatasetError
from mono_depth_ros.frames import Frame, FrameSource, stamp_of
from mono_depth_ros.image_encoding import check_size
import numpy as np
from numpy.typing import NDArray


class VideoFrames(FrameSource):
    """
    Frames of a video file, at its own rate.

    Raises
    ------
    DatasetError
        If OpenCV cannot open it.

    """

    def __init__(self, path: Path, rate: float, strict: bool = False) -> None:
        video = cv2.VideoCapture(str(path))
        opened = video.isOpened()
        count = int(video.get(cv2.CAP_PROP_FRAME_COUNT)) if opened else 0
        own_rate = video.get(cv2.CAP_PROP_FPS) if opened else 0.0
        video.release()
        if not opened:
            raise DatasetError(f'OpenCV cannot open the video {path}')
        super().__init__(str(path), max(count, 0), strict)
        self.path = path
        self.rate = own_rate if 0.1 < own_rate < 1000 else rate

    def _loaders(self) -> Iterator[Callable[[], Frame]]:
        video = cv2.VideoCapture(str(self.path))
        try:
            index = 0
            while True:
                read, bgr = video.read()
                if not read:
                    return
                yield lambda index=index, bgr=bgr: self._load(index, bgr)  # type: ignore[misc]
                index += 1
        finally:
            video.release()

    def _load(self, index: int, bgr: NDArray[np.uint8]) -> Frame:
        check_size(*bgr.shape[:2])
        rgb = np.ascontiguousarray(bgr[..., ::-1])
        return Frame(rgb, stamp_of(index, self.rate), f'{index:06d}')
