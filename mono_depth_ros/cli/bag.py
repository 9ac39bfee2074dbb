# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`mono_depth bag`: add depth and clouds to a recorded bag, without ROS."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any, TYPE_CHECKING

from mono_depth_ros.camera import ASSUMED_FOV
from mono_depth_ros.cli import engines
from mono_depth_ros.cli.console import progress_bar, say
from mono_depth_ros.cli.estimate import CameraChoice
from mono_depth_ros.config import DEPTH_ENCODINGS, EngineConfig
from mono_depth_ros.errors import CameraError, ConfigError, DatasetError, ImageError
import typer

if TYPE_CHECKING:
    from mono_depth_ros.bag_output import DepthTopics
    from mono_depth_ros.bags import BagFrames
    from mono_depth_ros.frames import Frame
    from mono_depth_ros.pipeline import DepthEstimator

logger = logging.getLogger(__name__)


def bag(
    recording: Annotated[
        Path,
        typer.Argument(
            metavar='IN',
            help='rosbag2 folder, .mcap, .db3 or ROS 1 .bag file.',
            show_default=False,
        ),
    ],
    output: Annotated[Path, typer.Option(help='rosbag2 folder to make.')],
    model: engines.Model = engines.DEFAULTS.model,
    backend: engines.Backend = engines.DEFAULTS.backend,
    store: engines.Store = engines.DEFAULTS.store,
    topic: Annotated[
        str, typer.Option(help='Image topic; by default the one most like image_rect.')
    ] = '',
    namespace: Annotated[
        str, typer.Option(help='Namespace of the new topics; by default that of the image.')
    ] = '',
    storage: Annotated[str, typer.Option(help='Format of the output: mcap or db3.')] = 'mcap',
    encoding: Annotated[
        str, typer.Option(help='Encoding of depth: 32FC1 (metres) or 16UC1 (millimetres).')
    ] = '32FC1',
    stride: Annotated[
        int, typer.Option(min=1, help='Every n-th pixel and row makes a point of the cloud.')
    ] = 2,
    camera: Annotated[str, typer.Option(help='camera.json, instead of camera_info.')] = '',
    fov: engines.Fov = ASSUMED_FOV,
    precision: engines.Precision = engines.DEFAULTS.precision,
    input_size: engines.InputSize = engines.DEFAULTS.input_size,
    threads: engines.Threads = engines.DEFAULTS.threads,
    depth_scale: engines.DepthScale = engines.DEFAULTS.depth_scale,
    depth_shift: engines.DepthShift = engines.DEFAULTS.depth_shift,
) -> None:
    """
    Copy a bag and add depth/image_rect, depth/camera_info and points.

    The result opens in `ros2 bag play` and, as mcap, in Foxglove.
    """
    from mono_depth_ros.bag_output import DepthTopics, STORAGES
    from mono_depth_ros.bags import BagFrames
    from mono_depth_ros.camera import camera_from_json

    for name, value, choices in (
        ('storage', storage, STORAGES),
        ('encoding', encoding, DEPTH_ENCODINGS),
    ):
        if value not in choices:
            raise ConfigError(f'{name} must be one of {choices}, got {value!r}')
    if not recording.exists():
        raise DatasetError(f'there is nothing at {recording}')
    config = engines.engine_config(locals())
    source = BagFrames(recording, topic=topic)
    given = camera_from_json(Path(camera).expanduser())[0] if camera else None
    job = BagJob(
        source,
        CameraChoice(given, fov),
        config,
        topics=DepthTopics.beside(source.topic, namespace),
        encoding=encoding,
        stride=stride,
    )
    job.run(output, storage)
    say(
        f'{job.written} depth images and clouds of {source.topic} in {output}, on '
        f'{job.topics.depth} and {job.topics.points}'
        + (f'; {job.failed} image(s) could not be used' if job.failed else '')
    )


class BagJob:
    """Goes through a bag once: copies every message, and answers each image with depth."""

    def __init__(
        self,
        source: BagFrames,
        cameras: CameraChoice,
        config: EngineConfig,
        *,
        topics: DepthTopics,
        encoding: str,
        stride: int,
    ) -> None:
        self.source, self.cameras, self.config, self.topics = source, cameras, config, topics
        self.encoding, self.stride = encoding, stride
        self.written = self.failed = 0

    def run(self, output: Path, storage: str) -> None:
        """
        Write the new bag.

        Raises
        ------
        MonoDepthError
            If the network cannot run, a topic is taken, or no image at all could be used.

        """
        from mono_depth_ros.bag_output import BagCopy, DepthWriter, new_bag

        first = next(iter(self.source))
        size = (first.rgb.shape[0], first.rgb.shape[1])
        with (
            self.source.opened() as reader,
            engines.open_estimator(self.config, size) as estimator,
            new_bag(output, storage) as writer,
        ):
            copy = BagCopy(reader, writer)
            taken = {self.topics.depth, self.topics.info, self.topics.points} & copy.topics
            if taken:
                raise DatasetError(
                    f'{self.source.name} has {min(taken)} already: choose another --namespace'
                )
            depths = DepthWriter(writer, self.topics, encoding=self.encoding, stride=self.stride)
            self._copy(reader, copy, depths, estimator)
            if not self.written:
                raise DatasetError(f'none of the images on {self.source.topic} could be used')

    def _copy(self, reader: Any, copy: Any, depths: Any, estimator: DepthEstimator) -> None:
        with progress_bar() as bar:
            task = bar.add_task('adding depth', total=self.source.count)
            for connection, stamp, raw, load in self.source.messages(reader):
                copy.write(connection, stamp, raw)
                if load is None:
                    continue
                try:
                    self._answer(load(), stamp, depths, estimator)
                    self.written += 1
                except (ImageError, CameraError) as error:
                    self.failed += 1
                    logger.warning('image %d: %s', self.written + self.failed, error)
                bar.advance(task)

    def _answer(self, frame: Frame, stamp: int, depths: Any, estimator: DepthEstimator) -> None:
        camera = self.cameras.of(frame)
        depth = estimator.estimate(frame.rgb, camera)
        depths.write(stamp, frame.stamp_ns, frame.frame_id, depth, frame.rgb, camera)
