# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Dense depth of a run of images whose poses are known: plane sweep (Collins 1996).

Planes parallel to an image, evenly spaced in inverse depth, bring the images beside it to where
they would be seen if everything lay in that plane. Where they agree, there is the plane. Of
several images the best two count, since what one cannot see another does (Kang, Szeliski and Chai
2001). Kept is what other images see at the same place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import cv2
from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.poses import inverse, Transform
from mono_depth_ros.projection import depth_to_points, points_to_pixels
import numpy as np
from numpy.typing import NDArray

DepthMap = NDArray[np.float32]
LEVELS = 48  # grey levels of one standard deviation
WORSE = 1.3  # what the worse of both best images may differ by, in units of what both may
BESIDE = 2  # planes next to the best one that are not another answer


@dataclass(frozen=True)
class SweepLimits:
    """
    What is compared, and which pixels are believed.

    Attributes
    ----------
    planes : int
        How many depths are tried.
    window : int
        Side of the squares that are compared [px].
    images : int
        Images that each is compared with at most; two at least.
    baseline : float
        Wanted distance to them, in units of the median depth; images at a third to twice of it
        are beside each other.
    min_contrast : float
        Least standard deviation of grey levels around a pixel.
    max_difference : float
        Largest mean difference of two squares, in standard deviations of their grey levels.
    max_ratio : float
        Largest ratio of that difference to the least at another depth.
    agreement : float
        Relative difference of depth up to which two images agree.
    witnesses : int
        Images beside it that must agree.

    """

    planes: int = 64
    window: int = 9
    images: int = 4
    baseline: float = 0.12
    min_contrast: float = 2.0
    max_difference: float = 0.6
    max_ratio: float = 0.9
    agreement: float = 0.05
    witnesses: int = 2


def plane_sweep(
    images: Mapping[int, NDArray[np.uint8]],
    world_from_camera: Mapping[int, Transform],
    camera: PinholeCamera,
    depth: tuple[float, float, float],
    limits: SweepLimits | None = None,
) -> dict[int, DepthMap]:
    """
    Find the depth of every pixel that images taken nearby agree on.

    Parameters
    ----------
    images : mapping of int to np.ndarray, shape (H, W, 3), uint8
        Images by number.
    world_from_camera : mapping of int to np.ndarray, shape (4, 4)
        Poses of their optical frames, in any unit of length.
    camera : PinholeCamera
        Intrinsics of all of them.
    depth : tuple of float
        Least, median and largest depth to look for, in that unit.
    limits : SweepLimits, optional
        What counts.

    Returns
    -------
    dict of int to np.ndarray, shape (H, W), float32
        Depth along the optical axis in that unit, NaN where it is not known, of the images that
        have others beside them.

    """
    limits = limits or SweepLimits()
    near, median, far = depth
    tried = np.linspace(1 / far, 1 / near, limits.planes)
    beside = _neighbours(world_from_camera, limits.baseline * median)
    normal = {number: _normalise(image) for number, image in images.items()}
    maps = {}
    for number, others in beside.items():
        own, contrast = normal[number]
        compared = [(normal[n][0], pose) for n, pose in islice(others.items(), limits.images)]
        cost, second = _costs(own, compared, camera.matrix, tried, limits)
        found = _best_plane(cost, second, tried, limits)
        found[contrast < limits.min_contrast] = np.nan
        maps[number] = found
    return {
        number: _agreed(number, maps, others, camera, limits) for number, others in beside.items()
    }


def _neighbours(
    world_from_camera: Mapping[int, Transform], wanted: float
) -> dict[int, dict[int, Transform]]:
    """Return for each image those beside it, the best first, and their ``other_from_own``."""
    beside = {}
    for number, pose in world_from_camera.items():
        away = {
            other: float(np.linalg.norm(its[:3, 3] - pose[:3, 3]))
            for other, its in world_from_camera.items()
            if other != number
        }
        near = [other for other, by in away.items() if wanted / 3 < by < 2 * wanted]
        if len(near) >= 2:
            near.sort(key=lambda other: abs(away[other] - wanted))
            beside[number] = {other: inverse(world_from_camera[other]) @ pose for other in near}
    return beside


def _normalise(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return grey levels in local standard deviations around 128, and the deviations."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    away = grey - cv2.GaussianBlur(grey, (0, 0), 3)
    deviation = np.sqrt(cv2.GaussianBlur(away * away, (0, 0), 3))
    return np.clip(128 + LEVELS * away / (deviation + 3), 1, 255).astype(np.uint8), deviation


def _costs(
    own: NDArray[np.uint8],
    others: list[tuple[NDArray[np.uint8], Transform]],
    matrix: NDArray[np.float64],
    tried: NDArray[np.float64],
    limits: SweepLimits,
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Return the least and the second least difference (P, H, W) at every inverse depth."""
    height, width = own.shape
    least = np.full((len(tried), height, width), np.iinfo(np.uint16).max, np.uint16)
    second = least.copy()
    back = np.linalg.inv(matrix)
    side = (limits.window, limits.window)
    for image, pose in others:
        turn = matrix @ pose[:3, :3] @ back
        shift = matrix @ np.outer(pose[:3, 3], back[2])
        for plane, its_inverse in enumerate(tried):
            # What is outside of the other image is 0, which no grey level is near to.
            seen = cv2.warpPerspective(
                image,
                turn + its_inverse * shift,
                (width, height),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            )
            cost = cv2.boxFilter(cv2.absdiff(own, seen), cv2.CV_16U, side, normalize=False)
            np.minimum(second[plane], np.maximum(least[plane], cost), out=second[plane])
            np.minimum(least[plane], cost, out=least[plane])
    return least, second


def _best_plane(
    least: NDArray[np.uint16],
    second: NDArray[np.uint16],
    tried: NDArray[np.float64],
    limits: SweepLimits,
) -> DepthMap:
    """Return the depth where both best images differ least, NaN where that is not clear."""
    cost = least // 2 + second // 2
    best = cost.argmin(0)

    def at(volume: NDArray[np.uint16], plane: NDArray[np.intp]) -> NDArray[np.float32]:
        inside = plane.clip(0, len(tried) - 1)[None]
        return np.asarray(np.take_along_axis(volume, inside, 0)[0], np.float32)

    here, before, after = at(cost, best), at(cost, best - 1), at(cost, best + 1)
    bend = before - 2 * here + after
    part = np.clip((before - after) / np.maximum(2 * bend, 1e-3), -0.5, 0.5)
    depth = 1 / (tried[0] + (best + part) * (tried[1] - tried[0]))
    allowed = limits.max_difference * LEVELS * limits.window**2
    clear = (best > 0) & (best < len(tried) - 1)
    clear &= (here < allowed) & (at(second, best) < WORSE * allowed)
    for step in range(-BESIDE, BESIDE + 1):
        plane = (best + step).clip(0, len(tried) - 1)[None]
        np.put_along_axis(cost, plane, np.iinfo(np.uint16).max, 0)
    clear &= here < limits.max_ratio * cost.min(0)
    return np.where(clear, depth, np.nan).astype(np.float32)


def _agreed(
    number: int,
    maps: Mapping[int, DepthMap],
    others: Mapping[int, Transform],
    camera: PinholeCamera,
    limits: SweepLimits,
) -> DepthMap:
    """Return a map without what too few others agree with."""
    depth = maps[number]
    known = np.isfinite(depth)
    points = depth_to_points(depth, camera)[known]
    agree = np.zeros(len(points), np.int64)
    for other in others.keys() & maps.keys():
        local = points @ others[other][:3, :3].T + others[other][:3, 3]
        column, row = np.rint(points_to_pixels(local, camera)).T  # NaN behind the camera
        inside = (column >= 0) & (column < depth.shape[1]) & (row >= 0) & (row < depth.shape[0])
        seen = maps[other][row[inside].astype(int), column[inside].astype(int)]
        agree[inside] += np.abs(seen / local[inside, 2] - 1) < limits.agreement  # False for NaN
    kept: DepthMap = depth.copy()
    kept[known] = np.where(agree >= limits.witnesses, depth[known], np.nan)
    return kept
