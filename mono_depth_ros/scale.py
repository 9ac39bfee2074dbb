# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
From the metres of a network to those of a sensor: a scale, and a shift of inverse depth.

Fitted by least absolute relative errors, which a third of wrong points does not sway. What is
published follows such fits slowly, see `slow_scale`.
"""

from __future__ import annotations

from dataclasses import dataclass
import math

from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.metric_points import Points, resize_points
import numpy as np
from numpy.typing import NDArray

# Largest factor between what the network says and what is published, near and far.
LIMIT = 4.0
# A point counts no more than this relative error: wrong ones pull no harder.
ERROR_CAP = 0.5
# A point within this factor of the fit supports it.
INLIER_FACTOR = 1.25
# True depths must span this factor (5 to 95 %) before a shift is looked for, and the shift must
# take this share of the error away; otherwise it follows noise.
MIN_SPAN, MIN_GAIN = 2.0, 0.2
# Pairs of points that shifts are tried through, drawn with this seed.
_PAIRS, _SEED = 200, 0


@dataclass(frozen=True)
class Correction:
    """
    ``1 / Z' = 1 / (scale Z) + shift`` within a range of depths, one factor each beyond it.

    Attributes
    ----------
    scale : float
        Factor on the depth of the network.
    shift : float
        Added to its inverse depth after that [1/m].
    near, far : float
        Range of the network's depth over which the shift bends [m].

    """

    scale: float = 1.0
    shift: float = 0.0
    near: float = 0.3
    far: float = 6.0

    def apply(self, depth: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the corrected depth [m]; missing stays missing. ``depth`` is not changed."""
        if self.shift == 0.0:
            return depth if self.scale == 1.0 else depth * np.float32(self.scale)
        bent = np.clip(depth, np.float32(self.near), np.float32(self.far))
        bent *= np.float32(self.scale * self.shift)
        bent += np.float32(1.0)
        corrected: NDArray[np.float32] = np.divide(depth, bent, out=bent)
        corrected *= np.float32(self.scale)
        return corrected

    def log_factors(self) -> NDArray[np.float64]:
        """Return the logarithms of Z' / Z at both ends of the range; between it is monotone."""
        ends = np.array([self.near, self.far])
        return -np.log(1 / self.scale + self.shift * ends)


def correction_from_factors(
    log_factors: NDArray[np.float64], near: float, far: float
) -> Correction:
    """Return the correction with these logarithms of Z' / Z at both ends of the range."""
    first, last = np.exp(-log_factors)
    shift = float((last - first) / (far - near))
    if abs(shift) * far < 1e-9:  # less than float32 tells
        shift = 0.0
    return Correction(float(1 / (first - shift * near)), shift, near, far)


@dataclass(frozen=True)
class Fit:
    """
    A correction and what speaks for it.

    Attributes
    ----------
    correction : Correction
        What fits one image.
    points : int
        Points it was fitted to.
    inliers : int
        Of them, those within ``INLIER_FACTOR`` of it.

    """

    correction: Correction
    points: int
    inliers: int

    @property
    def share(self) -> float:
        """Share of the points that support it."""
        return self.inliers / max(self.points, 1)


def fit_correction(
    predicted: NDArray[np.floating],
    true: NDArray[np.floating],
    near: float = 0.3,
    far: float = 6.0,
) -> Fit | None:
    """
    Fit the depth of a network to points whose depth is known.

    The scale is the weighted median that makes ``mean |s Z - Z*| / Z*`` least. With a shift the
    least absolute error passes through two of the points, so pairs are tried, as RANSAC does.

    Parameters
    ----------
    predicted, true : np.ndarray, shape (N,)
        Depth [m]; what is not finite and positive in both is left out.
    near, far : float
        Range of predicted depth over which a shift may bend [m].

    Returns
    -------
    Fit or None
        None if no point is usable.

    """
    with np.errstate(invalid='ignore'):
        known = (predicted > 0) & (true > 0) & (predicted < np.inf) & (true < np.inf)
    z, wanted = predicted[known].astype(np.float64), true[known].astype(np.float64)
    if not len(z):
        return None
    limit = math.log(LIMIT)
    scale = math.exp(float(np.clip(math.log(least_error_scale(z, wanted)), -limit, limit)))
    best = Correction(scale, 0.0, near, far)
    span = np.percentile(wanted, (5, 95))
    if span[1] > MIN_SPAN * span[0]:
        shifted = _best_pair(z, wanted, near, far, np.random.default_rng(_SEED))
        enough = (1 - MIN_GAIN) * _error(scale * z, wanted)
        if shifted is not None and _error(_apply(shifted, z), wanted) < enough:
            best = shifted
    ratio = np.abs(np.log(_apply(best, z) / wanted))
    return Fit(best, len(z), int((ratio < math.log(INLIER_FACTOR)).sum()))


def sample_depth(
    depth: NDArray[np.float32], camera: PinholeCamera, points: Points
) -> NDArray[np.float32]:
    """
    Read a depth image of any size where points (N, 3: u, v [px], depth) of its camera fall.

    The nearest pixel, so that nothing is averaged across depth edges.
    """
    height, width = depth.shape
    points = resize_points(points, (camera.height, camera.width), depth.shape)
    u, v = np.rint(points[:, :2]).astype(int).T
    return np.asarray(depth[v.clip(0, height - 1), u.clip(0, width - 1)])


def least_error_scale(predicted: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """
    Return the factor s that makes ``mean |s Z - Z*| / Z*`` least.

    It is the median of ``Z* / Z`` weighted by ``Z / Z*``; the weights are limited, so that a
    wrong point very near does not outweigh the rest.
    """
    ratio = true / predicted
    order = np.argsort(ratio)
    middle = np.median(ratio)
    weight = np.cumsum(1 / np.clip(ratio[order], middle / 3, middle * 3))
    return float(ratio[order][np.searchsorted(weight, weight[-1] / 2)])


def _best_pair(
    z: NDArray[np.float64],
    wanted: NDArray[np.float64],
    near: float,
    far: float,
    rng: np.random.Generator,
) -> Correction | None:
    """Return the line of inverse depths through two of the points that fits the others best."""
    x, y = 1 / np.clip(z, near, far), z / np.clip(z, near, far) / wanted
    first, second = rng.integers(len(z), size=(2, _PAIRS))
    across = x[first] - x[second]
    apart = np.abs(across) > 0.05 / far
    first, second, across = first[apart], second[apart], across[apart]
    slope = (y[first] - y[second]) / across  # 1 / scale
    shift = y[first] - slope * x[first]
    ends = slope[:, None] + shift[:, None] * np.array([near, far])  # Z / Z'
    usable = (slope > 0) & (ends > 1 / LIMIT).all(1) & (ends < LIMIT).all(1)
    slope, shift = slope[usable], shift[usable]
    if not len(slope):
        return None
    inverse = slope[:, None] + shift[:, None] * np.clip(z, near, far)
    error = np.minimum(np.abs(z / wanted / inverse - 1), ERROR_CAP).mean(1)
    best = int(np.argmin(error))
    return Correction(1 / float(slope[best]), float(shift[best]), near, far)


def _apply(correction: Correction, z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correct depths in double precision."""
    clipped = np.clip(z, correction.near, correction.far)
    return np.asarray(z / (1 / correction.scale + correction.shift * clipped))


def _error(depth: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    """Return the mean relative error, wrong points capped."""
    return float(np.minimum(np.abs(depth / wanted - 1), ERROR_CAP).mean())
