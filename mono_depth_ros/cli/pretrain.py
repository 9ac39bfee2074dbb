# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`mono_depth pretrain`: render procedural scenes and train a network on them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, TYPE_CHECKING

from mono_depth_ros.errors import ConfigError
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
import typer

if TYPE_CHECKING:
    from mono_depth_ros.training.config import PretrainConfig


def pretrain(
    output: Annotated[Path, typer.Option(help='Folder of the run; an interrupted run goes on.')],
    config: Annotated[
        Path | None, typer.Option(help='YAML file of settings [those of config/pretrain.yaml].')
    ] = None,
    pool: Annotated[
        Path | None, typer.Option(help='Folder of the rendered scenes [OUTPUT/pool].')
    ] = None,
    device: Annotated[str, typer.Option(help='auto, cpu or cuda.')] = 'auto',
    render: Annotated[
        bool, typer.Option(help='Render scenes that the pool lacks before training.')
    ] = True,
    render_only: Annotated[
        bool, typer.Option('--render-only', help='Render the scenes, then stop.')
    ] = False,
) -> None:
    """
    Train a depth network on the procedural world, from a shipped one or from random weights.

    OUTPUT gets model.onnx, weights.safetensors, manifest.json, source_pack.zip, log.csv and
    training.pt. A killed run continues with the same command. To train while the scenes are being
    rendered, run --render-only in one process and --no-render in another. Several GPUs: render
    with --render-only first, then
    `torchrun --nproc-per-node N -m mono_depth_ros.cli.main pretrain --output RUN`.
    """
    from mono_depth_ros.training.config import PretrainConfig, read_pretrain_config
    from mono_depth_ros.training.distributed import choose_device
    from mono_depth_ros.training.start import describe_start

    settings = PretrainConfig() if config is None else read_pretrain_config(config)
    pool = pool or output / 'pool'
    if render_only and not render:
        raise ConfigError('--render-only and --no-render contradict each other')
    device = choose_device(device)
    describe_start(settings.start)  # rendering takes hours: what is wrong is said before
    processes = int(os.environ.get('WORLD_SIZE', '1'))
    if render:
        check_domains(settings, pool)
    if render and processes > 1:
        check_rendered(settings, pool, processes)
    elif render:
        render_scenes(settings, pool, device)
    if not render_only:
        main = os.environ.get('RANK', '0') == '0'
        train(settings, pool, output, device, main)


def _progress(shown: bool = True) -> Progress:
    return Progress(
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn('{task.fields[scores]}'),
        disable=not shown,
    )


def check_domains(settings: PretrainConfig, pool: Path) -> None:
    """Refuse domains that can neither be rendered nor are in the pool."""
    from mono_depth_ros.source.pool import SamplePool
    from mono_depth_ros.training.config import RENDERED

    for domain in settings.domains:
        if domain not in RENDERED and not len(SamplePool(pool, (domain,))):
            raise ConfigError(
                f'domains has {domain!r}, which is neither one that is rendered {RENDERED} nor '
                f'in the pool {pool}'
            )


def check_rendered(settings: PretrainConfig, pool: Path, processes: int) -> None:
    """Refuse to render in several processes: the others would wait for hours, and give up."""
    from mono_depth_ros.source.pool import missing_shards

    for domain in rendered_domains(settings):
        missing = missing_shards(pool, domain, samples=settings.samples)
        if missing:
            raise ConfigError(
                f'{pool} lacks {len(missing)} shards of {domain} and {processes} processes '
                'cannot render them: render with --render-only in one process first, or train '
                'on what is there with --no-render'
            )


def rendered_domains(settings: PretrainConfig) -> list[str]:
    """Return the domains whose scenes are rendered, not recorded."""
    from mono_depth_ros.training.config import RENDERED

    return [domain for domain in settings.domains if domain in RENDERED]


def render_scenes(settings: PretrainConfig, pool: Path, device: str) -> None:
    """Render what the pool lacks, with a progress bar."""
    from mono_depth_ros.source.pool import fill_pool

    with _progress() as bar:
        for domain in rendered_domains(settings):
            task = bar.add_task(f'render {domain}', total=settings.samples, scores='')

            def show(done: int, task: TaskID = task) -> None:
                bar.update(task, completed=done)

            fill_pool(
                pool,
                domain,
                samples=settings.samples,
                sizes=settings.render_sizes,
                seed=settings.seed,
                device=device,
                progress=show,
            )


def train(settings: PretrainConfig, pool: Path, output: Path, device: str, main: bool) -> None:
    """Train with a progress bar, then export the averaged network."""
    from mono_depth_ros.training.pretrain import export_run
    from mono_depth_ros.training.pretrain import pretrain as run

    with _progress(main) as bar:
        task = bar.add_task('train', total=settings.steps, scores='')

        def show(done: int, steps: int, scores: dict[str, float]) -> None:
            text = '  '.join(f'{name} {value:.3g}' for name, value in scores.items())
            bar.update(task, completed=done, total=steps, scores=text)

        result = run(settings, pool, output, device=device, progress=show)
    if main:
        export_run(settings, pool, output)
        state = 'finished' if result.finished else 'stopped early; the same command continues'
        Console().print(f'{state}: {result.step} updates, {result.skipped} skipped, in {output}')
