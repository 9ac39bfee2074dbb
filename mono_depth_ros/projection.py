# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Back-projection: from a depth image to points in the optical frame."""

from __future__ import annotations

from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.errors import ShapeError
import numpy as np
from numpy.typing import NDArray

# x, y, z float32 and rgb packed into a float32, as RViz and PCL read it.
POINT_STEP = 16


class PointGrid:
    """
    Rays of every pixel of one camera, ready to be scaled by depth.

    Uses ``X = (u - cx) Z / fx`` and ``Y = (v - cy) Z / fy``, as depth_image_proc's
    ``convertDepth`` does. Points are in the optical frame of REP 103: x right, y down, z forward.

    Parameters
    ----------
    camera : PinholeCamera
        Intrinsics of the images that will be projected.

    """

    def __init__(self, camera: PinholeCamera) -> None:
        self.camera = camera
        columns = np.arange(camera.width, dtype=np.float64)
        rows = np.arange(camera.height, dtype=np.float64)[:, None]
        self._x = ((columns - camera.cx) / camera.fx).astype(np.float32)
        self._y = ((rows - camera.cy) / camera.fy).astype(np.float32)

    def write(self, depth: NDArray[np.float32], points: NDArray[np.float32]) -> None:
        """
        Write the points of a depth image into an array of one's own.

        Parameters
        ----------
        depth : np.ndarray, shape (H, W), float32
            Depth along the optical axis [m]. NaN or infinite where there is none (REP 117).
        points : np.ndarray, shape (H, W, C >= 3), float32
            Receives x, y, z [m]; NaN in all three where depth is not finite.

        """
        size = (self.camera.height, self.camera.width)
        if depth.shape != size or points.shape[:2] != size:
            raise ShapeError(f'depth and points must be {size}, got {depth.shape}, {points.shape}')
        z = points[..., 2]
        np.copyto(z, depth)
        if not np.isfinite(depth.sum(dtype=np.float64)):
            z[~np.isfinite(depth)] = np.nan
        np.multiply(z, self._x, out=points[..., 0])
        np.multiply(z, self._y, out=points[..., 1])


def depth_to_points(depth: NDArray[np.float32], camera: PinholeCamera) -> NDArray[np.float32]:
    """
    Back-project a depth image into an organized point cloud.

    Parameters
    ----------
    depth : np.ndarray, shape (H, W), float32
        Depth along the optical axis [m]. NaN marks a missing pixel (REP 117).
    camera : PinholeCamera
        Intrinsics of the image that ``depth`` is aligned with.

    Returns
    -------
    np.ndarray, shape (H, W, 3), float32
        x, y, z in metres, all NaN where ``depth`` is not finite.

    Raises
    ------
    ShapeError
        If ``depth`` is not (camera.height, camera.width).

    """
    points = np.empty((*depth.shape, 3), np.float32)
    PointGrid(camera).write(depth, points)
    return points


def points_to_pixels(points: NDArray[np.floating], camera: PinholeCamera) -> NDArray[np.floating]:
    """
    Project points of the optical frame into the image.

    Parameters
    ----------
    points : np.ndarray, shape (..., 3)
        x, y, z [m], z forward.

    Returns
    -------
    np.ndarray, shape (..., 2)
        u, v [px]; NaN for points that are not in front of the camera.

    """
    z = np.where(points[..., 2] > 0, points[..., 2], np.nan)
    u = camera.fx * points[..., 0] / z + camera.cx
    v = camera.fy * points[..., 1] / z + camera.cy
    return np.stack([u, v], axis=-1)


def write_colours(rgb: NDArray[np.uint8], points: NDArray[np.float32]) -> None:
    """
    Write the colours of an image into the fourth float of its points.

    Parameters
    ----------
    rgb : np.ndarray, shape (H, W, 3), uint8
        Colour of each point, red first.
    points : np.ndarray, shape (H, W, 4), float32, contiguous
        Its last channel receives 0x00RRGGBB, little-endian, as RViz and PCL read ``rgb``.

    """
    packed = points.view(np.uint32)[..., 3]
    np.left_shift(rgb[..., 0], 16, out=packed, dtype=np.uint32)
    packed |= np.left_shift(rgb[..., 1], 8, dtype=np.uint32)
    packed |= rgb[..., 2]
