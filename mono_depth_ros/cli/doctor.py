# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`mono_depth doctor`: what is installed, what works, and what to do."""

from __future__ import annotations

from dataclasses import asdict
import json
import os
from pathlib import Path
from typing import Annotated

from mono_depth_ros import __version__
from mono_depth_ros.cli import findings as look
from mono_depth_ros.cli.console import console
from mono_depth_ros.engine.select import BACKENDS
from mono_depth_ros.engine.store_reader import StoreReader
from mono_depth_ros.errors import ConfigError
from rich.markup import escape
from rich.table import Table
import typer

MARKS = {
    look.OK: '[green]ok[/]',
    look.NOTE: '[dim]-[/]',
    look.WARNING: '[yellow]warning[/]',
    look.PROBLEM: '[red]problem[/]',
}


def doctor(
    model: Annotated[
        str, typer.Option(help='Network to try: a shipped one, or an imported ONNX file.')
    ] = 'indoor',
    store: Annotated[str, typer.Option(help='Folder of the networks of a robot.')] = '',
    gpu: Annotated[
        bool,
        typer.Option(
            '--gpu', help='Check TensorRT: build each precision, compare and time it (minutes).'
        ),
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option('--json', help='Write the report as JSON, too.')
    ] = None,
) -> None:
    """
    Say what is installed, what works, and what to do.

    Every backend loads the network and is timed. The status is 0 if at least one of them works;
    with --gpu, if everything on the GPU does.
    """
    reader = StoreReader(store)
    with console.status('building and measuring' if gpu else 'trying every backend'):
        on_gpu = examine_gpu(model, reader) if gpu else []
        # After the builds, so that TensorRT is tried with its plan.
        report = [*examine(model, reader), *on_gpu]
    works = any(f.state == look.OK and f.name in {b.name for b in BACKENDS} for f in report)
    show(report, works)
    if json_file is not None:
        write(json_file, report, works)
    broken = any(finding.state == look.PROBLEM for finding in on_gpu)
    if gpu:
        console.print('GPU: [bold red]fail[/]' if broken else 'GPU: [bold green]pass[/]')
    if not works or broken:
        raise typer.Exit(1)


def examine_gpu(model: str, store: StoreReader) -> list[look.Finding]:
    """Look at the GPU, and at what TensorRT makes of the network there."""
    from mono_depth_ros.cli.gpu_findings import look_at_gpu

    _, path = look.look_at_networks(model)
    return look_at_gpu(path, store)


def examine(model: str, store: StoreReader) -> list[look.Finding]:
    """Look at everything."""
    networks, path = look.look_at_networks(model)
    return [
        *look.look_at_platform(),
        *look.look_at_ros(os.environ),
        *networks,
        *look.look_at_backends(path),
        *look.look_at_store(store),
    ]


def show(report: list[look.Finding], works: bool) -> None:
    """Print the table, and one line for everything there is to do."""
    table = Table(title=f'mono_depth_ros {__version__}', title_justify='left')
    table.add_column('')
    table.add_column('State')
    table.add_column('Found', overflow='fold')
    for finding in report:
        table.add_row(escape(finding.name), MARKS[finding.state], escape(finding.value))
    console.print(table)
    remedies = [finding for finding in report if finding.remedy]
    if remedies:
        console.print('[bold]What to do[/]')
    for finding in sorted(remedies, key=lambda finding: -list(MARKS).index(finding.state)):
        optional = ' (optional)' if finding.state == look.NOTE else ''
        line = f'  {finding.name}{optional}: {finding.remedy}'
        console.print(escape(line), soft_wrap=True, highlight=False)
    if not works:
        console.print('[bold red]No backend runs a network.[/]')


def write(path: Path, report: list[look.Finding], works: bool) -> None:
    """Write the report as JSON."""
    values = {
        'version': __version__,
        'inference_works': works,
        'findings': [asdict(finding) for finding in report],
    }
    try:
        path.write_text(json.dumps(values, indent=1) + '\n')
    except OSError as error:
        raise ConfigError(f'cannot write {path}: {error.strerror}') from error
