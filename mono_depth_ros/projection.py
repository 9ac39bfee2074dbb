# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Back-projection: from a depth image to points in the optical frame."""

from __future__ import annotations

from typing import Any

import cv2
from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.errors import ShapeError
from mono_depth_ros.preprocessing import resize_rgb
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
        size = (camera.height, camera.width)
        columns = np.arange(camera.width, dtype=np.float64)
        rows = np.arange(camera.height, dtype=np.float64)[:, None]
        self._x_per_z = ((columns - camera.cx) / camera.fx).astype(np.float32)
        self._y_per_z = ((rows - camera.cy) / camera.fy).astype(np.float32)
        self._x, self._y = np.empty(size, np.float32), np.empty(size, np.float32)

    def write(
        self,
        depth: NDArray[np.float32],
        points: NDArray[np.float32],
        colours: NDArray[np.float32] | None = None,
    ) -> bool:
        """
        Write the points of a depth image into an array of one's own.

        Parameters
        ----------
        depth : np.ndarray, shape (H, W), float32
            Depth along the optical axis [m]. NaN or infinite where there is none (REP 117).
        points : np.ndarray, shape (H, W, 3) or (H, W, 4), float32, contiguous
            Receives x, y, z [m], NaN in all three where depth is not finite, and the colour.
        colours : np.ndarray, shape (H, W), float32, optional
            As ``pack_colours`` makes them; required where ``points`` has four channels.

        Returns
        -------
        bool
            Every pixel has a point (``is_dense``).

        Raises
        ------
        ShapeError
            If an array has another size than the camera.

        """
        size = (self.camera.height, self.camera.width)
        if depth.shape != size or points.shape[:2] != size:
            raise ShapeError(f'depth and points must be {size}, got {depth.shape}, {points.shape}')
        z = np.ascontiguousarray(depth)
        # NaN and infinities reach the sum, so that most frames need no mask.
        is_dense = bool(np.isfinite(z.sum(dtype=np.float64)))
        if not is_dense:
            z = np.where(np.isfinite(z), z, np.float32(np.nan))
        np.multiply(z, self._x_per_z, out=self._x)
        np.multiply(z, self._y_per_z, out=self._y)
        channels = (self._x, self._y, z) if colours is None else (self._x, self._y, z, colours)
        # Four times as fast as assigning to every fourth float; it copies bits, also of a NaN.
        merged = cv2.merge(channels, dst=points)
        if merged is not points:
            np.copyto(points, merged)
        return is_dense


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


def pack_colours(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """
    Pack the colours of an image into one float each, as RViz and PCL read the field ``rgb``.

    Parameters
    ----------
    rgb : np.ndarray, shape (H, W, 3), uint8
        Red first.

    Returns
    -------
    np.ndarray, shape (H, W), float32
        The bytes blue, green, red, 255, which depth_image_proc writes too. They are no numbers.

    """
    bgra: NDArray[np.uint8] = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA)  # type: ignore[assignment]
    return bgra.view(np.float32)[..., 0]


class CloudWriter:
    """
    Writes every n-th pixel of an image and its depth as coloured points.

    Parameters
    ----------
    stride : int
        Every n-th pixel and row makes a point.

    """

    def __init__(self, stride: int) -> None:
        self.stride = stride
        self._grid: PointGrid | None = None

    def size(self, depth: NDArray[np.float32]) -> tuple[int, int]:
        """Return the (rows, columns) of the points of this depth image."""
        return -(-depth.shape[0] // self.stride), -(-depth.shape[1] // self.stride)

    def write(
        self,
        depth: NDArray[np.float32],
        rgb: NDArray[np.uint8],
        camera: PinholeCamera,
        points: NDArray[np.float32],
    ) -> bool:
        """
        Write the points of one image; say whether every pixel has one.

        Parameters
        ----------
        depth : np.ndarray, shape (H, W), float32
            Depth [m], as ``PointGrid.write`` takes it.
        rgb : np.ndarray, uint8
            The image, of any size.
        camera : PinholeCamera
            Intrinsics that ``depth`` is aligned with.
        points : np.ndarray, shape (*size(depth), 4), float32, contiguous
            Receives x, y, z [m] and the packed colour.

        """
        camera = camera.strided(self.stride)
        if self._grid is None or self._grid.camera != camera:
            self._grid = PointGrid(camera)
        colours = pack_colours(every_nth(resize_rgb(rgb, depth.shape), self.stride))
        return self._grid.write(every_nth(depth, self.stride), points, colours)


def every_nth(image: NDArray[Any], stride: int) -> NDArray[Any]:
    """Return ``image[::stride, ::stride]`` as an array of its own."""
    height, width = image.shape[:2]
    if stride == 1 or height % stride or width % stride:
        return np.ascontiguousarray(image[::stride, ::stride])
    # The same pixels, five times as fast where they have three bytes.
    size = (width // stride, height // stride)
    return cv2.resize(image, size, interpolation=cv2.INTER_NEAREST)
