# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The process that `mono_depth benchmark --reloads` starts beside the depth node.

It plays a camera, swaps two networks as often as it is told, and compares every depth image with
what either of them makes of that very image: an answer of half an engine would be neither.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
import json
from pathlib import Path
import sys
import time
from typing import Any

from mono_depth_ros.camera import camera_from_fov, PinholeCamera
from mono_depth_ros.config import EngineConfig
from mono_depth_ros.engine.store import Version, VersionStore
from mono_depth_ros.loading import load_estimator
from mono_depth_ros.nodes.conversions import camera_to_info, fill_image
from mono_depth_ros.nodes.run import keep_freed_memory
import numpy as np
from numpy.typing import NDArray
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.task import Future
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image
from std_srvs.srv import Trigger

IMAGES = 6
# Backends round differently from run to run at most by this factor.
TOLERANCE = 1e-4
START_LIMIT_S, ANSWER_LIMIT_S, IDLE_S, END_S = 60.0, 30.0, 5.0, 1.0


@dataclass
class Sent:
    """One image: which one, what was asked for when it left, and the version that answered."""

    image: int
    in_use: str
    version: str = ''


class ReloadProbe(Node):
    """
    A camera that knows the depth of its images by each of two networks.

    Parameters
    ----------
    store : VersionStore
        Holds the two versions.
    camera : PinholeCamera
        Size and intrinsics of the images.
    rate : float
        Images per second.
    backend : str
        Backend of the depth node.

    """

    def __init__(
        self, store: VersionStore, camera: PinholeCamera, rate: float, backend: str
    ) -> None:
        super().__init__('reload_probe')
        self.store, self.camera, self.rate = store, camera, rate
        self.versions = store.versions()
        self._images = smooth_noise(IMAGES, camera)
        self._depths = {
            version.name: depths_of(version, self._images, camera, backend)
            for version in self.versions
        }
        for a, b in zip(*self._depths.values(), strict=True):
            if np.isclose(a, b, rtol=10 * TOLERANCE, atol=0).mean() > 0.9:
                raise RuntimeError('the two networks cannot be told apart')
        self.sent: dict[int, Sent] = {}
        self.wrong = self.exact = 0
        self.in_use = store.current_name() or ''
        self._image = Image()
        self._publisher = self.create_publisher(Image, 'image_rect', QoSProfile(depth=2))
        self._infos = self.create_publisher(CameraInfo, 'camera_info', 10)
        self._promoter = ThreadPoolExecutor(1)
        self.create_subscription(Image, 'depth/image_rect', self._on_depth, QoSProfile(depth=30))
        self.client = self.create_client(Trigger, '/depth_node/reload_engine')
        self.create_timer(1.0 / rate, self._send)

    def _send(self) -> None:
        number = len(self.sent) % IMAGES
        fill_image(self._image, self._images[number], 'rgb8')
        header = self._image.header
        header.stamp, header.frame_id = self.get_clock().now().to_msg(), 'probe'
        stamp = Time.from_msg(header.stamp).nanoseconds
        self.sent[stamp] = Sent(number, self.in_use)
        self._infos.publish(camera_to_info(self.camera, CameraInfo(header=header)))
        self._publisher.publish(self._image)

    def _on_depth(self, message: Image) -> None:
        sent = self.sent.get(Time.from_msg(message.header.stamp).nanoseconds)
        if sent is None:
            return  # somebody else's camera
        depth = np.frombuffer(message.data, np.float32).reshape(message.height, message.width)
        sent.version = self._whose(depth, sent.image)
        self.wrong += sent.version == 'neither'

    def _whose(self, depth: NDArray[np.float32], image: int) -> str:
        """Name the version that makes this of an image, most often bit for bit."""
        known = {name: depths[image] for name, depths in self._depths.items()}
        for name, expected in known.items():
            if np.array_equal(depth, expected):
                self.exact += 1
                return name
        for name, expected in known.items():
            if np.allclose(depth, expected, rtol=TOLERANCE, atol=0, equal_nan=True):
                return name
        return 'neither'

    def _answered(self) -> bool:
        """Say whether the node answers images, and is ready to reload."""
        known = any(sent.version for sent in self.sent.values())
        return known and self.client.service_is_ready()

    def spin_until(self, condition: Any, limit_s: float) -> bool:
        """Play on until the condition holds; say whether it did in time."""
        until = time.monotonic() + limit_s
        while not condition() and time.monotonic() < until:
            rclpy.spin_once(self, timeout_sec=0.05)
        return bool(condition())

    def reload(self, version: Version) -> float:
        """Put a version in use and let the node swap it in; return how long that took [s]."""
        self.in_use = ''  # meanwhile both are right
        # In a thread: the disk must not keep the camera, or the images that come back, waiting.
        promoted = self._promoter.submit(self.store.promote, version)
        self.spin_until(promoted.done, ANSWER_LIMIT_S)
        promoted.result()
        started = time.monotonic()
        answer: Future = self.client.call_async(Trigger.Request())
        if not self.spin_until(answer.done, ANSWER_LIMIT_S) or not answer.result().success:
            said = answer.result().message if answer.done() else 'nothing'
            raise RuntimeError(f'the reload of {version.name} was answered: {said}')
        self.in_use = version.name
        return time.monotonic() - started

    def _play(self, seconds: float) -> list[Sent]:
        """Play for so long [s]; return the images of that time, whose answers may come later."""
        first = len(self.sent)
        self.spin_until(lambda: False, seconds)
        return list(self.sent.values())[first:]

    def measure(self, reloads: int, pause_s: float) -> dict[str, Any]:
        """
        Reload so many times, and return what happened to the images meanwhile.

        A machine that is held up loses images without the node: ``never sent`` counts the ticks
        of this camera that did not come, ``stolen`` is the share of CPU time that the host of a
        virtual machine took, and images are also counted before and after the reloads.
        """
        if not self.spin_until(self._answered, START_LIMIT_S):
            raise RuntimeError('the depth node does not answer')
        self.spin_until(lambda: False, END_S)
        before = self._play(IDLE_S)
        first, cpu, started, took = len(self.sent), cpu_times(), time.monotonic(), []
        for number in range(reloads):
            took.append(self.reload(self.versions[(number + 1) % len(self.versions)]))
            self.spin_until(lambda: False, pause_s)
        measured = list(self.sent.values())[first:]
        seconds, stolen = time.monotonic() - started, share_stolen(cpu, cpu_times())
        self.spin_until(lambda: False, END_S)
        after = self._play(IDLE_S)
        self.spin_until(lambda: False, END_S)
        lost = [not sent.version for sent in measured]
        return {
            'reloads': reloads,
            'seconds': seconds,
            'seconds a reload': {
                'p50': float(np.percentile(took, 50)),
                'max': float(np.max(took)),
            },
            'sent': len(measured),
            'never sent': max(0, round(seconds * self.rate) - len(measured)),
            'lost': sum(lost),
            'lost in a row': longest_run(lost),
            'lost without reloads': share_lost(before),
            'lost without reloads afterwards': share_lost(after),
            'stolen': stolen,
            'bit for bit': self.exact,
            'of neither network': self.wrong,
            'of the other network after a swap': sum(
                bool(sent.version and sent.in_use) and sent.version != sent.in_use
                for sent in measured
            ),
        }


def smooth_noise(count: int, camera: PinholeCamera) -> list[NDArray[np.uint8]]:
    """Return images that a network answers differently."""
    import cv2

    rng = np.random.default_rng(0)
    size = (camera.width, camera.height)
    coarse = rng.integers(0, 256, (count, 12, 16, 3), np.uint8)
    return [cv2.resize(image, size, interpolation=cv2.INTER_CUBIC) for image in coarse]


def depths_of(
    version: Version, images: list[NDArray[np.uint8]], camera: PinholeCamera, backend: str
) -> list[NDArray[np.float32]]:
    """Return what a version says of each image."""
    config = EngineConfig(model=str(version.onnx_path), backend=backend)
    estimator = load_estimator(config, None, (camera.height, camera.width))
    try:
        return [estimator.estimate(image, camera).copy() for image in images]
    finally:
        estimator.engine.close()


def longest_run(flags: list[bool]) -> int:
    """Return how many in a row are set."""
    longest = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        longest = max(longest, run)
    return longest


def share_lost(images: list[Sent]) -> float:
    """Return the share of images without an answer."""
    return sum(not sent.version for sent in images) / max(len(images), 1)


def cpu_times(path: Path = Path('/proc/stat')) -> list[int] | None:
    """Return the times of all CPUs since boot, user to steal (proc(5)); None if unknown."""
    try:
        name, *times = path.read_text().splitlines()[0].split()
    except (OSError, IndexError):
        return None
    # What follows, of guests, is in user and nice already.
    return [int(value) for value in times[:8]] if name == 'cpu' and len(times) >= 8 else None


def share_stolen(before: list[int] | None, after: list[int] | None) -> float | None:
    """Return the share of CPU time between two `cpu_times` that the host took; None if unknown."""
    if before is None or after is None:
        return None
    spent = [b - a for a, b in zip(before, after, strict=True)]
    return spent[-1] / max(sum(spent), 1)


def main() -> int:
    """Run the probe; its report goes to the JSON file."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--store', type=Path, required=True)
    parser.add_argument('--json', type=Path, required=True)
    parser.add_argument('--reloads', type=int, default=200)
    parser.add_argument('--rate', type=float, default=30.0)
    parser.add_argument('--pause', type=float, default=0.1)
    parser.add_argument('--backend', default='auto')
    options = parser.parse_args()
    keep_freed_memory()
    rclpy.init()
    camera = camera_from_fov(640, 480, 60.0)
    probe = ReloadProbe(VersionStore(options.store), camera, options.rate, options.backend)
    report = probe.measure(options.reloads, options.pause)
    options.json.write_text(json.dumps(report))
    rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
