# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The mono_depth command, one file a subcommand."""

import sys

# Older ones, such as that of Ubuntu 24.04, do not read the options as they are written here.
TYPER = (0, 12)


def run() -> None:
    """Run the command line, or say what it lacks: rosdep cannot install all it needs."""
    try:
        import typer

        found = tuple(int(part) for part in typer.__version__.split('.')[:2])
        if found < TYPER:
            sys.exit(
                f'mono_depth needs typer {TYPER[0]}.{TYPER[1]} or newer, found '
                f"{typer.__version__}: pip install --upgrade 'typer>={TYPER[0]}.{TYPER[1]}'"
            )
        from mono_depth_ros.cli.main import main
    except ImportError as error:
        sys.exit(f'mono_depth needs {error.name}: pip install typer rich')
    main()
