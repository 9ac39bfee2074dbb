# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`mono_depth evaluate`: score a network on images with depth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
import logging
import math
import os
from pathlib import Path
from typing import Annotated, Any, TYPE_CHECKING

from mono_depth_ros.camera import ASSUMED_FOV
from mono_depth_ros.cli import engines
from mono_depth_ros.cli.console import console, progress_bar
from mono_depth_ros.cli.estimate import CameraChoice, make_folder
from mono_depth_ros.cli.score_table import print_scores
from mono_depth_ros.config import EngineConfig
from mono_depth_ros.errors import (
    CameraError,
    ConfigError,
    DatasetError,
    ImageError,
    MonoDepthError,
)
import typer

if TYPE_CHECKING:
    from mono_depth_ros.evaluation.gallery import Gallery
    from mono_depth_ros.evaluation.scoring import DatasetScores
    from mono_depth_ros.frames import Frame, FrameSource
    from numpy import float32, float64
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)


def evaluate(
    datasets: Annotated[
        list[str],
        typer.Argument(
            help='RGB-D folders, procedural, or LAYOUT:FOLDER[:SPLIT] with nyu, kitti, '
            'kitti_lidar, vkitti2 or diml (docs/datasets.md).',
            show_default=False,
        ),
    ],
    model: engines.Model = engines.DEFAULTS.model,
    backend: engines.Backend = engines.DEFAULTS.backend,
    store: engines.Store = engines.DEFAULTS.store,
    align: Annotated[
        list[str] | None,
        typer.Option(
            help='none, median (ratio of medians), ratio (median of ratios), lstsq, robust '
            '(both in disparity), or all; may be repeated. By default none and median.'
        ),
    ] = None,
    every: Annotated[int, typer.Option(help='Take every n-th image.')] = 1,
    limit: Annotated[int, typer.Option(help='Take the first images only; 0 takes all.')] = 0,
    min_depth: Annotated[float, typer.Option(help='Nearest true depth that counts [m].')] = 1e-3,
    max_depth: Annotated[
        float,
        typer.Option(
            help='Farthest true depth that counts, and limit of predictions [m]; 0 takes that of '
            'the dataset or of camera.json, or guesses: 10 indoors, 80 outdoors.'
        ),
    ] = 0.0,
    crop: Annotated[
        str,
        typer.Option(
            help='none, eigen, garg, kb, kb_garg (garg inside kb), nyu, or auto: what papers use '
            'for the dataset.'
        ),
    ] = 'none',
    fov: engines.Fov = ASSUMED_FOV,
    json_path: Annotated[
        Path | None, typer.Option('--json', help='Write all scores to this file.')
    ] = None,
    csv_path: Annotated[
        Path | None, typer.Option('--csv', help='Write the scores of each image to this file.')
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help='Folder for scores.json, scores.csv and pictures of best and worst.'),
    ] = None,
    strict: Annotated[
        bool, typer.Option('--strict', help='Refuse the first image that cannot be used.')
    ] = False,
    precision: engines.Precision = engines.DEFAULTS.precision,
    input_size: engines.InputSize = engines.DEFAULTS.input_size,
    threads: engines.Threads = engines.DEFAULTS.threads,
    depth_scale: engines.DepthScale = engines.DEFAULTS.depth_scale,
    depth_shift: engines.DepthShift = engines.DEFAULTS.depth_shift,
) -> None:
    """
    Score a network on images with depth.

    It is scored on what the node publishes: depth at the size of the camera image, before the
    range limits. Scores are the mean over images. Baselines that see no image stand beside it.
    """
    from mono_depth_ros.source.layouts.datasets import open_dataset, SelectedFrames

    config = engines.engine_config(locals())
    aligns = chosen_aligns(align or ['none', 'median'])
    check_crop(crop)
    check_cap(max_depth)
    report = Report(json_path, csv_path, output)
    report.check()
    priors = priors_of(config)
    with engines.Estimators(config) as estimators:
        try:
            for text in datasets:
                try:
                    source = SelectedFrames(open_dataset(text, strict=strict), every, limit)
                    cameras = CameraChoice(None, fov)
                    job = Job(
                        source,
                        estimators,
                        priors,
                        aligns,
                        cameras,
                        min_depth,
                        max_depth,
                        crop,
                        strict,
                    )
                    report.score(job)
                except (CameraError, DatasetError) as error:
                    report.failed.append(error)
                    if strict:
                        break
        except MonoDepthError as error:
            report.failed.append(error)
        except KeyboardInterrupt:
            report.failed.append(MonoDepthError('stopped by Ctrl-C'))
        finally:
            # What was scored is worth keeping, whatever stops the rest.
            report.finish(config, estimators)
    if report.failed:
        raise MonoDepthError('; '.join(map(str, report.failed))) from report.failed[0]


def chosen_aligns(words: list[str]) -> list[str]:
    """Return the alignments asked for, each once, in the order of the table."""
    from mono_depth_ros.metrics import ALIGNMENTS

    for word in words:
        if word not in (*ALIGNMENTS, 'all'):
            raise ConfigError(f'align must be one of {(*ALIGNMENTS, "all")}, got {word!r}')
    return [name for name in ALIGNMENTS if name in words or 'all' in words]


def check_crop(crop: str) -> None:
    """Raise ConfigError unless it is a crop, or auto."""
    from mono_depth_ros.metrics import CROPS

    if crop not in (*CROPS, 'auto'):
        raise ConfigError(f'crop must be one of {(*CROPS, "auto")}, got {crop!r}')


def check_cap(max_depth: float) -> None:
    """Raise ConfigError unless it is a depth [m], or 0."""
    if not 0 <= max_depth < math.inf:
        raise ConfigError(
            f'max-depth must be metres, or 0 for that of the dataset, got {max_depth:g}'
        )


def file_name(text: str) -> str:
    """Return a file name for a dataset."""
    kept = (letter if letter.isalnum() or letter in '-_' else '_' for letter in text)
    return ''.join(kept).strip('_')


def describe(config: EngineConfig, estimators: engines.Estimators) -> dict[str, Any]:
    """Return what was scored, for the report."""
    engine = estimators.first.engine
    return {
        'name': engine.manifest.name,
        'version': engine.manifest.version,
        'model': config.model,
        'backend': engine.backend,
        'precision': engine.precision,
        'input_sizes': estimators.sizes,
    }


def priors_of(config: EngineConfig) -> Mapping[str, NDArray[float64]]:
    """Return the row priors that the network is compared with."""
    from mono_depth_ros.evaluation.baselines import row_priors
    from mono_depth_ros.model.registry import resolve_model

    # The source domain is that of the shipped network, whatever the robot made of it.
    model = resolve_model(config.model)
    return row_priors(model.path, model.manifest.max_depth)


@dataclass
class Job:
    """
    Scores one dataset.

    Attributes
    ----------
    scores : DatasetScores or None
        What there is up to now; None before the first image with depth.

    """

    source: FrameSource
    estimators: engines.Estimators
    priors: Mapping[str, NDArray[float64]]
    aligns: list[str]
    cameras: CameraChoice
    min_depth: float
    max_depth: float
    crop: str
    strict: bool
    gallery: Gallery | None = field(default=None, init=False)
    scores: DatasetScores | None = field(default=None, init=False)
    skipped: dict[str, str] = field(default_factory=dict, init=False)

    def run(self) -> None:
        """
        Score every image; one that cannot be used is told and counted, or refused if strict.

        Raises
        ------
        MonoDepthError
            If the network cannot run, or no image at all could be scored.

        """
        from mono_depth_ros.evaluation.gallery import Gallery

        self.gallery = Gallery()
        with progress_bar() as bar:
            task = bar.add_task(self.source.name, total=self.source.count or None)
            for frame in self.source:
                bar.advance(task)
                self._try(frame)
        if self.scores is None or not self.scores.images:
            raise DatasetError(f'no image of {self.source.name} has depth that could be scored')
        self.scores.partial = False

    def _try(self, frame: Frame) -> None:
        """Score one image, or refuse it."""
        import numpy as np

        if frame.depth is None:
            self._refuse(frame.name, 'there is no depth image for it')
        elif not np.isfinite(frame.depth).any():
            # It cannot say whether the dataset is indoors, either.
            self._refuse(frame.name, 'its depth image is empty')
        else:
            if self.scores is None:
                self.scores = self._start(frame.depth)
            self._score(frame, frame.depth, self.scores)

    def _start(self, depth: NDArray[float32]) -> DatasetScores:
        """Choose the range and crop; ``depth`` is that of the first image."""
        from mono_depth_ros.evaluation.cap import guess_cap
        from mono_depth_ros.evaluation.scoring import DatasetScores
        from mono_depth_ros.metrics import Protocol

        known = self.max_depth or self.source.max_depth
        cap = known or guess_cap(self.source, depth)
        crop = self.crop if self.crop != 'auto' else self.source.crop
        protocols = [Protocol(align, self.min_depth, cap, crop) for align in self.aligns]
        return DatasetScores(
            self.source.name, protocols, self.priors, partial=True, guessed_cap=not known
        )

    def _score(self, frame: Frame, true: NDArray[float32], scores: DatasetScores) -> None:
        from mono_depth_ros.postprocessing import resize_depth

        camera = self.cameras.of(frame)
        size = (frame.rgb.shape[0], frame.rgb.shape[1])
        estimator = self.estimators.of(size)
        try:
            depth = estimator.infer(frame.rgb, camera)
        except (ImageError, CameraError) as error:
            self._refuse(frame.name, str(error))
            return
        predicted = resize_depth(depth, size, estimator.output.upsampling)
        own = scores.add(frame.name, predicted, true)
        if not own:
            self._refuse(frame.name, scores.skipped[frame.name])
            return
        first = scores.protocols[0]
        if self.gallery is not None:
            abs_rel = own[first.align]['abs_rel']
            self.gallery.offer(frame.name, abs_rel, frame.rgb, predicted, true, first)

    def _refuse(self, image: str, reason: str) -> None:
        if self.strict:
            raise DatasetError(f'{self.source.name}: {image}: {reason}')
        logger.warning('left out %s of %s: %s', image, self.source.name, reason)
        self.skipped[image] = reason

    def write_picture(self, path: Path) -> None:
        """Write the best and the worst images; raise DatasetError if that is not possible."""
        from mono_depth_ros.visualisation import write_image

        picture = self.gallery.picture() if self.gallery else None
        if picture is None:
            return
        try:
            write_image(path, picture)
        except OSError as error:
            raise DatasetError(f'cannot write {path}: {error}') from error


@dataclass
class Report:
    """Collects the scores of all datasets and hands them out."""

    json_path: Path | None
    csv_path: Path | None
    output: Path | None
    results: list[DatasetScores] = field(default_factory=list, init=False)
    failed: list[MonoDepthError] = field(default_factory=list, init=False)
    _pictures: Counter[str] = field(default_factory=Counter, init=False)

    def score(self, job: Job) -> None:
        """Score a dataset, keep what was scored even if that is stopped, and write its picture."""
        try:
            job.run()
        finally:
            if job.scores is not None and job.scores.images:
                job.scores.unread = job.source.skipped
                job.scores.skipped.update(job.skipped)
                self.results.append(job.scores)
        if self.output is not None:
            name = file_name(job.source.name)
            self._pictures[name] += 1
            again = f'_{self._pictures[name]}' if self._pictures[name] > 1 else ''
            job.write_picture(self.output / f'{name}{again}_best_worst.png')

    def files(self) -> list[tuple[Path, str]]:
        """Return each file to write, and whether it is ``json`` or ``csv``."""
        files = [(self.json_path, 'json'), (self.csv_path, 'csv')]
        if self.output is not None:
            files += [(self.output / f'scores.{kind}', kind) for kind in ('json', 'csv')]
        given = ((path, kind) for path, kind in files if path is not None)
        return [(Path(os.path.abspath(path.expanduser())), kind) for path, kind in given]

    def check(self) -> None:
        """
        Make the folders, and say what could not be written before anything is scored.

        Raises
        ------
        ConfigError
            If one file would have to be JSON and CSV.
        DatasetError
            If a file cannot be written.

        """
        from mono_depth_ros.evaluation.report import check_writable

        if self.output is not None:
            make_folder(self.output)
        kinds: dict[Path, str] = {}
        for path, kind in self.files():
            if kinds.setdefault(path, kind) != kind:
                raise ConfigError(f'{path} cannot be both JSON and CSV: give two different files')
            check_writable(path)

    def finish(self, config: EngineConfig, estimators: engines.Estimators) -> None:
        """Print the scores, if there are any, and write all files; failures are kept."""
        from mono_depth_ros.evaluation.report import to_csv, to_json, write_text

        if not self.results:
            return
        network = describe(config, estimators)
        print_scores(console, network, self.results)
        texts = {'json': to_json(network, self.results), 'csv': to_csv(self.results)}
        for path, kind in dict(self.files()).items():
            try:
                write_text(path, texts[kind])
            except DatasetError as error:
                self.failed.append(error)
