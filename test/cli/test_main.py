# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line as a whole."""

import subprocess
import sys

from mono_depth_ros import __version__, cli
from mono_depth_ros.cli import main as command_line
from mono_depth_ros.cli.main import build_app, Command, COMMANDS
from mono_depth_ros.errors import MonoDepthError
import pytest


def test_help_lists_every_command_without_importing_any(run, monkeypatch):
    monkeypatch.setattr(Command, 'load', lambda command: pytest.fail(command.name))

    status, output, _ = run('--help')

    assert status == 0
    assert all(command.name in output for command in COMMANDS)


@pytest.mark.parametrize('command', COMMANDS, ids=lambda command: command.name)
def test_every_command_has_its_help(run, command):
    status, output, _ = run(command.name, '--help')

    assert status == 0
    assert f'mono_depth {command.name}' in output


def test_the_version_is_that_of_the_package(run):
    assert run('--version')[:2] == (0, f'mono_depth {__version__}\n')


def test_an_error_is_one_line_and_no_traceback(run):
    status, output, errors = run('estimate', '/nowhere', '--output', '/nowhere/else')

    assert status == 1
    assert output == ''
    assert errors.strip() == 'Error: there is nothing at /nowhere'


def test_debug_shows_where_an_error_came_from():
    with pytest.raises(MonoDepthError, match='nothing at /nowhere'):
        command_line.main(['--debug', 'estimate', '/nowhere', '--output', '/nowhere/else'])


def test_a_command_whose_library_is_missing_says_so(monkeypatch):
    monkeypatch.setattr(
        command_line, 'COMMANDS', (Command('paint', 'no_such_file', 'paint', 'Paint.'),)
    )

    with pytest.raises(MonoDepthError, match='`mono_depth paint` needs'):
        build_app('paint')


def test_a_typer_that_is_too_old_is_said(monkeypatch):
    monkeypatch.setattr('typer.__version__', '0.9.0')

    with pytest.raises(SystemExit, match=r'needs typer 0\.12 or newer, found 0\.9\.0'):
        cli.run()


def test_a_missing_library_is_said_without_a_traceback(monkeypatch):
    monkeypatch.setitem(sys.modules, 'typer', None)

    with pytest.raises(SystemExit, match='needs typer: pip install'):
        cli.run()


def test_it_runs_as_a_module():
    result = subprocess.run(
        [sys.executable, '-m', 'mono_depth_ros.cli.main', '--version'],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert __version__ in result.stdout
