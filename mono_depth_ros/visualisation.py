# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth for people: colours, pictures side by side, and PLY clouds."""

from __future__ import annotations

from collections.abc import Sequence
import os
from pathlib import Path
from typing import Any

import cv2
from mono_depth_ros.errors import ShapeError
import numpy as np
from numpy.typing import NDArray

# Share of the pixels that may lie beyond each end of an automatic colour scale.
OUTLIERS = 2.0
# Turbo begins nearly black, which is kept for missing depth.
FIRST_COLOUR = 20.0
GAP = 4
LABEL_HEIGHT = 24


def depth_range(depth: NDArray[np.float32]) -> tuple[float, float]:
    """
    Return the depths [m] between which nearly all of an image lies, for a colour scale.

    Returns
    -------
    tuple of float
        Nearest and farthest depth without the outermost ``OUTLIERS`` percent; (0.1, 10) if the
        image has no depth at all.

    """
    sampled = depth[::2, ::2]
    valid = sampled[np.isfinite(sampled) & (sampled > 0)]
    if valid.size == 0:
        return 0.1, 10.0
    low, high = np.percentile(valid, (OUTLIERS, 100.0 - OUTLIERS))
    return float(low), float(max(high, low * 1.01))


def colour_depth(
    depth: NDArray[np.float32],
    *,
    min_depth: float | None = None,
    max_depth: float | None = None,
) -> NDArray[np.uint8]:
    """
    Colour a depth image: red is near, blue is far, black is missing.

    Colours follow inverse depth, which gives near things, where depth matters and is known best,
    most of the scale.

    Parameters
    ----------
    depth : np.ndarray, shape (H, W), float32
        Depth [m]; NaN and infinite pixels become black.
    min_depth, max_depth : float, optional
        Ends of the scale [m]; by default those of ``depth_range``.

    Returns
    -------
    np.ndarray, shape (H, W, 3), uint8
        Red first.

    """
    if min_depth is None or max_depth is None:
        low, high = depth_range(depth)
        max_depth = max_depth or high
        min_depth = min(min_depth or low, 0.99 * max_depth)
    near, far = 1.0 / max(min_depth, 1e-3), 1.0 / max_depth
    scale = (255.0 - FIRST_COLOUR) / (near - far)
    with np.errstate(divide='ignore', invalid='ignore'):
        level = (1.0 / depth - np.float32(far)) * np.float32(scale) + np.float32(FIRST_COLOUR)
    missing = ~(np.isfinite(depth) & (depth > 0))
    level[missing] = 0.0
    bgr = cv2.applyColorMap(np.clip(level, FIRST_COLOUR, 255).astype(np.uint8), cv2.COLORMAP_TURBO)
    colours: NDArray[np.uint8] = np.ascontiguousarray(bgr[..., ::-1], np.uint8)
    colours[missing] = 0
    return colours


def side_by_side(
    panels: Sequence[NDArray[np.uint8]], labels: Sequence[str] = (), *, min_height: int = 1
) -> NDArray[np.uint8]:
    """
    Put pictures of any size next to each other, as high as the first, with a label over each.

    Parameters
    ----------
    panels : sequence of np.ndarray, shape (h, w, 3), uint8
        The pictures, red first.
    labels : sequence of str
        As many as there are panels, or none.
    min_height : int
        Smaller pictures are enlarged by a whole factor until they are this high [px].

    Returns
    -------
    np.ndarray, shape (H, W, 3), uint8
        The picture of all, red first.

    """
    height = panels[0].shape[0] * -(-min_height // panels[0].shape[0])
    columns: list[NDArray[Any]] = []
    for index, panel in enumerate(panels):
        width = max(1, round(panel.shape[1] * height / panel.shape[0]))
        column = cv2.resize(panel, (width, height), interpolation=cv2.INTER_NEAREST)
        if labels:
            title = np.full((LABEL_HEIGHT, width, 3), 255, np.uint8)
            origin = (4, LABEL_HEIGHT - 7)
            cv2.putText(
                title, labels[index], origin, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, 16
            )
            column = np.vstack([title, column])
        if index:
            columns.append(np.full((column.shape[0], GAP, 3), 255, np.uint8))
        columns.append(column)
    return np.hstack(columns)


def write_image(path: Path, pixels: NDArray[Any]) -> None:
    """
    Write an RGB, grey or 16-bit image; the ending of ``path`` chooses the format.

    Raises
    ------
    OSError
        If the folder is missing or cannot be written.

    """
    colour = pixels.ndim == 3
    ok, data = cv2.imencode(
        path.suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if colour else pixels
    )
    if not ok:
        raise OSError(f'OpenCV cannot write {path.suffix} images')
    path.write_bytes(data.tobytes())


def write_ply(path: Path, points: NDArray[np.float32], colours: NDArray[np.uint8]) -> int:
    """
    Write a coloured cloud as binary PLY, which MeshLab, CloudCompare and Open3D open.

    Parameters
    ----------
    path : Path
        The file to write.
    points : np.ndarray, shape (..., 3), float32
        x, y, z [m]; points that are not finite are left out.
    colours : np.ndarray, shape (..., 3), uint8
        Their colours, red first.

    Returns
    -------
    int
        How many points were written.

    Raises
    ------
    ShapeError
        If points and colours do not belong together.

    """
    if points.shape != colours.shape or points.shape[-1] != 3:
        raise ShapeError(f'points and colours must agree, got {points.shape}, {colours.shape}')
    finite = np.isfinite(points).all(axis=-1)
    xyz, rgb = points[finite], colours[finite]
    vertices = np.empty(len(xyz), [('xyz', '<f4', 3), ('rgb', 'u1', 3)])
    vertices['xyz'], vertices['rgb'] = xyz, rgb
    header = [
        'ply',
        'format binary_little_endian 1.0',
        'comment optical frame: x right, y down, z forward, in metres',
        f'element vertex {len(vertices)}',
        *(f'property float {axis}' for axis in 'xyz'),
        *(f'property uchar {colour}' for colour in ('red', 'green', 'blue')),
        'end_header',
    ]
    temporary = path.with_name(f'.{path.name}.part')
    temporary.write_bytes('\n'.join([*header, '']).encode() + vertices.tobytes())
    os.replace(temporary, path)
    return len(vertices)
