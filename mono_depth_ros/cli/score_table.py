# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores as tables on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TYPE_CHECKING

from mono_depth_ros.evaluation.methods import BASELINES, NETWORK
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from mono_depth_ros.evaluation.scoring import DatasetScores, Means

# The rest is in the JSON and CSV files: a terminal is 80 columns wide.
SHOWN = ('abs_rel', 'rmse', 'silog', 'delta1', 'delta2')


def print_scores(
    console: Console, network: Mapping[str, Any], datasets: Sequence[DatasetScores]
) -> None:
    """Print one table of all datasets, then what each of them deserves to be told."""
    results = [(scores, scores.means()) for scores in datasets]
    console.print(_score_table(network, results))
    for scores, means in results:
        _print_dataset(console, scores, means)


def _score_table(
    network: Mapping[str, Any], results: Sequence[tuple[DatasetScores, Means]]
) -> Table:
    name = f'{network["name"]} {network["version"]} on {network["backend"]}'
    table = Table(title=escape(name), title_justify='left')
    for column in ('dataset', 'align', 'method'):
        table.add_column(column)
    for column in SHOWN:
        table.add_column(column, justify='right')
    for scores, means in results:
        for protocol in scores.protocols:
            for method, by_align in means.items():
                values = by_align.get(protocol.align)
                if values is None:
                    continue
                table.add_row(
                    escape(short_name(scores.name)),
                    protocol.align,
                    method,
                    *(f'{values[metric]:.3f}' for metric in SHOWN),
                    style='bold' if method == NETWORK else 'dim',
                )
            table.add_section()
    shown = [name for name in BASELINES if any(name in means for _, means in results)]
    table.caption = '; '.join(f'{name}: {BASELINES[name]}' for name in shown)
    table.caption_justify = 'left'
    return table


def _print_dataset(console: Console, scores: DatasetScores, means: Means) -> None:
    protocol = scores.protocols[0]
    own = means[NETWORK][protocol.align]
    lost = scores.unread + len(scores.skipped)
    tail = f', {lost} could not be used' if lost else ''
    if scores.partial:
        tail += ', [bold]stopped before the last one[/]'
    console.print(
        f'[bold]{escape(scores.name)}[/]: {_images(scores.images)}{tail}; true depth '
        f'{protocol.min_depth:g} to {protocol.max_depth:g} m, crop {protocol.crop}, prediction on '
        f'{own["coverage"]:.1%} of the labels. Scale of the place, true / network: median '
        f'{own["scale_median"]:.3f}, standard deviation {own["scale_std"]:.3f} '
        f'({own["scale_spread"]:.3f} of its logarithm).',
        highlight=False,
    )
    if scores.guessed_cap:
        console.print(
            f'  {protocol.max_depth:g} m is a guess from a few images: --max-depth, or max_depth '
            'in camera.json, says it.',
            highlight=False,
        )
    for align, ranges in scores.ranges().items():
        told = '   '.join(_range(row) for row in ranges if row['pixels'])
        console.print(f'  {align}, abs_rel / delta1 by range: {told}', highlight=False)


def _range(row: Mapping[str, float]) -> str:
    return f'{row["near"]:g}-{row["far"]:g} m {row["abs_rel"]:.3f} / {row["delta1"]:.3f}'


def _images(count: int) -> str:
    return f'{count} image' if count == 1 else f'{count} images'


def short_name(name: str) -> str:
    """Return what tells a dataset from others: its layout, the last folder, and the split."""
    layout, _, rest = name.partition(':')
    if '/' not in name:
        return name
    folder, *split = (rest or name).split(':', 1)
    words = [layout] if rest else []
    words += [Path(folder).name, *(Path(text).stem for text in split)]
    return ':'.join(words)
