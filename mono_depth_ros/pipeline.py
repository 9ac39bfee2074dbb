# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pipeline from an image to metric depth, the same in the node and on the command line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.config import EngineConfig, OutputConfig
from mono_depth_ros.engine.base import Engine
from mono_depth_ros.errors import CameraError, ConfigError, ImageError
from mono_depth_ros.postprocessing import limit_depth, resize_depth
from mono_depth_ros.preprocessing import resize_rgb
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mono_depth_ros.model.registry import ResolvedModel

# A network that ends somewhere comes near its end, in half precision a little less so.
END = 0.995
# So many times farther than what is published, whatever corrects the metres afterwards.
BEYOND = 10.0


class DepthEstimator:
    """
    An engine with everything that turns its output into metres.

    Parameters
    ----------
    engine : Engine
        The network, ready to run. The caller closes it.
    config : EngineConfig
        Gives ``depth_scale`` and ``depth_shift``.
    output : OutputConfig
        What depth looks like when it leaves; may be replaced between two images.
    model : ResolvedModel, optional
        Where the network comes from.

    Raises
    ------
    ConfigError
        If the network only knows relative depth and no ``depth_scale`` is given.

    """

    def __init__(
        self,
        engine: Engine,
        config: EngineConfig | None = None,
        output: OutputConfig | None = None,
        model: ResolvedModel | None = None,
    ) -> None:
        config = config or EngineConfig()
        self.engine = engine
        self.model = model
        self.output = output or OutputConfig()
        self._scale, self._shift = config.depth_scale, config.depth_shift
        manifest = engine.manifest
        if not manifest.metric and self._scale <= 0:
            raise ConfigError(
                f'network {manifest.name} only knows relative {manifest.output}: give depth_scale '
                '(and depth_shift) to turn its output into metres, or import it again with them'
            )
        if self._scale <= 0:
            self._scale = 1.0

    @property
    def max_depth(self) -> float:
        """Farthest depth published [m]."""
        return self.output.max_depth or self.engine.manifest.max_depth

    def infer(self, rgb: NDArray[np.uint8], camera: PinholeCamera) -> NDArray[np.float32]:
        """
        Estimate depth at the size of the network input.

        Parameters
        ----------
        rgb : np.ndarray, shape (H, W, 3), uint8
            Rectified image, red first.
        camera : PinholeCamera
            Its intrinsics.

        Returns
        -------
        np.ndarray, shape (h, w), float32
            Depth [m], NaN where the network gave no positive number.

        Raises
        ------
        CameraError
            If image and camera differ in size.
        ImageError
            If the whole output is unusable: not finite, not positive, or constant.

        """
        if rgb.shape[:2] != (camera.height, camera.width):
            raise CameraError(
                f'camera_info is for {camera.width}x{camera.height} px, the image has '
                f'{rgb.shape[1]}x{rgb.shape[0]}'
            )
        height, width = self.engine.input_size
        resized = np.ascontiguousarray(resize_rgb(rgb, (height, width)))
        raw = self.engine.infer(resized)
        return self._to_metres(raw, camera.resized(width, height).focal)

    def disparity(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """
        Return inverse depth up to a scale and a shift, which a relative network knows, too.

        Of a network that gives depth, ``depth_shift`` decides its shape.

        Parameters
        ----------
        rgb : np.ndarray, shape (H, W, 3), uint8
            Rectified image, red first.

        Returns
        -------
        np.ndarray, shape (H, W), float32
            More is nearer, NaN where the network gave nothing that can be used.

        Raises
        ------
        ImageError
            If that is so everywhere, or it is constant.

        """
        resized = np.ascontiguousarray(resize_rgb(rgb, self.engine.input_size))
        disparity = self.engine.infer(resized)
        if self.engine.manifest.output == 'depth':
            depth = disparity * np.float32(self._scale) + np.float32(self._shift)
            with np.errstate(divide='ignore'):
                disparity = np.where(depth > 0, 1 / depth, np.float32(np.nan))
        known = np.isfinite(disparity)
        if not known.any() or np.ptp(disparity[known]) == 0:
            raise ImageError('network output is constant, or not finite')
        disparity = np.where(known, disparity, np.float32(np.nan))
        return resize_depth(disparity, (rgb.shape[0], rgb.shape[1]), 'linear')

    def _to_metres(self, raw: NDArray[np.float32], focal: float) -> NDArray[np.float32]:
        """Apply scale, shift and focal length to the output of the network, in a new array."""
        manifest = self.engine.manifest
        # NaN and infinities in the output reach its extremes, so most frames need no mask.
        lowest, highest = float(raw.min()), float(raw.max())
        if math.isfinite(lowest) and lowest == highest:
            raise ImageError(f'network output is constant ({lowest:g})')
        focal_factor = focal / manifest.focal if manifest.focal > 0 else 1.0
        factor = self._scale if manifest.output == 'inverse_depth' else self._scale * focal_factor
        depth: NDArray[np.float32] = raw * np.float32(factor) + np.float32(self._shift)
        usable = lowest * factor + self._shift > 0 and highest * factor < math.inf
        if manifest.output == 'inverse_depth':
            with np.errstate(divide='ignore', invalid='ignore'):
                depth = np.float32(focal_factor) / depth
        if 0 < manifest.reach * END <= highest:
            # Whatever is behind: a sky is no wall at the end of what the network can tell.
            depth[raw >= manifest.reach * END] = BEYOND * self.max_depth
        if not usable:
            depth[~((depth > 0) & (depth < np.inf))] = np.nan
            if np.isnan(depth).all():
                raise ImageError('network output has no positive finite number')
        return depth

    def finish(self, depth: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
        """
        Bring depth of the network to the output size (H, W for ``camera``) and limits.

        Limits are applied before growing if all depth is in range already, which is cheaper.
        """
        output = self.output
        bounds = (output.min_depth, self.max_depth)
        in_range = bool(depth.min() >= bounds[0] and depth.max() <= bounds[1])
        if output.output_size == 'camera':
            depth = resize_depth(depth, size, output.upsampling)
        return depth if in_range else limit_depth(depth, *bounds, output.far_value)

    def estimate(self, rgb: NDArray[np.uint8], camera: PinholeCamera) -> NDArray[np.float32]:
        """
        Estimate the depth of one image.

        Parameters
        ----------
        rgb : np.ndarray, shape (H, W, 3), uint8
            Rectified image, red first.
        camera : PinholeCamera
            Its intrinsics.

        Returns
        -------
        np.ndarray, shape (H, W) or that of the network input, float32
            Depth [m]: NaN missing, -inf too near, +inf (or ``far_value``) too far (REP 117).

        Raises
        ------
        CameraError, ImageError
            As ``infer``.

        """
        return self.finish(self.infer(rgb, camera), (camera.height, camera.width))
