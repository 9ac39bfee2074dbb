# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`mono_depth store`: look at the networks a robot made for itself, and choose between them."""

from __future__ import annotations

import json
from typing import Annotated

from mono_depth_ros.cli.console import console
from mono_depth_ros.engine.store import Version, VersionStore
from mono_depth_ros.engine.store_reader import BY_HAND
from rich.markup import escape
from rich.table import Table
import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help='List, promote and roll back the networks of a robot.',
)
Store = Annotated[
    str,
    typer.Option(help='Folder of the store; $ROS_HOME/mono_depth or ~/.ros/mono_depth if empty.'),
]
Name = Annotated[str, typer.Argument(help='Number or name of a version.', show_default=False)]
RELOAD = 'ros2 service call NODE/reload_engine std_srvs/srv/Trigger'


def _say_in_use(version: Version | None) -> None:
    used = version.name if version else 'the shipped network'
    console.print(f'[green]in use:[/] {used}', highlight=False)
    console.print(
        f'a running depth node takes it with `{RELOAD}`; NODE is its name with its namespace, '
        '/depth_node if it has none',
        soft_wrap=True,
    )


@app.command('list')
def list_versions(store: Store = '') -> None:
    """List the versions, and say which is in use."""
    opened = VersionStore(store)
    reading, problems = opened.read_current(), opened.verify()
    table = Table(title=str(opened.root), title_justify='left')
    for column in ('Version', 'Network', 'Added', 'State'):
        table.add_column(column)
    used = reading.version.name if reading.version else ''
    candidate = opened.candidate()
    for version in opened.versions():
        state = '[green]in use[/]' if version.name == used else ''
        state = 'waits to be tried' if version == candidate else state
        state = f'[yellow]bad: {escape(version.bad)}[/]' if version.bad else state
        state = problems.pop(version.name, state)
        table.add_row(version.name, version.manifest.name, version.created, state)
    for name, problem in problems.items():
        table.add_row(name, '?', '?', f'[red]{escape(problem)}[/]')
    console.print(table)
    if reading.reason:
        console.print(f'[red]{escape(reading.reason)}[/]')
    elif not used:
        console.print('in use: the shipped network')


@app.command()
def show(version: Name, store: Store = '') -> None:
    """Print everything that is known about a version."""
    chosen = VersionStore(store).find(version)
    values = json.loads((chosen.path / 'manifest.json').read_text())
    console.print(f'[bold]{chosen.name}[/] in {escape(str(chosen.path))}', soft_wrap=True)
    if chosen.bad:
        console.print(f'[yellow]bad: {escape(chosen.bad)}[/]')
    console.print_json(data=values)


@app.command()
def promote(
    version: Name,
    force: Annotated[
        bool, typer.Option('--force', help='Even if it is marked bad; takes the mark away.')
    ] = False,
    store: Store = '',
) -> None:
    """Put a version in use, whichever waits to be tried."""
    _say_in_use(VersionStore(store).promote(version, force=force))


@app.command()
def rollback(
    reason: Annotated[
        str, typer.Option(help='Why; it is written into the version that is left.')
    ] = '',
    store: Store = '',
) -> None:
    """Go back to the version in use before, and mark the present one bad."""
    said = f'{BY_HAND}: {reason}' if reason else BY_HAND
    _say_in_use(VersionStore(store).rollback(said))


@app.command()
def reset(store: Store = '') -> None:
    """Go back to the shipped network; no version is marked bad."""
    VersionStore(store).reset()
    _say_in_use(None)


@app.command()
def verify(store: Store = '') -> None:
    """Check every file against its hash; the status is 1 if one is damaged."""
    opened = VersionStore(store)
    problems = opened.verify()
    for name, problem in problems.items():
        console.print(f'[red]{name}[/] {escape(problem)}', highlight=False)
    if problems:
        raise typer.Exit(1)
    count = len(opened.versions())
    versions = f'{count} version{"" if count == 1 else "s"}'
    console.print(f'[green]ok[/] {versions} in {escape(str(opened.root))}')


@app.command()
def prune(
    keep: Annotated[int, typer.Option(min=0, help='How many of the newest to keep.')] = 3,
    store: Store = '',
) -> None:
    """Remove old versions, but not the one in use, the one before, and one still to be tried."""
    removed = VersionStore(store).prune(keep)
    console.print(f'removed: {", ".join(removed) or "none"}', highlight=False)
