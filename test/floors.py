# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth of a floor below a tilted camera, for the tests that need one."""

from mono_depth_ros.camera import PinholeCamera
import numpy as np

CAMERA = PinholeCamera(120.0, 120.0, 63.5, 47.5, 128, 96)


def floor_depth(height, pitch_degrees, roll_degrees=0.0, wall=5.0):
    """Return the depth of a floor below a tilted camera, with a wall behind it."""
    pitch, roll = np.radians([pitch_degrees, roll_degrees])
    normal = -np.array([np.sin(roll) * np.cos(pitch), np.cos(roll) * np.cos(pitch), np.sin(pitch)])
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width]
    rays = np.stack([(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, np.ones_like(u)])
    slope = np.tensordot(normal, rays, 1)
    with np.errstate(divide='ignore'):
        depth = np.where(slope < -1e-6, -height / slope, np.inf)
    return np.minimum(depth, wall).astype(np.float32), normal
