# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`mono_depth import`: make a network of this package from any ONNX depth network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mono_depth_ros.cli.console import console
from rich.markup import escape
import typer


def import_network(
    network: Annotated[
        Path, typer.Argument(help='ONNX file of a depth network.', show_default=False)
    ],
    config: Annotated[
        Path,
        typer.Option(
            help='YAML file that says what the ONNX file does not, see config/import_example.yaml.'
        ),
    ],
    output: Annotated[
        Path | None, typer.Option(help='ONNX file to write (by default NAME/model.onnx).')
    ] = None,
) -> None:
    """
    Import an ONNX depth network.

    Image preparation and metres are put into its graph, it is tried on a backend, and written.
    """
    from mono_depth_ros.model.onnx_import import import_network as run
    from mono_depth_ros.model.onnx_import import read_import_config

    settings = read_import_config(config)
    target = output or Path(settings.name or network.stem) / 'model.onnx'
    manifest = run(network, settings, target)
    height, width = manifest.input_size
    size = f'multiples of {manifest.stride}, {height}x{width}' if manifest.dynamic else ''
    where = escape(str(target))
    console.print(
        f'[green]imported[/] {escape(manifest.name)}: {size or f"{height}x{width}"}, '
        f'{manifest.output}, {"metres" if manifest.metric else "relative"}, in {where}',
        highlight=False,
    )
    console.print(f'run it with model:={escape(str(target.resolve()))}', soft_wrap=True)
    if not manifest.metric:
        console.print(
            '[yellow]It only knows relative depth:[/] it runs with depth_scale (and depth_shift), '
            'or import it again with scale or fb.'
        )
    elif not manifest.focal:
        console.print(
            '[yellow]Its focal length is unknown:[/] metres only hold for a camera like the one '
            'it was trained with; set focal to scale them for others.'
        )
