# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""KITTI with both kinds of ground truth, in a tiny folder of its layout."""

from mono_depth_ros.errors import DatasetError
from mono_depth_ros.source.layouts.datasets import open_dataset
from mono_depth_ros.source.layouts.kitti_lidar import project_scan
import numpy as np
import pytest

SIZE = (37, 124)
DATE, DRIVE = '2011_09_26', '2011_09_26_drive_0002_sync'
CAMERAS = """calib_time: 09-Jan-2012 13:57:47
R_rect_00: 1 0 0 0 1 0 0 0 1
S_rect_02: 1.240000e+02 3.700000e+01
P_rect_02: 72.0 0 62.0 7.2 0 72.0 18.0 0 0 0 1 0
"""
# Forward, left and up of the scanner are z, -x and -y of the camera, 0.27 m ahead.
SCANNER = 'R: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 -0.27\n'


@pytest.fixture
def kitti(tmp_path, write):
    """Make one drive with two images, of which the second has annotated depth."""
    root = tmp_path / 'kitti'
    for frame in (4, 5):
        write(root / DATE / DRIVE / f'image_02/data/{frame:010d}.png', SIZE, level=90)
    truth = root / 'depth_annotated/val' / DRIVE / 'proj_depth/groundtruth/image_02'
    write(truth / '0000000005.png', SIZE, depth=2560)
    (root / DATE / 'calib_cam_to_cam.txt').write_text(CAMERAS)
    (root / DATE / 'calib_velo_to_cam.txt').write_text(SCANNER)
    scan = np.array([[10.27, 0, 0, 0.5], [20.27, 0, 0, 0.5], [-5, 0, 0, 0.5]], '<f4')
    points = root / DATE / DRIVE / 'velodyne_points/data'
    points.mkdir(parents=True)
    (points / '0000000004.bin').write_bytes(scan.tobytes())
    return root


def test_annotated_depth_is_in_256ths_of_a_metre(kitti):
    source = open_dataset(f'kitti:{kitti}')

    (frame,) = source

    assert frame.name == f'{DRIVE}_2_0000000005'
    assert source.places == [(DRIVE, '0000000005.png')]
    assert frame.depth[9, 9] == 10.0
    assert np.isnan(frame.depth[0]).all()
    assert (frame.camera.fx, frame.camera.cx) == (72.0, 62.0)
    assert (source.max_depth, source.crop) == (80.0, 'garg')


def test_a_scan_becomes_sparse_depth_along_the_optical_axis(kitti, tmp_path):
    (tmp_path / 'list.txt').write_text(f'{DATE}/{DRIVE} 4 l\n')

    (frame,) = open_dataset(f'kitti_lidar:{kitti}:{tmp_path}/list.txt')

    # Column 62 + 7.2 / z, row 18, each rounded minus one as usual; the third point is behind.
    assert np.argwhere(np.isfinite(frame.depth)).tolist() == [[17, 61], [17, 62]]
    assert frame.depth[17, 61:63] == pytest.approx([20.0, 10.0], abs=1e-5)


def test_of_two_points_in_a_pixel_the_nearer_counts():
    points = np.array([[20, 0, 0, 0], [10, 0, 0, 0], [15, 0, 0, 0]], np.float32)
    matrix = np.array([[5.0, -9, 0, 0], [5, 0, -9, 0], [1, 0, 0, 0]])

    depth = project_scan(points, matrix, (10, 10))

    assert np.isfinite(depth).sum() == 1
    assert depth[4, 4] == 10.0


@pytest.mark.parametrize(
    'line',
    [
        f'{DATE}/{DRIVE} 5 l',
        f'{DATE}/{DRIVE} 0000000005 l',
        f'{DATE}/{DRIVE}/image_02/data/0000000005.jpg {DATE}/{DRIVE}/image_03/data/0000000005.jpg',
        f'{DATE}/{DRIVE}/image_02/data/0000000005.png '
        f'{DRIVE}/proj_depth/groundtruth/image_02/0000000005.png 721.5377',
        # Depth Anything V2 lists files where its authors keep them.
        f'/mnt/Kitti/raw_data/{DATE}/{DRIVE}/image_02/data/0000000005.png '
        f'/mnt/Kitti/val/{DRIVE}/proj_depth/groundtruth/image_02/0000000005.png',
    ],
)
def test_the_lines_of_every_usual_list_are_understood(kitti, tmp_path, line):
    (tmp_path / 'eigen.txt').write_text(f'{line}\n')

    (frame,) = open_dataset(f'kitti:{kitti}:{tmp_path}/eigen.txt')

    assert frame.name.endswith('_2_0000000005')


def test_images_that_a_list_says_have_no_ground_truth_are_not_missed(kitti, tmp_path):
    image = f'{DATE}/{DRIVE}/image_02/data/'
    (tmp_path / 'eigen.txt').write_text(
        f'{image}0000000004.png None 721.5\n{image}0000000005.png {DRIVE}/proj_depth 721.5\n'
    )

    source = open_dataset(f'kitti:{kitti}:{tmp_path}/eigen.txt', strict=True)

    assert len(list(source)) == source.count == 1


def test_images_without_annotated_depth_still_have_a_scan(kitti, tmp_path):
    (tmp_path / 'eigen.txt').write_text(
        f'{DATE}/{DRIVE}/image_02/data/0000000004.png None 721.5\n'
    )

    (frame,) = open_dataset(f'kitti_lidar:{kitti}:{tmp_path}/eigen.txt')

    assert frame.name.endswith('_2_0000000004')


def test_the_right_camera_is_that_of_its_lines(kitti, write, tmp_path):
    write(kitti / DATE / DRIVE / 'image_03/data/0000000005.png', SIZE, level=90)
    truth = kitti / 'depth_annotated/val' / DRIVE / 'proj_depth/groundtruth/image_03'
    write(truth / '0000000005.png', SIZE, depth=5120)
    calibration = kitti / DATE / 'calib_cam_to_cam.txt'
    calibration.write_text(CAMERAS + CAMERAS.replace('_02', '_03').replace('72.0', '73.0'))
    (tmp_path / 'eigen.txt').write_text(f'{DATE}/{DRIVE} 5 r\n')

    (frame,) = open_dataset(f'kitti:{kitti}:{tmp_path}/eigen.txt')

    assert (frame.depth[9, 9], frame.camera.fx) == (20.0, 73.0)


def test_train_and_val_are_the_folders_of_the_annotated_depth(kitti, write):
    drive = '2011_09_26_drive_0001_sync'
    write(kitti / DATE / drive / 'image_02/data/0000000007.png', SIZE, level=90)
    truth = kitti / 'depth_annotated/train' / drive / 'proj_depth/groundtruth/image_02'
    write(truth / '0000000007.png', SIZE, depth=2560)

    assert [frame.name[-2:] for frame in open_dataset(f'kitti:{kitti}:train')] == ['07']
    assert [frame.name[-2:] for frame in open_dataset(f'kitti:{kitti}:val')] == ['05']
    assert open_dataset(f'kitti:{kitti}').count == 2


def test_an_image_in_two_formats_is_one_image(kitti, write):
    write(kitti / DATE / DRIVE / 'image_02/data/0000000005.jpg', SIZE, level=90)

    assert open_dataset(f'kitti:{kitti}').count == 1


def test_a_line_that_is_no_image_is_quoted(kitti, tmp_path):
    (tmp_path / 'eigen.txt').write_text('a.png b.png\n')

    with pytest.raises(DatasetError, match="got 'a.png b.png'"):
        open_dataset(f'kitti:{kitti}:{tmp_path}/eigen.txt')


@pytest.mark.parametrize(
    ('missing', 'message'),
    [
        ('calib_cam_to_cam.txt', 'cannot read the calibration .*calib_cam_to_cam.txt'),
        ('calib_velo_to_cam.txt', 'cannot read the calibration .*calib_velo_to_cam.txt'),
        (f'{DRIVE}/velodyne_points/data/0000000004.bin', 'cannot read the scan .*0004.bin'),
    ],
)
def test_missing_files_are_named(kitti, tmp_path, missing, message):
    (kitti / DATE / missing).unlink()
    (tmp_path / 'list.txt').write_text(f'{DATE}/{DRIVE} 4 l\n')

    with pytest.raises(DatasetError, match=message):
        list(open_dataset(f'kitti_lidar:{kitti}:{tmp_path}/list.txt', strict=True))


@pytest.mark.parametrize(
    ('right', 'damaged', 'message'),
    [
        ('P_rect_02: 72.0', 'P_rect_02: 0', 'focal lengths must be positive'),
        ('P_rect_02: 72.0', 'P_rect_02: inf', 'intrinsics must be finite'),
        ('1.240000e+02', 'nan', 'has no usable camera 2'),
        ('1.240000e+02', 'inf', 'has no usable camera 2'),
        ('S_rect_02', 'S_rect_03', 'lacks P_rect_02 or S_rect_02'),
        ('1.240000e+02 3.700000e+01', '124', 'lacks P_rect_02 or S_rect_02'),
    ],
)
def test_an_image_whose_calibration_is_damaged_is_skipped(
    kitti, write, caplog, right, damaged, message
):
    later, drive = '2011_09_28', '2011_09_28_drive_0001_sync'
    write(kitti / later / drive / 'image_02/data/0000000005.png', SIZE, level=90)
    truth = kitti / 'depth_annotated/val' / drive / 'proj_depth/groundtruth/image_02'
    write(truth / '0000000005.png', SIZE, depth=2560)
    (kitti / later / 'calib_cam_to_cam.txt').write_text(CAMERAS)
    (kitti / DATE / 'calib_cam_to_cam.txt').write_text(CAMERAS.replace(right, damaged))

    (frame,) = open_dataset(f'kitti:{kitti}')

    assert frame.name.startswith(drive)
    assert message in caplog.text


@pytest.mark.parametrize('size', [0, 17, 20])
def test_a_truncated_scan_is_named(kitti, tmp_path, size):
    scan = kitti / DATE / DRIVE / 'velodyne_points/data/0000000004.bin'
    scan.write_bytes(scan.read_bytes()[:size])
    (tmp_path / 'list.txt').write_text(f'{DATE}/{DRIVE} 4 l\n')

    with pytest.raises(DatasetError, match=r'scan .*0004.bin is truncated'):
        list(open_dataset(f'kitti_lidar:{kitti}:{tmp_path}/list.txt', strict=True))


def test_an_image_of_another_size_than_its_calibration_is_named(kitti, write):
    write(kitti / DATE / DRIVE / 'image_02/data/0000000005.png', (40, 124), level=9)

    with pytest.raises(DatasetError, match='124x40 px, the camera of the dataset 124x37'):
        list(open_dataset(f'kitti:{kitti}', strict=True))
