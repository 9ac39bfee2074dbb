# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One unlabelled image of the place the robot is in, and its file."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import astuple, dataclass, field
import os
from pathlib import Path
import zipfile

import cv2
from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.errors import CameraError, DatasetError
from mono_depth_ros.metric_points import resize_points
from mono_depth_ros.preprocessing import resize_rgb
import numpy as np
from numpy.typing import NDArray

SUFFIX = '.npz'
TEMPORARY = '.tmp-'


def no_points() -> NDArray[np.float32]:
    """Return an empty list of points."""
    return np.zeros((0, 3), np.float32)


@dataclass(frozen=True, eq=False)
class TargetFrame:
    """
    An image at the size of the network input, and what the robot knows about it.

    Attributes
    ----------
    rgb : np.ndarray, shape (h, w, 3), uint8
        Rectified image, red first.
    camera : PinholeCamera
        Intrinsics of ``rgb``.
    stamp_ns : int
        When it was taken [ns].
    points : np.ndarray, shape (N, 3), float32
        Sparse metric points: u, v [px of ``rgb``] and depth along the optical axis [m].
    before : np.ndarray, shape (h, w, 3), uint8, or None
        The image seen just before, for the temporal check of the gate.
    held_out : bool
        Kept from training, for the gate.
    structure : np.ndarray, shape (M, 3), float32
        Points like those, with depth up to one factor, which is unknown: the shape of what is
        seen, which the motion of the camera alone tells.

    """

    rgb: NDArray[np.uint8]
    camera: PinholeCamera
    stamp_ns: int = 0
    points: NDArray[np.float32] = field(default_factory=no_points)
    before: NDArray[np.uint8] | None = None
    held_out: bool = False
    structure: NDArray[np.float32] = field(default_factory=no_points)


def make_target_frame(
    rgb: NDArray[np.uint8],
    camera: PinholeCamera,
    size: tuple[int, int],
    *,
    stamp_ns: int = 0,
    points: NDArray[np.floating] | None = None,
) -> TargetFrame:
    """
    Bring an image, its camera and its points to the network input (height, width).

    Raises
    ------
    CameraError
        If image and camera differ in size.

    """
    if rgb.shape[:2] != (camera.height, camera.width):
        raise CameraError(
            f'camera is for {camera.width}x{camera.height} px, the image has '
            f'{rgb.shape[1]}x{rgb.shape[0]}'
        )
    small = camera.resized(size[1], size[0])
    resized = np.array(resize_rgb(rgb, size))  # its own memory: the message may be reused
    known = no_points() if points is None else resize_points(points, rgb.shape, size)
    return TargetFrame(resized, small, stamp_ns, known)


def write_frame(folder: Path, frame: TargetFrame) -> Path:
    """
    Write a frame as ``<stamp>.npz``, whole or not at all; images are PNG inside.

    Raises
    ------
    DatasetError
        If it cannot be written.

    """
    path = Path(folder) / f'{frame.stamp_ns:020d}{SUFFIX}'
    temporary = path.with_name(f'{TEMPORARY}{os.getpid()}-{path.name}')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open('wb') as file:
            np.savez(
                file,
                rgb=_encode(frame.rgb),
                before=_encode(frame.before) if frame.before is not None else np.zeros(0, 'u1'),
                camera=np.array(astuple(frame.camera), np.float64),
                stamp_ns=np.int64(frame.stamp_ns),
                points=frame.points.astype(np.float32),
                structure=frame.structure.astype(np.float32),
                held_out=np.bool_(frame.held_out),
            )
        os.replace(temporary, path)
    except OSError as error:
        raise DatasetError(f'cannot write {path}: {error.strerror}') from error
    finally:
        with suppress(OSError):  # a read-only disk refuses even what is not there
            temporary.unlink(missing_ok=True)
    return path


def read_frame(path: Path) -> TargetFrame:
    """Read what `write_frame` wrote; raise DatasetError if it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as values:
            fx, fy, cx, cy, width, height = values['camera'].tolist()
            before = values['before']
            frame = TargetFrame(
                _decode(values['rgb']),
                PinholeCamera(fx, fy, cx, cy, int(width), int(height)),
                int(values['stamp_ns']),
                values['points'].astype(np.float32).reshape(-1, 3),
                _decode(before) if before.size else None,
                bool(values['held_out']),
                values['structure'].astype(np.float32).reshape(-1, 3),
            )
    except (OSError, ValueError, KeyError, EOFError, CameraError, zipfile.BadZipFile) as error:
        raise DatasetError(f'{path} is not a collected frame: {error}') from error
    if frame.rgb.shape[:2] != (frame.camera.height, frame.camera.width):
        raise DatasetError(f'{path} is not a collected frame: image and camera differ in size')
    if not all(np.isfinite(known).all() for known in (frame.points, frame.structure)):
        raise DatasetError(f'{path} is not a collected frame: it has points without a place')
    return frame


def read_frames(folder: Path) -> tuple[list[TargetFrame], int]:
    """Read the frames of a folder, oldest first, and count those that are damaged."""
    frames, damaged = [], 0
    for path in sorted(Path(folder).glob(f'[0-9]*{SUFFIX}')):
        try:
            frames.append(read_frame(path))
        except DatasetError:
            damaged += 1
    return frames, damaged


def _encode(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    _, data = cv2.imencode('.png', rgb[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return np.asarray(data, np.uint8).ravel()


def _decode(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError('its image is damaged')
    return np.ascontiguousarray(bgr[..., ::-1]).astype(np.uint8)
