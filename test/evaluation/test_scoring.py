# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of a dataset against values worked out by hand."""

import csv
import json
import tracemalloc

from mono_depth_ros.errors import DatasetError, ShapeError
from mono_depth_ros.evaluation.baselines import row_priors
from mono_depth_ros.evaluation.methods import BASELINES, NETWORK
from mono_depth_ros.evaluation.report import check_writable, to_csv, to_json, write_text
from mono_depth_ros.evaluation.scoring import DatasetScores, range_edges
from mono_depth_ros.metrics import ALIGNMENTS, labelled_mask, Protocol
import numpy as np
import pytest

ALIGNS = ('none', 'median')


@pytest.fixture
def scores():
    """Return scores of two images of two rows, with a row prior that is right about the first."""
    protocols = [Protocol(align, max_depth=10.0) for align in ALIGNS]
    scores = DatasetScores('rooms', protocols, {'prior': np.array([4.0, 1.0])})
    true = np.repeat([[4.0], [1.0]], 4, axis=1)
    scores.add('a', true * 2, true)
    scores.add('b', true, np.full((2, 4), 2.0))
    return scores


def test_every_method_is_scored_on_every_image_and_then_averaged(scores):
    means = scores.means()

    assert scores.images == 2
    assert set(means) == {'network', 'constant', 'prior'}
    # Twice too far, then |4 - 2| / 2 and |1 - 2| / 2.
    assert means['network']['none']['abs_rel'] == pytest.approx((1.0 + 0.75) / 2)
    # The median of 4 and 1 is 2.5, then everything is 2.
    assert means['constant']['none']['abs_rel'] == pytest.approx(((1.5 / 4 + 1.5) / 2 + 0) / 2)
    assert means['prior']['none']['abs_rel'] == pytest.approx((0 + 0.75) / 2)


def test_the_spread_of_the_scale_is_told(scores):
    network = scores.means()['network']['none']

    # Median true over median predicted is 2.5 / 5, then 2 / 2.5.
    assert network['scale_median'] == pytest.approx(0.65)
    assert network['scale_std'] == pytest.approx(0.15)


def test_ranges_pool_the_pixels_of_all_images(scores):
    ranges = {(row['near'], row['far']): row for row in scores.ranges()['none']}

    assert ranges[0, 1]['pixels'] == 0 and 'abs_rel' not in ranges[0, 1]
    assert ranges[1, 2] == {'near': 1, 'far': 2, 'pixels': 4, 'abs_rel': 1.0, 'delta1': 0.0}
    assert ranges[2, 4]['abs_rel'] == pytest.approx(0.75)
    assert ranges[4, 8]['pixels'] == 4


def test_ranges_double_up_to_the_cap():
    assert range_edges(10.0) == [0, 1, 2, 4, 8, 10]
    assert range_edges(80.0) == [0, 1, 2, 4, 8, 16, 32, 64, 80]
    assert range_edges(8.0) == [0, 1, 2, 4, 8]


def test_images_are_ranked_by_the_first_alignment(scores):
    assert [name for name, _ in scores.ranked()] == ['b', 'a']


def test_pixels_without_a_prediction_lower_the_coverage_only():
    scores = DatasetScores('rooms', [Protocol()], {})
    true = np.full((2, 2), 2.0)

    own = scores.add('a', np.array([[2.0, np.nan], [np.inf, 2.0]]), true)

    assert own['none']['abs_rel'] == 0.0
    assert own['none']['coverage'] == 0.5


@pytest.mark.parametrize(
    ('predicted', 'true'), [(1.0, np.nan), (1.0, 50.0), (np.nan, 1.0)], ids=str
)
def test_an_image_without_a_pixel_that_counts_is_skipped_with_a_reason(predicted, true):
    scores = DatasetScores('rooms', [Protocol(max_depth=10.0)], {})

    assert scores.add('a', np.full((2, 2), predicted), np.full((2, 2), true)) == {}

    assert scores.images == 0
    assert 'no pixel has both' in scores.skipped['a']


def test_a_method_without_a_score_on_an_image_is_left_out_there():
    scores = DatasetScores('rooms', [Protocol()], {'gap': np.array([np.nan, 2.0])})
    scores.add('a', np.full((2, 2), 2.0), np.array([[2.0, 2.0], [np.nan, np.nan]]))
    scores.add('b', np.full((2, 2), 2.0), np.full((2, 2), 2.0))

    rows = [(row.image, row.method) for row in scores.rows()]

    assert rows == [('a', 'network'), ('a', 'constant'), *(('b', m) for m in scores.means())]
    assert scores.means()['gap']['none']['images'] == 1


def test_the_pixels_that_count_are_found_once_for_all_methods_and_alignments(monkeypatch):
    found = []

    def mask(true, protocol):
        found.append(protocol)
        return labelled_mask(true, protocol)

    monkeypatch.setattr('mono_depth_ros.evaluation.scoring.labelled_mask', mask)
    monkeypatch.setattr('mono_depth_ros.metrics.labelled_mask', mask)
    protocols = [Protocol(align) for align in ALIGNMENTS]
    scores = DatasetScores('rooms', protocols, {'prior': np.array([4.0, 1.0])})

    scores.add('a', np.full((2, 2), 2.0), np.full((2, 2), 3.0))

    assert len(found) == 1


def test_maps_of_different_sizes_are_refused():
    scores = DatasetScores('rooms', [Protocol()], {})

    with pytest.raises(ShapeError, match=r'prediction \(2, 2\) and ground truth \(2, 3\)'):
        scores.add('a', np.ones((2, 2)), np.ones((2, 3)))


def test_an_image_costs_little_memory():
    protocols = [Protocol(align) for align in ALIGNMENTS]
    scores = DatasetScores('rooms', protocols, {'prior': np.array([4.0, 1.0])})
    true = np.repeat([[4.0], [1.0]], 4, axis=1)
    scores.add('first', true, true)
    tracemalloc.start()

    for number in range(100):
        scores.add(f'image {number}', true, true)

    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # 15 rows of 15 doubles are 1.8 kB.
    assert kept < 100 * 4000


def test_json_and_csv_say_the_same(scores):
    report = json.loads(to_json({'name': 'indoor'}, [scores]))
    lines = list(csv.DictReader(to_csv([scores]).splitlines()))

    (dataset,) = report['datasets']
    own = [
        float(line['abs_rel'])
        for line in lines
        if (line['method'], line['align']) == ('network', 'none')
    ]
    assert report['network'] == {'name': 'indoor'}
    assert (dataset['name'], dataset['images'], dataset['max_depth']) == ('rooms', 2, 10.0)
    assert dataset['scores']['network']['none']['abs_rel'] == pytest.approx(sum(own) / 2)
    assert dataset['worst'][0][0] == 'a'
    assert len(lines) == 2 * 3 * 2


@pytest.mark.parametrize('write', [check_writable, lambda path: write_text(path, '')])
def test_a_report_that_cannot_be_written_is_said(tmp_path, write):
    (tmp_path / 'file').touch()

    with pytest.raises(DatasetError, match='cannot write'):
        write(tmp_path / 'file' / 'scores.json')


def test_asking_whether_a_file_can_be_written_leaves_it_as_it_is(tmp_path):
    (tmp_path / 'old.json').write_text('old')

    check_writable(tmp_path / 'old.json')
    check_writable(tmp_path / 'folder' / 'new.json')

    assert (tmp_path / 'old.json').read_text() == 'old'
    assert list((tmp_path / 'folder').iterdir()) == []


@pytest.mark.parametrize(
    ('max_depth', 'name'), [(10.0, 'row prior indoor'), (80.0, 'row prior street')]
)
def test_without_a_source_pack_a_shipped_one_stands_in(tmp_path, max_depth, name):
    priors = row_priors(tmp_path / 'model.onnx', max_depth)

    assert list(priors) == ['ramp 3:1', name]
    assert 0 < priors[name][-1] < priors[name][0] < max_depth


def test_without_any_source_pack_there_is_a_plain_ramp(tmp_path, monkeypatch):
    monkeypatch.setattr('mono_depth_ros.evaluation.baselines.WEIGHTS_PATH', tmp_path)

    priors = row_priors(tmp_path / 'model.onnx', 10.0)

    assert list(priors) == ['ramp 3:1']
    assert priors['ramp 3:1'][0] == pytest.approx(3 * priors['ramp 3:1'][-1])


def test_a_source_pack_beside_the_model_gives_its_mean_depth_per_row(tmp_path):
    from mono_depth_ros.source.pack import write_source_pack
    from mono_depth_ros.source.pool import Sample

    depth = np.repeat(np.linspace(6, 2, 64)[:, None], 64, axis=1).astype(np.float32)
    flat = np.zeros((64, 64), np.uint8)
    sample = Sample(rgb=np.zeros((64, 64, 3), np.uint8), depth=depth, semantics=flat, focal=60.0)
    write_source_pack(tmp_path / 'source_pack.zip', [sample])

    prior = row_priors(tmp_path / 'model.onnx', 10.0)['row prior']

    assert prior[0] == pytest.approx(6.0, rel=0.01)
    assert prior[-1] == pytest.approx(2.0, rel=0.01)


@pytest.mark.parametrize('max_depth', [10.0, 80.0])
def test_every_baseline_is_explained_under_the_table(tmp_path, scores, max_depth):
    methods = {*scores.means(), *row_priors(tmp_path / 'model.onnx', max_depth)}

    assert methods - {NETWORK, 'prior'} <= set(BASELINES)


def test_a_damaged_source_pack_is_refused(tmp_path):
    (tmp_path / 'source_pack.zip').write_bytes(b'no zip')

    with pytest.raises(DatasetError, match='is not a source pack'):
        row_priors(tmp_path / 'model.onnx', 10.0)
