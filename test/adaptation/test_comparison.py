# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Comparisons: what runs, what is remembered, and what is told of it."""

import pytest

pytest.importorskip('torch')

from mono_depth_ros.adaptation.comparison import COMPARED, Ledger, planned_runs, Run, summarise
from mono_depth_ros.adaptation.comparison_plot import draw_comparison
from mono_depth_ros.errors import DatasetError


def row(name, seed, abs_rel, **more):
    scores = {'abs_rel': abs_rel, 'abs_rel_aligned': abs_rel, 'delta1': 0.5, 'delta1_aligned': 0.5}
    return {'name': name, 'seed': seed, **scores, **more}


def test_the_default_gets_all_seeds_and_the_others_a_few():
    runs = planned_runs(['poses', 'depth'], range(3), few=1)

    count = {name: sum(run.name == name for run in runs) for name in {run.name for run in runs}}
    assert count.pop('auto') == count.pop('auto + poses') == 3
    assert set(count) == {*COMPARED, 'auto + depth'} - {'auto'}
    assert set(count.values()) == {1}
    assert len(runs) == len(set(runs))


def test_what_is_done_is_not_done_again(tmp_path):
    path = tmp_path / 'runs.jsonl'
    Ledger(path, {'model': 'a'}).add(row('auto + poses', 3, 0.2))

    again = Ledger(path, {'model': 'a'})

    assert again.has(Run('auto', 'poses', 3))
    assert not again.has(Run('auto', 'poses', 4))
    assert again.rows == [row('auto + poses', 3, 0.2)]


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('{"settings": {"model": "b"}}\n', 'of another comparison'),
        ('', 'of another comparison'),
        ('{"settings"', 'not a list of runs'),
    ],
)
def test_runs_of_something_else_are_refused(tmp_path, text, reason):
    path = tmp_path / 'runs.jsonl'
    path.write_text(text)

    with pytest.raises(DatasetError, match=reason):
        Ledger(path, {'model': 'a'})


def test_a_summary_has_median_mean_and_spread():
    rows = [row('auto', s, value, accepted=s < 2) for s, value in enumerate((0.1, 0.2, 0.6))]

    (line, control) = summarise([*rows, {'name': 'map', **row('map', 0, 0.4)}])

    assert line['seeds'] == 3
    assert line['accepted'] == 2
    assert line['abs_rel']['median'] == pytest.approx(0.2)
    assert line['abs_rel']['mean'] == pytest.approx(0.3)
    assert (line['abs_rel']['least'], line['abs_rel']['most']) == (0.1, 0.6)
    assert 'accepted' not in control


def test_a_picture_shows_every_run():
    rows = [row('none', 0, 0.3, accepted=True), row('auto', 0, 0.2, accepted=True)]

    accepted = draw_comparison(rows)
    refused = draw_comparison([rows[0], {**rows[1], 'accepted': False}])

    assert accepted.shape == refused.shape
    assert (accepted != refused).any()
