# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`mono_depth pretrain`: rendered scenes in, a network out; mistakes are said in one line."""

import os
import subprocess
import sys

import pytest
import yaml

torch = pytest.importorskip('torch')

from mono_depth_ros.model.checkpoint import load_training_state
from mono_depth_ros.source import pool as module
from mono_depth_ros.source.pool import write_shard
import numpy as np

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


def in_two_processes(*arguments):
    """Run the command as the help says to run it on several GPUs."""
    launcher = [sys.executable, '-m', 'torch.distributed.run', '--standalone']
    command = ['--nproc-per-node=2', '-m', 'mono_depth_ros.cli.main', 'pretrain']
    return subprocess.run(
        [*launcher, *command, *map(str, arguments), '--device', 'cpu'],
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
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
    assert 'render with --render-only in one process first' in ' '.join(done.stderr.split())
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
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_rendered(
    run, tmp_path, settings, monkeypatch, changes, options, message
):
    monkeypatch.setattr(module, 'render_shard', lambda *a, **k: pytest.fail('rendered'))

    status, output, errors = run(
        'pretrain', '--output', tmp_path / 'run', '--config', settings(**changes), *options
    )

    assert (status, output) == (1, '')
    assert errors.startswith('Error: ')
    assert message in errors
    assert len(errors.splitlines()) == 1
