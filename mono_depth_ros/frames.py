# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded images of any kind as one stream of frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
import logging
import os
from pathlib import Path
import re

from mono_depth_ros.camera import ASSUMED_FOV, camera_from_fov, PinholeCamera
from mono_depth_ros.errors import DatasetError, ImageError
import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp', '.ppm', '.pgm')
VIDEO_SUFFIXES = ('.mp4', '.avi', '.mkv', '.mov', '.webm', '.m4v', '.mpg', '.mpeg')
BAG_SUFFIXES = ('.bag', '.mcap', '.db3')
PROCEDURAL = 'procedural'
# One core renders several such images a second.
PROCEDURAL_COUNT = 40
PROCEDURAL_SIZE = (192, 256)


@dataclass(frozen=True)
class Frame:
    """
    One recorded image and what is known about it.

    Attributes
    ----------
    rgb : np.ndarray, shape (H, W, 3), uint8
        The image, red first.
    stamp_ns : int
        When it was taken [ns]; frames without a clock are ``index / rate`` apart.
    name : str
        Stem of its file, with its suffix where two files have the same one, or its number in a
        video or bag.
    camera : PinholeCamera or None
        Intrinsics of ``rgb``, where they are known.
    depth : np.ndarray, shape (H, W), float32, or None
        Measured depth [m], NaN where missing, inf where a dataset knows the sky.
    world_from_camera : np.ndarray, shape (4, 4), float64, or None
        Pose of the optical frame.
    frame_id : str
        Name of the optical frame, where a recording says it.
    points : np.ndarray, shape (N, 3), float32, or None
        What a sensor of the robot measured: u, v [px] and depth [m].
    disparity : np.ndarray, shape (H, W), float32, or None
        Inverse depth up to a scale and a shift, NaN where missing: shape without metres, as a
        network that knows relative depth gives it.

    """

    rgb: NDArray[np.uint8]
    stamp_ns: int
    name: str
    camera: PinholeCamera | None = None
    depth: NDArray[np.float32] | None = None
    world_from_camera: NDArray[np.float64] | None = None
    frame_id: str = ''
    points: NDArray[np.float32] | None = None
    disparity: NDArray[np.float32] | None = None


class FrameSource:
    """
    Frames that can be gone through again and again.

    Attributes
    ----------
    name : str
        What people call it.
    count : int
        How many frames it has at most; 0 where nobody knows before the end.
    skipped : int
        Images of the last pass that could not be read.
    max_depth : float
        Cap of the published protocol of a dataset [m]; 0 where there is none.
    crop : str
        Crop of that protocol, one of ``metrics.CROPS``.

    """

    max_depth: float = 0.0
    crop: str = 'none'

    def __init__(self, name: str, count: int, strict: bool) -> None:
        self.name = name
        self.count = count
        self.strict = strict
        self.skipped = 0

    def __iter__(self) -> Iterator[Frame]:
        """
        Go through the frames from the first one.

        Raises
        ------
        DatasetError
            If no image at all can be read, or if ``strict`` and one cannot.

        """
        self.skipped = 0
        empty = True
        for load in self._loaders():
            try:
                frame = load()
            except ImageError as error:
                if self.strict:
                    raise DatasetError(f'{self.name}: {error}') from error
                self.skipped += 1
                logger.warning('skipped an image of %s: %s', self.name, error)
                continue
            empty = False
            yield frame
        if empty:
            lost = f', {self.skipped} cannot be read' if self.skipped else ''
            raise DatasetError(f'{self.name} has no usable image{lost}')

    def _loaders(self) -> Iterator[Callable[[], Frame]]:
        """Give one function per frame, which loads it or raises ImageError."""
        raise NotImplementedError


class ProceduralFrames(FrameSource):
    """Frames that the package renders itself, with exact depth; needs torch."""

    def __init__(self, kind: str, seed: int, count: int, rate: float) -> None:
        super().__init__(f'{PROCEDURAL}:{kind}:{seed}', count, strict=True)
        self.kind, self.seed, self.rate = kind, seed, rate

    def _loaders(self) -> Iterator[Callable[[], Frame]]:
        try:
            from mono_depth_ros.source.procedural import render_sequence
            import torch
        except ImportError as error:
            raise DatasetError(
                f'procedural scenes need torch ({error}): `pip install torch safetensors`, or '
                'give a folder, video or bag'
            ) from error
        threads = torch.get_num_threads()
        # Images this small gain nothing from more, and lose much on a busy machine.
        torch.set_num_threads(1)
        try:
            rendered = render_sequence(
                self.seed, self.count, PROCEDURAL_SIZE, domain=self.kind, rate=self.rate
            )
            for index, sample in enumerate(rendered):
                frame = Frame(
                    np.ascontiguousarray(sample.rgb),
                    stamp_of(index, self.rate),
                    f'{index:06d}',
                    sample.camera,
                    np.where(np.isfinite(sample.depth), sample.depth, np.float32(np.nan)),
                    sample.world_from_camera,
                )
                yield lambda frame=frame: frame  # type: ignore[misc]
        finally:
            torch.set_num_threads(threads)


def open_frames(
    source: str | Path, *, rate: float = 30.0, strict: bool = False, topic: str = ''
) -> FrameSource:
    """
    Open recorded images of any kind.

    Parameters
    ----------
    source : str or Path
        An RGB-D folder (``rgb/``, ``depth/``, ``camera.json``, ``pose/``), a folder of images, one
        image, a video, a rosbag2 folder, an .mcap, .db3 or .bag file, or ``procedural`` with
        optional kind and seed, e.g. ``procedural:street:7``.
    rate : float
        Frames per second of sources without a clock.
    strict : bool
        Raise at the first image that cannot be read, instead of skipping and counting it.
    topic : str
        Image topic of a bag; by default the only one, or the one most like ``image_rect``.

    Raises
    ------
    DatasetError
        If there is nothing at ``source``, or nothing in it.
    CameraError
        If the ``camera.json`` of a folder is unusable.

    """
    if str(source).split(':')[0] == PROCEDURAL:
        return _open_procedural(str(source), rate)
    # Here, since these modules build on the classes of this one.
    from mono_depth_ros.folders import FolderFrames
    from mono_depth_ros.videos import VideoFrames

    path = Path(source).expanduser()
    suffix = path.suffix.lower()
    if not os.path.exists(path):  # False for a name that is too long, too
        raise DatasetError(f'there is nothing at {path}')
    if suffix in BAG_SUFFIXES or (path / 'metadata.yaml').is_file():
        from mono_depth_ros.bags import BagFrames

        return BagFrames(path, strict=strict, topic=topic)
    if path.is_dir():
        return FolderFrames(path, rate, strict)
    if suffix in VIDEO_SUFFIXES:
        return VideoFrames(path, rate, strict)
    if suffix in IMAGE_SUFFIXES:
        # One image of an RGB-D folder has the camera, depth and pose of that folder.
        is_rgbd = path.parent.name == 'rgb' and (path.parent.parent / 'camera.json').is_file()
        folder = path.parent.parent if is_rgbd else path.parent
        return FolderFrames(folder, rate, strict=True, files=[path])
    raise DatasetError(
        f'{path} is neither a folder nor a file of a known kind: '
        f'{", ".join(IMAGE_SUFFIXES + VIDEO_SUFFIXES + BAG_SUFFIXES)}'
    )


def _open_procedural(text: str, rate: float) -> ProceduralFrames:
    """Read ``procedural[:KIND[:SEED]]``."""
    match = re.fullmatch(rf'{PROCEDURAL}(?::([a-z]+))?(?::(\d+))?', text)
    if match is None:
        raise DatasetError(
            f'expected {PROCEDURAL}, {PROCEDURAL}:KIND or {PROCEDURAL}:KIND:SEED, got {text!r}'
        )
    return ProceduralFrames(match[1] or 'indoor', int(match[2] or 0), PROCEDURAL_COUNT, rate)


def with_camera(frame: Frame, fov_degrees: float = ASSUMED_FOV) -> Frame:
    """Return a frame with a camera, of an assumed field of view if it has none."""
    if frame.camera is not None:
        return frame
    height, width = frame.rgb.shape[:2]
    return replace(frame, camera=camera_from_fov(width, height, fov_degrees))


def stamp_of(index: int, rate: float) -> int:
    """Return the stamp [ns] of a frame of a source without a clock."""
    return round(index * 1e9 / rate)
