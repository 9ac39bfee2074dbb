# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The source pack gives back what was put in, and refuses what it cannot read."""

import zipfile

from hypothesis import given
from hypothesis import strategies as st
from mono_depth_ros.errors import DatasetError
from mono_depth_ros.source.pack import (
    decode_depth,
    encode_depth,
    read_source_pack,
    spread,
    write_source_pack,
)
from mono_depth_ros.source.pool import Sample
import numpy as np
import pytest


def sample(seed):
    rng = np.random.default_rng(seed)
    rgb = np.repeat(np.repeat(rng.integers(0, 256, (4, 6, 3), np.uint8), 8, 0), 8, 1)
    depth = rng.uniform(0.3, 60, (32, 48)).astype(np.float32)
    depth[0, 0], depth[0, 1] = np.inf, np.nan
    return Sample(rgb, depth, rng.integers(0, 7, (32, 48)).astype(np.uint8), 100.0 + seed)


def test_samples_come_back(tmp_path):
    samples = [sample(seed) for seed in range(3)]

    written = write_source_pack(tmp_path / 'pack.zip', samples)
    again = read_source_pack(tmp_path / 'pack.zip')

    assert written == len(again) == 3
    for before, after in zip(samples, again, strict=True):
        np.testing.assert_allclose(after.depth, before.depth, rtol=1.1e-3)
        np.testing.assert_array_equal(after.semantics, before.semantics)
        assert abs(after.rgb.astype(int) - before.rgb).mean() < 15  # random colours: the worst
        assert after.focal == before.focal


@given(st.floats(0.02, 10000.0))
def test_depth_is_kept_to_a_tenth_of_a_percent(metres):
    code = encode_depth(np.array([metres]))

    np.testing.assert_allclose(decode_depth(code), metres, rtol=1.01e-3)


def test_the_same_samples_give_the_same_file(tmp_path):
    for name in ('a.zip', 'b.zip'):
        write_source_pack(tmp_path / name, [sample(0)])

    assert (tmp_path / 'a.zip').read_bytes() == (tmp_path / 'b.zip').read_bytes()


def test_a_failed_write_keeps_the_previous_pack(tmp_path):
    path = tmp_path / 'pack.zip'
    write_source_pack(path, [sample(0)])

    def broken():
        yield sample(1)
        raise OSError(28, 'No space left on device')

    with pytest.raises(DatasetError, match='No space left on device'):
        write_source_pack(path, broken())
    assert len(read_source_pack(path)) == 1
    assert [p.name for p in tmp_path.iterdir()] == ['pack.zip']


def test_a_missing_pack_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r'no source pack at .*pack\.zip'):
        read_source_pack(tmp_path / 'pack.zip')


def test_a_truncated_pack_is_refused(tmp_path):
    path = tmp_path / 'pack.zip'
    write_source_pack(path, [sample(0)])
    path.write_bytes(path.read_bytes()[:-200])

    with pytest.raises(DatasetError, match='is not a source pack'):
        read_source_pack(path)


def test_a_damaged_image_is_named(tmp_path):
    path = tmp_path / 'pack.zip'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('index.json', '{"version": 1, "focal": [1.0]}')
        for name in ('rgb.jpg', 'depth.png', 'semantics.png'):
            archive.writestr(f'0000.{name}', b'noise')

    with pytest.raises(DatasetError, match=r'rgb\.jpg of sample 0 is damaged'):
        read_source_pack(path)


def test_a_pack_of_a_later_version_is_refused(tmp_path):
    path = tmp_path / 'pack.zip'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('index.json', '{"version": 2, "focal": []}')

    with pytest.raises(DatasetError, match='version 2, expected 1'):
        read_source_pack(path)


def test_spread_takes_first_and_last():
    assert list(spread(3, 9)) == [0, 4, 8]
    assert list(spread(5, 2)) == [0, 1]
