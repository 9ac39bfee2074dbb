# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the command line and see what a user sees."""

from mono_depth_ros.cli.main import main
import pytest


@pytest.fixture
def run(capsys, monkeypatch):
    """Return a function that runs a command line: exit status, output, errors."""
    # Wide enough that no sentence is broken, whatever the terminal.
    monkeypatch.setattr('mono_depth_ros.cli.console.console.width', 300, raising=False)

    def run_command(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return run_command
