# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Corrects the metres of the network by what the robot knows, a few times a second."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
import time

from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.config import ScaleConfig
from mono_depth_ros.floor_scale import FloorScale
from mono_depth_ros.nodes.references import References
from mono_depth_ros.pipeline import DepthEstimator
from mono_depth_ros.scale import Fit, fit_correction, sample_depth
from mono_depth_ros.slow_scale import SlowScale
from mono_depth_ros.stamps import header_stamp
import numpy as np
from numpy.typing import NDArray
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Header

# Seconds between two fits; each takes some milliseconds.
PERIOD_S = 0.5
# A sensor may deliver a little later than the camera: images kept until it does.
KEPT = 8
# Part of the depths a network can tell over which a shift may bend them.
RANGE = (0.03, 0.6)
# After a longer pause between two images there is nothing to go on from.
CONTINUOUS_S = 1.0


@dataclass(frozen=True)
class _Look:
    """What the network said of one image."""

    stamp_ns: int
    depth: NDArray[np.float32]
    camera: PinholeCamera
    frame_id: str


class ScaleSource:
    """
    Follows the scale, and the shift, that a reference gives, and applies them.

    All of it happens in the callbacks of images, after an image was answered, so a fit delays
    none but the next.

    Parameters
    ----------
    node : LifecycleNode
        The node that owns the subscriptions.
    config : ScaleConfig
        Which reference; not ``none``.

    Attributes
    ----------
    problem : str
        Why the reference cannot be used, empty if it can.

    """

    def __init__(self, node: LifecycleNode, config: ScaleConfig) -> None:
        self._config = config
        self._references: References | None = None
        if config.scale_source == 'reference':
            self._references = References(
                node, config.reference_tolerance_s, config.static_transforms
            )
            self._references.subscribe(poses=False)
        self._floor = FloorScale(config.camera_height)
        self._slow: SlowScale | None = None
        self._network: tuple[object, object] | None = None
        self._looks: deque[_Look] = deque(maxlen=KEPT)
        self._published: NDArray[np.float32] | None = None
        self._stamp_s = self._tried_s = -np.inf
        self._believed_s: float | None = None
        self._fit: Fit | None = None
        self._fit_ms = 0.0

    @property
    def problem(self) -> str:
        """Why the reference cannot be used, empty if it can."""
        return self._references.problem if self._references is not None else ''

    def apply(
        self,
        depth: NDArray[np.float32],
        camera: PinholeCamera,
        header: Header,
        estimator: DepthEstimator,
    ) -> NDArray[np.float32]:
        """
        Return the corrected depth of one image.

        Parameters
        ----------
        depth : np.ndarray, shape (h, w), float32
            What the network says [m].
        camera : PinholeCamera
            Intrinsics of the image.
        header : Header
            Of the image.
        estimator : DepthEstimator
            What said it: a new version of the network has other metres.

        """
        stamp_ns = header_stamp(header)
        stamp_s = stamp_ns * 1e-9
        slow = self._follow_network(estimator, depth, stamp_s)
        corrected = slow.advance(stamp_s).apply(depth)
        self._published, self._stamp_s = corrected, stamp_s
        if abs(stamp_s - self._tried_s) >= PERIOD_S:
            self._looks.append(_Look(stamp_ns, depth, camera, header.frame_id))
        return corrected

    def observe(self) -> None:
        """Compare what the network said with the reference, if it is time and there is one."""
        if not self._looks or self._slow is None:
            return
        started = time.perf_counter()
        if self._references is None:
            look = self._looks[-1]
            camera = look.camera.resized(look.depth.shape[1], look.depth.shape[0])
            fit = self._floor.fit(look.depth, camera, self._slow.near, self._slow.far)
        else:
            distances = [(self._references.distance_ns(k.stamp_ns), k) for k in self._looks]
            near = [(distance, k) for distance, k in distances if distance is not None]
            if not near:
                return
            look = min(near, key=lambda entry: entry[0])[1]
            points = self._references.points(look.stamp_ns, look.camera, look.frame_id)
            if points is None:
                fit = None
            else:
                said = sample_depth(look.depth, look.camera, points)
                fit = fit_correction(said, points[:, 2], self._slow.near, self._slow.far)
        self._looks.clear()
        self._tried_s = look.stamp_ns * 1e-9
        self._fit = fit
        if self._slow.observe(fit):
            self._believed_s = self._tried_s
        self._fit_ms = (time.perf_counter() - started) * 1e3

    def _follow_network(
        self, estimator: DepthEstimator, depth: NDArray[np.float32], stamp_s: float
    ) -> SlowScale:
        """Return the slow scale of this network; go on from what was published before it."""
        network = (estimator.model.origin, estimator.model.version)
        if self._slow is not None and network == self._network:
            return self._slow
        near, far = (share * estimator.engine.manifest.max_depth for share in RANGE)
        if self._slow is None:
            self._slow = SlowScale(near, far, self._config.scale_rate)
        else:
            ratio = 1.0
            if self._published is not None and abs(stamp_s - self._stamp_s) <= CONTINUOUS_S:
                ratio = _median(self._published) / _median(depth)
            self._slow.change_network(near, far, ratio)
            self._looks.clear()
        self._network = network
        return self._slow

    def describe(self) -> dict[str, str]:
        """Return what diagnostics show."""
        values = {'scale source': self._config.scale_source, 'scale state': self._state()}
        if self._slow is not None:
            correction = self._slow.correction
            values['scale'] = f'{correction.scale:.4f}'
            values['scale shift [1/m]'] = f'{correction.shift:.4f}'
        if self._fit is not None:
            values['scale points'] = str(self._fit.points)
            values['scale inliers'] = str(self._fit.inliers)
        if self._believed_s is not None:
            values['scale age [s]'] = f'{max(self._stamp_s - self._believed_s, 0.0):.1f}'
            values['scale fit [ms]'] = f'{self._fit_ms:.1f}'
        return values

    def _state(self) -> str:
        """Say in words how it goes."""
        if self.problem:
            return f'held: {self.problem}'
        if self._slow is not None and self._slow.refused:
            no_floor = self._fit is None and self._references is None
            return 'held: no floor is seen' if no_floor else f'held: {self._slow.refused}'
        if self._believed_s is None:
            return 'waiting for a reference'
        if self._stamp_s - self._believed_s > 4 * PERIOD_S:
            return 'held: no reference goes with the images'
        return 'settled' if self._slow is not None and self._slow.settled else 'following'

    def close(self) -> None:
        """Listen no longer."""
        if self._references is not None:
            self._references.unsubscribe()


def _median(depth: NDArray[np.float32]) -> float:
    """Return the median of the depth there is [m]; every fourth pixel tells enough."""
    return float(np.nanmedian(depth[::4, ::4]))
