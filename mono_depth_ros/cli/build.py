# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`mono_depth build`: build the TensorRT plan of a network before a robot needs it."""

from __future__ import annotations

from typing import Annotated, TYPE_CHECKING

from mono_depth_ros.cli.console import console, error_console
from mono_depth_ros.cli.engines import InputSize, Model
from mono_depth_ros.config import PRECISIONS
from mono_depth_ros.errors import ConfigError
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
import typer

if TYPE_CHECKING:
    from mono_depth_ros.engine.plan_build import BuiltPlan, PlanBuild
    from mono_depth_ros.engine.store_reader import StoreReader
    from mono_depth_ros.model.registry import ResolvedModel


def build(
    model: Model = 'indoor',
    precision: Annotated[
        list[str] | None,
        typer.Option(
            help='fp16, fp32 or int8; auto is fp16. May be given several times.',
            show_default='auto',
        ),
    ] = None,
    input_size: InputSize = 'auto',
    store: Annotated[
        str, typer.Option(help='Folder of the store; $ROS_HOME/mono_depth if empty.')
    ] = '',
    version: Annotated[
        str,
        typer.Option(help='Number or name of a version in the store, instead of the one in use.'),
    ] = '',
    calibration: Annotated[
        str, typer.Option(help='Images of the place, for int8: a folder, video or bag.')
    ] = '',
    source: Annotated[
        str,
        typer.Option(
            help='Source pack, or images of the source domain, for int8; by default the pack '
            'beside the network.'
        ),
    ] = '',
    workspace: Annotated[
        int | None,
        typer.Option(min=16, help='GPU memory that one layer may use [MiB].', show_default='1024'),
    ] = None,
    level: Annotated[
        int | None,
        typer.Option(min=0, max=5, help='Effort: 0 builds fast, 5 runs fast.', show_default='3'),
    ] = None,
    refit: Annotated[
        bool,
        typer.Option(
            '--refit',
            help='Build a plan that takes the weights of adapted networks in seconds; it may run '
            'slower.',
        ),
    ] = False,
    force: Annotated[bool, typer.Option('--force', help='Build even if there is one.')] = False,
) -> None:
    """
    Build the TensorRT engine of a network.

    The plan goes to the store, where depth nodes find it: run this on the robot, since a plan is
    for one GPU and one TensorRT. Without it a node builds its plan by itself and runs on another
    backend meanwhile. Ctrl-C stops between two steps.
    """
    from mono_depth_ros.engine.plan_build import PlanBuild
    from mono_depth_ros.engine.plans import BuildOptions
    from mono_depth_ros.engine.store_reader import StoreReader
    from mono_depth_ros.preprocessing import parse_input_size

    wanted = precision or ['auto']
    for name in wanted:
        if name not in PRECISIONS:
            raise ConfigError(f'precision must be one of {PRECISIONS}, got {name!r}')
    if calibration and 'int8' not in wanted:
        raise ConfigError('calibration is for int8: add --precision int8')
    given = {'workspace_mb': workspace, 'optimization_level': level}
    chosen = {name: value for name, value in given.items() if value is not None}
    options = BuildOptions(**chosen, refittable=refit) if chosen or refit else None
    reader = StoreReader(store)
    network = _resolve(model, reader, version)
    size = parse_input_size(input_size) or network.manifest.input_size
    if calibration:
        _quantise(network, size, reader, calibration, source)
    for name in wanted:
        plan = _run(
            PlanBuild(
                network.path,
                size,
                name,
                engines_path=reader.engines_path,
                options=options,
                force=force,
            ),
            f'{network.manifest.name} {network.version}, {name}, {size[0]}x{size[1]}',
        )
        how = 'refitted' if plan.refitted else 'built'
        did = f'{how} in {plan.seconds:.0f} s' if plan.built else 'is there already'
        console.print(
            f'[green]{did}[/]: {plan.precision} for {escape(plan.gpu)}, TensorRT {plan.tensorrt}: '
            f'{escape(str(plan.path))}',
            soft_wrap=True,
            highlight=False,
        )


def _resolve(model: str, reader: StoreReader, version: str) -> ResolvedModel:
    """Find the network: a version of the store by name, the one in use, or the shipped one."""
    from mono_depth_ros.model.registry import resolve_model, ResolvedModel

    if version:
        chosen = reader.find(version)
        return ResolvedModel(chosen.onnx_path, chosen.manifest, chosen.name, 'store')
    found = resolve_model(model, reader)
    if found.warning:
        error_console.print(f'[yellow]{escape(found.warning)}[/]', soft_wrap=True)
    return found


def _run(build: PlanBuild, what: str) -> BuiltPlan:
    """Show a progress bar until a build is done."""
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        TextColumn('{task.percentage:>3.0f} %'),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=error_console, transient=True) as progress:
        task = progress.add_task(f'{what}: starting', total=1.0)

        def report(phase: str, fraction: float) -> None:
            progress.update(task, description=f'{what}: {escape(phase)}', completed=fraction)

        try:
            return build.run(report)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None


def _quantise(
    network: ResolvedModel, size: tuple[int, int], reader: StoreReader, images: str, source: str
) -> None:
    """Make the INT8 form of a network, and keep it only if it is nearly as good."""
    from mono_depth_ros.engine.int8 import make_int8

    with error_console.status('INT8: calibrating, a few minutes'):
        comparison = make_int8(network.path, size, reader.engines_path, images, source)
    console.print(f'[green]INT8 is good enough[/]: {comparison.describe()}', highlight=False)
