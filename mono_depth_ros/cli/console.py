# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every command shows the same way."""

from __future__ import annotations

import logging

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

console = Console()
error_console = Console(stderr=True)

# Of the ends of a cycle; all others are red.
COLOURS = {'PROMOTED': 'green', 'ADDED': 'green', 'REJECTED': 'yellow', 'SKIPPED': 'yellow'}


def start_logging(*, debug: bool = False) -> None:
    """Show warnings of the core above any progress bar, and everything for ``--debug``."""
    handler = RichHandler(console=error_console, show_time=False, show_path=False)
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING,
        format='%(message)s',
        handlers=[handler],
        force=True,
    )


def say(text: str) -> None:
    """Print text as it is: brackets in a path are no markup."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def progress_bar() -> Progress:
    """Return a progress bar for work whose length may be unknown."""
    return Progress(
        SpinnerColumn(),
        TextColumn('{task.description}', markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=error_console,
    )
