# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A demo replaces what a demo has left, and nothing else."""

from mono_depth_ros.cli.demo import clear_results
from mono_depth_ros.errors import MonoDepthError
import pytest


def test_what_an_earlier_demo_left_is_replaced(tmp_path):
    clear_results(tmp_path)
    for name in ('recording', 'store', 'scene'):
        (tmp_path / name).mkdir()

    clear_results(tmp_path)

    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ['scene']


@pytest.mark.parametrize('name', ['recording', 'store'])
def test_what_somebody_else_has_recorded_stays(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / 'metadata.yaml').touch()

    with pytest.raises(MonoDepthError, match='was made by no demo: give another --output'):
        clear_results(tmp_path)

    assert (tmp_path / name / 'metadata.yaml').is_file()
