# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The depth node: metric depth and points from the images of one camera."""

from __future__ import annotations

from contextlib import suppress
import sys
import time
from typing import Any, TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray
from mono_depth_ros.camera import info_to_camera
from mono_depth_ros.config import DepthNodeConfig, EngineConfig, OutputConfig, ScaleConfig
from mono_depth_ros.errors import CameraError, EngineError, MonoDepthError
from mono_depth_ros.nodes.camera_input import CameraInput
from mono_depth_ros.nodes.conversions import check_pair, message_to_rgb
from mono_depth_ros.nodes.diagnostics import depth_status
from mono_depth_ros.nodes.engine_slot import EngineSlot
from mono_depth_ros.nodes.outputs import DepthOutputs
from mono_depth_ros.nodes.parameters import declare_config, follow_config
from mono_depth_ros.nodes.plan_builder import build_only
from mono_depth_ros.nodes.run import autostart, ClosingNode, run_node
from mono_depth_ros.stamps import header_stamp
from mono_depth_ros.statistics import FrameStatistics
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

if TYPE_CHECKING:
    from mono_depth_ros.nodes.scale_source import ScaleSource

LOG_PERIOD_S = 5.0


class DepthNode(ClosingNode):
    """
    Turns ``image_rect`` and ``camera_info`` into depth images and clouds.

    A lifecycle node: configuring loads the engine, activating subscribes. Images are answered in
    the callback that receives them; engines are loaded beside the running one and swapped
    between two images. The README has the tables of topics, services and parameters.

    Raises
    ------
    ConfigError
        If a parameter has a bad value.
    MonoDepthError
        If ``autostart`` is set and the engine cannot be loaded.

    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('depth_node', **kwargs)
        self._config = declare_config(self, DepthNodeConfig)
        self._engine_config = declare_config(self, EngineConfig)
        self._output = declare_config(self, OutputConfig)
        self._scale_config = declare_config(self, ScaleConfig)
        if self._config.build_only:
            build_only(self._engine_config, self.get_logger().info)
            raise SystemExit(0)
        follow_config(self, self._output, self._set_output)
        self._slot: EngineSlot | None = None
        self._outputs: DepthOutputs | None = None
        self._scale: ScaleSource | None = None
        self._camera: CameraInput | None = None
        self._info: CameraInfo | None = None
        self._image_size: tuple[int, int] | None = None
        self._statistics = FrameStatistics()
        self._state, self._problem = 'unconfigured', ''
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self.create_timer(1.0, self._publish_diagnostics)
        if self._config.autostart:
            autostart(self)

    # Lifecycle.

    def configure(self) -> None:
        """Load the engine; create publishers and the service."""
        watch_s = self._config.health_watch_s
        self._slot = EngineSlot(self, self._engine_config, watch_s, lambda: self._image_size)
        self._outputs = DepthOutputs(self)
        self._state = 'inactive'

    def activate(self) -> None:
        """Subscribe to the camera, and to what corrects the metres."""
        # Latest frame wins: never a queue.
        transport = self._config.image_transport
        self._camera = CameraInput(self, transport, self._on_info, self._on_image, depth=1)
        if self._scale_config.scale_source != 'none':
            # Here, since most robots need none of what it imports.
            from mono_depth_ros.nodes.scale_source import ScaleSource

            self._scale = ScaleSource(self, self._scale_config)
        self._state = 'waiting for images'

    def deactivate(self) -> None:
        """Unsubscribe; the engine stays loaded."""
        self._unsubscribe()
        self._state = 'inactive'

    def close(self) -> None:
        """Free everything but the node itself; also called when the process ends."""
        self._unsubscribe()
        if self._outputs is not None:
            self._outputs.close()
            self._outputs = None
        if self._slot is not None:
            self._slot.close()
            self._slot = None
        self._state = 'unconfigured'

    def _unsubscribe(self) -> None:
        """Stop receiving; forget the camera, which may be another one next time."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        if self._scale is not None:
            self._scale.close()
            self._scale = None
        self._info = self._image_size = None

    # Images.

    def _on_info(self, info: CameraInfo) -> None:
        """Keep the latest camera_info; the first one says for which size to load the engine."""
        self._info = info
        self._statistics.received_info()
        if self._image_size is None:
            with suppress(CameraError):  # which is told once somebody wants depth
                camera = info_to_camera(info)
                self._image_size = camera.height, camera.width
                self._slot.expect(self._image_size)

    def _on_image(self, message: Image | CompressedImage) -> None:
        """Answer one image, or count why not. One bad image never stops the node."""
        started = time.perf_counter()
        stamp_ns = header_stamp(message.header)
        in_order = self._statistics.received(stamp_ns)
        if self._outputs is None or not self._outputs.wanted():
            self._state = 'idle: nobody listens'
            return
        if not in_order:
            self._drop('out of order', 'the stamp of an image went back')
            return
        try:
            self._answer(message, stamp_ns)
        except EngineError as error:
            self._drop('engine', str(error))
            self.get_logger().error(str(error), throttle_duration_sec=LOG_PERIOD_S)
        except MonoDepthError as error:
            reason = 'camera_info' if isinstance(error, CameraError) else 'image'
            self._drop(reason, str(error))
            self.get_logger().warning(
                f'image dropped: {error}', throttle_duration_sec=LOG_PERIOD_S
            )
        self._statistics.worked(time.perf_counter() - started)

    def _answer(self, message: Image | CompressedImage, stamp_ns: int) -> None:
        """Publish the depth of one image."""
        info = check_pair(message, self._info)
        camera = info_to_camera(info)
        rgb = message_to_rgb(message)
        self._image_size = rgb.shape[:2]
        raw = self._slot.infer(rgb, camera)
        estimator = self._slot.estimator
        estimator.output = output = self._output
        scale, metric = self._scale, raw
        if scale is not None:
            metric = scale.apply(raw, camera, message.header, estimator)
        depth = estimator.finish(metric, rgb.shape[:2])
        self._outputs.publish(
            depth, rgb, camera, info, message.header, output, estimator.max_depth
        )
        self._statistics.published((self.get_clock().now().nanoseconds - stamp_ns) * 1e-9)
        self._state = 'running'
        self._slot.answered(rgb, camera, raw)
        if scale is not None:
            scale.observe()

    def _drop(self, reason: str, detail: str) -> None:
        """Count an image that was not answered; diagnostics show why."""
        self._statistics.drop(reason)
        self._problem = detail

    def _set_output(self, output: OutputConfig) -> None:
        """Use other output settings from the next image on."""
        self._output = output

    # Diagnostics.

    def _publish_diagnostics(self) -> None:
        """Say once a second how it goes, and once in the log that images are lost on the way."""
        offered = self._camera is not None and self._camera.offered
        report = self._statistics.report(offered=offered)
        if self._camera is not None and not report.received:
            self._state = 'waiting for images'
        name = f'{self.get_fully_qualified_name()}: depth'
        status = depth_status(name, self._state, self._slot, report, self._problem, self._scale)
        self._problem = ''
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)
        if self._camera is not None and (warning := self._camera.check(report)):
            self.get_logger().warning(warning)


def main(args: list[str] | None = None) -> int:
    """Run the depth node."""
    return run_node(DepthNode, args)


if __name__ == '__main__':
    sys.exit(main())
