# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
KITTI raw data (Geiger et al., IJRR 2013) with one of its two kinds of ground truth.

``2011_09_26/2011_09_26_drive_0002_sync/image_02/data/0000000069.png`` (or .jpg) with
``2011_09_26/calib_cam_to_cam.txt``, and

* ``kitti``: the annotated depth maps (Uhrig et al., 3DV 2017), 16-bit images of depth * 256 in
  ``DRIVE/proj_depth/groundtruth/image_02/``, in the folder itself or in ``depth_annotated``,
  ``data_depth_annotated``, ``train`` or ``val``; 652 of the 697 images of the Eigen test split;
* ``kitti_lidar``: one scan, ``velodyne_points/data/0000000069.bin``, projected into the image
  with ``calib_velo_to_cam.txt``; all 697.

Scores on one kind say nothing about the other: never mix them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
import re

from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.errors import CameraError, DatasetError, ImageError
from mono_depth_ros.folders import read_depth
from mono_depth_ros.frames import FrameSource
from mono_depth_ros.source.layouts.kitti_lidar import (
    project_scan,
    read_calibration,
    read_scan,
    scan_to_image,
)
from mono_depth_ros.source.layouts.listed import (
    fixed_camera,
    ListedFrames,
    nothing_in,
    Pair,
    read_list,
)
import numpy as np
from numpy.typing import NDArray

PER_METRE = 256.0
MAX_DEPTH, CROP = 80.0, 'garg'
IMAGES = '20??_??_??/*_sync/image_02/data/*.[jp]*g'
LINE = re.compile(
    r'(?P<date>\d{4}_\d\d_\d\d)/(?P<drive>(?P=date)_drive_\d{4}_sync)'
    r'(?:/image_0(?P<camera>[23])/data/(?P<image>\d+)\.(?:png|jpg)|\s+(?P<frame>\d+)'
    r'(?:\s+(?P<side>[lr]))?)?'
)
PARTS = ('train', 'val')
ANNOTATED = tuple(
    outer + inner
    for outer in ('', 'depth_annotated/', 'data_depth_annotated/')
    for inner in ('', *PARTS)
)


@dataclass(frozen=True)
class Place:
    """Which image: a date, a drive, camera 2 (left) or 3 (right), and a frame."""

    date: str
    drive: str
    camera: int
    frame: int

    @property
    def name(self) -> str:
        """Return what people call it."""
        return f'{self.drive}_{self.camera}_{self.frame:010d}'


def open_kitti(root: Path, split: Path | None, strict: bool) -> FrameSource:
    """
    Open KITTI with the annotated depth maps; arguments as ``open_kitti_lidar``.

    ``split`` may also be ``train`` or ``val``, the folder that the depth maps are in.
    """
    return _open(root, split, strict, lidar=False)


def open_kitti_lidar(root: Path, split: Path | None, strict: bool) -> FrameSource:
    """
    Open KITTI with projected scans.

    Parameters
    ----------
    root : Path
        Folder of the dates.
    split : Path, optional
        The lines of monodepth2 (``DATE/DRIVE FRAME l``) or those that begin with the path of an
        image (monodepth, BTS; ``None`` as its annotated depth leaves it out there). By default
        all left images.
    strict : bool
        Raise at the first image that cannot be read.

    Raises
    ------
    DatasetError
        If there is no image, or a line of the split is not understood.

    """
    return _open(root, split, strict, lidar=True)


def _open(root: Path, split: Path | None, strict: bool, *, lidar: bool) -> FrameSource:
    part = '' if split is None else str(split)
    if split is not None and (lidar or part not in PARTS):
        places = _listed_places(split, annotated=not lidar)
    else:
        places = _all_places(root)
        if not lidar:
            # The benchmark leaves the first and last five images of a drive without.
            places = [place for place in places if _annotated(root, place, part).is_file()]
    if not places:
        truth = 'velodyne_points' if lidar else 'proj_depth/groundtruth'
        raise nothing_in(root, 'KITTI', f'{IMAGES} with {truth}')
    pairs = [
        Pair(
            name=place.name,
            group=place.drive,
            rgb=_image(root, place),
            depth=partial(_lidar_depth if lidar else _annotated_depth, root, place),
            camera=partial(_camera, root, place),
        )
        for place in places
    ]
    return ListedFrames(str(root), pairs, strict, max_depth=MAX_DEPTH, crop=CROP)


def _all_places(root: Path) -> list[Place]:
    places = (
        Place(path.parts[-5], path.parts[-4], 2, int(path.stem))
        for path in sorted(root.glob(IMAGES))
        if path.stem.isdigit()
    )
    return list(dict.fromkeys(places))  # some have an image as .png and as .jpg


def _listed_places(split: Path, *, annotated: bool) -> list[Place]:
    places = []
    for words in read_list(split):
        match = LINE.search(' '.join(words))
        frame = match and (match['image'] or match['frame'])
        if match is None or frame is None:
            raise DatasetError(
                f'{split}: expected lines like 2011_09_26/2011_09_26_drive_0002_sync 69 l, or '
                f'the path of an image, got {" ".join(words)!r}'
            )
        if annotated and 'None' in words[1:]:
            continue
        camera = int(match['camera'] or (3 if match['side'] == 'r' else 2))
        places.append(Place(match['date'], match['drive'], camera, int(frame)))
    return places


def _image(root: Path, place: Place) -> Path:
    folder = root / place.date / place.drive / f'image_0{place.camera}' / 'data'
    jpeg = folder / f'{place.frame:010d}.jpg'
    return jpeg if jpeg.is_file() else jpeg.with_suffix('.png')


def _annotated(root: Path, place: Place, part: str = '') -> Path:
    """Return where the annotated depth is, or where it is missed; ``part`` is train or val."""
    name = f'proj_depth/groundtruth/image_0{place.camera}/{place.frame:010d}.png'
    folders = [root / folder / place.drive for folder in ANNOTATED if folder.endswith(part)]
    if not part:
        folders.append(root / place.date / place.drive)
    found = (folder / name for folder in folders if (folder / name).is_file())
    return next(found, folders[0] / name)


def _annotated_depth(root: Path, place: Place, size: tuple[int, int]) -> NDArray[np.float32]:
    return read_depth(_annotated(root, place), PER_METRE, size)


def _lidar_depth(root: Path, place: Place, size: tuple[int, int]) -> NDArray[np.float32]:
    scan = root / place.date / place.drive / f'velodyne_points/data/{place.frame:010d}.bin'
    return project_scan(read_scan(scan), scan_to_image(root / place.date, place.camera), size)


def _camera(root: Path, place: Place, size: tuple[int, int]) -> PinholeCamera:
    return fixed_camera(_read_camera(root / place.date, place.camera), size)


@lru_cache(maxsize=32)
def _read_camera(folder: Path, camera: int) -> PinholeCamera:
    path = folder / 'calib_cam_to_cam.txt'
    values = read_calibration(path)
    try:
        p, size = values[f'P_rect_0{camera}'], values[f'S_rect_0{camera}']
        return PinholeCamera(p[0], p[5], p[2], p[6], int(size[0]), int(size[1]))
    except (KeyError, IndexError) as error:
        raise ImageError(f'{path} lacks P_rect_0{camera} or S_rect_0{camera}') from error
    except (CameraError, OverflowError, ValueError) as error:
        raise ImageError(f'{path} has no usable camera {camera}: {error}') from error
