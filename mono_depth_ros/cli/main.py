# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ``mono_depth`` command: one subcommand a file, imported only when it is called."""

from __future__ import annotations

from dataclasses import dataclass
import importlib
from importlib.util import find_spec
import sys
from typing import Annotated, Any

from mono_depth_ros import __version__
from mono_depth_ros.cli.console import error_console, start_logging
from mono_depth_ros.errors import MonoDepthError
from rich.markup import escape
import typer


@dataclass(frozen=True)
class Command:
    """A subcommand: where it is, and the line that ``--help`` shows without importing it."""

    name: str
    module: str
    attribute: str
    summary: str

    def load(self) -> Any:
        """Import its function or typer app; raise MonoDepthError if a library is missing."""
        try:
            module = importlib.import_module(f'mono_depth_ros.cli.{self.module}')
        except ImportError as error:
            raise MonoDepthError(
                f'`mono_depth {self.name}` needs {error.name}, which cannot be imported '
                f'({error}): `mono_depth doctor` says what to install'
            ) from error
        return getattr(module, self.attribute)

    def stub(self) -> Any:
        """Return a function that stands in for it in the list of commands."""

        def listed() -> None: ...

        listed.__doc__ = self.summary
        return listed


ALL_COMMANDS = (
    Command('demo', 'demo', 'demo', 'Watch real ROS 2 nodes turn images into depth and clouds.'),
    Command('estimate', 'estimate', 'estimate', 'Estimate the depth of images, or of a video.'),
    Command('bag', 'bag', 'bag', 'Add depth and clouds to a bag.'),
    Command('evaluate', 'evaluate', 'evaluate', 'Score a network on images with depth.'),
    Command('benchmark', 'benchmark', 'benchmark', 'Measure latency, throughput and memory.'),
    Command('doctor', 'doctor', 'doctor', 'Say what is installed, what works, and what to do.'),
    Command('import', 'import_network', 'import_network', 'Import an ONNX depth network.'),
    Command('adapt', 'adapt', 'adapt', 'Adapt a network to images without labels.'),
    Command('store', 'store', 'app', 'List, promote and roll back the networks of a robot.'),
    Command('build', 'build', 'build', 'Build the TensorRT engine of a network.'),
    Command(
        'pretrain',
        'pretrain',
        'pretrain',
        'Train a network on rendered scenes and on your images.',
    ),
)
COMMANDS = tuple(
    command for command in ALL_COMMANDS if find_spec(f'mono_depth_ros.cli.{command.module}')
)


def build_app(wanted: str = '') -> typer.Typer:
    """
    Return the command line, with only one of its commands imported.

    Parameters
    ----------
    wanted : str
        The command that will be called; the others are there for ``--help``.

    """
    app = typer.Typer(
        add_completion=False,
        no_args_is_help=True,
        # Joins the lines of a docstring, and leaves square brackets alone.
        rich_markup_mode='markdown',
    )
    app.callback()(options)
    for command in COMMANDS:
        implementation = command.load() if command.name == wanted else command.stub()
        if isinstance(implementation, typer.Typer):
            app.add_typer(implementation, name=command.name)
        else:
            app.command(command.name)(implementation)
    return app


def show_version(value: bool) -> None:
    """Print the version and end."""
    if value:
        print(f'mono_depth {__version__}')
        raise typer.Exit()


def options(
    debug: Annotated[
        bool, typer.Option('--debug', help='Log everything, and show where an error came from.')
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            '--version', callback=show_version, is_eager=True, help='Print the version and exit.'
        ),
    ] = False,
) -> None:
    """Metric depth from one camera."""
    start_logging(debug=debug)


def main(arguments: list[str] | None = None) -> None:
    """
    Run the command line; raises SystemExit with its status.

    An error of the package is one red line; ``--debug`` shows where it came from.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    names = {command.name for command in COMMANDS}
    wanted = next((word for word in arguments if not word.startswith('-')), '')
    try:
        build_app(wanted if wanted in names else '')(args=arguments, prog_name='mono_depth')
    except MonoDepthError as error:
        if '--debug' in arguments:
            raise
        error_console.print(f'[bold red]Error:[/] {escape(str(error))}', soft_wrap=True)
        sys.exit(1)


if __name__ == '__main__':
    main()
