# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""NYU, Virtual KITTI 2 and DIML in tiny folders of their own layout."""

import cv2
from mono_depth_ros.errors import ConfigError, DatasetError
from mono_depth_ros.source.layouts.datasets import open_dataset, SelectedFrames
import numpy as np
import pytest

NYU_SIZE, VKITTI_SIZE, DIML_SIZE = (480, 640), (375, 1242), (72, 128)


@pytest.fixture
def nyu(tmp_path, write):
    """Make the official test split of NYU with three images."""
    for index, scene in enumerate(['bathroom', 'bathroom', 'kitchen']):
        folder = tmp_path / 'nyu' / 'test' / scene
        write(folder / f'rgb_0004{index}.jpg', NYU_SIZE, level=40 * index)
        write(folder / f'sync_depth_0004{index}.png', NYU_SIZE, depth=1000 * (index + 1))
    return tmp_path / 'nyu'


@pytest.fixture
def vkitti2(tmp_path, write):
    """Make Virtual KITTI 2 with two images, its archives side by side."""
    root, place = tmp_path / 'vkitti', 'Scene01/clone/frames'
    for index in (0, 1):
        rgb = root / 'vkitti_2.0.3_rgb' / place / f'rgb/Camera_0/rgb_0000{index}.jpg'
        write(rgb, VKITTI_SIZE, level=90)
        depth = root / 'vkitti_2.0.3_depth' / place / f'depth/Camera_0/depth_0000{index}.png'
        write(depth, VKITTI_SIZE, depth=[1234, 65535][index])
    text = root / 'vkitti_2.0.3_textgt/Scene01/clone/intrinsic.txt'
    text.parent.mkdir(parents=True)
    header = 'frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]'
    text.write_text(f'{header}\n0 0 700.5 700.5 620.5 187\n0 1 725.0 725.0 620.5 187\n')
    return root


@pytest.fixture
def diml(tmp_path, write):
    """Make the DIML sample with one image."""
    scene = tmp_path / 'diml' / 'test' / 'HR' / '01. Warehouse'
    write(scene / 'color' / 'sample_7_c.png', DIML_SIZE, level=90)
    write(scene / 'depth_filled' / 'sample_7_depth_filled.png', DIML_SIZE, depth=2500)
    return tmp_path / 'diml'


def test_nyu_folders_give_images_with_metres_and_the_camera_of_the_kinect(nyu):
    source = open_dataset(f'nyu:{nyu}')

    frames = list(source)

    assert [frame.name for frame in frames] == [
        'bathroom_rgb_00040',
        'bathroom_rgb_00041',
        'kitchen_rgb_00042',
    ]
    assert [float(frame.depth[5, 5]) for frame in frames] == [1.0, 2.0, 3.0]
    assert np.isnan(frames[0].depth[0]).all()
    assert frames[2].camera.fx == pytest.approx(518.86, abs=0.01)
    assert (source.count, source.max_depth, source.crop) == (3, 10.0, 'nyu')


def test_a_nyu_list_chooses_the_images_and_their_depth(nyu, tmp_path):
    split = tmp_path / 'nyudepthv2_test_files_with_gt.txt'
    split.write_text('/kitchen/rgb_00042.jpg /kitchen/sync_depth_00042.png 518.8579\n')

    (frame,) = open_dataset(f'nyu:{nyu}:{split}')

    assert frame.depth[5, 5] == 3.0


@pytest.fixture
def nyu_train(nyu, write):
    """Add a training image to NYU, beside its test split."""
    folder = nyu / 'train' / 'study'
    write(folder / 'rgb_00002.jpg', NYU_SIZE, level=9)
    write(folder / 'sync_depth_00002.png', NYU_SIZE, depth=7000)
    return nyu


def test_the_training_images_of_nyu_can_be_chosen(nyu_train):
    (frame,) = open_dataset(f'nyu:{nyu_train}:train')

    assert frame.depth[5, 5] == 7.0
    assert open_dataset(f'nyu:{nyu_train}').count == 3
    assert open_dataset(f'nyu:{nyu_train}:test').count == 3


@pytest.mark.parametrize('folder', ['train', 'sync', 'official_splits/train'])
def test_a_nyu_list_of_training_images_finds_their_folder(nyu_train, tmp_path, folder):
    (nyu_train / folder).parent.mkdir(exist_ok=True)
    (nyu_train / 'train').rename(nyu_train / folder)
    split = tmp_path / 'nyudepthv2_train_files_with_gt.txt'
    split.write_text('/study/rgb_00002.jpg /study/sync_depth_00002.png 518.8579\n')

    (frame,) = open_dataset(f'nyu:{nyu_train}:{split}')

    assert frame.depth[5, 5] == 7.0


def test_missing_and_mismatched_files_are_named_skipped_and_counted(nyu, write, caplog):
    (nyu / 'test/bathroom/sync_depth_00040.png').unlink()
    write(nyu / 'test/bathroom/rgb_00041.jpg', (48, 64), level=9)

    source = open_dataset(f'nyu:{nyu}')
    frames = list(source)

    assert [frame.name for frame in frames] == ['kitchen_rgb_00042']
    assert source.skipped == 2
    assert 'sync_depth_00040.png: No such file' in caplog.text
    assert 'image has 64x48 px, the camera of the dataset 640x480' in caplog.text


def test_strict_refuses_what_would_be_skipped(nyu):
    (nyu / 'test/bathroom/sync_depth_00040.png').unlink()

    with pytest.raises(DatasetError, match=r'sync_depth_00040.png: No such file'):
        list(open_dataset(f'nyu:{nyu}', strict=True))


def test_depth_of_the_wrong_type_is_named(nyu, write):
    eight_bit = nyu / 'test/bathroom/sync_depth_00040.png'
    cv2.imwrite(str(eight_bit), np.full(NYU_SIZE, 7, np.uint8))

    with pytest.raises(DatasetError, match=r'sync_depth_00040.png must be 16-bit .* got uint8'):
        list(open_dataset(f'nyu:{nyu}', strict=True))


def test_virtual_kitti_is_in_centimetres_and_its_sky_is_infinitely_far(vkitti2):
    near, sky = open_dataset(f'vkitti2:{vkitti2}')

    assert near.name == 'Scene01_clone_Camera_0_rgb_00000'
    assert near.depth[9, 9] == pytest.approx(12.34)
    # The first row has no depth at all.
    assert np.isnan(sky.depth[0]).all()
    assert np.isposinf(sky.depth[1:]).all()
    assert near.camera.fx == 700.5


def test_an_image_of_virtual_kitti_whose_intrinsics_are_damaged_is_skipped(vkitti2, write, caplog):
    frames = 'Scene02/clone/frames'
    rgb = vkitti2 / f'vkitti_2.0.3_rgb/{frames}/rgb/Camera_0/rgb_00007.jpg'
    write(rgb, VKITTI_SIZE, level=90)
    depth = vkitti2 / f'vkitti_2.0.3_depth/{frames}/depth/Camera_0/depth_00007.png'
    write(depth, VKITTI_SIZE, depth=500)
    text = vkitti2 / 'vkitti_2.0.3_textgt/Scene02/clone/intrinsic.txt'
    text.parent.mkdir(parents=True)
    text.write_text('frame cameraID\n0 0 0 700.5 620.5 187\n')

    names = [frame.name for frame in open_dataset(f'vkitti2:{vkitti2}')]

    assert [name[:7] for name in names] == ['Scene01', 'Scene01']
    assert 'focal lengths must be positive' in caplog.text


@pytest.mark.parametrize(
    'before',
    ['', '/mnt/vKitti2/', 'vkitti_2.0.3_rgb/', 'rgb/', 'datasets/vkitti/vkitti_2.0.3_rgb/'],
)
def test_a_virtual_kitti_list_may_name_the_folders_of_others(vkitti2, tmp_path, before):
    place = 'Scene01/clone/frames'
    split = tmp_path / 'train.txt'
    image, depth = 'rgb/Camera_0/rgb_00000.jpg', 'depth/Camera_0/depth_00000.png'
    split.write_text(f'{before}{place}/{image} {before}{place}/{depth}\n')

    (frame,) = open_dataset(f'vkitti2:{vkitti2}:{split}')

    assert frame.depth[9, 9] == pytest.approx(12.34)


def test_a_virtual_kitti_list_may_have_the_right_camera(vkitti2, write, tmp_path):
    place = 'Scene01/clone/frames'
    rgb = vkitti2 / 'vkitti_2.0.3_rgb' / place / 'rgb/Camera_1/rgb_00000.jpg'
    write(rgb, VKITTI_SIZE, level=90)
    depth = vkitti2 / 'vkitti_2.0.3_depth' / place / 'depth/Camera_1/depth_00000.png'
    write(depth, VKITTI_SIZE, depth=500)
    (tmp_path / 'list.txt').write_text(f'{place}/rgb/Camera_1/rgb_00000.jpg\n')

    (frame,) = open_dataset(f'vkitti2:{vkitti2}:{tmp_path}/list.txt')

    assert (frame.depth[9, 9], frame.camera.fx) == (5.0, 725.0)


def test_a_line_of_a_virtual_kitti_list_that_is_no_image_is_quoted(vkitti2, tmp_path):
    (tmp_path / 'list.txt').write_text('rgb_00000.jpg\n')

    with pytest.raises(DatasetError, match=r"like Scene01/.*, got 'rgb_00000.jpg'"):
        open_dataset(f'vkitti2:{vkitti2}:{tmp_path}/list.txt')


def test_a_scene_of_virtual_kitti_or_one_of_its_variations_can_be_chosen(vkitti2, write):
    for place in ('Scene01/fog', 'Scene02/clone'):
        frames = f'{place}/frames'
        rgb = vkitti2 / f'vkitti_2.0.3_rgb/{frames}/rgb/Camera_0/rgb_00007.jpg'
        write(rgb, VKITTI_SIZE, level=90)
        depth = vkitti2 / f'vkitti_2.0.3_depth/{frames}/depth/Camera_0/depth_00007.png'
        write(depth, VKITTI_SIZE, depth=500)

    def count(text):
        return open_dataset(f'vkitti2:{vkitti2}{text}').count

    assert (count(''), count(':Scene01'), count(':Scene02'), count(':Scene01/fog')) == (4, 3, 1, 1)
    with pytest.raises(DatasetError, match=r'expected Scene06'):
        count(':Scene06')


def test_virtual_kitti_without_its_text_archive_has_its_usual_camera(vkitti2):
    (vkitti2 / 'vkitti_2.0.3_textgt/Scene01/clone/intrinsic.txt').unlink()

    frame = next(iter(open_dataset(f'vkitti2:{vkitti2}')))

    assert frame.camera.fx == 725.0087


def test_a_damaged_intrinsics_file_is_named(vkitti2):
    text = vkitti2 / 'vkitti_2.0.3_textgt/Scene01/clone/intrinsic.txt'
    text.write_text('frame cameraID\n0 0 many\n')

    with pytest.raises(DatasetError, match=r'cannot read the intrinsics .*intrinsic.txt'):
        list(open_dataset(f'vkitti2:{vkitti2}', strict=True))


def test_diml_takes_the_filled_depth_and_the_field_of_view_of_a_kinect_v2(diml):
    (frame,) = open_dataset(f'diml:{diml}')

    assert frame.name == 'sample_7'
    assert frame.depth[9, 9] == 2.5
    assert frame.camera.fx / frame.camera.width == pytest.approx(0.554, abs=0.001)


def test_the_training_images_of_diml_can_be_chosen(diml, write, tmp_path):
    scene = diml / 'train' / 'HR' / '02. Cafe'
    write(scene / 'color' / 'sample_8_c.png', DIML_SIZE, level=90)
    write(scene / 'depth_filled' / 'sample_8_depth_filled.png', DIML_SIZE, depth=1500)
    (tmp_path / 'list.txt').write_text('02. Cafe/color/sample_8_c.png\n')

    for split in ('train', tmp_path / 'list.txt'):
        (frame,) = open_dataset(f'diml:{diml}:{split}')
        assert frame.depth[9, 9] == 1.5
    for split in ('', ':test'):
        assert [frame.name for frame in open_dataset(f'diml:{diml}{split}')] == ['sample_7']


def test_a_diml_list_may_have_spaces_in_its_scenes(diml, tmp_path):
    split = tmp_path / 'list.txt'
    split.write_text('01. Warehouse/color/sample_7_c.png\n')

    assert [frame.name for frame in open_dataset(f'diml:{diml}:{split}')] == ['sample_7']


def test_images_say_which_others_they_look_like(nyu, vkitti2, diml, write, tmp_path):
    frames = 'vkitti_2.0.3_rgb/Scene01/fog/frames'
    write(vkitti2 / f'{frames}/rgb/Camera_0/rgb_00001.jpg', VKITTI_SIZE, level=90)
    (tmp_path / 'list.txt').write_text('kitchen_0028b/rgb_00042.jpg\nkitchen_0028/rgb_3.jpg\n')

    def places(text):
        return open_dataset(text).places

    assert places(f'nyu:{nyu}')[1:] == [
        ('bathroom', 'rgb_00041.jpg'),
        ('kitchen', 'rgb_00042.jpg'),
    ]
    assert {group for group, _ in places(f'nyu:{nyu}:{tmp_path}/list.txt')} == {'kitchen_0028'}
    # One moment has the same name in all variations of a scene.
    assert places(f'vkitti2:{vkitti2}')[1:] == [('Scene01', 'rgb_00001.jpg')] * 2
    assert places(f'diml:{diml}') == [('01. Warehouse', 'sample_7_c.png')]


@pytest.mark.parametrize('layout', ['nyu', 'kitti', 'kitti_lidar', 'vkitti2', 'diml'])
def test_an_empty_folder_says_what_was_expected(layout, tmp_path):
    with pytest.raises(DatasetError, match=r'no .* image in .*: expected .*docs/datasets.md'):
        open_dataset(f'{layout}:{tmp_path}')


@pytest.mark.parametrize(
    ('text', 'cap'),
    [('procedural', 10.0), ('procedural:street:7', 80.0), ('procedural:mixed', 80.0)],
)
def test_procedural_scenes_have_a_cap(text, cap):
    assert open_dataset(text).max_depth == cap


def test_nothing_at_a_path_is_said(tmp_path):
    with pytest.raises(DatasetError, match='there is nothing at'):
        open_dataset(f'nyu:{tmp_path}/no')


def test_a_layout_without_a_folder_says_how_to_name_one():
    with pytest.raises(DatasetError, match=r'give kitti:FOLDER, or \./kitti for a folder of'):
        open_dataset('kitti')


def test_a_folder_without_a_camera_asks_for_its_layout(nyu):
    with pytest.raises(DatasetError, match=r'no camera.json; .* say which: nyu:'):
        open_dataset(str(nyu))


@pytest.mark.parametrize('content', ['', '\n \n'])
def test_an_empty_list_is_refused(nyu, tmp_path, content):
    (tmp_path / 'list.txt').write_text(content)

    with pytest.raises(DatasetError, match='is empty'):
        open_dataset(f'nyu:{nyu}:{tmp_path}/list.txt')


def test_images_that_are_not_selected_are_never_read(nyu):
    (nyu / 'test/bathroom/rgb_00041.jpg').write_bytes(b'no image')
    source = SelectedFrames(open_dataset(f'nyu:{nyu}', strict=True), every=2)

    assert [frame.name[-5:] for frame in source] == ['00040', '00042']
    assert (source.count, source.max_depth, source.crop) == (2, 10.0, 'nyu')


def test_a_limit_takes_the_first_of_the_selected(nyu):
    source = SelectedFrames(open_dataset(f'nyu:{nyu}'), every=2, limit=1)

    assert [frame.name[-5:] for frame in source] == ['00040']
    assert source.count == 1


def test_an_impossible_selection_is_refused(nyu):
    with pytest.raises(ConfigError, match='every must be at least 1'):
        SelectedFrames(open_dataset(f'nyu:{nyu}'), every=0)
