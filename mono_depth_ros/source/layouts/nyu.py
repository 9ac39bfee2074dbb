# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
NYU Depth v2 (Silberman et al., ECCV 2012): the labelled file, or the folders people make of it.

The folders have ``SCENE/rgb_00045.jpg`` and ``SCENE/sync_depth_00045.png`` (16-bit, mm), in
``official_splits/test``, ``test`` or the given folder; those of a list may be in the folders of
training images, too. The file is ``nyu_depth_v2_labeled.mat`` with ``splits.mat`` beside it, which
has 795 ``trainNdxs`` and 654 ``testNdxs``. Depth is what the Kinect measured (``rawDepths``, as in
the folders), not what was painted into its holes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
import re
from typing import Any

from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.errors import DatasetError, ImageError
from mono_depth_ros.folders import read_depth
from mono_depth_ros.frames import Frame, FrameSource, stamp_of
from mono_depth_ros.source.layouts.listed import (
    first_folder,
    fixed_camera,
    folder_of,
    GroupedFrames,
    ListedFrames,
    nothing_in,
    Pair,
    RATE,
    read_list,
)
import numpy as np
from numpy.typing import NDArray

# Colour camera, camera_params.m of the dataset's toolbox.
CAMERA = PinholeCamera(518.85790, 519.46961, 325.58245, 253.73617, 640, 480)
MAX_DEPTH, CROP = 10.0, 'nyu'
IMAGES = 'rgb_*.[jp]*g'
FOLDERS = {
    'test': ('official_splits/test', 'test', '.'),
    'train': ('official_splits/train', 'train'),
}
# Where code that trains on video frames keeps them.
LISTED = (*FOLDERS['test'], *FOLDERS['train'], 'sync')
# The video of one place may have several: kitchen_0028a, kitchen_0028b.
PART = re.compile(r'(?<=\d)[a-z]$')
NUMBERS = {'test': 'testNdxs', 'train': 'trainNdxs'}
MAT = 'nyu_depth_v2_labeled.mat'


def open_nyu(root: Path, split: Path | None, strict: bool) -> FrameSource:
    """
    Open NYU Depth v2.

    Parameters
    ----------
    root : Path
        Folder of the scenes, or the labelled .mat file, or the folder it is in.
    split : Path, optional
        ``test`` (by default) or ``train`` of the official split; or a list. For folders it has
        lines of ``SCENE/rgb_X.jpg SCENE/sync_depth_X.png [focal]``, for the .mat file image
        numbers that start at 1, or it is another ``splits.mat``.
    strict : bool
        Raise at the first image that cannot be read.

    Raises
    ------
    DatasetError
        If there is no image, or h5py is missing.

    """
    mat = root if root.suffix == '.mat' else root / MAT
    part = 'test' if split is None else str(split)
    folders = FOLDERS.get(part, LISTED)
    folder = None if mat == root else first_folder(root, folders, f'*/{IMAGES}')
    if folder is None and mat.is_file():
        return LabelledFrames(mat, split, strict)
    if folder is None:
        raise nothing_in(root, 'NYU Depth v2', f'{folders[1]}/SCENE/rgb_00045.jpg, or {MAT}')
    if split is None or part in FOLDERS:
        names = sorted(str(path.relative_to(folder)) for path in folder.glob(f'*/{IMAGES}'))
        couples = [(name, _depth_name(name)) for name in names]
    else:
        couples = []
        for image, *rest in read_list(split):
            name = image.lstrip('/')
            couples.append((name, rest[0].lstrip('/') if rest else _depth_name(name)))
        folder = folder_of(root, LISTED, [name for name, _ in couples]) or folder
    pairs = [_pair(folder, image, depth) for image, depth in couples]
    return ListedFrames(str(root), pairs, strict, max_depth=MAX_DEPTH, crop=CROP)


def _depth_name(image: str) -> str:
    path = Path(image)
    return str(path.with_name(path.stem.replace('rgb_', 'sync_depth_') + '.png'))


def _pair(folder: Path, image: str, depth: str) -> Pair:
    return Pair(
        name=str(Path(image).with_suffix('')).replace('/', '_'),
        group=PART.sub('', Path(image).parent.name),
        rgb=folder / image,
        depth=partial(read_depth, folder / depth, 1000.0),
        camera=partial(fixed_camera, CAMERA),
    )


class LabelledFrames(GroupedFrames):
    """The images of the labelled .mat file, an HDF5 file whose arrays are transposed."""

    max_depth, crop = MAX_DEPTH, CROP

    def __init__(self, path: Path, split: Path | None, strict: bool) -> None:
        self.path = path
        with self._opened() as file:
            total = self._check(file)
            scenes = self._scenes(file, total)
        self.numbers = _numbers(path, split, total)
        self.places = [(scenes[number - 1], f'{number:05d}') for number in self.numbers]
        super().__init__(str(path), len(self.numbers), strict)

    def _opened(self) -> Any:
        try:
            import h5py
        except ImportError as error:
            raise DatasetError(
                f'{self.path} is an HDF5 file, which needs h5py: pip install h5py'
            ) from error
        try:
            return h5py.File(self.path, 'r')
        except OSError as error:
            raise DatasetError(f'{self.path} is not a readable HDF5 file: {error}') from error

    def _check(self, file: Any) -> int:
        """Return the number of images; raise DatasetError if the arrays are not those of NYU."""
        size = (CAMERA.width, CAMERA.height)
        shapes: dict[str, tuple[int, ...]] = {'images': (3, *size), 'rawDepths': size}
        for name, shape in shapes.items():
            if name not in file or file[name].shape[1:] != shape:
                found = file[name].shape if name in file else 'nothing'
                raise DatasetError(f'{self.path}: expected {name} of N x {shape}, got {found}')
        if len(file['images']) != len(file['rawDepths']):
            raise DatasetError(f'{self.path} has more images than depth, or fewer')
        return len(file['images'])

    @staticmethod
    def _scenes(file: Any, total: int) -> list[str]:
        """Return the scene of each image, like kitchen_0028; empty where the file does not say."""
        if 'scenes' not in file or file['scenes'].size != total:
            return [''] * total
        names = (bytes(np.ravel(file[link]).tolist()) for link in np.ravel(file['scenes']))
        return [PART.sub('', name.decode('latin-1')) for name in names]

    def _loaders(self) -> Iterator[Callable[[], Frame]]:
        with self._opened() as file:
            for index, number in enumerate(self.numbers):
                yield partial(self._load, file, index, number)

    def _load(self, file: Any, index: int, number: int) -> Frame:
        try:
            image, values = file['images'][number - 1], file['rawDepths'][number - 1]
        except OSError as error:
            raise ImageError(f'image {number} is damaged: {error}') from error
        if image.dtype != np.uint8 or not np.issubdtype(values.dtype, np.floating):
            raise ImageError(
                f'image {number} must be uint8 with float depth [m], got {image.dtype} and '
                f'{values.dtype}'
            )
        depth: NDArray[np.float32] = np.ascontiguousarray(values.T, np.float32)
        depth[~(depth > 0)] = np.nan
        rgb: NDArray[np.uint8] = np.ascontiguousarray(image.transpose(2, 1, 0))
        return Frame(rgb, stamp_of(index, RATE), f'{number:05d}', CAMERA, depth)


def _numbers(path: Path, split: Path | None, total: int) -> list[int]:
    """Return the numbers, from 1, of the images of a split."""
    beside = path.with_name('splits.mat')
    if split is None or str(split) in NUMBERS:
        numbers = _read_splits(beside, NUMBERS[str(split or 'test')])
    elif split.suffix == '.mat':
        numbers = _read_splits(split, NUMBERS['test'])
    else:
        try:
            numbers = [int(word) for line in read_list(split) for word in line]
        except ValueError as error:
            raise DatasetError(f'{split} is not a list of image numbers: {error}') from error
    wrong = [number for number in numbers if not 1 <= number <= total]
    if wrong:
        raise DatasetError(f'{path} has images 1 to {total}, the split asks for {wrong[0]}')
    return numbers


def _read_splits(path: Path, name: str) -> list[int]:
    """Return ``testNdxs`` or ``trainNdxs`` of a splits.mat."""
    if not path.is_file():
        raise DatasetError(
            f'no split: put splits.mat of the dataset at {path}, or give a list of image numbers '
            'as nyu:FILE:LIST'
        )
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise DatasetError(
            f'{path} needs scipy: pip install scipy, or give a list of image numbers as '
            'nyu:FILE:LIST'
        ) from error
    try:
        return [int(number) for number in np.ravel(loadmat(path)[name])]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f'{path} is not the splits.mat of NYU Depth v2: {error}') from error
