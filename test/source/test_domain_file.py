# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the shards of a domain are is written once, and kept."""

import errno
import os

from mono_depth_ros.errors import DatasetError
from mono_depth_ros.source.domain_file import check_domain, describe_domain, read_domain
import pytest


def make_shard(root):
    (root / 'own-000001').mkdir()


def test_what_shards_are_is_written_before_them_and_checked_afterwards(tmp_path):
    describe_domain(tmp_path, 'own', {'size': (8, 12), 'seed': 3})
    make_shard(tmp_path)

    check_domain(tmp_path, 'own', {'seed': 3, 'size': (8, 12)})
    with pytest.raises(DatasetError, match='has own with seed 3, now it is 4: go back'):
        describe_domain(tmp_path, 'own', {'size': (8, 12), 'seed': 4})
    assert read_domain(tmp_path, 'own') == {'size': [8, 12], 'seed': 3}


def test_without_shards_a_file_that_is_left_over_says_nothing(tmp_path):
    describe_domain(tmp_path, 'own', {'seed': 3})

    assert read_domain(tmp_path, 'own') == {}
    describe_domain(tmp_path, 'own', {'seed': 4})
    make_shard(tmp_path)
    assert read_domain(tmp_path, 'own') == {'seed': 4}


def test_shards_without_a_file_are_left_alone_and_nothing_is_claimed_of_them(tmp_path):
    make_shard(tmp_path)

    describe_domain(tmp_path, 'own', {'seed': 3})

    assert [path.name for path in tmp_path.iterdir()] == ['own-000001']


def test_what_a_file_does_not_say_is_not_checked(tmp_path):
    describe_domain(tmp_path, 'own', {'seed': 3})
    make_shard(tmp_path)

    check_domain(tmp_path, 'own', {'seed': 3, 'kind': 'b'})


def test_a_file_that_cannot_be_read_or_written_is_named(tmp_path, monkeypatch):
    def full(*paths):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(os, 'replace', full)
    with pytest.raises(DatasetError, match=r'cannot write .*own\.json: No space'):
        describe_domain(tmp_path, 'own', {})
    assert not list(tmp_path.iterdir())

    make_shard(tmp_path)
    (tmp_path / 'own.json').write_text('{')
    with pytest.raises(DatasetError, match=r'cannot read .*own\.json'):
        read_domain(tmp_path, 'own')
