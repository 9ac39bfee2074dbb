# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Virtual KITTI 2 (Cabon, Murray, Humenberger 2020, arXiv 2001.10773).

``SceneXX/VARIATION/frames/rgb/Camera_0/rgb_00000.jpg``, ``.../depth/Camera_0/depth_00000.png``
(16-bit, centimetres; 65535 is 655.35 m or more, the sky, which is inf here) and
``SceneXX/VARIATION/intrinsic.txt``, with the archives unpacked into one folder, or each into its
own (``vkitti_2.0.3_rgb``, ``rgb``).
"""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path
import re

from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.errors import CameraError, DatasetError, ImageError
from mono_depth_ros.folders import read_depth
from mono_depth_ros.frames import FrameSource
from mono_depth_ros.source.layouts.listed import (
    first_folder,
    fixed_camera,
    ListedFrames,
    nothing_in,
    Pair,
    read_list,
)
import numpy as np
from numpy.typing import NDArray

# Every row of every intrinsic.txt says so.
CAMERA = PinholeCamera(725.0087, 725.0087, 620.5, 187.0, 1242, 375)
CENTIMETRES = 100.0
FARTHEST = np.float32(655.35)
SCENE = re.compile(r'Scene\d\d(?:/[\w-]+)?')
IMAGE = re.compile(r'Scene\d\d/[\w-]+/frames/rgb/Camera_(?P<camera>[01])/rgb_\d+\.jpg')
IMAGES = 'Scene*/*/frames/rgb/Camera_0/rgb_*.jpg'


def open_vkitti2(root: Path, split: Path | None, strict: bool) -> FrameSource:
    """
    Open Virtual KITTI 2: the images of the left camera, or those of a list.

    Parameters
    ----------
    root : Path
        Folder of the scenes, or of the unpacked archives.
    split : Path, optional
        ``SceneXX`` or ``SceneXX/VARIATION``; or a list of lines that begin with the path of an
        image, ``[...]/SceneXX/VARIATION/frames/rgb/Camera_0/rgb_X.jpg``. By default all.
    strict : bool
        Raise at the first image that cannot be read.

    Raises
    ------
    DatasetError
        If there is no image, or a line of the list is not understood.

    """
    images = first_folder(root, ('.', 'rgb', 'vkitti_2.0.3_rgb'), IMAGES)
    if images is None:
        raise nothing_in(root, 'Virtual KITTI 2', IMAGES)
    names = _names(images, split)
    # Depth that is missing altogether is missed image by image, by name.
    wanted = IMAGES.replace('rgb/', 'depth/').replace('rgb_*.jpg', 'depth_*.png')
    depths = first_folder(root, ('.', 'depth', 'vkitti_2.0.3_depth'), wanted) or root
    texts = first_folder(root, ('.', 'textgt', 'vkitti_2.0.3_textgt'), 'Scene*/*/intrinsic.txt')
    pairs = []
    for name in names:
        depth = name.replace('/rgb/', '/depth/').replace('rgb_', 'depth_').replace('.jpg', '.png')
        intrinsics = texts / Path(*Path(name).parts[:2]) / 'intrinsic.txt' if texts else None
        pairs.append(
            Pair(
                name=name.removesuffix('.jpg').replace('/frames/rgb/', '/').replace('/', '_'),
                # Its variations are the same drive in other weather.
                group=name.split('/')[0],
                rgb=images / name,
                depth=partial(_depth, depths / depth),
                camera=partial(_camera, intrinsics, name.split('/')[4][-1]),
            )
        )
    return ListedFrames(str(root), pairs, strict, max_depth=80.0, crop='none')


def _names(folder: Path, split: Path | None) -> list[str]:
    """Return the paths of the images of a split below the folder of the scenes."""
    scene = '' if split is None else str(split)
    if split is None or SCENE.fullmatch(scene):
        names = sorted(str(path.relative_to(folder)) for path in folder.glob(IMAGES))
        names = [name for name in names if not scene or name.startswith(f'{scene}/')]
        if not names:
            raise nothing_in(folder, 'Virtual KITTI 2', f'{scene}/**/rgb_*.jpg')
        return names
    names = []
    for words in read_list(split):
        match = IMAGE.search(words[0])
        if match is None:
            raise DatasetError(
                f'{split}: expected the path of an image, like Scene01/clone/frames/rgb/Camera_0/'
                f'rgb_00001.jpg, got {words[0]!r}'
            )
        names.append(match[0])
    return names


def _depth(path: Path, size: tuple[int, int]) -> NDArray[np.float32]:
    depth = read_depth(path, CENTIMETRES, size)
    depth[depth >= FARTHEST] = np.inf
    return depth


def _camera(intrinsics: Path | None, number: str, size: tuple[int, int]) -> PinholeCamera:
    found = CAMERA if intrinsics is None else _read_intrinsics(intrinsics, number)
    return fixed_camera(found, size)


@lru_cache(maxsize=64)
def _read_intrinsics(path: Path, number: str) -> PinholeCamera:
    """Read ``frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]`` of the first frame of a camera."""
    try:
        for line in path.read_text().splitlines()[1:]:
            _, camera, *values = line.split()
            if camera == number:
                fx, fy, cx, cy = (float(value) for value in values)
                return PinholeCamera(fx, fy, cx, cy, CAMERA.width, CAMERA.height)
    except (OSError, ValueError, CameraError) as error:
        raise ImageError(f'cannot read the intrinsics {path}: {error}') from error
    raise ImageError(f'{path} has no line for camera {number}')
