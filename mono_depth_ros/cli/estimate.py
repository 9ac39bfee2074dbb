# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`mono_depth estimate`: depth of images, without ROS."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import islice
import logging
from pathlib import Path
from typing import Annotated, TYPE_CHECKING

from mono_depth_ros.camera import ASSUMED_FOV
from mono_depth_ros.cli import engines
from mono_depth_ros.cli.console import progress_bar, say
from mono_depth_ros.config import EngineConfig
from mono_depth_ros.errors import CameraError, ConfigError, DatasetError, ImageError
import typer

if TYPE_CHECKING:
    from mono_depth_ros.camera import PinholeCamera
    from mono_depth_ros.frames import Frame, FrameSource
    from mono_depth_ros.pipeline import DepthEstimator

logger = logging.getLogger(__name__)


def estimate(
    images: Annotated[
        str,
        typer.Argument(
            help='An image, a folder of images, an RGB-D folder, a video, a bag, or procedural.',
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option(help='Folder for the depth images; made if it is missing.')
    ],
    model: engines.Model = engines.DEFAULTS.model,
    backend: engines.Backend = engines.DEFAULTS.backend,
    store: engines.Store = engines.DEFAULTS.store,
    camera: Annotated[
        str,
        typer.Option(
            help='camera.json with width height fx fy cx cy; for any size of the images.'
        ),
    ] = '',
    fov: engines.Fov = ASSUMED_FOV,
    ply: Annotated[bool, typer.Option('--ply', help='Write a coloured cloud, too.')] = False,
    labels: Annotated[
        bool,
        typer.Option(
            '--labels',
            help='Write rgb/ and disparity/ instead, without metres: what `mono_depth pretrain '
            '--data` learns shape from. The network may know relative depth only.',
        ),
    ] = False,
    topic: Annotated[str, typer.Option(help='Image topic of a bag.')] = '',
    limit: Annotated[
        int, typer.Option(min=0, help='Take the first images only; 0 takes all.')
    ] = 0,
    precision: engines.Precision = engines.DEFAULTS.precision,
    input_size: engines.InputSize = engines.DEFAULTS.input_size,
    threads: engines.Threads = engines.DEFAULTS.threads,
    depth_scale: engines.DepthScale = engines.DEFAULTS.depth_scale,
    depth_shift: engines.DepthShift = engines.DEFAULTS.depth_shift,
) -> None:
    """
    Estimate the depth of images.

    OUTPUT gets, for each image, NAME.png (16-bit, millimetres, 0 is missing) and NAME_color.png
    (red is near, blue is far), and NAME.ply with --ply. With --labels it becomes an RGB-D folder
    with disparity in place of depth.
    """
    from mono_depth_ros.camera import camera_from_json
    from mono_depth_ros.frames import open_frames

    config = engines.engine_config(locals())
    source = open_frames(images, topic=topic)
    given = camera_from_json(Path(camera).expanduser())[0] if camera else None
    if labels and ply:
        raise ConfigError('--labels have no metres, of which --ply could make a cloud')
    if labels and config.depth_scale <= 0:
        config = replace(config, depth_scale=1.0)  # nothing of what it would scale is written
    cameras = CameraChoice(given, fov)
    job = Job(source, cameras, output, config, ply=ply, labels=labels, limit=limit)
    job.check_output()
    make_folder(output)
    job.run()
    say(job.summary())


def make_folder(folder: Path) -> None:
    """Make an output folder; raise DatasetError if that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(f'cannot write to {folder}: {error.strerror}') from error


class CameraChoice:
    """
    Chooses the intrinsics of each frame: given ones, its own, or assumed ones, which it tells.

    Parameters
    ----------
    given : PinholeCamera or None
        Intrinsics of the user, which are scaled to the size of the image.
    fov_degrees : float
        Horizontal field of view assumed where there are none.

    """

    def __init__(self, given: PinholeCamera | None, fov_degrees: float) -> None:
        self._given, self._fov_degrees = given, fov_degrees
        self._told = False

    def known(self, frame: Frame) -> PinholeCamera | None:
        """Return the intrinsics of a frame, if they are known."""
        if self._given is None:
            return frame.camera
        height, width = frame.rgb.shape[:2]
        if (width > height) != (self._given.width > self._given.height) and width != height:
            raise CameraError(
                f'an image of {width}x{height} px is not of the given camera, which has '
                f'{self._given.width}x{self._given.height}'
            )
        return self._given.resized(width, height)

    def of(self, frame: Frame) -> PinholeCamera:
        """Return the intrinsics of a frame."""
        from mono_depth_ros.camera import camera_from_fov

        known = self.known(frame)
        if known is not None:
            return known
        if not self._told:
            self._told = True
            logger.warning(
                'no intrinsics: assuming a horizontal field of view of %g degrees. Metres are '
                'only as right as that; give --camera camera.json or --fov',
                self._fov_degrees,
            )
        return camera_from_fov(frame.rgb.shape[1], frame.rgb.shape[0], self._fov_degrees)


@dataclass
class Job:
    """Runs a network over the frames of a source and writes what comes out."""

    source: FrameSource
    cameras: CameraChoice
    output: Path
    config: EngineConfig
    ply: bool = False
    labels: bool = False
    limit: int = 0
    written: int = 0
    failed: int = 0
    engine: str = ''
    _seen: set[PinholeCamera | None] = field(default_factory=set, init=False)

    def check_output(self) -> None:
        """Raise ConfigError if an image would be overwritten, or labels mixed with others."""
        if self.labels and self.output.is_dir() and any(self.output.iterdir()):
            raise ConfigError(f'{self.output} is not empty: --labels want a folder of their own')
        for image in getattr(self.source, 'files', ()):
            if (self.output / f'{image.stem}.png').resolve() == image.resolve():
                raise ConfigError(
                    f'{image} would be overwritten by its depth: give another folder as --output'
                )

    def run(self) -> None:
        """
        Estimate every frame.

        A frame that cannot be used is told and counted.

        Raises
        ------
        MonoDepthError
            If the network cannot run, or no frame at all could be used.

        """
        total = min(filter(None, (self.source.count, self.limit)), default=None)
        frames = islice(iter(self.source), self.limit or None)
        with engines.Estimators(self.config) as estimators, progress_bar() as bar:
            task = bar.add_task('estimating', total=total)
            for frame in frames:
                self._try(estimators.of((frame.rgb.shape[0], frame.rgb.shape[1])), frame)
                bar.advance(task)
            engine = estimators.first.engine
            self.engine = f'{engine.manifest.name} on {engine.backend}'
        if not self.written:
            raise DatasetError(f'none of the images of {self.source.name} could be used')
        if self.labels:
            self._write_camera()

    def _try(self, estimator: DepthEstimator, frame: Frame) -> None:
        try:
            if self.labels:
                self._label(estimator, frame)
            else:
                self._estimate(estimator, frame)
            self.written += 1
        except (ImageError, CameraError) as error:
            self.failed += 1
            logger.warning('%s: %s', frame.name, error)
        except OSError as error:
            raise DatasetError(f'cannot write to {self.output}: {error}') from error

    def _estimate(self, estimator: DepthEstimator, frame: Frame) -> None:
        from mono_depth_ros.postprocessing import depth_to_millimetres
        from mono_depth_ros.projection import depth_to_points
        from mono_depth_ros.visualisation import colour_depth, write_image, write_ply

        camera = self.cameras.of(frame)
        depth = estimator.estimate(frame.rgb, camera)
        path = self.output / f'{frame.name}.png'
        write_image(path, depth_to_millimetres(depth))
        write_image(path.with_name(f'{frame.name}_color.png'), colour_depth(depth))
        if self.ply:
            points = depth_to_points(depth, camera)
            write_ply(path.with_name(f'{frame.name}.ply'), points, frame.rgb)

    def _label(self, estimator: DepthEstimator, frame: Frame) -> None:
        from mono_depth_ros.folders import write_rgbd

        camera, disparity = self.cameras.known(frame), estimator.disparity(frame.rgb)
        labelled = replace(frame, camera=None, depth=None, disparity=disparity)
        write_rgbd(self.output, [labelled])
        self._seen.add(camera)

    def _write_camera(self) -> None:
        """Write the intrinsics of the labels, if they are known and all the same."""
        from mono_depth_ros.camera import camera_to_json

        (camera, *others) = self._seen
        if camera is not None and not others:
            camera_to_json(self.output / 'camera.json', camera)

    def summary(self) -> str:
        """Say what was done, in one line."""
        lost = self.failed + self.source.skipped
        tail = f', {lost} could not be used' if lost else ''
        images = 'disparity image' if self.labels else 'depth image'
        images += '' if self.written == 1 else 's'
        return f'{self.written} {images} in {self.output} ({self.engine}){tail}'
