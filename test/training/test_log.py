# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The log of a run survives a full disk and a kill in the middle of a line."""

import csv
import errno
import os
from pathlib import Path
from types import SimpleNamespace

from mono_depth_ros.errors import ModelError
import pytest

pytest.importorskip('torch')

from mono_depth_ros.training.log import COLUMNS, TrainingLog


def write(folder, *steps, start=0):
    log = TrainingLog(folder, start)
    for step in steps:
        trainer = SimpleNamespace(done=step, skipped=0, pool=[])
        log.write(trainer, {'loss': step / 10, 'val_delta1': 0.5}, 0.0, start)
    log.close()


def rows(folder):
    with (folder / 'log.csv').open(newline='') as file:
        return list(csv.DictReader(file))


def test_lines_beyond_the_update_that_a_run_goes_on_from_are_dropped(tmp_path):
    write(tmp_path, 2, 4, 6)

    write(tmp_path, 5, start=4)

    assert [row['step'] for row in rows(tmp_path)] == ['2', '4', '5']
    assert [row['loss'] for row in rows(tmp_path)] == ['0.2', '0.4', '0.5']
    assert tuple(rows(tmp_path)[0]) == COLUMNS


def test_a_line_that_was_cut_off_is_dropped(tmp_path):
    write(tmp_path, 2, 4)
    with (tmp_path / 'log.csv').open('a') as file:
        file.write('6,0.6')

    write(tmp_path, 8, start=6)

    assert [row['step'] for row in rows(tmp_path)] == ['2', '4', '8']


def test_a_disk_that_is_full_keeps_the_log_when_a_run_goes_on(tmp_path, monkeypatch):
    write(tmp_path, 2, 4)
    before = (tmp_path / 'log.csv').read_bytes()

    def full(file):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)

    with pytest.raises(ModelError, match='No space left on device'):
        TrainingLog(tmp_path, 4)
    assert (tmp_path / 'log.csv').read_bytes() == before


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='there is no /dev/full')
def test_a_line_that_cannot_be_written_is_an_error_of_the_package(tmp_path):
    log = TrainingLog(tmp_path, 0)
    (tmp_path / 'log.csv').unlink()
    (tmp_path / 'log.csv').symlink_to('/dev/full')

    with pytest.raises(ModelError, match=r'cannot write .*log\.csv: No space left'):
        log.write(SimpleNamespace(done=1, skipped=0, pool=[]), {}, 0.0, 0)
    log.close()


def test_a_file_that_is_no_log_is_named_and_kept(tmp_path):
    (tmp_path / 'log.csv').write_text('my notes\non training\n')

    with pytest.raises(ModelError, match=r'log\.csv is not a log of training'):
        TrainingLog(tmp_path, 2)
    assert (tmp_path / 'log.csv').read_text() == 'my notes\non training\n'
