# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`mono_depth pretrain`: rendered scenes in, a network out; mistakes are said in one line."""

from functools import partial
import json
import os
import shutil
import signal
import subprocess
import sys

from mono_depth_ros.manifest import read_manifest
import pytest
import yaml

torch = pytest.importorskip('torch')

from mono_depth_ros.model.checkpoint import load_network, load_training_state
from mono_depth_ros.source import pool as module
from mono_depth_ros.source.pack import read_source_pack
from mono_depth_ros.source.pool import SamplePool, write_shard
from mono_depth_ros.visualisation import write_image
import numpy as np

pytestmark = pytest.mark.usefixtures('one_thread')
SETTINGS = {
    'samples': 8,
    'render_sizes': [[64, 96]],
    'start': '',
    'encoder': 'mobilenet_v1',
    'width': 0.25,
    'frozen_blocks': 0,
    'frozen_statistics': False,
    'input_size': [64, 96],
    'focal': 80.0,
    'phases': [{'steps': 8, 'sizes': [[64, 96], [64, 64]], 'batch': 4}],
    'warmup_steps': 2,
    'save_every': 3,
    'log_every': 2,
    'pack_samples': 4,
}

ENVIRONMENT = {
    **os.environ,
    'OMP_NUM_THREADS': '1',
    'PYTHONPATH': os.pathsep.join(sys.path),
}


def shard(seed, count=8, size=(64, 96)):
    rng = np.random.default_rng(seed)
    depth = rng.uniform(1, 5, (count, 1, 1)) * np.ones((count, *size))
    rgb = np.repeat((255 / depth)[..., None], 3, axis=-1)
    return {
        'rgb': rgb.astype(np.uint8),
        'depth': depth.astype(np.float16),
        'semantics': np.zeros(depth.shape, np.uint8),
        'focal': np.full(count, 80.0, np.float32),
    }


@pytest.fixture
def pool(tmp_path):
    """Return a pool that holds all that SETTINGS ask for."""
    for number in range(2):
        write_shard(tmp_path / 'pool' / f'indoor-{number:06d}', shard(number))
    return tmp_path / 'pool'


@pytest.fixture
def settings(tmp_path):
    """Return a function that writes a YAML file of SETTINGS with changes."""

    def write(**changes):
        path = tmp_path / 'settings.yaml'
        path.write_text(yaml.safe_dump({**SETTINGS, **changes}))
        return path

    return write


@pytest.fixture
def no_rendering(monkeypatch):
    monkeypatch.setattr(module, 'render_shard', lambda *a, **k: pytest.fail('rendered'))


@pytest.fixture
def small_shards(monkeypatch):
    """Let a shard have 4 samples, so that rendering takes seconds."""
    monkeypatch.setattr(module, 'fill_pool', partial(module.fill_pool, shard_samples=4))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_scenes_are_rendered_trained_on_and_exported(run, tmp_path, settings, small_shards):
    output = tmp_path / 'run'
    command = ('pretrain', '--output', output, '--config', settings())

    assert run(*command, '--render-only')[0] == 0
    assert names(output) == ['pool']
    shards = [f'indoor-{number:06d}' for number in range(3)]
    assert names(output / 'pool') == [*shards, 'indoor.json']

    status, said, _ = run(*command)

    assert status == 0
    assert 'finished: 8 updates, 0 skipped' in ' '.join(said.split())
    assert {'log.csv', 'manifest.json', 'training.pt', 'weights.safetensors'} <= set(names(output))
    manifest = read_manifest(output / 'model.onnx')
    assert (manifest.version, manifest.focal, manifest.input_size) == ('8', 80.0, (64, 96))
    assert manifest.source == 'trained from random weights on procedural scenes (indoor)'
    assert manifest.notes['scenes'] == 8
    assert len(read_source_pack(output / 'source_pack.zip')) == 4


def test_what_is_rendered_is_not_rendered_again(run, tmp_path, pool, settings, no_rendering):
    status, _, errors = run(
        'pretrain', '--output', tmp_path / 'run', '--config', settings(), '--pool', pool,
        '--render-only',
    )  # fmt: skip

    assert (status, errors) == (0, '')
    assert not (tmp_path / 'run').exists()


def test_scenes_of_another_seed_are_taken_only_as_they_are(
    run, tmp_path, pool, settings, no_rendering
):
    (pool / 'indoor.json').write_text('{"seed": 5}')
    command = ('pretrain', '--output', tmp_path / 'run', '--config', settings(), '--pool', pool)

    refused, _, errors = run(*command)

    assert refused == 1
    assert 'has indoor with seed 5, now it is 0: go back' in errors
    assert not (tmp_path / 'run').exists()
    assert run(*command, '--no-render')[0] == 0


def test_it_trains_on_what_is_there_if_told_not_to_render(
    run, tmp_path, pool, settings, no_rendering
):
    status, said, _ = run(
        'pretrain', '--output', tmp_path / 'run', '--config', settings(samples=1000),
        '--pool', pool, '--no-render',
    )  # fmt: skip

    assert status == 0
    assert 'finished' in said


def test_a_killed_run_ends_with_the_weights_of_one_that_was_not(run, tmp_path, pool, settings):
    common = ('--config', str(settings()), '--pool', str(pool), '--device', 'cpu')
    killed = ['pretrain', '--output', str(tmp_path / 'killed'), *common]
    script = (
        'import os, signal\n'
        'from mono_depth_ros.cli.main import main\n'
        'from mono_depth_ros.training.trainer import Trainer\n'
        'step = Trainer.step\n'
        'def dying_step(trainer, batch):\n'
        '    if trainer.done == 5:\n'  # saved at 3, would be at 6
        '        os.kill(os.getpid(), signal.SIGKILL)\n'
        '    return step(trainer, batch)\n'
        'Trainer.step = dying_step\n'
        f'main({killed!r})\n'
    )
    run('pretrain', '--output', tmp_path / 'whole', *common)

    dead = subprocess.run(
        [sys.executable, '-c', script], env=ENVIRONMENT, capture_output=True, timeout=300
    )
    state = load_training_state(tmp_path / 'killed' / 'training.pt')
    status, said, _ = run(*killed)

    assert (dead.returncode, state['done'], status) == (-signal.SIGKILL, 3, 0)
    assert 'finished: 8 updates' in ' '.join(said.split())
    whole, parts = (load_network(tmp_path / name).state_dict() for name in ('whole', 'killed'))
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=0, atol=0)


def in_two_processes(*arguments):
    """Run the command as the help says to run it on several GPUs."""
    launcher = [sys.executable, '-m', 'torch.distributed.run', '--standalone']
    command = ['--nproc-per-node=2', '-m', 'mono_depth_ros.cli.main', 'pretrain']
    return subprocess.run(
        [*launcher, *command, *map(str, arguments), '--device', 'cpu'],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_two_processes_train_on_a_pool_that_is_full(tmp_path, pool, settings):
    output = tmp_path / 'run'

    done = in_two_processes('--output', output, '--config', settings(), '--pool', pool)

    assert done.returncode == 0, done.stderr[-2000:]
    assert 'finished: 8 updates' in done.stdout
    assert load_training_state(output / 'training.pt')['done'] == 8
    assert (output / 'model.onnx').is_file()


def test_several_processes_do_not_wait_for_one_that_renders(tmp_path, pool, settings):
    config = settings(samples=1000)

    done = in_two_processes('--output', tmp_path / 'run', '--config', config, '--pool', pool)

    assert done.returncode != 0
    assert 'do that with --render-only in one process first' in ' '.join(done.stderr.split())
    assert len(list(pool.iterdir())) == 2


@pytest.mark.parametrize(
    ('changes', 'options', 'message'),
    [
        ({'save_every': 0}, (), 'save_every must be at least 1'),
        ({'start': 'nowhere'}, (), "start is 'nowhere', but there is no"),
        ({'domains': ['indor']}, (), "domains has 'indor'"),
        ({}, ('--device', 'banana'), "got 'banana'"),
        ({}, ('--config', '/nowhere.yaml'), 'cannot read /nowhere.yaml'),
        ({}, ('--render-only', '--no-render'), 'contradict each other'),
        ({'start': 'indoor'}, (), "encoder 'mobilenet_v2' instead of 'mobilenet_v1'"),
        ({'start': 'indoor', 'encoder': 'mobilenet_v2'}, (), 'width 1.0 instead of 0.25'),
        ({}, ('--pool', '/proc/no'), 'cannot write to /proc/no'),
        ({}, ('--output', '/proc/no'), 'cannot write to /proc/no'),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_rendered(
    run, tmp_path, settings, no_rendering, changes, options, message
):
    status, output, errors = run(
        'pretrain', '--output', tmp_path / 'run', '--config', settings(**changes), *options
    )

    assert (status, output) == (1, '')
    assert errors.startswith('Error: ')
    assert message in errors
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'seed': 1}, 'was made with other settings: seed 0, now 1'),
        ({'width': 0.5}, 'is of another network'),
    ],
)
def test_a_run_that_goes_on_with_other_settings_is_one_line(
    run, tmp_path, pool, settings, no_rendering, changes, message
):
    command = ('pretrain', '--output', tmp_path / 'run', '--pool', pool, '--config')
    assert run(*command, settings())[0] == 0

    # Nor is anything rendered for it.
    status, _, errors = run(*command, settings(samples=1000, **changes))

    assert status == 1
    assert message in errors
    assert len(errors.splitlines()) == 1


def test_an_empty_pool_is_said_in_one_line(run, tmp_path, settings):
    status, _, errors = run(
        'pretrain', '--output', tmp_path / 'run', '--config', settings(), '--no-render'
    )

    assert status == 1
    assert errors.startswith('Error: no samples of')
    assert 'render some first' in errors
    assert len(errors.splitlines()) == 1


@pytest.fixture
def recording(tmp_path):
    """Return an RGB-D folder of 12 images."""
    cv2 = pytest.importorskip('cv2')
    folder = tmp_path / 'recording'
    for name in ('rgb', 'depth'):
        (folder / name).mkdir(parents=True)
    for number in range(12):
        depth = np.full((96, 128), 1000 + 100 * number, np.uint16)
        cv2.imwrite(
            str(folder / 'rgb' / f'{number:03d}.png'), np.full((96, 128, 3), number, np.uint8)
        )
        cv2.imwrite(str(folder / 'depth' / f'{number:03d}.png'), depth)
    camera = {'width': 128, 'height': 96, 'fx': 110, 'fy': 110, 'cx': 63.5, 'cy': 47.5}
    (folder / 'camera.json').write_text(json.dumps({**camera, 'depth_scale': 1000}))
    return folder


def test_a_user_s_own_images_are_trained_on(run, tmp_path, settings, recording, no_rendering):
    output = tmp_path / 'run'
    own = settings(domains=['kitchen'])
    command = ('pretrain', '--output', output, '--config', own, '--data', f'kitchen={recording}')

    assert run(*command)[0] == 0

    assert names(output / 'pool') == ['kitchen-000000', 'kitchen-000001', 'kitchen.json']
    manifest = read_manifest(output / 'model.onnx')
    assert manifest.source == 'trained from random weights on recorded images (kitchen)'
    assert manifest.licence == 'that of its training images'
    assert manifest.notes['scenes'] == 11
    assert manifest.notes['recorded'] == {'kitchen': str(recording)}
    # It goes on, though the recording is gone: the pool has it.
    shutil.rmtree(recording)
    assert run(*command)[0] == 0


def test_what_is_copied_and_what_is_not_is_counted(
    run, tmp_path, settings, recording, no_rendering
):
    (recording / 'depth' / '003.png').unlink()
    (recording / 'rgb' / '005.png').write_bytes(b'no image')
    own = settings(domains=['kitchen'])
    command = ('pretrain', '--output', tmp_path / 'run', '--config', own, '--render-only')
    data = ('--data', f'kitchen={recording}')

    strict, _, errors = run(*command, *data, '--strict')
    status, said, _ = run(*command, *data)

    assert (strict, status) == (1, 0)
    assert '003: it has no depth' in errors
    assert 'kitchen: 10 images copied, 2 left out' in said


def test_depth_that_the_network_does_not_reach_is_warned_of(
    run, tmp_path, settings, recording, no_rendering
):
    near = settings(domains=['kitchen'], max_depth=1.5)
    command = ('pretrain', '--output', tmp_path / 'run', '--config', near, '--render-only')

    status, _, errors = run(*command, '--data', f'kitchen={recording}')

    assert status == 0
    assert '100 % of the labels of kitchen lie beyond max_depth, 1.5 m' in ' '.join(errors.split())


def test_labels_that_estimate_made_of_plain_images_are_trained_on(
    run, tmp_path, settings, no_rendering, red_network
):
    images, labels = tmp_path / 'images', tmp_path / 'labels'
    images.mkdir()
    for number in range(12):
        ramp = np.linspace(0, 20 * number + 20, 128).astype(np.uint8)
        write_image(images / f'{number:02d}.png', np.tile(ramp[:, None], (96, 1, 3)))
    run('estimate', images, '--output', labels, '--labels', '--model', red_network)
    lab = settings(domains=['lab'])
    command = ('pretrain', '--output', tmp_path / 'run', '--config', lab, '--render-only')

    status, said, errors = run(*command, '--data', f'lab={labels}')

    assert (status, errors) == (0, '')
    assert 'lab: 12 images copied, 0 left out' in said
    assert SamplePool(tmp_path / 'run' / 'pool', ('lab',)).metric == []


@pytest.mark.parametrize('option', ['--render-only', '--no-render'])
def test_a_name_is_not_taken_for_another_recording(
    run, tmp_path, settings, recording, no_rendering, option
):
    own = settings(domains=['kitchen'])
    command = ('pretrain', '--output', tmp_path / 'run', '--config', own)
    assert run(*command, '--data', f'kitchen={recording}', '--render-only')[0] == 0

    status, _, errors = run(*command, '--data', 'kitchen=/data/other', option)

    assert status == 1
    assert f'has kitchen of {recording}, not of /data/other' in errors
    assert len(errors.splitlines()) == 1


def test_own_images_join_the_rendered_ones(run, tmp_path, settings, recording, pool, no_rendering):
    output = tmp_path / 'run'
    command = ('pretrain', '--output', output, '--pool', pool, '--config', settings())

    assert run(*command, '--data', f'kitchen={recording}')[0] == 0

    manifest = read_manifest(output / 'model.onnx')
    assert manifest.source == (
        'trained from random weights on procedural scenes (indoor) and recorded images (kitchen)'
    )
    assert manifest.notes['training']['domains'] == ['indoor', 'kitchen']
    assert manifest.notes['scenes'] == 8 + 11


@pytest.mark.parametrize(
    ('data', 'reason'),
    [
        (['/data/kitchen'], "NAME=DATASET, NAME in small letters, got '/data/kitchen'"),
        (['Room1=/data'], "got 'Room1=/data'"),
        (['indoor=/data'], 'there is another indoor'),
        (['a=/data', 'a=/other'], 'there is another a'),
        (['a=/nowhere'], '/nowhere'),
    ],
)
def test_what_is_no_recording_is_told(run, tmp_path, settings, data, reason):
    options = [word for spec in data for word in ('--data', spec)]

    status, _, said = run('pretrain', '--output', tmp_path, '--config', settings(), *options)

    assert status != 0
    assert reason in ' '.join(said.split())
    assert 'Traceback' not in said
