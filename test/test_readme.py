# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The README says what the code does."""

from dataclasses import fields
from pathlib import Path
import re
import shlex

from mono_depth_ros.adaptation.schedule import ScheduleConfig
from mono_depth_ros.cli.main import build_app
from mono_depth_ros.config import (
    AdaptationNodeConfig,
    DepthNodeConfig,
    EngineConfig,
    OutputConfig,
    ScaleConfig,
)
from mono_depth_ros.model.onnx_import import read_import_config
import pytest
import typer

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / 'README.md').read_text()
CONFIGS = (
    DepthNodeConfig,
    EngineConfig,
    ScaleConfig,
    OutputConfig,
    ScheduleConfig,
    AdaptationNodeConfig,
)
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
# At the beginning of a line, with its further lines.
COMMAND = re.compile(r'^mono_depth (?:[^#\n\\]|\\\n)+', re.MULTILINE)
COMMANDS = [match for page in PAGES for match in COMMAND.findall(page.read_text())]
SETTINGS = [spec for config in CONFIGS for spec in fields(config)]


@pytest.mark.parametrize('spec', SETTINGS, ids=lambda spec: spec.name)
def test_every_parameter_is_in_the_table_with_its_default(spec):
    default = str(spec.default).lower() if isinstance(spec.default, bool) else str(spec.default)

    row = re.search(rf'^\| `{spec.name}` \| (.*?) \| (.*) \|$', README, re.MULTILINE)

    assert row is not None
    assert row[1] == (f'`{default}`' if default else '(empty)')
    assert row[2].startswith(spec.metadata['description'])


def test_pictures_and_files_it_names_are_there():
    links = re.findall(r'\]\(([^)#:]+)\)', README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize('line', COMMANDS)
def test_every_command_line_it_shows_is_one(line):
    _, name, *arguments = shlex.split(line.replace('\\\n', ' '))
    group = typer.main.get_command(build_app(name))

    with group.make_context('mono_depth', [name]) as context:
        command = group.get_command(context, name)
        command.make_context(name, arguments, parent=context)  # parses, and runs nothing


def test_the_settings_of_an_imported_network_are_read(tmp_path):
    (settings,) = re.findall(r'```yaml\n(name: .*?)```', README, re.DOTALL)
    (tmp_path / 'import.yaml').write_text(settings)

    assert read_import_config(tmp_path / 'import.yaml').input_size == '48x48'
