# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded images with depth become samples that the network can be trained on."""

from dataclasses import replace
import shutil

from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.errors import DatasetError
from mono_depth_ros.frames import Frame, FrameSource
from mono_depth_ros.source.layouts.listed import GroupedFrames
from mono_depth_ros.source.pool import SamplePool
from mono_depth_ros.training.recorded import (
    dataset_of,
    import_frames,
    inverse_of,
    sample_of,
    shares_outside,
)
import numpy as np
import pytest

CAMERA = PinholeCamera(fx=100.0, fy=100.0, cx=89.5, cy=47.5, width=200, height=96)
SIZES = [(32, 32), (32, 64)]
RAMP = np.tile(np.linspace(1.0, 9.0, 200, dtype=np.float32), (96, 1))


def frame(number=0, depth=2.0, camera=CAMERA):
    shape = (CAMERA.height, CAMERA.width)
    rgb = np.full((*shape, 3), number, np.uint8)
    return Frame(rgb, number, str(number), camera, np.full(shape, depth, np.float32))


class Frames(FrameSource):
    """Frames in memory."""

    def __init__(self, frames, strict=False):
        super().__init__('frames', len(frames), strict)
        self.frames = frames

    def _loaders(self):
        return (lambda one=one: one for one in self.frames)


class Drives(Frames, GroupedFrames):
    """Frames in memory, each of one drive."""

    def __init__(self, frames, drives):
        super().__init__(frames)
        self.places = [(drive, f'{number:03d}') for number, drive in enumerate(drives)]


def test_a_sample_sees_what_the_camera_saw():
    # Depth says which column it belongs to, and the image says it too.
    columns = np.tile(np.arange(200, dtype=np.float32), (96, 1))
    rgb = np.tile(columns[:, :, None].astype(np.uint8), (1, 1, 3))
    recorded = replace(frame(), rgb=rgb, depth=1 + columns)

    sample = sample_of(recorded, SIZES)

    # 180 columns lie around the axis; 96 rows at 2:1 are 180 x 90, shrunk 2.8125 times.
    assert sample.depth.shape == (32, 64)
    assert sample.focal == pytest.approx(100 / 2.8125)
    slopes = (np.arange(64) - 31.5) / sample.focal
    true_slopes = (sample.depth[16] - 1 - CAMERA.cx) / CAMERA.fx
    np.testing.assert_allclose(slopes, true_slopes, atol=0.5 / CAMERA.fx)
    np.testing.assert_allclose(sample.rgb[16, :, 0], sample.depth[16] - 1, atol=1.6)


def test_the_shape_that_is_nearest_is_taken():
    wide = replace(CAMERA, cx=99.5)
    narrow = replace(CAMERA, cx=49.5)

    assert sample_of(frame(camera=wide), SIZES).depth.shape == (32, 64)
    assert sample_of(frame(camera=narrow), SIZES).depth.shape == (32, 32)


def test_points_of_a_lidar_survive_and_the_nearest_wins():
    depth = np.full((96, 200), np.nan, np.float32)
    depth[::3, ::3] = 9.0
    depth[48, 90] = 4.0

    shrunk = sample_of(replace(frame(), depth=depth), SIZES).depth

    assert np.isfinite(shrunk).mean() > 0.4  # of its pixels; every ninth had a point
    assert shrunk[16, 32] == 4.0


def test_the_sky_stays_the_sky():
    depth = np.full((96, 200), 30.0, np.float32)
    depth[:48] = np.inf
    depth[48:60] = np.nan

    shrunk = sample_of(replace(frame(), depth=depth), SIZES).depth

    assert np.isposinf(shrunk[:14]).all()
    assert (shrunk[-10:] == 30.0).all()


@pytest.mark.parametrize(
    ('unknown', 'reason'),
    [
        ({'camera': None}, 'intrinsics are not known'),
        ({'depth': None}, 'has no depth'),
        ({'depth': np.full((96, 200), np.nan, np.float32)}, 'has no depth'),
        ({'depth': np.full((96, 200), np.inf, np.float32)}, 'has no depth'),
        ({'camera': replace(CAMERA, cx=-5.0)}, 'does not go through the image'),
        ({'camera': replace(CAMERA, cx=4.0)}, 'too near to its edge'),
        ({'depth': np.where(RAMP > 8.9, RAMP, np.float32(np.nan))}, 'no depth'),
    ],
)
def test_what_cannot_teach_is_refused_with_a_reason(unknown, reason):
    with pytest.raises(DatasetError, match=reason):
        sample_of(replace(frame(), **unknown), SIZES)


def test_the_end_of_a_recording_is_held_out(tmp_path):
    source = Frames([frame(number) for number in range(60)])

    assert import_frames(tmp_path, 'own', source, sizes=SIZES, shard_samples=25) == 60

    train = SamplePool(tmp_path, ('own',))
    held_out = SamplePool(tmp_path, ('own',), held_out=True)
    assert [int(train[i].rgb[0, 0, 0]) for i in range(len(train))] == list(range(57))
    assert [int(held_out[i].rgb[0, 0, 0]) for i in range(len(held_out))] == [57, 58, 59]
    assert np.all(train[0].depth == 2.0)


def numbers(pool):
    return [int(pool[index].rgb[0, 0, 0]) for index in range(len(pool))]


def test_a_drive_is_held_out_as_a_whole_whatever_the_order_of_a_list(tmp_path):
    # Every third image of the first half is of the short drive.
    drives = ['b' if number % 3 == 0 and number < 30 else 'a' for number in range(60)]
    source = Drives([frame(number) for number in range(60)], drives)

    written = import_frames(tmp_path, 'own', source, sizes=SIZES, shard_samples=6)

    held_out = numbers(SamplePool(tmp_path, ('own',), held_out=True))
    train = numbers(SamplePool(tmp_path, ('own',)))
    assert held_out == [0, 3, 9, 15, 21, 27]
    assert train == [number for number, drive in enumerate(drives) if drive == 'a']
    assert written == 56


def test_an_import_that_held_out_its_end_does_not_go_on_with_whole_drives(tmp_path):
    frames = [frame(number) for number in range(60)]
    import_frames(tmp_path, 'own', Frames(frames), sizes=SIZES, dataset='a', shard_samples=25)
    shutil.rmtree(tmp_path / 'own-000000')
    drives = Drives(frames, ['a'] * 55 + ['b'] * 5)

    with pytest.raises(DatasetError, match='held_out end, now it is groups: go back'):
        import_frames(tmp_path, 'own', drives, sizes=SIZES, dataset='a', shard_samples=25)
    import_frames(tmp_path, 'own', Frames(frames), sizes=SIZES, dataset='a', shard_samples=25)

    assert len(SamplePool(tmp_path, ('own',))) == 57


def test_an_import_that_was_interrupted_goes_on_and_a_whole_one_is_kept(tmp_path):
    source = Frames([frame(number) for number in range(60)])
    import_frames(tmp_path, 'own', source, sizes=SIZES, shard_samples=25)
    before = (tmp_path / 'own-000001' / 'rgb.npy').stat().st_mtime_ns

    assert import_frames(tmp_path, 'own', source, sizes=SIZES, shard_samples=25) == 0
    for number in (0, 2):
        shutil.rmtree(tmp_path / f'own-{number:06d}')
    import_frames(tmp_path, 'own', source, sizes=SIZES, shard_samples=25)

    assert (tmp_path / 'own-000001' / 'rgb.npy').stat().st_mtime_ns == before
    assert len(SamplePool(tmp_path, ('own',))) == 57


def test_a_name_is_of_one_dataset_even_if_its_import_was_interrupted(tmp_path):
    source = Frames([frame(number) for number in range(60)])
    import_frames(tmp_path, 'own', source, sizes=SIZES, dataset='/data/a', shard_samples=25)

    def again(dataset):
        return import_frames(
            tmp_path, 'own', source, sizes=SIZES, dataset=dataset, shard_samples=25
        )

    assert dataset_of(tmp_path, 'own') == '/data/a'
    assert again('/data/a/') == 0
    shutil.rmtree(tmp_path / 'own-000000')
    assert again('/data/a/') == 60
    with pytest.raises(DatasetError, match='has own of /data/a, not of /data/b: take another'):
        again('/data/b')
    shutil.rmtree(tmp_path / 'own-000000')
    with pytest.raises(DatasetError, match='has own of /data/a, not of /data/b: take another'):
        again('/data/b')


def test_an_import_that_copied_nothing_does_not_take_the_name(tmp_path):
    with pytest.raises(DatasetError, match='fewer than two images'):
        import_frames(tmp_path, 'own', Frames([frame()]), sizes=SIZES, dataset='/data/a')
    two = Frames([frame(0), frame(1)])

    import_frames(tmp_path, 'own', two, sizes=SIZES[:1], dataset='/data/b')

    assert dataset_of(tmp_path, 'own') == '/data/b'


def test_an_import_that_was_interrupted_does_not_go_on_in_another_size(tmp_path):
    source = Frames([frame(number) for number in range(60)])
    import_frames(tmp_path, 'own', source, sizes=SIZES, shard_samples=25)
    shutil.rmtree(tmp_path / 'own-000000')

    with pytest.raises(DatasetError, match=r'own with size \[32, 64\], now it is \[32, 32\]'):
        import_frames(tmp_path, 'own', source, sizes=SIZES[:1], shard_samples=25)


def test_labels_beyond_the_range_of_the_network_are_counted(tmp_path):
    far = frame(1, depth=50.0)
    far.depth[:, :90], far.depth[:, 90:100] = 5.0, np.inf
    import_frames(tmp_path, 'own', Frames([frame(0), far]), sizes=SIZES)

    assert shares_outside(tmp_path, 'own', 0.1, 10.0) == pytest.approx((0, 0.47), abs=0.03)
    assert shares_outside(tmp_path, 'own', 0.1, 80.0) == (0, 0)
    assert shares_outside(tmp_path, 'nothing', 0.1, 80.0) == (0, 0)


def test_labels_too_near_for_the_network_are_counted(tmp_path):
    import_frames(tmp_path, 'own', Frames([frame(n, depth=0.01) for n in range(3)]), sizes=SIZES)

    assert shares_outside(tmp_path, 'own', 0.1, 10.0) == (1, 0)


def test_images_that_cannot_be_used_are_left_out_or_refused(tmp_path, caplog):
    frames = [frame(0), replace(frame(1), depth=None), frame(2)]

    assert import_frames(tmp_path / 'a', 'own', Frames(frames), sizes=SIZES) == 2
    assert 'left out an image of frames: 1: it has no depth' in caplog.text
    with pytest.raises(DatasetError, match='frames: 1: it has no depth'):
        import_frames(tmp_path / 'b', 'own', Frames(frames, strict=True), sizes=SIZES)
    with pytest.raises(DatasetError, match='fewer than two images'):
        import_frames(tmp_path / 'c', 'own', Frames(frames[:1]), sizes=SIZES)


def labelled(number=0, disparity=RAMP):
    """Make an image that has disparity, and neither depth nor a camera."""
    return replace(frame(number), camera=None, depth=None, disparity=disparity)


def test_disparity_becomes_a_sample_without_metres_or_a_camera():
    sample = sample_of(labelled(), SIZES)

    # All but four columns at either side are there, in 64 columns.
    place = 4 + (np.arange(64) + 0.5) * 3 - 0.5
    share = (place.round() / 199).clip(1e-4)
    assert sample.relative
    np.testing.assert_allclose(1 / sample.depth[16], share, atol=0.006)


def test_the_inverse_forgets_scale_and_shift_and_half_floats_hold_it():
    depth = inverse_of(RAMP)

    np.testing.assert_allclose(inverse_of(7 * RAMP - 20), depth, rtol=1e-3)
    assert (depth.min(), depth.max()) == pytest.approx((1, 1e4), rel=1e-3)
    assert np.isfinite(depth.astype(np.float16)).all()


def test_missing_disparity_stays_missing():
    holes = RAMP.copy()
    holes[:48], holes[48:60] = np.nan, np.inf

    assert np.isnan(inverse_of(holes)[:60]).all()
    with pytest.raises(DatasetError, match='has no depth'):
        sample_of(labelled(disparity=np.full((96, 200), np.nan, np.float32)), SIZES)


def test_a_pool_knows_which_labels_have_no_metres(tmp_path):
    import_frames(tmp_path, 'lab', Frames([labelled(n) for n in range(3)]), sizes=SIZES)
    import_frames(tmp_path, 'own', Frames([frame(n) for n in range(3)]), sizes=SIZES)

    pool = SamplePool(tmp_path, ('lab', 'own'))

    assert pool.metric == ['own']
    assert [pool[index].relative for index in range(len(pool))] == [True, True, False, False]
    assert shares_outside(tmp_path, 'lab', 0.1, 2.0) == (0, 0)


def test_labels_of_the_other_kind_are_left_out(tmp_path, caplog):
    frames = [labelled(0), labelled(1), frame(2), labelled(3)]

    assert import_frames(tmp_path, 'lab', Frames(frames), sizes=SIZES) == 3
    assert 'left out an image of frames: 2: its labels are metric, not relative' in caplog.text


def test_an_import_of_metres_does_not_go_on_with_disparity(tmp_path):
    import_frames(tmp_path, 'own', Frames([frame(n) for n in range(3)]), sizes=SIZES, dataset='a')
    shutil.rmtree(tmp_path / 'own-000000')

    with pytest.raises(DatasetError, match='labels metric, now it is relative'):
        import_frames(
            tmp_path, 'own', Frames([labelled(n) for n in range(3)]), sizes=SIZES, dataset='a'
        )
