# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The frame buffer: a bounded and varied memory of what the camera saw.

An image is refused, with a reason that is counted, if it is out of order, too soon after the last
one, badly exposed, blurred, hardly changed, or like one kept already. When the buffer is full the
most redundant image leaves: the one whose similarities to the others have the largest sum
(CoDEPS and CL-SLAM keep theirs varied in the same way).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
import threading

import cv2
from mono_depth_ros.adaptation.config import BufferConfig
from mono_depth_ros.adaptation.target_frame import (
    read_frames,
    SUFFIX,
    TargetFrame,
    TEMPORARY,
    write_frame,
)
from mono_depth_ros.errors import DatasetError, ShapeError
import numpy as np
from numpy.typing import NDArray

KEPT = 'kept'
_THUMBNAIL = (12, 16)


class FrameBuffer:
    """
    Keeps the most varied images; any thread may add, read and clear.

    Every ``1 / held_out``-th image kept is held out for the gate, with the image before it.

    Parameters
    ----------
    config : BufferConfig
        Limits.
    folder : Path, optional
        Where images are kept over a restart, one file each; what is there is loaded.

    Attributes
    ----------
    counts : Counter
        How many images were kept, and how many refused for each reason; ``damaged`` files
        were not loaded and ``unsaved`` ones could not be written.
    problem : str
        Why the last image could not be written or removed, empty if it was.

    """

    def __init__(self, config: BufferConfig | None = None, folder: Path | None = None) -> None:
        self.config = config or BufferConfig()
        self.folder = Path(folder) if folder is not None else None
        self.counts: Counter[str] = Counter()
        self.problem = ''
        self._lock = threading.Lock()
        self._frames: list[TargetFrame] = []
        self._embeddings: list[NDArray[np.float32]] = []
        self._accepted = 0
        self._previous: TargetFrame | None = None
        self._last_stamp: int | None = None
        self._last_kept: TargetFrame | None = None
        if self.folder is not None:
            self._load()

    def __len__(self) -> int:
        with self._lock:
            return len(self._frames)

    def snapshot(self) -> list[TargetFrame]:
        """Return the images kept, oldest first; they never change."""
        with self._lock:
            return sorted(self._frames, key=lambda frame: frame.stamp_ns)

    def clear(self) -> None:
        """Forget every image, on the disk too; the counts stay."""
        with self._lock:
            for frame in self._frames:
                self._delete(frame)
            self._frames.clear()
            self._embeddings.clear()
            self._previous = self._last_kept = self._last_stamp = None

    def add(self, frame: TargetFrame) -> str:
        """
        Keep an image, or refuse it.

        Returns
        -------
        str
            ``kept``, or the reason why not: ``out of order``, ``too soon``, ``underexposed``,
            ``overexposed``, ``blurred``, ``standing still``, ``seen before`` or ``redundant``.

        Raises
        ------
        ShapeError
            If it has another size than those kept.

        """
        with self._lock:
            if self._frames and frame.rgb.shape != self._frames[0].rgb.shape:
                raise ShapeError(
                    f'the buffer has images of shape {self._frames[0].rgb.shape}, got '
                    f'{frame.rgb.shape}: clear it after a change of camera'
                )
            verdict = self._judge(frame)
            self.counts[verdict] += 1
            self._previous = frame
            return verdict

    def _judge(self, frame: TargetFrame) -> str:
        reason = self._out_of_time(frame)
        if reason:
            return reason
        grey = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2GRAY)
        reason = _badly_seen(grey, self.config) or self._unchanged(grey)
        if reason:
            return reason
        embedding = embed(grey)
        if self._frames:
            similarity = np.stack(self._embeddings) @ embedding
            if float(similarity.max()) >= self.config.max_similarity:
                return 'seen before'
        return self._keep(frame, embedding)

    def _out_of_time(self, frame: TargetFrame) -> str:
        """Say what is wrong with the stamp; a clock set back by more than a second starts anew."""
        last, self._last_stamp = self._last_stamp, frame.stamp_ns
        kept = self._last_kept.stamp_ns if self._last_kept is not None else None
        if last is not None and frame.stamp_ns <= last:
            if last - frame.stamp_ns > 1_000_000_000:
                self._last_kept = None  # of another time: no gap to keep to it
            return 'out of order'
        if kept is not None and 0 <= frame.stamp_ns - kept < self.config.min_gap_s * 1e9:
            return 'too soon'
        return ''

    def _unchanged(self, grey: NDArray[np.generic]) -> str:
        if self._last_kept is None:
            return ''
        before = cv2.cvtColor(self._last_kept.rgb, cv2.COLOR_RGB2GRAY)
        change = float(np.mean(cv2.absdiff(np.asarray(grey, np.uint8), before))) / 255
        return 'standing still' if change < self.config.min_change else ''

    def _keep(self, frame: TargetFrame, embedding: NDArray[np.float32]) -> str:
        share, number = self.config.held_out, self._accepted
        held_out = int((number + 1) * share) > int(number * share)
        self._accepted += 1
        before = self._previous.rgb if held_out and self._previous is not None else None
        stamp, stamps = frame.stamp_ns, {other.stamp_ns for other in self._frames}
        while stamp in stamps:  # of a clock that was set back; it is the name of the file
            stamp += 1
        kept = replace(frame, held_out=held_out, before=before, stamp_ns=stamp)
        self._frames.append(kept)
        self._embeddings.append(embedding)
        evicted = self._evict(held_out) if self._over_capacity(held_out) else None
        self._last_kept = kept
        if evicted is kept:
            return 'redundant'
        if evicted is not None:
            self._delete(evicted)
        self._save(kept)
        return KEPT

    def _over_capacity(self, held_out: bool) -> bool:
        share = self.config.held_out if held_out else 1 - self.config.held_out
        count = sum(frame.held_out == held_out for frame in self._frames)
        return count > max(1, round(self.config.capacity * share))

    def _evict(self, held_out: bool) -> TargetFrame:
        """Remove the most redundant image among those held out, or among the others."""
        indices = [i for i, frame in enumerate(self._frames) if frame.held_out == held_out]
        embeddings = np.stack([self._embeddings[i] for i in indices])
        worst = indices[int(np.argmax((embeddings @ embeddings.T).sum(1)))]
        del self._embeddings[worst]
        return self._frames.pop(worst)

    def _load(self) -> None:
        """Load what is there, newest first; what would be too much leaves the disk."""
        assert self.folder is not None
        for leftover in self.folder.glob(f'{TEMPORARY}*'):
            self._unlink(leftover)
        frames, self.counts['damaged'] = read_frames(self.folder)
        for frame in reversed(frames):
            alike = not self._frames or frame.rgb.shape == self._frames[-1].rgb.shape
            if not alike or len(self._frames) >= self.config.capacity:
                self._delete(frame)
                continue
            self._frames.insert(0, frame)
            grey = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2GRAY)
            self._embeddings.insert(0, embed(grey))
        self._accepted = len(self._frames)

    def _save(self, frame: TargetFrame) -> None:
        """Write an image; a full or read-only disk costs its persistence, never the image."""
        if self.folder is None:
            return
        try:
            write_frame(self.folder, frame)
            self.problem = ''
        except DatasetError as error:
            self.counts['unsaved'] += 1
            self.problem = str(error)

    def _delete(self, frame: TargetFrame) -> None:
        if self.folder is not None:
            self._unlink(self.folder / f'{frame.stamp_ns:020d}{SUFFIX}')

    def _unlink(self, path: Path) -> None:
        """Remove a file; on a disk that lets none go it stays, and collecting goes on."""
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            self.problem = f'cannot remove {path}: {error.strerror}'


def _badly_seen(grey: NDArray[np.generic], config: BufferConfig) -> str:
    """Say whether an image is badly exposed or blurred."""
    mean = float(np.mean(grey)) / 255  # type: ignore[arg-type]
    values = np.asarray(grey, np.uint8)
    dark, bright = float(np.mean(values <= 5)), float(np.mean(values >= 250))
    if mean < config.min_brightness or dark > config.max_saturation:
        return 'underexposed'
    if bright > config.max_saturation:
        return 'overexposed'
    if float(cv2.Laplacian(values, cv2.CV_32F).var()) < config.min_sharpness:
        return 'blurred'
    return ''


def embed(grey: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return a small description of a grey image, of unit length: its thumbnail without mean."""
    height, width = _THUMBNAIL
    values = np.asarray(grey, np.uint8)
    small = cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    small -= small.mean()
    length = float(np.linalg.norm(small))
    return np.asarray(small.ravel() / max(length, 1e-6), np.float32)
