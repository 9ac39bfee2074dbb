# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From the depth of the network to the depth that is published: size, limits, encodings."""

from __future__ import annotations

import cv2
from mono_depth_ros.errors import ShapeError
import numpy as np
from numpy.typing import NDArray

# Neighbours whose depths differ by more than this factor lie on two surfaces.
EDGE_RATIO = 1.1
_NEIGHBOURS = np.ones((3, 3), np.uint8)

# 16UC1 holds at most 65.535 m.
MAX_MILLIMETRES = 65535


def resize_depth(
    depth: NDArray[np.float32], size: tuple[int, int], method: str = 'edge'
) -> NDArray[np.float32]:
    """
    Resize a depth image.

    ``linear`` averages foreground and background at depth edges: its points fly between the
    objects. ``nearest`` does not, but shows stairs on every slanted surface. ``edge`` is linear
    inside surfaces and nearest where the 3x3 neighbourhood spans more than ``EDGE_RATIO``.
    README, *How it works*, has the comparison.

    Parameters
    ----------
    depth : np.ndarray, shape (h, w), float32
        Depth [m], NaN where missing.
    size : tuple of int
        (H, W) of the result [px].
    method : str
        ``edge``, ``linear`` or ``nearest``.

    Returns
    -------
    np.ndarray, shape (H, W), float32
        ``depth`` itself if it has that size already.

    Raises
    ------
    ShapeError
        If ``depth`` is not a float32 image with at least one pixel.

    """
    if depth.ndim != 2 or depth.dtype != np.float32 or depth.size == 0:
        raise ShapeError(f'depth must be (h, w) float32, got {depth.shape} {depth.dtype}')
    if depth.shape == size:
        return depth
    target = (size[1], size[0])
    if method == 'nearest':
        return _grow(depth, target, cv2.INTER_NEAREST_EXACT)
    smooth = _grow(depth, target, cv2.INTER_LINEAR)
    if method == 'edge':
        edges = np.where(_depth_edges(depth), depth, np.float32(0))
        nearest = _grow(edges, target, cv2.INTER_NEAREST_EXACT)
        # No depth is 0, so what is not 0 is an edge; also a NaN.
        cv2.copyTo(nearest, (nearest != 0).view(np.uint8), smooth)
    return smooth


def _grow(
    depth: NDArray[np.float32], target: tuple[int, int], interpolation: int
) -> NDArray[np.float32]:
    return cv2.resize(depth, target, interpolation=interpolation)  # type: ignore[return-value]


def _depth_edges(depth: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Mark the pixels whose 3x3 neighbourhood spans two surfaces or a missing pixel."""
    if np.isnan(depth.min()):
        depth = np.nan_to_num(depth)  # 0 is an edge to every surface; OpenCV may skip a NaN
    farthest = cv2.dilate(depth, _NEIGHBOURS)
    nearest = cv2.erode(depth, _NEIGHBOURS)
    edges: NDArray[np.bool_] = farthest > nearest * np.float32(EDGE_RATIO)
    return edges


def limit_depth(
    depth: NDArray[np.float32], min_depth: float, max_depth: float, far_value: float = 0.0
) -> NDArray[np.float32]:
    """
    Mark what lies out of range as REP 117 says.

    Parameters
    ----------
    depth : np.ndarray, shape (H, W), float32
        Depth [m], NaN where missing.
    min_depth, max_depth : float
        Range of the sensor [m].
    far_value : float
        Depth of pixels beyond ``max_depth`` [m], at least that, so that a costmap can clear along
        their rays; 0 gives them +inf.

    Returns
    -------
    np.ndarray, shape (H, W), float32
        -inf where too near, +inf or ``far_value`` where too far. ``depth`` itself, unchanged, if
        all of it is in range.

    """
    # cv2 and NaN do not mix; min and max propagate it, so that one pass decides.
    lowest, highest = depth.min(), depth.max()
    if lowest >= min_depth and highest <= max_depth:
        return depth
    limited: NDArray[np.float32] = depth.copy()
    limited[depth < min_depth] = -np.inf
    limited[depth > max_depth] = max(far_value, max_depth) if far_value > 0 else np.inf
    return limited


def depth_to_millimetres(depth: NDArray[np.float32]) -> NDArray[np.uint16]:
    """
    Convert depth to the 16UC1 encoding of REP 118.

    Parameters
    ----------
    depth : np.ndarray, shape (H, W), float32
        Depth [m], NaN where missing, infinite where out of range.

    Returns
    -------
    np.ndarray, shape (H, W), uint16
        Depth [mm]; 0 where there is none, or beyond 65.535 m.

    """
    millimetres = np.rint(np.nan_to_num(depth, nan=0.0, posinf=0.0, neginf=0.0) * 1000.0)
    millimetres[(millimetres < 0) | (millimetres > MAX_MILLIMETRES)] = 0
    rounded: NDArray[np.uint16] = millimetres.astype(np.uint16)
    return rounded


def disparity_to_uint16(disparity: NDArray[np.float32]) -> NDArray[np.uint16]:
    """
    Stretch inverse depth that has neither scale nor shift over 16 bits.

    Parameters
    ----------
    disparity : np.ndarray, shape (H, W), float32
        More is nearer, not finite where missing.

    Returns
    -------
    np.ndarray, shape (H, W), uint16
        1 for the farthest to 65535 for the nearest; 0 where missing.

    """
    known = np.isfinite(disparity)
    values = np.zeros(disparity.shape, np.uint16)
    if known.any():
        relative = disparity[known].astype(np.float64)
        relative -= relative.min()
        values[known] = np.rint(1 + relative / max(relative.max(), np.finfo(float).tiny) * 65534)
    return values
