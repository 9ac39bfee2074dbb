# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""YAML files of settings."""

from __future__ import annotations

from pathlib import Path
import re
from typing import Any

from mono_depth_ros.errors import ConfigError
import yaml


class _Loader(yaml.SafeLoader):
    """YAML 1.1, but 1e-3 is a number as in YAML 1.2."""


_Loader.add_implicit_resolver(
    'tag:yaml.org,2002:float',
    re.compile(r'[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$'),
    list('-+.0123456789'),
)


def read_settings(path: Path) -> Any:
    """
    Read what a YAML file holds; nothing is an empty mapping.

    Raises
    ------
    ConfigError
        If it cannot be read, or is not YAML.

    """
    try:
        values = yaml.load(Path(path).read_text(), _Loader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f'cannot read {path}: {error}') from error
    return {} if values is None else values
