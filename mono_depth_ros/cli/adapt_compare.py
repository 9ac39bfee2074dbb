# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `mono_depth adapt` measures: scores of networks, and all modes next to each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TYPE_CHECKING

from mono_depth_ros.adaptation.config import AdapterConfig, BufferConfig, GateConfig
from mono_depth_ros.cli.console import console, progress_bar, say
from mono_depth_ros.errors import ConfigError
from rich.table import Table

if TYPE_CHECKING:
    from mono_depth_ros.adaptation.comparison import Comparison
    from mono_depth_ros.adaptation.target_frame import TargetFrame
    from mono_depth_ros.frames import Frame


@dataclass(frozen=True)
class ComparisonOptions:
    """
    What to compare, and where it goes.

    Attributes
    ----------
    images, model : str
        Recording and network.
    anchors : list of str
        Anchors that the default is tried with.
    camera_height : float
        Of the anchor ``height`` [m].
    seeds, few : int
        Seeds of the default, and of the modes it is compared with.
    runs, plot : Path or None
        Files of the runs that are done, and of the picture.

    """

    images: str
    model: str
    anchors: list[str]
    camera_height: float
    seeds: int
    few: int
    runs: Path | None
    plot: Path | None


def compare_modes(
    config: AdapterConfig,
    options: ComparisonOptions,
    target: Iterable[Frame],
    labelled: Sequence[Frame],
) -> dict[str, Any]:
    """Adapt with every mode, anchor and seed, and print the scores next to the controls."""
    from mono_depth_ros.adaptation.comparison import (
        Ledger,
        planned_runs,
        settings_of,
        summarise,
    )
    import torch

    if not labelled:
        raise ConfigError('--compare needs --score-last and images with depth')
    if config.adaptation_threads:
        torch.set_num_threads(config.adaptation_threads)
    comparison = prepare(config, options, target, labelled)
    settings = settings_of(comparison, options.model, Path(options.images).name)
    ledger = Ledger(options.runs, settings)
    seeds = range(config.seed, config.seed + options.seeds)
    wanted = planned_runs(options.anchors, seeds, options.few)
    with progress_bar() as bar:
        task = bar.add_task('compare', total=len(wanted))
        for run in wanted:
            done = ledger.has(run)
            if not done:
                label = f'{run.name}, seed {run.seed}'
                bar.update(task, description=label)
                ledger.add(
                    comparison.run(
                        run,
                        lambda event, label=label: bar.update(  # type: ignore[misc]
                            task, description=f'{label}: {event["stage"]} {event.get("step", "")}'
                        ),
                    )
                )
            bar.advance(task)
    controls = [row for anchor in options.anchors for row in comparison.controls(anchor)]
    rows = summarise([*ledger.rows, *controls])
    print_summary(rows)
    if options.plot is not None:
        from mono_depth_ros.adaptation.comparison_plot import draw_comparison
        from mono_depth_ros.visualisation import write_image

        write_image(options.plot, draw_comparison([*ledger.rows, *controls]))
        say(f'picture in {options.plot}')
    return {'settings': settings, 'summary': rows, 'runs': ledger.rows, 'controls': controls}


def tell_known(anchor: str, frames: Sequence[TargetFrame]) -> None:
    """Print of how many images motion tells the shape, and an anchor the metres."""
    shape = sum(len(frame.structure) > 0 for frame in frames)
    metres = sum(len(frame.points) > 0 for frame in frames)
    text = f'anchor {anchor}: of {len(frames)} images {shape} with shape from motion'
    say(f'{text}, {metres} with metric points')


def prepare(
    config: AdapterConfig,
    options: ComparisonOptions,
    target: Iterable[Frame],
    labelled: Sequence[Frame],
) -> Comparison:
    """Collect the target once for each anchor."""
    from mono_depth_ros.adaptation.comparison import Comparison
    from mono_depth_ros.adaptation.offline import anchored_targets
    from mono_depth_ros.adaptation.shipped import source_network, source_samples
    from mono_depth_ros.model.registry import resolve_model
    from mono_depth_ros.preprocessing import input_size_for

    resolved = resolve_model(options.model)
    camera = next(iter(target)).camera
    assert camera is not None
    size = input_size_for(resolved.manifest, camera.width, camera.height)
    source = source_network(resolved.path)
    collected = anchored_targets(
        target, size, options.anchors, BufferConfig(min_gap_s=0.0), source, options.camera_height
    )
    for anchor, frames in collected.items():
        tell_known(anchor, frames)
    samples = source_samples(resolved.path, resolved.manifest)
    return Comparison(source, samples, collected, labelled, config, GateConfig())


def score_networks(
    folders: dict[str, Path], labelled: list[Frame], size: tuple[int, int]
) -> dict[str, dict[str, float]]:
    """Score networks by name, and print the scores."""
    from mono_depth_ros.adaptation.offline import cap_of, score
    from mono_depth_ros.adaptation.session import predictor
    from mono_depth_ros.model.checkpoint import load_network

    scores: dict[str, dict[str, float]] = {}
    for name, folder in folders.items():
        network = load_network(folder)
        scores[name] = score(predictor(network), labelled, size, network.focal, cap_of(network))
    print_scores([{'name': name, **row} for name, row in scores.items()])
    return scores


def print_scores(rows: list[dict[str, Any]]) -> None:
    """Print scores as a table."""
    table = Table(title='scores on labelled images', title_justify='left')
    names = ('abs_rel', 'delta1', 'abs_rel_aligned', 'delta1_aligned')
    for column in ('', *names):
        table.add_column(column)
    for row in rows:
        table.add_row(row['name'], *(f'{row[name]:.3f}' for name in names))
    console.print(table)


def print_summary(rows: list[dict[str, Any]]) -> None:
    """Print median, mean and deviation over the seeds of everything that was compared."""
    table = Table(title='median (mean, deviation) over seeds', title_justify='left')
    names = ('abs_rel', 'abs_rel_aligned', 'delta1')
    for column in ('', 'seeds', *names, 'source rise', 's', 'accepted'):
        table.add_column(column)
    for row in rows:
        several = row['seeds'] > 1
        cells = []
        for name in names:
            value = row[name]
            more = f' ({value["mean"]:.3f}, {value["deviation"]:.3f})' if several else ''
            cells.append(f'{value["median"]:.3f}{more}')
        rise, seconds = row.get('source_abs_rel_rise'), row.get('seconds')
        table.add_row(
            row['name'],
            str(row['seeds']),
            *cells,
            f'{100 * rise["median"]:+.1f} %' if rise else '',
            f'{seconds["median"]:.0f}' if seconds else '',
            f'{row["accepted"]} of {row["seeds"]}' if 'accepted' in row else '',
        )
    console.print(table)
