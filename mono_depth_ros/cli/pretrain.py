# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`mono_depth pretrain`: train a network on rendered scenes and on recorded images."""

from __future__ import annotations

from dataclasses import replace
import logging
import os
from pathlib import Path
from typing import Annotated, TYPE_CHECKING

from mono_depth_ros.cli.console import say
from mono_depth_ros.cli.estimate import make_folder
from mono_depth_ros.errors import ConfigError
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

logger = logging.getLogger(__name__)

# Of the labels: a few far ones are in every room with a window.
OUTSIDE = 0.1


def pretrain(
    output: Annotated[Path, typer.Option(help='Folder of the run; an interrupted run goes on.')],
    config: Annotated[
        Path | None, typer.Option(help='YAML file of settings [those of config/pretrain.yaml].')
    ] = None,
    pool: Annotated[
        Path | None, typer.Option(help='Folder of the training samples [OUTPUT/pool].')
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help='NAME=DATASET: train on recorded images with depth, or disparity, too. They are '
            'copied to the pool under that name, cut and shrunk to the one of render_sizes that '
            'suits them; DATASET as for evaluate. Once or more. Labels beyond max_depth teach '
            'little.'
        ),
    ] = None,
    device: Annotated[str, typer.Option(help='auto, cpu or cuda.')] = 'auto',
    render: Annotated[
        bool, typer.Option(help='Render and copy what the pool lacks before training.')
    ] = True,
    render_only: Annotated[
        bool, typer.Option('--render-only', help='Render and copy to the pool, then stop.')
    ] = False,
    strict: Annotated[
        bool, typer.Option('--strict', help='Refuse the first image that cannot be copied.')
    ] = False,
) -> None:
    """
    Train a depth network, from a shipped one or from random weights.

    It learns from procedural scenes, which are rendered first, and from the recorded images of
    --data. To learn from those alone, name them and nothing else as `domains` in CONFIG.

    OUTPUT gets model.onnx, weights.safetensors, manifest.json, source_pack.zip, log.csv and
    training.pt. A killed run continues with the same command. To train while the scenes are being
    rendered, run --render-only in one process and --no-render in another. Several GPUs: render
    with --render-only first, then
    `torchrun --nproc-per-node N -m mono_depth_ros.cli.main pretrain --output RUN`.
    """
    from mono_depth_ros.source.pool import check_rendered, SamplePool
    from mono_depth_ros.training.config import PretrainConfig, read_pretrain_config
    from mono_depth_ros.training.distributed import choose_device
    from mono_depth_ros.training.pretrain import open_run

    settings = PretrainConfig() if config is None else read_pretrain_config(config)
    recorded = named_datasets(data or [])
    further = [name for name in recorded if name not in settings.domains]
    settings = replace(settings, domains=(*settings.domains, *further))
    pool = pool or output / 'pool'
    if render_only and not render:
        raise ConfigError('--render-only and --no-render contradict each other')
    device = choose_device(device)
    processes = int(os.environ.get('WORLD_SIZE', '1'))
    main = os.environ.get('RANK', '0') == '0'
    check_domains(settings, pool, recorded)
    if render:
        for domain in settings.rendered:
            check_rendered(pool, domain, sizes=settings.render_sizes, seed=settings.seed)
        # That takes hours: what is wrong is said before.
        open_run(settings, SamplePool(pool, ()), output)
        make_folder(pool)
    if not render_only:
        make_folder(output)
    if render and processes > 1:
        check_pool(settings, pool, recorded, processes)
    elif render:
        import_data(settings, pool, recorded, strict=strict)
        render_scenes(settings, pool, device)
    if main:
        warn_of_labels(settings, pool)
    if not render_only:
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


def named_datasets(words: list[str]) -> dict[str, str]:
    """
    Read NAME=DATASET.

    Raises
    ------
    ConfigError
        If a name is missing, is there twice, or is one of a domain that is rendered.

    """
    from mono_depth_ros.training.config import DOMAIN, RENDERED

    datasets: dict[str, str] = {}
    for word in words:
        name, found, dataset = word.partition('=')
        if not found or not dataset or not DOMAIN.fullmatch(name):
            raise ConfigError(f'--data takes NAME=DATASET, NAME in small letters, got {word!r}')
        if name in RENDERED or name in datasets:
            raise ConfigError(f'--data {word}: there is another {name}, choose another name')
        datasets[name] = dataset
    return datasets


def import_data(
    settings: PretrainConfig, pool: Path, datasets: dict[str, str], *, strict: bool = False
) -> None:
    """Copy recorded images to the pool, unless they are there, with a progress bar."""
    from mono_depth_ros.source.layouts.datasets import open_dataset
    from mono_depth_ros.training.recorded import import_frames, is_imported

    missing = {name: d for name, d in datasets.items() if not is_imported(pool, name)}
    sources = {
        name: open_dataset(text, strict=strict, labels=True) for name, text in missing.items()
    }
    with _progress(bool(missing)) as bar:
        for name, source in sources.items():
            task = bar.add_task(f'copy {name}', total=source.count or None, scores='')

            def show(done: int, task: TaskID = task) -> None:
                bar.update(task, completed=done)

            copied = import_frames(
                pool,
                name,
                source,
                sizes=settings.render_sizes,
                dataset=missing[name],
                progress=show,
            )
            read = int(bar.tasks[task].completed) + source.skipped
            alike = source.count - read
            tail = f', {alike} not used since they look like those held out' if alike > 0 else ''
            bar.console.print(f'{name}: {copied} images copied, {read - copied} left out{tail}')


def warn_of_labels(settings: PretrainConfig, pool: Path) -> None:
    """Warn of recorded images that show much of what the network does not reach."""
    from mono_depth_ros.training.recorded import shares_outside

    limits = {'nearer than min_depth': settings.min_depth, 'beyond max_depth': settings.max_depth}
    for domain in settings.recorded:
        shares = shares_outside(pool, domain, *limits.values())
        for share, (where, limit) in zip(shares, limits.items(), strict=True):
            if share > OUTSIDE:
                logger.warning(
                    '%.0f %% of the labels of %s lie %s, %g m: set it to what the network is to '
                    'reach, or mend the depth_scale of the images',
                    100 * share,
                    domain,
                    where,
                    limit,
                )


def check_domains(settings: PretrainConfig, pool: Path, datasets: dict[str, str]) -> None:
    """Refuse domains that nobody renders or copies, or that the pool has of other datasets."""
    from mono_depth_ros.source.pool import SamplePool
    from mono_depth_ros.training.config import RENDERED
    from mono_depth_ros.training.recorded import check_dataset

    for name, dataset in datasets.items():
        check_dataset(pool, name, dataset)
    for domain in settings.recorded:
        if domain not in datasets and not len(SamplePool(pool, (domain,))):
            raise ConfigError(
                f'domains has {domain!r}, which is neither one that is rendered {RENDERED} nor '
                f'in the pool {pool}: name its images with --data {domain}=DATASET'
            )


def check_pool(
    settings: PretrainConfig, pool: Path, datasets: dict[str, str], processes: int
) -> None:
    """Refuse to fill the pool in several processes: the others would wait, and give up."""
    from mono_depth_ros.source.pool import missing_shards
    from mono_depth_ros.training.recorded import is_imported

    lacking = [
        domain
        for domain in settings.rendered
        if missing_shards(pool, domain, samples=settings.samples)
    ]
    lacking += [name for name in datasets if not is_imported(pool, name)]
    if lacking:
        raise ConfigError(
            f'{pool} lacks images of {" and ".join(lacking)}, and {processes} processes cannot '
            'fill it: do that with --render-only in one process first, or train on what is there '
            'with --no-render'
        )


def render_scenes(settings: PretrainConfig, pool: Path, device: str) -> None:
    """Render what the pool lacks, with a progress bar."""
    from mono_depth_ros.source.pool import fill_pool

    with _progress() as bar:
        for domain in settings.rendered:
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
        say(f'{state}: {result.step} updates, {result.skipped} skipped, in {output}')
