# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The README says what the code does."""

from dataclasses import fields
from pathlib import Path
import re

from mono_depth_ros.adaptation.schedule import ScheduleConfig
from mono_depth_ros.config import (
    AdaptationNodeConfig,
    DepthNodeConfig,
    EngineConfig,
    OutputConfig,
    ScaleConfig,
)
import pytest

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
