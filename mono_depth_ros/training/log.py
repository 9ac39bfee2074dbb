# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The log of a training run: a CSV file, and TensorBoard where it is installed."""

from __future__ import annotations

import csv
from pathlib import Path
import time
from typing import Any, TYPE_CHECKING

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

    """

    def __init__(self, folder: Path, done: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / 'log.csv'
        rows = []
        if path.exists():
            with path.open(newline='') as file:
                rows = [row for row in csv.DictReader(file) if int(row['step']) <= done]
        self._file = path.open('w', newline='')
        self._writer = csv.DictWriter(self._file, COLUMNS, extrasaction='ignore')
        self._writer.writeheader()
        self._writer.writerows(rows)
        self._file.flush()
        self._board = _tensorboard(folder / 'events', done)

    def write(
        self, trainer: Trainer, values: dict[str, float], started: float, first: int
    ) -> None:
        """Add one line."""
        row: dict[str, Any] = {key: f'{value:.6g}' for key, value in values.items()}
        row['step'] = trainer.done
        row['skipped'] = trainer.skipped
        row['pool'] = len(trainer.pool)
        row['updates_per_s'] = f'{(trainer.done - first) / (time.monotonic() - started):.3f}'
        self._writer.writerow(row)
        self._file.flush()
        if self._board is not None:
            for key, value in values.items():
                self._board.add_scalar(key, value, trainer.done)

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def _tensorboard(folder: Path, done: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=done)
