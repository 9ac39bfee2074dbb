# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores as files: JSON with everything pooled, CSV with a line per image and method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import csv
import io
import json
from pathlib import Path
from typing import Any

from mono_depth_ros.errors import DatasetError
from mono_depth_ros.evaluation.scoring import DatasetScores, SCORES

COLUMNS = ('dataset', 'image', 'method', 'align', *SCORES)


def to_json(network: Mapping[str, Any], datasets: Sequence[DatasetScores]) -> str:
    """Return one JSON object: the network, and for each dataset protocol, scores and ranges."""
    return json.dumps(
        {'network': dict(network), 'datasets': [_dataset(scores) for scores in datasets]},
        indent=1,
        allow_nan=False,
    )


def _dataset(scores: DatasetScores) -> dict[str, Any]:
    protocol = scores.protocols[0]
    ranked = scores.ranked()
    return {
        'name': scores.name,
        'images': scores.images,
        'partial': scores.partial,
        'unread': scores.unread,
        'skipped': scores.skipped,
        'min_depth': protocol.min_depth,
        'max_depth': protocol.max_depth,
        'max_depth_guessed': scores.guessed_cap,
        'crop': protocol.crop,
        'scores': scores.means(),
        'ranges': scores.ranges(),
        'best': ranked[:3],
        'worst': ranked[::-1][:3],
    }


def to_csv(datasets: Sequence[DatasetScores]) -> str:
    """Return a table with a header and a line per image, method and alignment."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator='\n')
    table.writeheader()
    for scores in datasets:
        for row in scores.rows():
            table.writerow(
                {
                    'dataset': scores.name,
                    'image': row.image,
                    'method': row.method,
                    'align': row.align,
                    **row.scores,
                }
            )
    return text.getvalue()


def check_writable(path: Path) -> None:
    """Make the folder of a file; raise DatasetError if the file could not be written."""
    is_new = not path.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open('a').close()
        if is_new:
            path.unlink()
    except OSError as error:
        raise DatasetError(f'cannot write {path}: {error.strerror}') from error


def write_text(path: Path, text: str) -> None:
    """Write a file; raise DatasetError if that is not possible."""
    try:
        path.write_text(text)
    except OSError as error:
        raise DatasetError(f'cannot write {path}: {error.strerror}') from error
