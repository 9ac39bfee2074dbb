# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded images with depth, of a user or of a public dataset, as samples to train on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import logging
from pathlib import Path

import cv2
from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.errors import DatasetError
from mono_depth_ros.frames import Frame, FrameSource, with_camera
from mono_depth_ros.source.domain_file import describe_domain, METRIC, read_domain, RELATIVE
from mono_depth_ros.source.pool import (
    ARRAYS,
    make_pool,
    Sample,
    SamplePool,
    shard_path,
    SHARD_SAMPLES,
    write_shard,
)
from mono_depth_ros.source.semantics import Semantic
from mono_depth_ros.training.augmentation import crop_to, nearest_shape
from mono_depth_ros.training.splits import split_frames, UsedFrames
import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

# Least part of a side that is left if the optical axis is to be in the middle.
SMALLEST_WINDOW = 0.25
# Disparity of the farthest pixel where that of the nearest is 1.
FARTHEST = 1e-4


def sample_of(frame: Frame, sizes: Sequence[tuple[int, int]]) -> Sample:
    """
    Make a sample of a recorded image.

    It is cut so that the optical axis is in its middle, and resized to that of ``sizes``, each
    (height, width), whose aspect ratio is nearest. Sparse depth, as of a lidar, keeps the nearest
    point of each pixel. Without depth it takes disparity, which has no metres that intrinsics
    would matter for.

    Raises
    ------
    DatasetError
        If neither is known, or not around the optical axis, or the intrinsics that metres depend
        on are not.

    """
    depth, relative = frame.depth, False
    if depth is None and frame.disparity is not None:
        depth, relative = inverse_of(frame.disparity), True
        frame = with_camera(frame)
    if depth is None:
        raise DatasetError(f'{frame.name}: it has no depth')
    if frame.camera is None:
        raise DatasetError(f'{frame.name}: its intrinsics are not known')
    window = _around_axis(frame.camera)
    rgb, depth = frame.rgb[window], depth[window]
    rows, columns = depth.shape
    size = nearest_shape(sizes, rows, columns)
    depth = _filled(depth, int(min(rows / size[0], columns / size[1])))
    classes = np.full(depth.shape, Semantic.OTHER, np.uint8)
    sample = crop_to(Sample(rgb, depth, classes, frame.camera.focal, relative), size, None)
    if not np.isfinite(sample.depth).any():
        raise DatasetError(f'{frame.name}: it has no depth')
    return sample


def inverse_of(disparity: NDArray[np.float32]) -> NDArray[np.float32]:
    """
    Return depth up to the scale and the shift of its inverse, which half floats can hold.

    Parameters
    ----------
    disparity : np.ndarray, shape (H, W), float32
        More is nearer, not finite where missing.

    Returns
    -------
    np.ndarray, shape (H, W), float32
        From 1 for the nearest to 10^4 for the farthest, NaN where missing.

    """
    known = np.where(np.isfinite(disparity), disparity, np.nan)
    if np.isnan(known).all():
        return known.astype(np.float32)
    lowest, highest = float(np.nanmin(known)), float(np.nanmax(known))
    share = (known - lowest) / max(highest - lowest, np.finfo(np.float32).tiny)
    return np.asarray(1 / (FARTHEST + (1 - FARTHEST) * share), np.float32)


def _around_axis(camera: PinholeCamera) -> tuple[slice, slice]:
    """Return the largest window whose middle is the principal point."""
    slices = []
    for centre, length in ((camera.cy + 0.5, camera.height), (camera.cx + 0.5, camera.width)):
        half = min(centre, length - centre)
        if half < SMALLEST_WINDOW * length / 2:
            raise DatasetError(
                'the optical axis does not go through the image, or too near to its edge: '
                f'{camera}'
            )
        slices.append(slice(round(centre - half), round(centre + half)))
    return slices[0], slices[1]


def _filled(depth: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Give a pixel without depth the nearest depth of the ``side`` x ``side`` pixels around it."""
    if side < 2:
        return depth
    missing = np.isnan(depth)
    nearest = cv2.erode(np.where(missing, np.inf, depth), np.ones((side, side), np.uint8))
    found = missing & np.isfinite(nearest)
    return np.where(found, nearest, depth).astype(np.float32)


def is_imported(root: Path, domain: str) -> bool:
    """Say whether a pool has everything of a recorded domain: its held-out shard is the last."""
    return shard_path(root, domain, 0).exists()


def dataset_of(root: Path, domain: str) -> str:
    """Return which dataset a recorded domain of a pool is of; empty if it does not say."""
    return str(read_domain(root, domain).get('dataset', ''))


def check_dataset(root: Path, domain: str, dataset: str) -> None:
    """
    Check that what a pool has of a recorded domain, all or a part, is of this dataset.

    Raises
    ------
    DatasetError
        If it is of another one, or the pool cannot be read.

    """
    known = dataset_of(root, domain)
    if known and known.rstrip('/') != dataset.rstrip('/'):
        raise DatasetError(
            f'{root} has {domain} of {known}, not of {dataset}: take another name, or delete '
            f'{domain}-* and {domain}.json there'
        )


def shares_outside(
    root: Path, domain: str, min_depth: float, max_depth: float
) -> tuple[float, float]:
    """Return which shares of the held-out labels of a domain are nearer and farther [m]."""
    pool = SamplePool(root, (domain,), held_out=True)
    if not pool.metric:
        return 0.0, 0.0
    labels = [pool[number].depth for number in range(len(pool))]
    labels = [depth[np.isfinite(depth)] for depth in labels]
    count = sum(depth.size for depth in labels)
    near = sum(int((depth < min_depth).sum()) for depth in labels)
    far = sum(int((depth > max_depth).sum()) for depth in labels)
    return near / max(1, count), far / max(1, count)


def import_frames(
    root: Path,
    domain: str,
    source: FrameSource,
    *,
    sizes: Sequence[tuple[int, int]],
    dataset: str = '',
    shard_samples: int = SHARD_SAMPLES,
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """
    Write the images of a source that have depth to a pool, unless the pool has them.

    The first of them decides whether their labels are metres, or only disparity up to a scale
    and a shift.

    About 5 % of them, at most one shard, are the held-out shard: whole drives or scenes where the
    source knows them (see `split_frames`), else the end, since neighbours in a recording look
    alike. ``DOMAIN.json`` beside the shards says which dataset they are of, their size, and what
    is held out.

    Parameters
    ----------
    root : Path
        Folder of the pool.
    domain : str
        What the samples are called there, in small letters.
    source : FrameSource
        Images, depth and intrinsics.
    sizes : sequence of (int, int)
        (height, width) that samples may have [px]; all take the one that suits the first image.
    dataset : str
        What the source is called; by default its own name.
    shard_samples : int
        Samples of a shard.
    progress : callable
        Called with the number of images looked at.

    Returns
    -------
    int
        Number of samples written by this call.

    Raises
    ------
    DatasetError
        If fewer than two images can be used, the pool cannot be written, or it has images of
        another dataset, size or split under that name.

    """
    dataset = dataset or source.name
    make_pool(root)
    check_dataset(root, domain, dataset)
    if is_imported(root, domain):
        return 0
    split = split_frames(source, shard_samples)
    writer = _Writer(root, domain, shard_samples, split.count)
    frames = UsedFrames(source, split)
    chosen: list[tuple[int, int]] = []
    labels = METRIC
    for looked_at, frame in enumerate(frames, start=1):
        progress(looked_at)
        try:
            sample = sample_of(frame, chosen or sizes)
            kind = RELATIVE if sample.relative else METRIC
            if chosen and kind != labels:
                raise DatasetError(f'{frame.name}: its labels are {kind}, not {labels}')
        except DatasetError as error:
            if source.strict:
                raise DatasetError(f'{source.name}: {error}') from error
            logger.warning('left out an image of %s: %s', source.name, error)
            continue
        if not chosen:
            rows, columns = sample.depth.shape
            chosen, labels = [(rows, columns)], kind
            known = dataset_of(root, domain) or dataset  # it may end in a slash
            values = {
                'dataset': known,
                'size': chosen[0],
                'held_out': split.kind,
                'labels': labels,
            }
            describe_domain(root, domain, values)
        writer.add(sample, held_out=frames.held_out)
    source.skipped = frames.skipped
    if not writer.finish():
        raise DatasetError(
            f'{source.name}: fewer than two images have depth and intrinsics, or disparity'
        )
    return writer.written


class _Writer:
    """Writes samples to shards as they come; the held-out shard, the last, makes them whole."""

    def __init__(self, root: Path, domain: str, shard_samples: int, kept: int) -> None:
        self.root, self.domain = root, domain
        self.shard_samples, self.kept = shard_samples, kept
        self.shards = self.written = 0
        self._waiting: list[Sample] = []
        self._held_out: list[Sample] = []

    def add(self, sample: Sample, *, held_out: bool) -> None:
        """Keep what is held out, or may be because it is the last, and write the rest."""
        if held_out:
            self._held_out.append(sample)
            return
        self._waiting.append(sample)
        if len(self._waiting) == self.shard_samples + self.kept:
            self._write_shard()

    def finish(self) -> bool:
        """Write the rest, and what is held out; return False if it does not do for both."""
        if not self._held_out:
            kept = min(self.kept, len(self._waiting) - (not self.shards))
            self._held_out = self._waiting[-kept:] if kept > 0 else []
            del self._waiting[len(self._waiting) - len(self._held_out) :]
        if not self._held_out or not (self.shards or self._waiting):
            return False
        while self._waiting:
            self._write_shard()
        self.written += _write(self.root, self.domain, 0, self._held_out)
        return True

    def _write_shard(self) -> None:
        self.shards += 1
        shard = self._waiting[: self.shard_samples]
        self.written += _write(self.root, self.domain, self.shards, shard)
        del self._waiting[: self.shard_samples]


def _write(root: Path, domain: str, number: int, samples: list[Sample]) -> int:
    path = shard_path(root, domain, number)
    if not path.exists():  # else it is left over from a call that was interrupted
        arrays = {
            name: np.stack([np.asarray(getattr(sample, name)) for sample in samples])
            for name in ARRAYS
        }
        write_shard(path, {**arrays, 'depth': arrays['depth'].astype(np.float16)})
    return len(samples)
