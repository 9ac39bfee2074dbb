# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the layouts share: a list of image and depth files, read one pair at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.errors import DatasetError, ImageError
from mono_depth_ros.folders import read_rgb
from mono_depth_ros.frames import Frame, FrameSource, stamp_of
import numpy as np
from numpy.typing import NDArray

# Of the recordings these datasets were taken from; images of a split are not consecutive anyway.
RATE = 10.0


@dataclass(frozen=True)
class Pair:
    """
    One image and how to read what belongs to it.

    Attributes
    ----------
    name : str
        What people call it.
    group : str
        The drive or scene that it is of: its images look alike.
    rgb : Path
        Its file, by whose name the images of a group are in order of time.
    depth : callable
        Reads the depth [m] (H, W), NaN where missing, of an image of this (H, W); raises
        ImageError.
    camera : callable
        Gives the intrinsics of an image of this (H, W); raises ImageError.

    """

    name: str
    group: str
    rgb: Path
    depth: Callable[[tuple[int, int]], NDArray[np.float32]]
    camera: Callable[[tuple[int, int]], PinholeCamera]


class GroupedFrames(FrameSource):
    """
    Frames of several drives or scenes.

    Attributes
    ----------
    places : sequence of (str, str)
        Group of each frame, and what puts those of a group in order of time.

    """

    places: Sequence[tuple[str, str]]


class ListedFrames(GroupedFrames):
    """The images of a dataset with their depth, and the cap and crop of its protocol."""

    def __init__(
        self, name: str, pairs: Sequence[Pair], strict: bool, *, max_depth: float, crop: str
    ) -> None:
        super().__init__(name, len(pairs), strict)
        self.pairs, self.max_depth, self.crop = pairs, max_depth, crop
        self.places = [(pair.group, pair.rgb.name) for pair in pairs]

    def _loaders(self) -> Iterator[Callable[[], Frame]]:
        for index, pair in enumerate(self.pairs):
            yield partial(self._load, index, pair)

    @staticmethod
    def _load(index: int, pair: Pair) -> Frame:
        rgb = read_rgb(pair.rgb)
        size = (rgb.shape[0], rgb.shape[1])
        return Frame(
            rgb, stamp_of(index, RATE), pair.name, pair.camera(size), depth=pair.depth(size)
        )


def fixed_camera(camera: PinholeCamera, size: tuple[int, int]) -> PinholeCamera:
    """Return the camera of a dataset; raise ImageError if an image has another (H, W)."""
    if size != (camera.height, camera.width):
        raise ImageError(
            f'image has {size[1]}x{size[0]} px, the camera of the dataset '
            f'{camera.width}x{camera.height}'
        )
    return camera


def first_folder(root: Path, candidates: Sequence[str], pattern: str) -> Path | None:
    """Return the first of these folders of ``root`` in which something matches ``pattern``."""
    for candidate in candidates:
        folder = root / candidate
        if next(folder.glob(pattern), None) is not None:
            return folder
    return None


def folder_of(root: Path, candidates: Sequence[str], names: Sequence[str]) -> Path | None:
    """Return the folder of ``root``, of these, that has the first listed file there is at all."""
    places = ((root / folder, name) for name in names for folder in candidates)
    return next((folder for folder, name in places if (folder / name).is_file()), None)


def read_list(path: Path) -> list[list[str]]:
    """
    Read a split file: the words of every line that has any.

    Raises
    ------
    DatasetError
        If it cannot be read or is empty.

    """
    try:
        lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f'cannot read the list {path}: {error}') from error
    if not lines:
        raise DatasetError(f'the list {path} is empty')
    return lines


def nothing_in(root: Path, dataset: str, expected: str) -> DatasetError:
    """Return the error for a folder without any image of the dataset."""
    return DatasetError(
        f'no {dataset} image in {root}: expected {expected}; docs/datasets.md says what to '
        'download'
    )
