# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What candidates are judged on, and how far depth maps are from what is known of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import math

import cv2
from mono_depth_ros.adaptation.target_frame import TargetFrame
from mono_depth_ros.source.pool import Sample
import numpy as np
from numpy.typing import NDArray

Depth = NDArray[np.float32]
# Depth (h, w) of an image (h, w, 3) uint8, in metres at the reference focal length.
Predict = Callable[[NDArray[np.uint8]], Depth]
# Points of structure that an image must have to say anything.
MIN_STRUCTURE = 10
# Metric points that say something, and the share of the images that must have some: what a few
# images tell does not speak for all.
MIN_POINTS, MEASURED_SHARE = 50, 0.25


@dataclass(frozen=True)
class Evidence:
    """
    What candidates are judged on; nothing was trained or chosen by it.

    Attributes
    ----------
    frames : sequence of TargetFrame
        Held-out target images, some with points, structure and the image before.
    samples : sequence of Sample
        Held-out source images.
    focal : float
        Reference focal length of both networks [px].
    min_depth, max_depth : float
        Range of the network [m].
    scale : float
        Factor on the network in use that fits the points of the *training* images best: the
        control that a candidate with an anchor must beat. 0 is unknown.
    static : np.ndarray, shape (h, w), optional
        Depth fitted to those points without looking at any image, the other control [m].
    on_floor : bool
        The points lie on the floor alone, as the network in use sees it. One factor fits a plane,
        and says nothing of what stands on it, so the controls are told and do not decide, and
        another shape is not allowed.

    """

    frames: Sequence[TargetFrame]
    samples: Sequence[Sample]
    focal: float
    min_depth: float
    max_depth: float
    scale: float = 0.0
    static: Depth | None = None
    on_floor: bool = False


def measured(frames: Sequence[TargetFrame], min_points: int = MIN_POINTS) -> bool:
    """Say whether frames have metric points enough, and enough of the frames have any."""
    counts = [len(frame.points) for frame in frames]
    share = sum(count > 0 for count in counts) / max(1, len(counts))
    return sum(counts) >= min_points and share >= MEASURED_SHARE


def point_errors(
    depths: Sequence[Depth], frames: Sequence[TargetFrame], focal: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Read depth maps at the points of their frames.

    Returns
    -------
    predicted, true : np.ndarray, shape (N,)
        Metres of the camera of each frame.

    """
    predicted, true = [np.zeros(0)], [np.zeros(0)]
    for depth, frame in zip(depths, frames, strict=True):
        if len(frame.points):
            predicted.append(_read(depth, frame.points) * (frame.camera.focal / focal))
            true.append(frame.points[:, 2].astype(np.float64))
    return np.concatenate(predicted), np.concatenate(true)


def structure_error(depths: Sequence[Depth], frames: Sequence[TargetFrame]) -> float:
    """
    Say how far the shape of depth maps is from what the motion of the camera told.

    Returns
    -------
    float
        Mean over images of the mean absolute difference of ln(depth), after its median is out; NaN
        if no image has structure.

    """
    errors = []
    for depth, frame in zip(depths, frames, strict=True):
        if len(frame.structure) >= MIN_STRUCTURE:
            read = _read(depth, frame.structure)
            residual = np.log(np.maximum(read, 1e-6)) - np.log(frame.structure[:, 2])
            errors.append(float(np.mean(np.abs(residual - np.median(residual)))))
    return float(np.mean(errors)) if errors else math.nan


def _read(depth: Depth, points: NDArray[np.float32]) -> NDArray[np.float64]:
    """Read a map at points (N, >= 2) of u, v [px], linearly."""
    u, v = (np.ascontiguousarray(points[:, axis, None], np.float32) for axis in (0, 1))
    read = cv2.remap(depth, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return read.ravel().astype(np.float64)


def temporal_error(frame: TargetFrame, depth: Depth, depth_before: Depth) -> float:
    """
    Median absolute log ratio of depth and the depth of the image before, along optical flow.

    What a camera that moves ahead by t changes, ln(1 - t / Z), about -t / Z, is taken out, with
    one t for the image. NaN where depth is, or where the flow says nothing: less than a tenth of
    the pixels agree forwards and backwards.
    """
    assert frame.before is not None
    now, before = (cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) for rgb in (frame.rgb, frame.before))
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    there = flow.calc(now, before, None)  # type: ignore[call-overload]
    back = flow.calc(before, now, None)  # type: ignore[call-overload]
    rows, columns = depth.shape
    v, u = np.mgrid[:rows, :columns].astype(np.float32)
    maps = (u + there[..., 0], v + there[..., 1])
    returned = cv2.remap(back, *maps, cv2.INTER_LINEAR)
    seen = np.linalg.norm(there + returned, axis=2) < 1.0
    seen &= (maps[0] >= 0) & (maps[0] <= columns - 1) & (maps[1] >= 0) & (maps[1] <= rows - 1)
    if seen.mean() < 0.1:
        return math.nan
    warped = np.maximum(cv2.remap(depth_before, *maps, cv2.INTER_LINEAR)[seen], 1e-6)
    change = np.log(np.maximum(depth[seen], 1e-6) / warped)
    if not np.isfinite(change).all():
        return math.nan
    return float(np.median(np.abs(_without_line(1 / warped, change))))


def _without_line(x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.floating]:
    """Take a straight line out of y; what is far from it does not bend it."""
    residual = y - np.median(y)
    for _ in range(3):
        kept = np.abs(residual) <= 2 * np.median(np.abs(residual))
        a, b = x[kept] - x[kept].mean(), y[kept] - y[kept].mean()
        slope = np.dot(a, b) / max(float(np.dot(a, a)), 1e-12)
        residual = y - slope * x
        residual -= np.median(residual)
    return np.asarray(residual)
