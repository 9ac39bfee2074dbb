# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
DIML/CVL RGB-D, the indoor sample (Cho, Min, Kim, Sohn 2021, arXiv 2110.11590).

``test/HR/01. Warehouse/color/NAME_c.png`` (1344x756) and ``depth_filled/NAME_depth_filled.png``
(16-bit, millimetres, holes filled by the authors). A Kinect v2, for which the sample has no
intrinsics: its nominal horizontal field of view of 84.1 degrees is taken.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from mono_depth_ros.camera import camera_from_fov, PinholeCamera
from mono_depth_ros.folders import read_depth
from mono_depth_ros.frames import FrameSource
from mono_depth_ros.source.layouts.listed import (
    first_folder,
    folder_of,
    ListedFrames,
    nothing_in,
    Pair,
    read_list,
)

FIELD_OF_VIEW = 84.1
FOLDERS = {
    'test': ('.', 'HR', 'test/HR', 'indoor/test/HR', 'LR', 'test/LR', 'indoor/test/LR'),
    'train': ('train/HR', 'indoor/train/HR', 'train/LR', 'indoor/train/LR'),
}
LISTED = (*FOLDERS['test'], *FOLDERS['train'])
IMAGES = '*/color/*_c.png'


def open_diml(root: Path, split: Path | None, strict: bool) -> FrameSource:
    """
    Open the DIML indoor sample, in high resolution where both are there.

    Parameters
    ----------
    root : Path
        Folder of the scenes, or any folder above it.
    split : Path, optional
        ``test`` (by default) or ``train``; or a list of ``SCENE/color/NAME_c.png``, one a line (a
        scene may have spaces in its name).
    strict : bool
        Raise at the first image that cannot be read.

    Raises
    ------
    DatasetError
        If there is no image.

    """
    part = 'test' if split is None else str(split)
    folder = first_folder(root, FOLDERS.get(part, LISTED), IMAGES)
    if folder is None:
        raise nothing_in(root, 'DIML', f'{part if part in FOLDERS else "test"}/HR/{IMAGES}')
    if split is None or part in FOLDERS:
        images = sorted(folder.glob(IMAGES))
    else:
        names = [' '.join(words).lstrip('/') for words in read_list(split)]
        folder = folder_of(root, LISTED, names) or folder
        images = [folder / name for name in names]
    pairs = []
    for image in images:
        name, scene = image.stem.removesuffix('_c'), image.parent.parent
        depth = scene / 'depth_filled' / f'{name}_depth_filled.png'
        pairs.append(Pair(name, scene.name, image, partial(read_depth, depth, 1000.0), _camera))
    return ListedFrames(str(root), pairs, strict, max_depth=10.0, crop='none')


def _camera(size: tuple[int, int]) -> PinholeCamera:
    return camera_from_fov(size[1], size[0], FIELD_OF_VIEW)
