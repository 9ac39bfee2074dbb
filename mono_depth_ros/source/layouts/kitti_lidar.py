# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scans of KITTI's laser scanner as sparse depth of its cameras."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from mono_depth_ros.errors import ImageError
import numpy as np
from numpy.typing import NDArray


def read_calibration(path: Path) -> dict[str, list[float]]:
    """Read the lines ``KEY: number number ...`` of a calibration file; raise ImageError."""
    values = {}
    try:
        for line in path.read_text().splitlines():
            key, _, numbers = line.partition(':')
            try:
                values[key.strip()] = [float(number) for number in numbers.split()]
            except ValueError:
                continue  # calib_time is a date
    except (OSError, UnicodeDecodeError) as error:
        raise ImageError(f'cannot read the calibration {path}: {error}') from error
    return values


@lru_cache(maxsize=32)
def scan_to_image(folder: Path, camera: int) -> NDArray[np.float64]:
    """
    Return the 3x4 matrix from points of the scanner to pixels: P_rect R_rect (R | T).

    Parameters
    ----------
    folder : Path
        Of the date, with ``calib_cam_to_cam.txt`` and ``calib_velo_to_cam.txt``.
    camera : int
        2 is left, 3 is right.

    Raises
    ------
    ImageError
        If the calibration is missing or lacks a matrix.

    """
    cameras = read_calibration(folder / 'calib_cam_to_cam.txt')
    scanner = read_calibration(folder / 'calib_velo_to_cam.txt')
    rectified, camera_from_scan = np.eye(4), np.eye(4)
    try:
        rectified[:3, :3] = np.reshape(cameras['R_rect_00'], (3, 3))
        camera_from_scan[:3, :3] = np.reshape(scanner['R'], (3, 3))
        camera_from_scan[:3, 3] = scanner['T']
        projection = np.reshape(cameras[f'P_rect_0{camera}'], (3, 4))
    except (KeyError, ValueError) as error:
        raise ImageError(f'the calibration in {folder} lacks a matrix: {error}') from error
    return np.asarray(projection @ rectified @ camera_from_scan)


def read_scan(path: Path) -> NDArray[np.float32]:
    """Read x forward, y left, z up [m] and reflectance of each point (N, 4) of a scan."""
    try:
        values = np.frombuffer(path.read_bytes(), '<f4')
    except OSError as error:
        raise ImageError(f'cannot read the scan {path}: {error.strerror}') from error
    except ValueError as error:
        raise ImageError(f'scan {path} is truncated: {error}') from error
    if values.size == 0 or values.size % 4:
        raise ImageError(f'scan {path} is truncated: {values.size} numbers, expected 4 a point')
    return values.reshape(-1, 4)


def project_scan(
    points: NDArray[np.float32], matrix: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.float32]:
    """
    Project a scan into an image.

    Pixels are those of the usual evaluation code, ``round(u) - 1``. Depth is Z along the optical
    axis; some published numbers take the scanner's forward distance, about 0.27 m more.

    Parameters
    ----------
    points : np.ndarray, shape (N, 4), float32
        Points of the scanner; those behind it are left out.
    matrix : np.ndarray, shape (3, 4)
        From the scanner to pixels.
    size : tuple of int
        (H, W) of the image [px].

    Returns
    -------
    np.ndarray, shape (H, W), float32
        Depth [m] of the nearest point in each pixel, NaN without one.

    """
    ahead = points[points[:, 0] >= 0].astype(np.float64)
    ahead[:, 3] = 1.0
    projected = ahead @ matrix.T
    projected = projected[projected[:, 2] > 0]
    z = projected[:, 2]
    u = np.round(projected[:, 0] / z).astype(np.int64) - 1
    v = np.round(projected[:, 1] / z).astype(np.int64) - 1
    inside = (u >= 0) & (u < size[1]) & (v >= 0) & (v < size[0])
    depth = np.full(size, np.inf, np.float32)
    np.minimum.at(depth, (v[inside], u[inside]), z[inside].astype(np.float32))
    depth[np.isinf(depth)] = np.nan
    return depth
