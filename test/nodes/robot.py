# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A robot that drives through many rooms, as the tests of the adaptation node play it."""

from functools import cache
import itertools
import time

from diagnostic_msgs.msg import DiagnosticArray
from driver import call, Camera
from mono_depth_ros.model.registry import shipped_models
from mono_depth_ros.source.pack import read_source_pack
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
MODEL = shipped_models()['indoor']
# A cycle that takes seconds: it is not what comes out of it that these tests are about.
SMALL = {
    'mode': 'replay',
    'steps': 2,
    'batch': 1,
    'learning_rate': 1e-5,
    'niceness': 0,
    'min_frames': 8,
    'held_out': 0.5,
    'min_gap_s': 0.0,
    'max_similarity': 0.98,
    'min_sharpness': 0.0,
    'max_saturation': 1.0,
    'min_brightness': 0.0,
    'source_held_out': 4,
    'max_latency_ratio': 100.0,
    'max_temporal_ratio': 10.0,
    'max_flip_ratio': 10.0,
    'after_frames': 0,
}


@cache
def rooms():
    """Return images of many rooms."""
    return [sample.rgb for sample in read_source_pack(MODEL.with_name('source_pack.zip'))[:200]]


class Robot:
    """Sends images of one room after the other, and hears what the adaptation node says."""

    def __init__(self, listener):
        self.listener = listener
        self.camera = Camera(listener)
        self.diagnostics = listener.subscribe(DiagnosticArray, '/diagnostics')
        self.versions = listener.subscribe(String, '/adaptation_node/version', LATCHED)
        self._rooms = itertools.cycle(rooms())

    def drive(self, images=1):
        for _ in range(images):
            self.stamp = self.camera.send(self.camera.image(next(self._rooms)))
            self.listener.spin_until(lambda: False, 0.05)

    @property
    def status(self):
        """The last thing that the node said of itself, as a dict."""
        for array in reversed(self.diagnostics):
            for status in array.status:
                if status.name.endswith('adaptation'):
                    values = {entry.key: entry.value for entry in status.values}
                    return {**values, 'message': status.message, 'level': status.level}
        return {}

    def wait(self, condition, timeout_s=60.0, drive=False):
        """Wait until the status fulfils a condition; return it."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if drive:
                self.drive()
            if self.listener.spin_until(lambda: condition(self.status), 0.1):
                return self.status
        raise AssertionError(f'in vain: {self.status}')

    def collect(self, images):
        """Drive until so many images are held."""
        return self.wait(lambda s: int(s.get('frames', 0)) >= images, drive=True)

    def outcome(self, timeout_s=90.0):
        """Wait until a cycle has ended."""
        return self.wait(
            lambda s: s.get('last outcome') not in (None, 'none yet', 'ADDED'), timeout_s
        )

    def adapt(self):
        return call(self.listener, Trigger, '/adaptation_node/adapt', Trigger.Request())

    def roll_back(self):
        return call(self.listener, Trigger, '/adaptation_node/rollback', Trigger.Request())

    def enable(self, yes):
        request = SetBool.Request(data=yes)
        return call(self.listener, SetBool, '/adaptation_node/enable', request)
