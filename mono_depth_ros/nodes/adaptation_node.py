# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The adaptation node: adapts the network to the place the robot is in, while it drives."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from importlib.util import find_spec
import sys
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from mono_depth_ros.adaptation.config import AdapterConfig, BufferConfig, CycleConfig, GateConfig
from mono_depth_ros.adaptation.frame_buffer import FrameBuffer
from mono_depth_ros.adaptation.schedule import ScheduleConfig
from mono_depth_ros.adaptation.weights import weights_beside
from mono_depth_ros.config import AdaptationNodeConfig, DepthNodeConfig, EngineConfig
from mono_depth_ros.engine.store import VersionStore
from mono_depth_ros.errors import ModelError, StoreError
from mono_depth_ros.model.registry import resolve_model
from mono_depth_ros.nodes.adaptation_diagnostics import adaptation_status
from mono_depth_ros.nodes.adaptation_loop import AdaptationLoop, Settings
from mono_depth_ros.nodes.collector import Collector
from mono_depth_ros.nodes.hand_over import HandOver
from mono_depth_ros.nodes.network_in_use import NetworkInUse
from mono_depth_ros.nodes.parameters import declare_config
from mono_depth_ros.nodes.qos import LATCHED
from mono_depth_ros.nodes.references import References
from mono_depth_ros.nodes.run import autostart, ClosingNode, run_node
from mono_depth_ros.preprocessing import input_size_for, parse_input_size
from rclpy.clock import Clock, ClockType
from rclpy.service import Service
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

TICK_S = 0.5
FRAMES = 'frames'
# Settings of the depth node that this one shares.
SHARED_ENGINE = ('model', 'backend', 'input_size', 'store')
SHARED_NODE = ('image_transport', 'autostart')


class AdaptationNode(ClosingNode):
    """
    Collects images, adapts the network to them in another process, and hands it over.

    A lifecycle node: configuring claims the store, activating subscribes and lets cycles begin.
    The README has the tables of topics, services and parameters.

    Raises
    ------
    ConfigError
        If a parameter has a bad value.
    MonoDepthError
        If ``autostart`` is set and there is nothing to adapt, or nowhere to keep it.

    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('adaptation_node', **kwargs)
        shared = declare_config(self, DepthNodeConfig, SHARED_NODE)
        self._transport = shared.image_transport
        self._settings = Settings(
            declare_config(self, AdaptationNodeConfig),
            declare_config(self, EngineConfig, SHARED_ENGINE),
            declare_config(self, ScheduleConfig),
            declare_config(self, BufferConfig),
            declare_config(self, AdapterConfig),
            declare_config(self, GateConfig),
            declare_config(self, CycleConfig),
        )
        self._claim = ExitStack()
        self._loop: AdaptationLoop | None = None
        self._offered: list[Service] = []
        self._active = False
        self._said_version = ''
        self._version = self.create_publisher(String, '~/version', LATCHED)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # Steady: whatever a simulated clock does, the node goes on.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(TICK_S, self._tick, clock=steady)
        self.create_timer(1.0, self._publish_diagnostics, clock=steady)
        if shared.autostart:
            autostart(self)

    # Lifecycle.

    def configure(self) -> None:
        """Claim the store, load the images kept, and offer the services."""
        self._loop = self._make_loop()
        self._offered = [
            self.create_service(Trigger, '~/adapt', self._on_adapt),
            self.create_service(Trigger, '~/rollback', self._on_rollback),
            self.create_service(SetBool, '~/enable', self._on_enable),
        ]
        self._publish_version()

    def activate(self) -> None:
        """Subscribe to the camera; cycles may begin."""
        assert self._loop is not None
        self._active = True
        self._loop.collector.start(self._transport)
        self._loop.resume_hand_over()

    def deactivate(self) -> None:
        """End the running cycle and unsubscribe; the images collected stay."""
        self._deactivate('the node was deactivated')

    def close(self) -> None:
        """Free everything but the node itself; also called when the process ends."""
        self._deactivate('the node ends')
        for service in self._offered:
            self.destroy_service(service)
        self._offered.clear()
        if self._loop is not None:
            self._loop.hand_over.close()
            self._loop = None
        self._claim.close()

    def _deactivate(self, reason: str) -> None:
        if self._active and self._loop is not None:
            self._active = False
            self._loop.stop(reason)
            self._loop.collector.stop()

    def _make_loop(self) -> AdaptationLoop:
        """Put everything together; raise MonoDepthError with what is missing."""
        settings, engine = self._settings, self._settings.engine
        if find_spec('torch') is None:
            raise ModelError('adaptation needs torch: pip install torch safetensors')
        shipped = resolve_model(engine.model)
        weights_beside(shipped.path)
        fixed = parse_input_size(engine.input_size)
        store = VersionStore(engine.store)
        self._claim.enter_context(store.claim(self.get_fully_qualified_name()))
        node = settings.node
        folder = store.root / FRAMES if node.keep_frames else None
        if folder is not None:
            with suppress(OSError):  # the buffer tells of what cannot be written
                folder.mkdir(mode=0o700, exist_ok=True)
        buffer = FrameBuffer(settings.buffer, folder)
        references = References(self, node.reference_tolerance_s, node.static_transforms)

        def size_for(image: tuple[int, int]) -> tuple[int, int]:
            return fixed or input_size_for(shipped.manifest, image[1], image[0])

        collector = Collector(self, buffer, references, size_for, node.collecting_load)
        hand_over = HandOver(self, node.depth_node, node.reload_timeout_s)
        in_use = NetworkInUse(store, shipped, settings.cycle.keep_versions)
        return AdaptationLoop(settings, in_use, buffer, collector, hand_over, self.get_logger())

    # Services.

    def _on_adapt(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Begin a cycle now, or say why not."""
        assert self._loop is not None
        refusal = self._loop.refusal() if self._active else 'the node is not active'
        if refusal:
            response.message = refusal
            return response
        self._loop.begin('asked for by ~/adapt')
        response.success = True
        response.message = f'a cycle begins with {len(self._loop.buffer)} images'
        return response

    def _on_rollback(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        """Go back to the network in use before, and ask the depth node to load it."""
        assert self._loop is not None
        try:
            name = self._loop.roll_back('rolled back by ~/rollback')
        except StoreError as error:
            response.message = str(error)
            return response
        response.success = True
        response.message = f'back to {name or "the shipped network"}; the depth node is told'
        self._publish_version()
        return response

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Pause collecting and a running cycle, or let them go on."""
        assert self._loop is not None
        self._loop.pause(not request.data)
        response.success, response.message = True, self._loop.state
        return response

    # Timers.

    def _tick(self) -> None:
        if self._loop is None:
            return
        if self._active:
            self._loop.tick()
        else:
            self._loop.poll_hand_over()
        self._publish_version()

    def _publish_version(self) -> None:
        """Publish the version in use in the store, if it is another one."""
        assert self._loop is not None
        name = self._loop.in_use.version
        if name != self._said_version:
            self._said_version = name
            self._version.publish(String(data=name))

    def _publish_diagnostics(self) -> None:
        """Say once a second how it goes."""
        name = f'{self.get_fully_qualified_name()}: adaptation'
        loop = self._loop if self._active else None
        if loop is not None:
            loop.collector.check_delivery()
        inactive = 'unconfigured' if self._loop is None else 'inactive'
        array = DiagnosticArray(
            status=[adaptation_status(name, loop, self._said_version, inactive)]
        )
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)


def main(args: list[str] | None = None) -> int:
    """Run the adaptation node."""
    return run_node(AdaptationNode, args)


if __name__ == '__main__':
    sys.exit(main())
