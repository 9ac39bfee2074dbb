# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The labelled .mat file of NYU Depth v2, made small."""

import sys

from mono_depth_ros.errors import DatasetError
from mono_depth_ros.source.layouts.datasets import open_dataset
import numpy as np
import pytest


@pytest.fixture
def mat(tmp_path):
    """Make a file with three images, transposed as MATLAB writes them."""
    h5py = pytest.importorskip('h5py', reason='h5py is not installed')
    path = tmp_path / 'nyu_depth_v2_labeled.mat'
    images = np.zeros((3, 3, 640, 480), np.uint8)
    images[:, 0, 600, 10] = [10, 20, 30]
    depths = np.zeros((3, 640, 480), np.float32)
    depths[:, 600, 10] = [1.0, 2.0, 3.0]
    with h5py.File(path, 'w') as file:
        file['images'], file['rawDepths'] = images, depths
    return path


def test_a_list_of_numbers_chooses_images_which_lie_as_they_were_taken(mat, tmp_path):
    (tmp_path / 'numbers.txt').write_text('3\n1\n')

    third, first = open_dataset(f'nyu:{mat}:{tmp_path}/numbers.txt')

    assert (third.name, first.name) == ('00003', '00001')
    assert third.rgb.shape == (480, 640, 3)
    assert third.rgb[10, 600].tolist() == [30, 0, 0]
    assert third.depth[10, 600] == 3.0
    assert np.isnan(third.depth).sum() == 480 * 640 - 1


def test_the_file_says_the_scene_of_each_image(mat, tmp_path):
    h5py = pytest.importorskip('h5py', reason='h5py is not installed')
    (tmp_path / 'numbers.txt').write_text('3\n1\n')
    text = f'nyu:{mat}:{tmp_path}/numbers.txt'
    assert open_dataset(text).places == [('', '00003'), ('', '00001')]
    with h5py.File(mat, 'a') as file:
        links = np.empty((1, 3), h5py.ref_dtype)
        for number, name in enumerate(['kitchen_0001', 'kitchen_0001', 'office_0002b']):
            letters = np.frombuffer(name.encode('utf-16-le'), np.uint16)[:, None]
            file[f'names/{number}'] = letters
            links[0, number] = file[f'names/{number}'].ref
        file['scenes'] = links

    assert open_dataset(text).places == [('office_0002', '00003'), ('kitchen_0001', '00001')]


def test_the_official_split_is_read_from_beside_the_file(mat):
    io = pytest.importorskip('scipy.io', reason='scipy is not installed')
    io.savemat(mat.with_name('splits.mat'), {'testNdxs': np.array([[2], [3]])})

    source = open_dataset(f'nyu:{mat.parent}')

    assert source.count == 2
    assert [frame.name for frame in source] == ['00002', '00003']


def test_the_training_images_of_the_official_split_can_be_chosen(mat):
    io = pytest.importorskip('scipy.io', reason='scipy is not installed')
    numbers = {'trainNdxs': np.array([[1]]), 'testNdxs': np.array([[2], [3]])}
    io.savemat(mat.with_name('splits.mat'), numbers)

    assert [frame.name for frame in open_dataset(f'nyu:{mat}:train')] == ['00001']
    assert [frame.name for frame in open_dataset(f'nyu:{mat}:test')] == ['00002', '00003']


def test_without_a_split_it_says_where_one_belongs(mat):
    with pytest.raises(DatasetError, match=r'put splits.mat of the dataset at .*splits.mat'):
        open_dataset(f'nyu:{mat}')


def test_a_number_that_is_not_there_is_refused(mat, tmp_path):
    (tmp_path / 'numbers.txt').write_text('4')

    with pytest.raises(DatasetError, match='images 1 to 3, the split asks for 4'):
        open_dataset(f'nyu:{mat}:{tmp_path}/numbers.txt')


def test_a_missing_library_is_named(mat, monkeypatch):
    monkeypatch.setitem(sys.modules, 'h5py', None)

    with pytest.raises(DatasetError, match='needs h5py: pip install h5py'):
        open_dataset(f'nyu:{mat}')


def test_another_file_is_refused(mat):
    h5py = pytest.importorskip('h5py', reason='h5py is not installed')
    with h5py.File(mat, 'a') as file:
        del file['rawDepths']

    with pytest.raises(DatasetError, match=r'expected rawDepths of N x \(640, 480\), got nothing'):
        open_dataset(f'nyu:{mat}')


def test_a_truncated_file_is_refused(mat):
    mat.write_bytes(mat.read_bytes()[:2000])

    with pytest.raises(DatasetError, match='is not a readable HDF5 file'):
        open_dataset(f'nyu:{mat}')
