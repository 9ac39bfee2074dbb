# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the demo shows while it runs."""

from __future__ import annotations

from collections.abc import Mapping
import math
from typing import Any

from mono_depth_ros.cli.console import COLOURS
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table


def as_view(heard: Mapping[str, Any]) -> RenderableType:
    """Lay out what the recorder heard of both nodes."""
    if not heard.get('adaptation'):
        return depth_table(heard)
    return Group(depth_table(heard), adaptation_table(heard['adaptation']))


def depth_table(heard: Mapping[str, Any]) -> Table:
    """Lay out what the recorder heard, and what the depth node says of itself."""
    said = heard.get('diagnostics', {})
    dropped = {
        key.removeprefix('dropped: '): value
        for key, value in said.items()
        if key.startswith('dropped: ')
    }
    table = two_columns('image_rect → depth/image_rect, points')
    received = heard.get('received', {})
    rows = {
        'state': said.get('message', 'starting'),
        'model': ' '.join(
            said.get(key, '') for key in ('model', 'model version', 'network input')
        ),
        'backend': ' '.join(said.get(key, '') for key in ('backend', 'device', 'precision')),
        'images in': f'{heard.get("fps_in", 0.0):5.1f} fps, {received.get("image_rect", 0)} heard',
        'depth out': f'{heard.get("fps_out", 0.0):5.1f} fps, '
        f'{received.get("depth/image_rect", 0)} heard, {heard.get("size", "")}',
        'clouds out': f'{received.get("points", 0)} heard',
        'latency p50 / p99': f'{number(heard, "latency_p50", 1)} / '
        f'{number(heard, "latency_p99", 1)} ms, image stamp to another process',
        'dropped by the node': ', '.join(f'{n} {reason}' for reason, n in dropped.items())
        or ('0' if said else ''),
        'depth 2 / 50 / 98 %': ' / '.join(
            number(heard, f'depth_{name}', 2) for name in ('min', 'median', 'max')
        )
        + ' m',
        'recorded': f'{heard.get("recorded", 0)} messages',
    }
    for name, text in rows.items():
        table.add_row(name, text)
    return table


def adaptation_table(said: Mapping[str, str]) -> Table:
    """Lay out what the adaptation node says of itself, with a bar while it trains."""
    table = two_columns('image_rect → a better network')
    refused = ', '.join(
        f'{count} {key.removeprefix("refused: ")}'
        for key, count in said.items()
        if key.startswith('refused: ')
    )
    anchored = said.get('frames with metric points', '0')
    table.add_row('adaptation', escape(said.get('message', '')))
    table.add_row('images kept', f'{said.get("frames", 0)}, {anchored} with metric points')
    table.add_row('refused', refused or '0')
    table.add_row('cycle', progress(said))
    table.add_row('network in use', said.get('version', ''))
    return table


def progress(said: Mapping[str, str]) -> RenderableType:
    """Return a bar while a cycle trains, else where it is."""
    steps = int(said.get('steps') or 0)
    if not steps:
        return said.get('stage') or said.get('next cycle', '')
    row = Table.grid(padding=(0, 1))
    row.add_row(
        ProgressBar(steps, int(said['step']), width=24),
        f'step {said["step"]} of {steps}, {said.get("eta [s]") or 0} s left',
    )
    return row


def verdict_table(said: Mapping[str, str]) -> Table:
    """Lay out how the cycle ended, with every number of the gate."""
    state = said.get('last outcome', '')
    colour = COLOURS.get(state, 'red')
    title = f'[bold {colour}]{state}[/] {escape(said.get("last reason", ""))}'
    table = Table('check', 'value', 'must be', '', title=title, title_justify='left')
    for key, text in said.items():
        if key.startswith('verdict: '):
            value, relation, limit, judged = text.split()
            shown = {'ok': '[green]ok[/]', 'told': '[yellow]missed, told only[/]'}
            table.add_row(
                key.removeprefix('verdict: '),
                value,
                f'{relation} {limit}',
                shown.get(judged, f'[red]{judged}[/]'),
            )
    return table


def two_columns(title: str) -> Table:
    """Return a table of names and what they are."""
    table = Table(show_header=False, title=title)
    table.add_column(min_width=22)
    table.add_column(min_width=44)
    return table


def number(heard: Mapping[str, Any], key: str, digits: int) -> str:
    """Write a number of a report, or a dash where there is none yet."""
    value = heard.get(key, math.nan)
    return '–' if math.isnan(value) else f'{value:.{digits}f}'
