# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pool of rendered samples: whole shards only, held-out apart, the same after a kill."""

import errno
import os
import shutil

from mono_depth_ros.errors import DatasetError
from mono_depth_ros.source import pool as module
from mono_depth_ros.source.pool import (
    check_rendered,
    fill_pool,
    read_shard,
    SamplePool,
    shard_seed,
    write_shard,
)
import numpy as np
import pytest


def shard(value, count=3, size=(8, 12)):
    return {
        'rgb': np.full((count, *size, 3), value, np.uint8),
        'depth': np.full((count, *size), value, np.float16),
        'semantics': np.full((count, *size), value, np.uint8),
        'focal': np.full(count, 10.0 * value, np.float32),
    }


@pytest.fixture
def renderer(monkeypatch):
    """Stand in for the renderer: the seed decides the samples."""
    calls = []

    def render(domain, size, count, seed, **settings):
        calls.append(seed)
        return shard(seed % 200, count, size)

    monkeypatch.setattr(module, 'render_shard', render)
    return calls


def test_samples_are_read_back_from_several_shards(tmp_path):
    write_shard(tmp_path / 'indoor-000001', shard(1))
    write_shard(tmp_path / 'indoor-000002', shard(2, count=2))

    pool = SamplePool(tmp_path, ('indoor',))

    assert [int(pool[i].rgb[0, 0, 0]) for i in range(len(pool))] == [1, 1, 1, 2, 2]
    assert pool[4].focal == 20.0
    with pytest.raises(IndexError, match='sample 5 of a pool of 5'):
        pool[5]


def test_the_held_out_shard_is_never_trained_on(tmp_path):
    for number in range(3):
        write_shard(tmp_path / f'indoor-{number:06d}', shard(number))

    train = SamplePool(tmp_path, ('indoor',))
    held_out = SamplePool(tmp_path, ('indoor',), held_out=True)

    assert {train[i].focal for i in range(len(train))} == {10.0, 20.0}
    assert {held_out[i].focal for i in range(len(held_out))} == {0.0}


def test_other_domains_are_left_alone(tmp_path):
    write_shard(tmp_path / 'street-000001', shard(1))

    assert len(SamplePool(tmp_path, ('indoor',))) == 0
    assert len(SamplePool(tmp_path, ('indoor', 'street'))) == 3


def test_a_pool_that_grows_is_seen_after_a_refresh(tmp_path):
    write_shard(tmp_path / 'indoor-000001', shard(1))
    pool = SamplePool(tmp_path, ('indoor',))
    write_shard(tmp_path / 'indoor-000002', shard(2))

    assert (len(pool), pool.refresh(), len(pool)) == (3, 6, 6)


def test_a_pool_is_read_while_it_is_refreshed(tmp_path, monkeypatch):
    write_shard(tmp_path / 'indoor-000001', shard(1))
    pool = SamplePool(tmp_path, ('indoor',))
    for number in (2, 3):
        write_shard(tmp_path / f'indoor-{number:06d}', shard(number))
    seen = []

    def read(path):
        # What a thread that prepares a batch would see at this moment.
        seen.append((len(pool), pool.matching((8, 12)).tolist(), pool[2].focal))
        return read_shard(path)

    monkeypatch.setattr(module, 'read_shard', read)

    assert pool.refresh() == 9
    assert seen == [(3, [0, 1, 2], 10.0)] * 2


def test_a_damaged_shard_does_not_hide_those_before_it(tmp_path):
    pool = SamplePool(tmp_path, ('indoor',))
    for number in (1, 2):
        write_shard(tmp_path / f'indoor-{number:06d}', shard(number))
    (tmp_path / 'indoor-000002' / 'depth.npy').write_bytes(b'no')
    with pytest.raises(DatasetError, match=r'indoor-000002 is not a shard'):
        pool.refresh()

    shutil.rmtree(tmp_path / 'indoor-000002')

    assert pool.refresh() == 3


def test_samples_are_chosen_by_aspect_ratio(tmp_path):
    write_shard(tmp_path / 'indoor-000001', shard(1, size=(8, 12)))
    write_shard(tmp_path / 'indoor-000002', shard(2, size=(8, 32)))
    pool = SamplePool(tmp_path, ('indoor',))

    assert pool.matching((16, 24)).tolist() == [0, 1, 2]
    assert pool.matching((16, 64)).tolist() == [3, 4, 5]
    assert pool.matching((64, 16)).tolist() == [0, 1, 2]  # none fits: the nearest will do


def test_filling_again_renders_only_what_is_missing(tmp_path, renderer):
    settings = {'samples': 8, 'sizes': [(8, 12)], 'shard_samples': 4}
    fill_pool(tmp_path, 'indoor', **settings)
    whole = sorted(renderer)
    (tmp_path / 'indoor-000001').rename(tmp_path / 'gone')
    renderer.clear()

    assert fill_pool(tmp_path, 'indoor', **settings) == 1
    assert renderer[0] in whole
    assert len(SamplePool(tmp_path, ('indoor',))) == 8


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'seed': 1}, 'seed 0, now it is 1'),
        ({'sizes': [(8, 32)]}, r'sizes \[\[8, 12\]\], now it is \[\[8, 32\]\]'),
    ],
)
def test_shards_that_were_rendered_with_something_else_get_no_company(
    tmp_path, renderer, changes, reason
):
    settings = {'samples': 8, 'sizes': [(8, 12)], 'shard_samples': 4}
    fill_pool(tmp_path, 'indoor', **settings)
    renderer.clear()

    with pytest.raises(DatasetError, match=f'has indoor with {reason}: go back'):
        fill_pool(tmp_path, 'indoor', **{**settings, 'samples': 16, **changes})
    assert not renderer
    assert fill_pool(tmp_path, 'indoor', **{**settings, 'samples': 16}) == 2


def test_shards_of_another_version_of_the_package_are_told(tmp_path, renderer, monkeypatch):
    fill_pool(tmp_path, 'indoor', samples=4, sizes=[(8, 12)], shard_samples=4)
    monkeypatch.setattr(module, '__version__', '99.0')

    with pytest.raises(DatasetError, match=r'version .*, now it is 99\.0'):
        check_rendered(tmp_path, 'indoor', sizes=[(8, 12)], seed=0)


def test_shards_of_which_nobody_knows_how_they_were_rendered_are_kept(tmp_path, renderer):
    write_shard(tmp_path / 'indoor-000001', shard(1, count=4))

    check_rendered(tmp_path, 'indoor', sizes=[(8, 32)], seed=7)
    fill_pool(tmp_path, 'indoor', samples=4, sizes=[(8, 12)], seed=7, shard_samples=4)

    assert SamplePool(tmp_path, ('indoor',))[0].focal == 10.0
    assert not (tmp_path / 'indoor.json').exists()


def test_shards_take_the_sizes_in_turn(tmp_path, renderer):
    fill_pool(tmp_path, 'indoor', samples=8, sizes=[(8, 12), (8, 32)], shard_samples=4)

    pool = SamplePool(tmp_path, ('indoor',))
    assert [pool[i].depth.shape for i in (0, 4)] == [(8, 32), (8, 12)]


def test_no_two_shards_share_a_seed():
    seeds = {
        shard_seed(seed, domain, number)
        for seed in range(3)
        for domain in ('indoor', 'street')
        for number in range(50)
    }

    assert len(seeds) == 300


def test_a_full_disk_leaves_no_half_shard(tmp_path, monkeypatch):
    def full(path, array):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(np, 'save', full)

    with pytest.raises(DatasetError, match='No space left on device'):
        write_shard(tmp_path / 'indoor-000001', shard(1))
    assert list(tmp_path.iterdir()) == []


def test_a_pool_that_cannot_be_written_is_said_before_anything_is_rendered(tmp_path, renderer):
    (tmp_path / 'file').touch()

    with pytest.raises(DatasetError, match=r'cannot write to .*file/pool: Not a directory'):
        fill_pool(tmp_path / 'file' / 'pool', 'indoor', samples=8, sizes=[(8, 12)])
    with pytest.raises(DatasetError, match=r'cannot write to .*file: '):
        write_shard(tmp_path / 'file' / 'indoor-000001', shard(1))
    assert renderer == []


def test_a_shard_that_another_process_wrote_meanwhile_is_kept(tmp_path):
    write_shard(tmp_path / 'indoor-000001', shard(1))

    write_shard(tmp_path / 'indoor-000001', shard(2))

    assert SamplePool(tmp_path, ('indoor',))[0].focal == 10.0
    assert [path.name for path in tmp_path.iterdir()] == ['indoor-000001']


def test_samples_of_each_domain_are_told_apart(tmp_path):
    write_shard(tmp_path / 'lab-000001', shard(1, count=2))
    write_shard(tmp_path / 'indoor-000001', shard(2, size=(8, 32)))
    pool = SamplePool(tmp_path, ('lab', 'indoor', 'street'))
    write_shard(tmp_path / 'indoor-000002', shard(3, count=1))
    pool.refresh()

    parts = [part.tolist() for part in pool.matching_by_domain((8, 12))]

    assert parts == [[5], [3, 4]]
    assert pool.lacking == ['street']


def test_a_domain_none_of_whose_shapes_fits_gives_its_nearest(tmp_path):
    write_shard(tmp_path / 'lab-000001', shard(1, size=(8, 12)))
    write_shard(tmp_path / 'indoor-000001', shard(2, size=(8, 64)))
    write_shard(tmp_path / 'indoor-000002', shard(3, size=(8, 32)))
    pool = SamplePool(tmp_path, ('lab', 'indoor'))

    shapes = [
        {pool[int(index)].depth.shape for index in part}
        for part in pool.matching_by_domain((8, 12))
    ]

    assert shapes == [{(8, 32)}, {(8, 12)}]


@pytest.mark.parametrize('content', [b'', b'no'])
def test_a_damaged_shard_is_named(tmp_path, content):
    write_shard(tmp_path / 'indoor-000001', shard(1))
    (tmp_path / 'indoor-000001' / 'depth.npy').write_bytes(content)

    with pytest.raises(DatasetError, match=r'indoor-000001 is not a shard'):
        SamplePool(tmp_path, ('indoor',))


def test_no_file_of_a_shard_stays_open(tmp_path):
    for number in range(1, 5):
        write_shard(tmp_path / f'indoor-{number:06d}', shard(number))
    before = len(os.listdir('/proc/self/fd'))

    pool = SamplePool(tmp_path, ('indoor',))
    samples = [pool[index] for index in range(len(pool))]

    assert len(os.listdir('/proc/self/fd')) == before
    assert [sample.focal for sample in samples[::3]] == [10.0, 20.0, 30.0, 40.0]


def test_an_error_of_the_system_is_told_as_what_it_is(tmp_path, monkeypatch):
    def load(path, **settings):
        raise OSError(errno.EMFILE, 'Too many open files')

    write_shard(tmp_path / 'indoor-000001', shard(1))
    monkeypatch.setattr(np, 'load', load)

    with pytest.raises(DatasetError, match=r'cannot read .*rgb\.npy: Too many open files'):
        SamplePool(tmp_path, ('indoor',))


def test_a_shard_that_vanishes_or_is_cut_off_later_is_named(tmp_path):
    write_shard(tmp_path / 'indoor-000001', shard(1))
    pool = SamplePool(tmp_path, ('indoor',))
    depth = tmp_path / 'indoor-000001' / 'depth.npy'
    os.truncate(depth, depth.stat().st_size - 1)

    assert pool[1].focal == 10.0
    with pytest.raises(DatasetError, match=r'depth\.npy has been cut off'):
        pool[2]
    shutil.rmtree(depth.parent)
    with pytest.raises(DatasetError, match=r'cannot read .*rgb\.npy: No such file'):
        pool[1]


def test_arrays_of_different_lengths_are_refused(tmp_path):
    write_shard(tmp_path / 'indoor-000001', {**shard(1), 'focal': np.ones(1, np.float32)})

    with pytest.raises(DatasetError, match='different lengths'):
        SamplePool(tmp_path, ('indoor',))
