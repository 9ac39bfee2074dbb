# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Folders of images, and RGB-D folders with depth or disparity, camera and poses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
import re
from typing import Any

import cv2
from mono_depth_ros.camera import camera_from_json, camera_to_json, PinholeCamera
from mono_depth_ros.errors import DatasetError, ImageError
from mono_depth_ros.frames import Frame, FrameSource, IMAGE_SUFFIXES, stamp_of
from mono_depth_ros.image_encoding import compressed_to_rgb
from mono_depth_ros.postprocessing import depth_to_millimetres, disparity_to_uint16
from mono_depth_ros.visualisation import write_image
import numpy as np
from numpy.typing import NDArray


class FolderFrames(FrameSource):
    """
    Images of a folder in natural order; an RGB-D folder also has depth, camera and poses.

    Parameters
    ----------
    folder : Path
        With images, or with ``rgb/``, ``camera.json`` and maybe ``depth/`` and ``pose/``.
    rate : float
        Frames per second, from which the stamps are made.
    strict : bool
        Raise at the first image that cannot be read, instead of skipping it.
    files : list of Path, optional
        These images instead of all.
    disparity : bool
        Read ``disparity/`` instead of ``depth/``: 16-bit PNG, inverse depth up to a scale and a
        shift.

    Raises
    ------
    DatasetError
        If there is no image.
    CameraError
        If ``camera.json`` is unusable.

    """

    def __init__(
        self,
        folder: Path,
        rate: float = 30.0,
        strict: bool = False,
        files: list[Path] | None = None,
        *,
        disparity: bool = False,
    ) -> None:
        is_rgbd = files is None and (folder / 'rgb').is_dir()
        if files is None:
            files = image_files(folder / 'rgb' if is_rgbd else folder)
        if not files:
            raise DatasetError(
                f'no image in {folder}: expected {", ".join(IMAGE_SUFFIXES)} files there or in '
                f'{folder / "rgb"}'
            )
        super().__init__(str(folder), len(files), strict)
        self.folder, self.files, self.rate = folder, files, rate
        self._kind = 'disparity' if disparity else 'depth'
        self._stems = Counter(path.stem for path in files)
        self.camera: PinholeCamera | None = None
        self.depth_scale = 1000.0
        # Without it a depth image means nothing.
        description = folder / 'camera.json'
        if description.is_file() or (is_rgbd and (folder / 'depth').is_dir()):
            self.camera, self.depth_scale, self.max_depth = camera_from_json(description)

    def _loaders(self) -> Iterator[Callable[[], Frame]]:
        for index, path in enumerate(self.files):
            yield lambda index=index, path=path: self._load(index, path)  # type: ignore[misc]

    def _load(self, index: int, path: Path) -> Frame:
        rgb = read_rgb(path)
        height, width = rgb.shape[:2]
        if self.camera and (height, width) != (self.camera.height, self.camera.width):
            raise ImageError(
                f'{path.name} has {width}x{height} px, camera.json says '
                f'{self.camera.width}x{self.camera.height}'
            )
        known = self.folder / self._kind / f'{path.stem}.png'
        scale = self.depth_scale if self._kind == 'depth' else 1.0
        values = read_depth(known, scale, (height, width)) if known.is_file() else None
        pose = self.folder / 'pose' / f'{path.stem}.txt'
        return Frame(
            rgb,
            stamp_of(index, self.rate),
            path.stem if self._stems[path.stem] == 1 else path.name,
            self.camera,
            depth=values if self._kind == 'depth' else None,
            world_from_camera=read_pose(pose) if pose.is_file() else None,
            disparity=values if self._kind == 'disparity' else None,
        )


def image_files(folder: Path) -> list[Path]:
    """Return the images of a folder in natural order: 2.jpg comes before 10.jpg."""
    files = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    return sorted(files, key=lambda path: _natural(path.name))


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), '') if part.isdigit() else (-1, part) for part in re.split(r'(\d+)', name)]


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read one image file; raise ImageError if it is missing or damaged."""
    try:
        return compressed_to_rgb(path.read_bytes(), path.suffix[1:])
    except OSError as error:
        raise ImageError(f'cannot read {path}: {error.strerror}') from error
    except ImageError as error:
        raise ImageError(f'{path.name}: {error}') from error


def read_depth(path: Path, depth_scale: float, size: tuple[int, int]) -> NDArray[np.float32]:
    """
    Read one depth image of an RGB-D folder.

    Parameters
    ----------
    path : Path
        16-bit PNG; 0 is missing.
    depth_scale : float
        Value of a pixel that means one metre.
    size : tuple of int
        (H, W) of the image it belongs to [px].

    Returns
    -------
    np.ndarray, shape (H, W), float32
        Depth [m], NaN where missing.

    Raises
    ------
    ImageError
        If it is missing, cannot be read, is damaged, or has another type or size.

    """
    try:
        raw = np.frombuffer(path.read_bytes(), np.uint8)
        values = cv2.imdecode(raw, cv2.IMREAD_UNCHANGED) if raw.size else None
    except OSError as error:
        raise ImageError(f'cannot read depth {path}: {error.strerror}') from error
    except cv2.error as error:  # among others, of absurd sizes
        raise ImageError(f'depth image {path.name} cannot be decoded: {error.err}') from error
    if values is None:
        raise ImageError(f'depth image {path.name} cannot be decoded')
    if values.dtype != np.uint16 or values.shape != size:
        raise ImageError(
            f'depth image {path.name} must be 16-bit and {size[1]}x{size[0]} px like its image, '
            f'got {values.dtype} {values.shape}'
        )
    depth: NDArray[np.float32] = values.astype(np.float32) / np.float32(depth_scale)
    depth[values == 0] = np.nan
    return depth


def read_pose(path: Path) -> NDArray[np.float64]:
    """Read a 4x4 camera-to-world matrix; raise ImageError if it is not one."""
    try:
        pose = np.loadtxt(path, dtype=np.float64)
    except (OSError, ValueError) as error:
        raise ImageError(f'pose {path.name} cannot be read: {error}') from error
    if pose.shape != (4, 4) or not np.isfinite(pose).all():
        raise ImageError(f'pose {path.name} must be a finite 4x4 matrix, got {pose.shape}')
    return pose


def write_rgbd(folder: Path, frames: Iterable[Frame]) -> int:
    """
    Write frames as an RGB-D folder, with depth in millimetres, or with disparity.

    Parameters
    ----------
    folder : Path
        Made if it is missing; files of the same name are replaced.
    frames : iterable of Frame
        All of one camera.

    Returns
    -------
    int
        How many there were.

    Raises
    ------
    DatasetError
        If the folder cannot be written.

    """
    count = 0
    try:
        for frame in frames:
            images: dict[str, NDArray[Any]] = {'rgb': frame.rgb}
            if frame.depth is not None:
                images['depth'] = depth_to_millimetres(frame.depth)
            if frame.disparity is not None:
                images['disparity'] = disparity_to_uint16(frame.disparity)
            for name, image in images.items():
                (folder / name).mkdir(parents=True, exist_ok=True)
                write_image(folder / name / f'{frame.name}.png', image)
            if frame.world_from_camera is not None:
                (folder / 'pose').mkdir(exist_ok=True)
                np.savetxt(folder / 'pose' / f'{frame.name}.txt', frame.world_from_camera)
            if frame.camera is not None and not count:
                camera_to_json(folder / 'camera.json', frame.camera, depth_scale=1000.0)
            count += 1
    except OSError as error:
        raise DatasetError(f'cannot write to {folder}: {error}') from error
    return count
