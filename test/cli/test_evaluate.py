# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`mono_depth evaluate` with a network whose answer is known: 1 m plus 1 cm per level of red."""

import csv
import errno
import json
from pathlib import Path

import cv2
from mono_depth_ros.camera import camera_to_json, PinholeCamera
from mono_depth_ros.cli.score_table import short_name
from mono_depth_ros.errors import EngineError
from mono_depth_ros.pipeline import DepthEstimator
import numpy as np
import pytest

CAMERA = PinholeCamera(120.0, 120.0, 63.5, 47.5, 128, 96)


@pytest.fixture
def make(tmp_path):
    """Return a function that makes an RGB-D folder whose truth is ``factor`` times the network."""

    def make_folder(name, factors=(1.0, 1.0)):
        folder = tmp_path / name
        for part in ('rgb', 'depth'):
            (folder / part).mkdir(parents=True)
        camera_to_json(folder / 'camera.json', CAMERA)
        ramp = np.tile(np.linspace(0, 200, 128).round(), (96, 1))
        for index, factor in enumerate(factors):
            bgr = np.zeros((96, 128, 3), np.uint8)
            bgr[..., 2] = ramp
            cv2.imwrite(str(folder / 'rgb' / f'{index}.png'), bgr)
            metres = (1 + 0.01 * ramp) * factor
            cv2.imwrite(str(folder / 'depth' / f'{index}.png'), (metres * 1000).astype(np.uint16))
        return folder

    return make_folder


@pytest.fixture
def scores(run, red_network, tmp_path):
    """Return a function that evaluates and reads the JSON."""

    def evaluate(*words):
        path = tmp_path / 'scores.json'
        status, said, errors = run('evaluate', *words, '--model', red_network, '--json', path)
        assert status == 0, errors
        return json.loads(path.read_text()), said

    return evaluate


def of(report, dataset=0, method='network', align='none'):
    """Return the mean scores of one line of the table."""
    return report['datasets'][dataset]['scores'][method][align]


def test_a_perfect_network_has_no_error_and_the_constant_has(make, scores):
    report, said = scores(make('rooms'))

    assert of(report)['abs_rel'] < 0.01
    assert of(report)['delta1'] == 1.0
    assert of(report, method='constant')['abs_rel'] > 0.2
    assert 'rooms' in said and 'ramp 3:1' in said
    assert '2 images; true depth 0.001 to 10 m, crop none' in said


def test_alignment_forgives_a_factor_and_the_spread_of_it_is_told(make, scores):
    report, said = scores(make('rooms', (2.0, 0.5)), '--align', 'all')

    assert of(report)['abs_rel'] == pytest.approx((0.5 + 1.0) / 2, abs=0.01)
    for align in ('median', 'ratio', 'lstsq', 'robust'):
        assert of(report, align=align)['abs_rel'] < 0.01
    assert of(report)['scale_spread'] == pytest.approx(np.log(2), abs=0.01)
    assert 'median 1.25' in said


def test_several_datasets_are_one_table(make, scores):
    report, said = scores(make('rooms'), make('halls', (2.0,)))

    assert [dataset['images'] for dataset in report['datasets']] == [2, 1]
    assert of(report, 1)['abs_rel'] == pytest.approx(0.5, abs=0.01)
    table = said.split('Scale of the place')[0]
    assert 'rooms' in table and 'halls' in table


@pytest.fixture
def unlabelled(make):
    """Make an RGB-D folder without any depth, which cannot be scored."""
    folder = make('unlabelled', (1.0,))
    (folder / 'depth' / '0.png').unlink()
    return folder


def test_a_dataset_that_cannot_be_used_takes_nothing_from_the_others(
    make, unlabelled, run, red_network, tmp_path
):
    output = tmp_path / 'output'
    folders = (make('rooms'), unlabelled, make('halls'))

    status, said, errors = run('evaluate', *folders, '--model', red_network, '--output', output)

    assert status == 1
    assert 'unlabelled has depth that could be scored' in ' '.join(errors.split())
    assert 'rooms' in said and 'halls' in said
    report = json.loads((output / 'scores.json').read_text())
    assert [Path(dataset['name']).name for dataset in report['datasets']] == ['rooms', 'halls']
    assert len(list(output.glob('*_best_worst.png'))) == 2


@pytest.mark.parametrize('broken', ['missing', 'empty', 'kitti:missing', 'no camera'])
def test_a_dataset_that_cannot_be_opened_takes_nothing_from_the_others(
    make, run, red_network, tmp_path, monkeypatch, broken
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    (make('no camera') / 'camera.json').write_text('{}')
    make('rooms')
    make('halls')

    status, said, errors = run('evaluate', 'rooms', broken, 'halls', '--model', red_network)

    assert status == 1
    assert broken.removeprefix('kitti:') in errors
    assert 'rooms' in said and 'halls' in said
    assert broken not in said


def test_strict_ends_at_a_dataset_that_cannot_be_used_and_keeps_what_was_scored(
    make, unlabelled, run, red_network, tmp_path
):
    path = tmp_path / 'scores.json'
    folders = (make('rooms'), unlabelled, make('halls'))

    status, said, errors = run(
        'evaluate', *folders, '--model', red_network, '--json', path, '--strict'
    )

    assert status == 1
    assert 'there is no depth image for it' in ' '.join(errors.split())
    report = json.loads(path.read_text())
    assert [Path(dataset['name']).name for dataset in report['datasets']] == ['rooms']
    assert 'halls' not in said


@pytest.mark.parametrize(
    ('error', 'reason'),
    [
        (KeyboardInterrupt(), 'stopped by Ctrl-C'),
        (EngineError('no memory left'), 'no memory left'),
    ],
)
def test_what_was_scored_of_a_dataset_that_is_stopped_is_kept(
    make, run, red_network, tmp_path, monkeypatch, error, reason
):
    infer, seen = DepthEstimator.infer, []

    def stopping(estimator, *arguments):
        seen.append(arguments)
        if len(seen) == 5:
            raise error
        return infer(estimator, *arguments)

    monkeypatch.setattr(DepthEstimator, 'infer', stopping)
    path = tmp_path / 'scores.json'
    folders = (make('rooms'), make('halls', (1.0,) * 4), make('attics'))

    status, said, errors = run('evaluate', *folders, '--model', red_network, '--json', path)

    assert (status, len(seen)) == (1, 5)
    assert f'Error: {reason}' in errors
    rooms, halls = json.loads(path.read_text())['datasets']
    assert (rooms['images'], rooms['partial']) == (2, False)
    assert (halls['images'], halls['partial']) == (2, True)
    assert '2 images, stopped before the last one; true depth' in said


def test_a_damaged_source_pack_is_told_once(make, run, red_network, tmp_path):
    network = tmp_path / 'network' / 'red.onnx'
    network.parent.mkdir()
    network.write_bytes(red_network.read_bytes())
    network.with_name('source_pack.zip').write_bytes(b'no zip')

    status, _, errors = run('evaluate', make('rooms'), make('halls'), '--model', network)

    assert status == 1
    assert errors.count('is not a source pack') == 1


def test_the_source_pack_is_read_once_for_all_datasets(make, scores, monkeypatch):
    read = []
    monkeypatch.setattr(
        'mono_depth_ros.evaluation.baselines.row_priors', lambda *model: read.append(model) or {}
    )

    scores(make('rooms'), make('halls'))

    assert len(read) == 1


def test_the_version_in_use_in_a_store_is_what_is_scored(make, scores, red_network, tmp_path):
    onnx = pytest.importorskip('onnx', reason='onnx is not installed')
    from mono_depth_ros.engine.store import VersionStore

    doubled = onnx.load(red_network)
    for constant in doubled.graph.initializer:
        if constant.name in ('gain', 'offset'):
            value = np.float32(2) * onnx.numpy_helper.to_array(constant)
            constant.CopyFrom(onnx.numpy_helper.from_array(value, constant.name))
    onnx.save(doubled, tmp_path / 'doubled.onnx')
    store = VersionStore(tmp_path / 'store')
    version = store.add(tmp_path / 'doubled.onnx')
    store.promote(1)

    report, said = scores(make('rooms', (2.0, 2.0)), '--store', store.root)

    assert of(report)['abs_rel'] < 0.01
    assert report['network']['version'] == version.name
    assert version.name in said


def test_true_depth_beyond_ten_metres_raises_the_cap_unless_one_is_given(make, scores):
    far = make('street', (10.0,))

    assert scores(far)[0]['datasets'][0]['max_depth'] == 80.0
    capped, _ = scores(far, '--max-depth', 15, '--min-depth', 12)
    assert capped['datasets'][0]['max_depth'] == 15.0
    # Truth is ten times the prediction, which is raised to the nearest depth that counts.
    assert of(capped)['abs_rel'] == pytest.approx(1 - 12 / 13.5, abs=0.02)


def test_single_pixels_and_the_first_image_alone_do_not_set_the_cap(make, scores):
    rooms, street = make('rooms'), make('street', (1.0, 10.0, 10.0))
    depth = cv2.imread(str(rooms / 'depth' / '0.png'), cv2.IMREAD_UNCHANGED)
    depth[0, :20] = 65535  # of 2 x 12288
    cv2.imwrite(str(rooms / 'depth' / '0.png'), depth)

    report, said = scores(rooms, street)

    datasets = report['datasets']
    assert [dataset['max_depth'] for dataset in datasets] == [10.0, 80.0]
    assert all(dataset['max_depth_guessed'] for dataset in datasets)
    assert '80 m is a guess from a few images' in said


def test_the_cap_of_camera_json_is_taken(make, scores):
    folder = make('rooms')
    camera = json.loads((folder / 'camera.json').read_text())
    (folder / 'camera.json').write_text(json.dumps({**camera, 'max_depth': 5}))

    report, said = scores(folder)

    (dataset,) = report['datasets']
    assert (dataset['max_depth'], dataset['max_depth_guessed']) == (5.0, False)
    assert 'guess' not in said
    assert scores(folder, '--max-depth', 4)[0]['datasets'][0]['max_depth'] == 4.0


def test_an_image_that_cannot_be_read_is_told_once_though_the_cap_is_guessed(
    make, run, red_network
):
    folder = make('rooms', (1.0, 1.0, 1.0))
    (folder / 'rgb' / '1.png').write_bytes(b'no image')

    status, _, errors = run('evaluate', folder, '--model', red_network)

    assert (status, errors.count('skipped an image')) == (0, 1)


def test_an_empty_depth_image_does_not_set_the_cap(make, scores):
    far = make('street', (10.0, 10.0))
    cv2.imwrite(str(far / 'depth' / '0.png'), np.zeros((96, 128), np.uint16))

    (dataset,) = scores(far)[0]['datasets']

    assert (dataset['max_depth'], dataset['images']) == (80.0, 1)
    assert dataset['skipped'] == {'0': 'its depth image is empty'}


def test_every_and_limit_choose_the_images(make, scores):
    folder = make('rooms', (1.0, 2.0, 1.0, 2.0, 1.0))

    report, _ = scores(folder, '--every', 2, '--limit', 2)

    assert report['datasets'][0]['images'] == 2
    assert of(report)['abs_rel'] < 0.01


def test_two_datasets_whose_names_are_alike_have_two_pictures(make, run, red_network, tmp_path):
    folders, output = (make('a/b'), make('a_b')), tmp_path / 'output'

    run('evaluate', *folders, '--model', red_network, '--output', output)

    assert len(list(output.glob('*_best_worst*.png'))) == 2


def test_files_and_pictures_are_written(make, run, red_network, tmp_path):
    output = tmp_path / 'new' / 'output'

    status, _, errors = run('evaluate', make('rooms'), '--model', red_network, '--output', output)

    assert status == 0, errors
    assert (output / 'scores.json').is_file()
    (picture,) = output.glob('*_best_worst.png')
    assert cv2.imread(str(picture)).shape[0] == 2 * 184
    lines = list(csv.DictReader((output / 'scores.csv').read_text().splitlines()))
    assert {line['method'] for line in lines} == {
        'network',
        'constant',
        'ramp 3:1',
        'row prior indoor',
    }


@pytest.mark.parametrize('option', ['--json', '--csv'])
def test_a_file_that_cannot_be_written_is_said_before_anything_is_scored(
    make, run, red_network, tmp_path, option
):
    (tmp_path / 'file').touch()

    status, said, errors = run(
        'evaluate', make('rooms'), '--model', red_network, option, tmp_path / 'file' / 'scores'
    )

    assert (status, said) == (1, '')
    assert f'cannot write {tmp_path}/file/scores: ' in errors


def test_one_file_is_not_both_json_and_csv(make, run, red_network, tmp_path):
    words = ('evaluate', make('rooms'), '--model', red_network, '--json', tmp_path / 'scores')

    status, said, errors = run(*words, '--csv', tmp_path / 'rooms' / '..' / 'scores')

    assert (status, said) == (1, '')
    assert 'cannot be both JSON and CSV: give two different files' in errors
    assert not (tmp_path / 'scores').exists()


def test_a_disk_that_fills_up_costs_no_file_but_the_one(
    make, run, red_network, tmp_path, monkeypatch
):
    write = Path.write_text

    def full(path, text, **settings):
        if path.suffix == '.json':
            raise OSError(errno.ENOSPC, 'No space left on device')
        return write(path, text, **settings)

    folder, files = make('rooms'), [tmp_path / 'new' / 'a.json', tmp_path / 'a.csv']
    monkeypatch.setattr(Path, 'write_text', full)
    words = ('--json', files[0], '--csv', files[1], '--output', tmp_path / 'output')

    status, said, errors = run('evaluate', folder, '--model', red_network, *words)

    assert status == 1
    assert errors.count('No space left on device') == 2
    assert files[1].read_text() == (tmp_path / 'output' / 'scores.csv').read_text()
    assert 'rooms' in said


def test_a_damaged_image_and_one_without_depth_are_named_and_counted(make, run, red_network):
    folder = make('rooms', (1.0, 1.0, 1.0, 1.0))
    (folder / 'rgb' / '0.png').write_bytes(b'no image')
    (folder / 'depth' / '1.png').unlink()
    (folder / 'depth' / '3.png').unlink()

    status, said, errors = run('evaluate', folder, '--model', red_network)

    assert status == 0
    assert '1 image, 3 could not be used' in said
    told = ' '.join(errors.split())
    assert '0.png' in told and 'left out 1 of' in told and 'left out 3 of' in told


def test_strict_refuses_an_image_without_depth(make, run, red_network):
    folder = make('rooms')
    (folder / 'depth' / '1.png').unlink()

    status, _, errors = run('evaluate', folder, '--model', red_network, '--strict')

    assert status == 1
    assert '1: there is no depth image for it' in ' '.join(errors.split())


def test_depth_of_the_wrong_type_is_said(make, run, red_network):
    folder = make('rooms', (1.0,))
    cv2.imwrite(str(folder / 'depth' / '0.png'), np.zeros((96, 128), np.uint8))

    status, _, errors = run('evaluate', folder, '--model', red_network)

    assert status == 1
    assert 'must be 16-bit' in ' '.join(errors.split())


def test_a_constant_output_is_left_out_as_the_node_drops_it(make, run, red_network):
    folder = make('rooms', (1.0, 1.0))
    cv2.imwrite(str(folder / 'rgb' / '0.png'), np.zeros((96, 128, 3), np.uint8))

    status, said, errors = run('evaluate', folder, '--model', red_network)

    assert status == 0
    assert 'network output is constant' in ' '.join(errors.split())
    assert '1 image, 1 could not be used' in said


@pytest.mark.parametrize(
    ('arguments', 'reason'),
    [
        (('--align', 'mean'), 'align must be one of'),
        (('--crop', 'middle'), 'crop must be one of'),
        (('--every', '0'), 'every must be at least 1'),
        (('--min-depth', '20'), 'need 0 < min_depth < max_depth'),
        (('--min-depth', 'nan'), 'need 0 < min_depth < max_depth'),
        (('--max-depth', '-5'), 'max-depth must be metres, or 0 for that of the dataset, got -5'),
        (('--max-depth', 'inf'), 'max-depth must be metres'),
        (('--max-depth', 'nan'), 'max-depth must be metres'),
        (('--model', '/no/such.onnx'), 'no model at /no/such.onnx'),
    ],
)
def test_a_bad_option_is_one_sentence(make, run, red_network, arguments, reason):
    words = {'--model': red_network, arguments[0]: arguments[1]}

    status, _, errors = run(
        'evaluate', make('rooms'), *(w for pair in words.items() for w in pair)
    )

    assert status == 1
    assert reason in ' '.join(errors.split())


def test_a_folder_without_depth_at_all_is_refused(make, run, red_network):
    folder = make('rooms', (1.0,))
    (folder / 'depth' / '0.png').unlink()

    status, _, errors = run('evaluate', folder, '--model', red_network)

    assert status == 1
    assert 'has depth that could be scored' in ' '.join(errors.split())


def test_a_public_dataset_has_its_own_cap_and_crop(tmp_path, scores):
    scene = tmp_path / 'nyu' / 'test' / 'kitchen'
    scene.mkdir(parents=True)
    red = np.zeros((480, 640, 3), np.uint8)
    red[..., 2] = np.linspace(0, 200, 640).round()
    cv2.imwrite(str(scene / 'rgb_00001.png'), red)
    cv2.imwrite(str(scene / 'sync_depth_00001.png'), np.full((480, 640), 2000, np.uint16))

    report, said = scores(f'nyu:{tmp_path}/nyu', '--crop', 'auto')

    (dataset,) = report['datasets']
    assert (dataset['max_depth'], dataset['crop']) == (10.0, 'nyu')
    assert 'nyu:nyu' in said


@pytest.mark.parametrize(
    ('name', 'short'),
    [
        ('/data/kitchen/', 'kitchen'),
        ('procedural:street:7', 'procedural:street:7'),
        ('nyu:/data/nyu', 'nyu:nyu'),
        ('nyu:/data/nyu/:train', 'nyu:nyu:train'),
        ('kitti:/data/kitti:/lists/eigen_test.txt', 'kitti:kitti:eigen_test'),
    ],
)
def test_parts_of_a_dataset_have_names_of_their_own_in_the_table(name, short):
    assert short_name(name) == short
