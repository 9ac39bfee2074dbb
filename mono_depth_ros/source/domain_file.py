# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""DOMAIN.json beside the shards of a pool: what they are, so that no others join them."""

from __future__ import annotations

from collections.abc import Mapping
import json
from pathlib import Path
from typing import Any

from mono_depth_ros.engine import durable
from mono_depth_ros.errors import DatasetError

# What the labels of a domain know: metres, or inverse depth up to a scale and a shift.
METRIC, RELATIVE = 'metric', 'relative'


def read_domain(root: Path, domain: str) -> dict[str, Any]:
    """
    Return what is known of the shards of a domain; nothing if there are none.

    Raises
    ------
    DatasetError
        If the file cannot be read.

    """
    path = root / f'{domain}.json'
    if not path.exists() or not _has_shards(root, domain):
        return {}
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DatasetError(f'cannot read {path}: {error}') from error
    return values if isinstance(values, dict) else {}


def check_domain(root: Path, domain: str, values: Mapping[str, object]) -> None:
    """
    Check that the shards of a domain, if there are any, are what others would be now.

    Parameters
    ----------
    root : Path
        Folder of the pool.
    domain : str
        Which shards.
    values : mapping
        What they are to be; what the file does not say, or no file, is not checked.

    Raises
    ------
    DatasetError
        If they are something else, or the file cannot be read.

    """
    known = read_domain(root, domain)
    for name, wanted in json.loads(json.dumps(values)).items():
        if known.get(name, wanted) != wanted:
            raise DatasetError(
                f'{root} has {domain} with {name} {known[name]}, now it is {wanted}: go back to '
                'what it was made with, train on it as it is with --no-render, take another pool, '
                f'or delete {domain}-* and {domain}.json there'
            )


def describe_domain(root: Path, domain: str, values: Mapping[str, object]) -> None:
    """
    Write what the shards of a domain will be; those that are there are checked, and left alone.

    Raises
    ------
    DatasetError
        As `check_domain`, or if the file cannot be written.

    """
    check_domain(root, domain, values)
    if _has_shards(root, domain):
        return
    path = root / f'{domain}.json'
    try:
        durable.write_text(root, path, json.dumps(values) + '\n')
    except OSError as error:
        raise DatasetError(f'cannot write {path}: {error.strerror}') from error


def is_relative(root: Path, domain: str) -> bool:
    """Say whether the labels of a domain have no metres; raise DatasetError as `read_domain`."""
    return bool(read_domain(root, domain).get('labels') == RELATIVE)


def _has_shards(root: Path, domain: str) -> bool:
    return any(root.glob(f'{domain}-??????'))
