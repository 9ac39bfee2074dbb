# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The log of a training run: a CSV file, and TensorBoard where it is installed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
import csv
import io
from pathlib import Path
import time
from typing import Any, TYPE_CHECKING

from mono_depth_ros.errors import ModelError
from mono_depth_ros.model.checkpoint import write_atomic

if TYPE_CHECKING:
    from mono_depth_ros.training.trainer import Trainer

COLUMNS = (
    'step',
    'loss',
    'gradient',
    'rate',
    'skipped',
    'pool',
    'updates_per_s',
    'val_abs_rel',
    'val_delta1',
    'val_abs_rel_median',
    'val_delta1_median',
)


class TrainingLog:
    """
    Appends to ``log.csv``; what lies beyond the update a run resumes from is dropped.

    Parameters
    ----------
    folder : Path
        Folder of the run; TensorBoard events go to ``folder/events``.
    done : int
        Updates already made.

    Raises
    ------
    ModelError
        If the log cannot be read or written; what was there before is kept.

    """

    def __init__(self, folder: Path, done: int) -> None:
        self._path = Path(folder) / 'log.csv'
        text = _lines([dict(zip(COLUMNS, COLUMNS, strict=True)), *_read_rows(self._path, done)])
        write_atomic(self._path, lambda path: path.write_text(text, newline=''))
        self._board = _tensorboard(folder / 'events', done)

    def write(
        self, trainer: Trainer, values: dict[str, float], started: float, first: int
    ) -> None:
        """
        Add one line.

        Raises
        ------
        ModelError
            If it cannot be written.

        """
        row: dict[str, Any] = {key: f'{value:.6g}' for key, value in values.items()}
        row['step'] = trainer.done
        row['skipped'] = trainer.skipped
        row['pool'] = len(trainer.pool)
        row['updates_per_s'] = f'{(trainer.done - first) / (time.monotonic() - started):.3f}'
        try:
            with self._path.open('a', newline='') as file:
                file.write(_lines([row]))
        except OSError as error:
            raise ModelError(f'cannot write {self._path}: {error.strerror}') from error
        if self._board is not None:
            for key, value in values.items():
                self._board.add_scalar(key, value, trainer.done)

    def close(self) -> None:
        """Close what TensorBoard reads."""
        if self._board is not None:
            self._board.close()


def _lines(rows: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    csv.DictWriter(text, COLUMNS, extrasaction='ignore').writerows(rows)
    return text.getvalue()


def _read_rows(path: Path, done: int) -> list[dict[str, str]]:
    """Return the whole lines of a log up to update ``done``."""
    if not path.exists():
        return []
    try:
        with path.open(newline='') as file:
            rows = [row for row in csv.DictReader(file) if None not in row.values()]
            return [row for row in rows if int(row['step']) <= done]
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise ModelError(f'{path} is not a log of training ({error}): move it away') from error


def _tensorboard(folder: Path, done: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=done)
