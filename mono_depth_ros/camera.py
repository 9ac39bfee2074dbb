# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pinhole camera: intrinsics of a rectified image, and how they follow its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
import json
import math
from pathlib import Path
from typing import Any

from mono_depth_ros.errors import CameraError
import numpy as np
from numpy.typing import NDArray

# Horizontal field of view of images without intrinsics, unless somebody says another [degrees].
ASSUMED_FOV = 60.0


@dataclass(frozen=True)
class PinholeCamera:
    """
    Intrinsics of a rectified image, in pixels.

    Pixel centres lie at integer coordinates, as in ``sensor_msgs/CameraInfo`` and OpenCV; the
    image covers [-0.5, width - 0.5] x [-0.5, height - 0.5].

    Raises
    ------
    CameraError
        If a focal length or a side is not positive, or a value is not finite.

    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for value in (self.fx, self.fy, self.cx, self.cy)):
            raise CameraError(f'camera intrinsics must be finite, got {self}')
        if self.fx <= 0 or self.fy <= 0:
            raise CameraError(
                f'focal lengths must be positive, got fx {self.fx} and fy {self.fy}: is the '
                'camera calibrated?'
            )
        if self.width < 1 or self.height < 1:
            raise CameraError(f'image size must be positive, got {self.width}x{self.height}')

    @property
    def focal(self) -> float:
        """Geometric mean of both focal lengths [px], which a stretched image preserves best."""
        return math.sqrt(self.fx * self.fy)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Intrinsics as the matrix K (3, 3)."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1.0]])

    def resized(self, width: int, height: int) -> PinholeCamera:
        """Return the camera of the same view resized to width x height pixels by cv2.resize."""
        sx, sy = width / self.width, height / self.height
        return PinholeCamera(
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=(self.cx + 0.5) * sx - 0.5,
            cy=(self.cy + 0.5) * sy - 0.5,
            width=width,
            height=height,
        )

    def strided(self, stride: int) -> PinholeCamera:
        """Return the camera of ``image[::stride, ::stride]``."""
        return PinholeCamera(
            fx=self.fx / stride,
            fy=self.fy / stride,
            cx=self.cx / stride,
            cy=self.cy / stride,
            width=-(-self.width // stride),
            height=-(-self.height // stride),
        )


def camera_from_projection(p: Sequence[float], width: int, height: int) -> PinholeCamera:
    """
    Read the intrinsics of a rectified image from ``CameraInfo.p``.

    Parameters
    ----------
    p : sequence of 12 floats
        Projection matrix of the rectified image, row-major 3x4.
    width, height : int
        Size of the image [px].

    Raises
    ------
    CameraError
        If the matrix is all zero, which drivers publish for an uncalibrated camera, or unusable.

    """
    if len(p) != 12:
        raise CameraError(f'projection matrix must have 12 values, got {len(p)}')
    if not any(p):
        raise CameraError(
            'camera_info has an all-zero projection matrix P: calibrate the camera '
            '(camera_calibration) or set its calibration file in the driver'
        )
    return PinholeCamera(p[0], p[5], p[2], p[6], width, height)


def info_to_camera(info: Any, *, or_raw: bool = False) -> PinholeCamera:
    """
    Return the intrinsics of the rectified image that a camera_info goes with.

    P describes the full sensor; binning and region of interest are applied as image_geometry
    does. Images of some drivers are cut to the region already while width and height still say
    the full sensor, others say the cut size: the region counts only if it is set.

    Parameters
    ----------
    info : CameraInfo
        Of ROS 1 or ROS 2, as rclpy or ``rosbags`` gives it.
    or_raw : bool
        Where P is empty, as recorders of raw images leave it, take K without its distortion.

    Raises
    ------
    CameraError
        If P is all zero (uncalibrated) or unusable.

    """
    p = [float(value) for value in (info.p if hasattr(info, 'p') else info.P)]
    if or_raw and not any(p):
        k = [float(value) for value in (info.k if hasattr(info, 'k') else info.K)]
        p = [*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0]
    roi, bin_x, bin_y = info.roi, max(info.binning_x, 1), max(info.binning_y, 1)
    full = camera_from_projection(p, int(roi.width or info.width), int(roi.height or info.height))
    return PinholeCamera(
        fx=full.fx / bin_x,
        fy=full.fy / bin_y,
        cx=(full.cx - roi.x_offset) / bin_x,
        cy=(full.cy - roi.y_offset) / bin_y,
        width=full.width // bin_x,
        height=full.height // bin_y,
    )


def camera_from_fov(width: int, height: int, fov_degrees: float) -> PinholeCamera:
    """Return a camera with square pixels, a centred axis and this horizontal field of view."""
    if not 0.0 < fov_degrees < 180.0:
        raise CameraError(f'field of view must lie between 0 and 180 degrees, got {fov_degrees}')
    focal = width / (2.0 * math.tan(math.radians(fov_degrees) / 2.0))
    return PinholeCamera(focal, focal, (width - 1) / 2.0, (height - 1) / 2.0, width, height)


def camera_from_json(path: Path) -> tuple[PinholeCamera, float, float]:
    """
    Read ``camera.json`` of an RGB-D folder.

    Returns
    -------
    camera : PinholeCamera
        Intrinsics of the images in the folder.
    depth_scale : float
        Value of a depth pixel that means one metre.
    max_depth : float
        How far depth counts when networks are scored [m]; 0 if it does not say.

    Raises
    ------
    CameraError
        If the file is missing, is not JSON, or lacks a value, or one is unusable.

    """
    try:
        values: dict[str, Any] = json.loads(path.read_text())
        fx, fy, cx, cy = (float(values[key]) for key in ('fx', 'fy', 'cx', 'cy'))
        camera = PinholeCamera(fx, fy, cx, cy, int(values['width']), int(values['height']))
        depth_scale = float(values.get('depth_scale', 1000.0))
    except OSError as error:
        raise CameraError(f'cannot read {path}: {error.strerror}') from error
    except KeyError as error:
        raise CameraError(f'{path} has no {error}, expected width height fx fy cx cy') from error
    except (ArithmeticError, ValueError, TypeError, AttributeError) as error:
        raise CameraError(f'{path} is not a camera.json: {error}') from error
    if not math.isfinite(depth_scale) or depth_scale <= 0:
        raise CameraError(f'{path}: depth_scale must be positive, got {depth_scale}')
    try:
        max_depth = float(values.get('max_depth', 0.0))
    except (ValueError, TypeError):
        max_depth = math.nan
    if not 0 <= max_depth < math.inf:
        given = values['max_depth']
        raise CameraError(f'{path}: max_depth must be metres, or 0 for none, got {given!r}')
    return camera, depth_scale, max_depth


def camera_to_json(path: Path, camera: PinholeCamera, depth_scale: float = 1000.0) -> None:
    """Write ``camera.json`` of an RGB-D folder; ``depth_scale`` is the value of one metre."""
    path.write_text(json.dumps({**asdict(camera), 'depth_scale': depth_scale}, indent=1) + '\n')
