# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded images of any kind come out as the same frames."""

from dataclasses import replace
from itertools import islice

import cv2
from mono_depth_ros.camera import camera_to_json, PinholeCamera
from mono_depth_ros.errors import CameraError, DatasetError
from mono_depth_ros.folders import FolderFrames, write_rgbd
from mono_depth_ros.frames import open_frames
import numpy as np
import pytest

CAMERA = PinholeCamera(60.0, 61.0, 31.5, 23.5, 64, 48)


def picture(value: int) -> np.ndarray:
    """Return a grey BGR image whose blue says which one it is."""
    image = np.full((48, 64, 3), 128, np.uint8)
    image[..., 0] = value
    return image


@pytest.fixture
def rgbd(tmp_path):
    """Make an RGB-D folder of three frames, numbered 8, 9 and 10."""
    for name in ('rgb', 'depth', 'pose'):
        (tmp_path / name).mkdir()
    camera_to_json(tmp_path / 'camera.json', CAMERA, depth_scale=256.0)
    for number in (8, 9, 10):
        cv2.imwrite(str(tmp_path / 'rgb' / f'{number}.png'), picture(number))
        depth = np.full((48, 64), number * 256, np.uint16)
        depth[0, 0] = 0
        cv2.imwrite(str(tmp_path / 'depth' / f'{number}.png'), depth)
        np.savetxt(tmp_path / 'pose' / f'{number}.txt', np.eye(4) * number)
    return tmp_path


def test_an_rgbd_folder_gives_images_with_camera_depth_and_pose(rgbd):
    frames = list(open_frames(rgbd))

    assert [frame.name for frame in frames] == ['8', '9', '10']
    assert [int(frame.rgb[0, 0, 2]) for frame in frames] == [8, 9, 10]
    assert all(frame.camera == CAMERA for frame in frames)
    assert frames[1].depth[5, 5] == 9.0
    assert np.isnan(frames[1].depth[0, 0])
    assert frames[2].world_from_camera[3, 3] == 10.0


def test_frames_without_a_clock_are_spaced_by_the_rate(rgbd):
    stamps = [frame.stamp_ns for frame in open_frames(rgbd, rate=4.0)]

    assert stamps == [0, 250_000_000, 500_000_000]


def test_a_source_can_be_gone_through_again(rgbd):
    source = open_frames(rgbd)

    assert len(list(source)) == source.count == len(list(source)) == 3


def test_a_folder_of_images_needs_neither_camera_nor_depth(rgbd):
    frames = list(open_frames(rgbd / 'rgb'))

    assert len(frames) == 3
    assert frames[0].camera is None
    assert frames[0].depth is None


def test_one_image_is_a_source_of_one_frame(rgbd):
    (frame,) = open_frames(rgbd / 'rgb' / '9.png')

    assert frame.name == '9'
    assert frame.camera == CAMERA
    assert frame.depth[5, 5] == 9.0


def test_one_image_without_a_folder_of_its_kind_stands_alone(rgbd):
    (rgbd / 'rgb' / '9.png').rename(rgbd / '9.png')
    (rgbd / 'camera.json').unlink()

    (frame,) = open_frames(rgbd / '9.png')

    assert frame.camera is None


def test_a_corrupt_image_is_skipped_counted_and_logged(rgbd, caplog):
    path = rgbd / 'rgb' / '9.png'
    path.write_bytes(path.read_bytes()[:60])
    source = open_frames(rgbd)

    names = [frame.name for frame in source]

    assert names == ['8', '10']
    assert source.skipped == 1
    assert '9.png' in caplog.text


def test_a_corrupt_image_ends_a_strict_pass(rgbd):
    (rgbd / 'rgb' / '9.png').write_bytes(b'no image')

    with pytest.raises(DatasetError, match=r'9\.png'):
        list(open_frames(rgbd, strict=True))


def test_depth_of_another_size_is_an_error_of_its_frame(rgbd):
    cv2.imwrite(str(rgbd / 'depth' / '9.png'), np.ones((10, 10), np.uint16))

    with pytest.raises(DatasetError, match='64x48'):
        list(open_frames(rgbd, strict=True))


def test_an_image_of_another_size_than_the_camera_is_skipped(rgbd):
    cv2.imwrite(str(rgbd / 'rgb' / '9.png'), np.zeros((96, 128, 3), np.uint8))
    source = open_frames(rgbd)

    assert len(list(source)) == 2
    assert source.skipped == 1


def test_a_pose_that_is_no_matrix_is_an_error_of_its_frame(rgbd):
    (rgbd / 'pose' / '8.txt').write_text('1 2 3')

    with pytest.raises(DatasetError, match='4x4'):
        list(open_frames(rgbd, strict=True))


def test_a_folder_of_corrupt_images_only_has_no_usable_image(rgbd):
    for path in (rgbd / 'rgb').iterdir():
        path.write_bytes(b'no image')

    with pytest.raises(DatasetError, match='no usable image, 3 cannot be read'):
        list(open_frames(rgbd))


def test_depth_without_a_camera_is_refused(rgbd):
    (rgbd / 'camera.json').unlink()

    with pytest.raises(CameraError, match=r'camera\.json'):
        open_frames(rgbd)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DatasetError, match='no image in'):
        open_frames(tmp_path)


def test_a_source_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DatasetError, match='nothing at'):
        open_frames(tmp_path / 'missing')


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / 'notes.txt'
    path.write_text('hello')

    with pytest.raises(DatasetError, match='known kind'):
        open_frames(path)


def test_a_video_gives_its_frames_at_its_own_rate(tmp_path):
    path = tmp_path / 'clip.avi'
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10.0, (64, 48))
    for value in (0, 120, 240):
        video.write(picture(value))
    video.release()

    frames = list(open_frames(path))

    assert [frame.stamp_ns for frame in frames] == [0, 100_000_000, 200_000_000]
    assert [round(int(frame.rgb[20, 20, 2]) / 120) for frame in frames] == [0, 1, 2]


def test_a_video_that_is_none_is_refused(tmp_path):
    path = tmp_path / 'clip.mp4'
    path.write_bytes(b'no video')

    with pytest.raises(DatasetError, match='cannot open the video'):
        open_frames(path)


def test_a_procedural_scene_comes_with_camera_depth_and_pose():
    pytest.importorskip('torch', reason='torch is not installed')

    first, second = islice(open_frames('procedural:indoor:3', rate=10.0), 2)

    height, width = first.rgb.shape[:2]
    assert first.rgb.dtype == np.uint8
    assert first.depth.shape == (height, width)
    assert np.nanmin(first.depth) > 0
    assert (first.camera.width, first.camera.height) == (width, height)
    assert second.stamp_ns == 100_000_000
    assert not np.array_equal(first.world_from_camera, second.world_from_camera)


def test_a_written_rgbd_folder_reads_back_the_same(rgbd, tmp_path):
    before = list(open_frames(rgbd))

    count = write_rgbd(tmp_path / 'copy', before)

    after = list(open_frames(tmp_path / 'copy'))
    assert count == len(after) == 3
    for old, new in zip(before, after, strict=True):
        assert (new.name, new.camera) == (old.name, old.camera)
        assert np.array_equal(new.rgb, old.rgb)
        assert np.array_equal(new.depth, old.depth, equal_nan=True)
        assert np.array_equal(new.world_from_camera, old.world_from_camera)


@pytest.mark.parametrize('text', ['procedural:', 'procedural:Street', 'procedural:street:x'])
def test_a_procedural_scene_is_named_by_kind_and_seed(text):
    with pytest.raises(DatasetError, match='procedural:KIND:SEED'):
        open_frames(text)


def test_disparity_is_no_depth_and_needs_no_camera(rgbd, tmp_path):
    frame = next(iter(open_frames(rgbd)))
    height, width = frame.rgb.shape[:2]
    near = np.tile(np.linspace(1.0, 3.0, width, dtype=np.float32), (height, 1))
    near[0, 0] = np.nan
    write_rgbd(tmp_path / 'labels', [replace(frame, depth=None, camera=None, disparity=near)])

    (read,) = FolderFrames(tmp_path / 'labels', disparity=True)

    assert next(iter(open_frames(tmp_path / 'labels'))).disparity is None
    assert (read.depth, read.camera) == (None, None)
    assert np.isnan(read.disparity[0, 0])
    np.testing.assert_allclose(read.disparity[1:], 1 + (near[1:] - 1) / 2 * 65534, atol=0.6)


def test_disparity_that_is_no_16_bit_image_is_named(rgbd, tmp_path):
    (rgbd / 'disparity').mkdir()
    for image in (rgbd / 'rgb').iterdir():
        (rgbd / 'disparity' / f'{image.stem}.png').write_bytes(b'')

    with pytest.raises(DatasetError, match='cannot be decoded'):
        list(FolderFrames(rgbd, strict=True, disparity=True))
    assert len(list(open_frames(rgbd, strict=True))) == 3  # who wants depth does not look at it


def test_a_name_that_is_too_long_is_nothing(tmp_path):
    with pytest.raises(DatasetError, match='there is nothing at'):
        open_frames(tmp_path / ('x' * 300))
