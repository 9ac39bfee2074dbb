# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The frame buffer keeps varied images, says why it refuses others, and survives a restart."""

from dataclasses import replace
import errno
from pathlib import Path
import threading

import cv2
from mono_depth_ros.adaptation.config import BufferConfig
from mono_depth_ros.adaptation.frame_buffer import FrameBuffer, KEPT
from mono_depth_ros.adaptation.target_frame import (
    make_target_frame,
    read_frame,
    read_frames,
    TargetFrame,
    write_frame,
)
from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.errors import CameraError, DatasetError, ShapeError
import numpy as np
import pytest

SIZE = (48, 64)
CAMERA = PinholeCamera(60.0, 60.0, 31.5, 23.5, SIZE[1], SIZE[0])
SECOND = 1_000_000_000
CONFIG = BufferConfig(min_gap_s=0.5, capacity=20, held_out=0.25)


def scene(seed, second=None):
    """Return an image of coarse random blocks, taken at a second of its own."""
    blocks = np.random.default_rng(seed).integers(40, 216, (6, 8, 3), np.uint8)
    rgb = np.repeat(np.repeat(blocks, 8, 0), 8, 1)
    return TargetFrame(rgb, CAMERA, (seed if second is None else second) * SECOND)


def filled(count, config=CONFIG, folder=None):
    buffer = FrameBuffer(config, folder)
    for seed in range(count):
        buffer.add(scene(seed))
    return buffer


def test_varied_images_are_kept():
    buffer = filled(8)

    assert buffer.counts == {KEPT: 8}
    assert [frame.stamp_ns // SECOND for frame in buffer.snapshot()] == list(range(8))


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        (lambda rgb: rgb // 20, 'underexposed'),
        (lambda rgb: np.where(rgb > 60, 255, rgb).astype(np.uint8), 'overexposed'),
        (lambda rgb: cv2.GaussianBlur(rgb, (0, 0), 9), 'blurred'),
    ],
)
def test_a_badly_seen_image_is_refused_with_the_reason(change, reason):
    frame = scene(1)
    buffer = filled(1)

    answer = buffer.add(replace(frame, rgb=change(frame.rgb)))

    assert answer == reason
    assert buffer.counts[reason] == 1
    assert len(buffer) == 1


def test_standing_still_is_refused():
    buffer = filled(1)

    answer = buffer.add(scene(0, second=5))

    assert answer == 'standing still'


def test_a_place_seen_before_is_refused():
    buffer = filled(3)

    answer = buffer.add(scene(0, second=9))

    assert answer == 'seen before'


def test_images_are_spaced_in_time():
    buffer = filled(2)
    soon = replace(scene(2), stamp_ns=round(1.4 * SECOND))

    assert buffer.add(soon) == 'too soon'
    assert buffer.add(replace(soon, stamp_ns=round(1.6 * SECOND))) == KEPT


def test_a_clock_set_back_costs_one_image():
    buffer = filled(3)
    buffer.add(scene(3, second=1000))

    answers = [buffer.add(scene(4, second=10)), buffer.add(scene(5, second=11))]

    assert answers == ['out of order', KEPT]


def test_a_full_buffer_drops_the_most_redundant_image():
    config = BufferConfig(min_gap_s=0.0, capacity=8, held_out=0.0, max_similarity=0.999)
    buffer = filled(8, config)
    twin = scene(3).rgb.astype(np.int16) + np.random.default_rng(0).integers(-40, 40, (*SIZE, 1))
    twin = TargetFrame(np.clip(twin, 0, 255).astype(np.uint8), CAMERA, 100 * SECOND)

    buffer.add(twin)

    stamps = {frame.stamp_ns // SECOND for frame in buffer.snapshot()}
    assert len(buffer) == 8
    assert len(stamps & {3, 100}) == 1  # one of the twins left, every other image stayed


def test_the_size_is_bounded():
    buffer = filled(60, BufferConfig(min_gap_s=0.0, capacity=20, held_out=0.25))

    frames = buffer.snapshot()

    assert len(frames) == 20
    assert sum(frame.held_out for frame in frames) == 5


def test_a_share_is_held_out_with_the_image_before_it():
    frames = filled(16).snapshot()

    held = [index for index, frame in enumerate(frames) if frame.held_out]

    assert held == [3, 7, 11, 15]
    for index in held:
        np.testing.assert_array_equal(frames[index].before, frames[index - 1].rgb)


def test_threads_may_add_at_once():
    buffer = FrameBuffer(BufferConfig(min_gap_s=0.0, capacity=12, held_out=0.0))

    def add(offset):
        for seed in range(30):
            buffer.add(scene(offset + seed, second=seed))

    threads = [threading.Thread(target=add, args=(1000 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(buffer) <= 12
    assert sum(buffer.counts.values()) == 120


def test_another_image_size_is_refused():
    buffer = filled(1)
    camera = CAMERA.resized(32, 32)

    with pytest.raises(ShapeError, match='clear it after a change of camera'):
        buffer.add(TargetFrame(np.zeros((32, 32, 3), np.uint8), camera, 9 * SECOND))


def test_a_restart_keeps_what_was_collected(tmp_path):
    filled(5, folder=tmp_path)

    again = FrameBuffer(CONFIG, tmp_path)

    assert len(again) == 5
    assert [f.held_out for f in again.snapshot()] == [False, False, False, True, False]
    np.testing.assert_array_equal(again.snapshot()[2].rgb, scene(2).rgb)
    assert again.add(scene(2, second=50)) == 'seen before'


def test_a_damaged_file_and_a_half_written_one_are_passed_over(tmp_path):
    filled(5, folder=tmp_path)
    first, second, *_ = sorted(tmp_path.glob('*.npz'))
    first.write_bytes(first.read_bytes()[:100])
    (tmp_path / f'.tmp-1-{second.name}').write_bytes(b'half')

    again = FrameBuffer(CONFIG, tmp_path)

    assert len(again) == 4
    assert again.counts['damaged'] == 1
    assert not list(tmp_path.glob('.tmp-*'))


def test_a_smaller_buffer_keeps_the_newest_and_removes_the_rest(tmp_path):
    filled(12, folder=tmp_path)

    again = FrameBuffer(replace(CONFIG, capacity=8), tmp_path)

    assert [frame.stamp_ns for frame in again.snapshot()] == [
        scene(number).stamp_ns for number in range(4, 12)
    ]
    assert len(list(tmp_path.glob('*.npz'))) == 8


def test_a_full_disk_costs_the_file_and_not_the_image(tmp_path, monkeypatch):
    buffer = FrameBuffer(CONFIG, tmp_path)

    def full(*_, **__):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(np, 'savez', full)

    assert buffer.add(scene(1)) == KEPT
    assert buffer.counts['unsaved'] == 1
    assert 'No space left' in buffer.problem
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def read_only(tmp_path, monkeypatch):
    """Return a folder and a function that makes its file system read-only, as a failing one."""

    def refuse(path, *_, **__):
        raise OSError(errno.EROFS, 'Read-only file system', str(path))

    def remount():
        for name in ('mkdir', 'open', 'unlink'):
            monkeypatch.setattr(Path, name, refuse)

    return tmp_path, remount


def test_a_disk_that_turns_read_only_costs_the_files_and_not_the_collecting(read_only):
    folder, remount = read_only
    buffer = filled(20, replace(CONFIG, held_out=0.0), folder)
    remount()

    assert buffer.add(scene(20)) == KEPT

    assert len(buffer) == 20
    assert (buffer.counts[KEPT], buffer.counts['unsaved']) == (21, 1)
    assert 'cannot write' in buffer.problem and 'Read-only' in buffer.problem


def test_a_buffer_on_a_read_only_disk_can_be_cleared(read_only):
    folder, remount = read_only
    buffer = filled(3, folder=folder)
    remount()

    buffer.clear()

    assert len(buffer) == 0
    assert 'cannot remove' in buffer.problem


def test_a_read_only_disk_is_loaded_from(read_only):
    folder, remount = read_only
    filled(12, folder=folder)
    (folder / '.tmp-1-half.npz').write_bytes(b'half')
    remount()

    again = FrameBuffer(replace(CONFIG, capacity=8), folder)

    assert len(again) == 8
    assert 'cannot remove' in again.problem


def test_a_clock_that_begins_anew_overwrites_no_file(tmp_path):
    buffer = FrameBuffer(BufferConfig(min_gap_s=0.0), tmp_path)

    for seed in range(20):  # the stamps of the second ten are those of the first
        buffer.add(scene(seed, second=seed % 10))

    assert len(buffer) == 19  # the one at which the clock was set back is out of order
    assert len(FrameBuffer(BufferConfig(), tmp_path)) == 19


def test_images_that_leave_the_buffer_leave_the_disk(tmp_path):
    buffer = filled(40, BufferConfig(min_gap_s=0.0, capacity=10, held_out=0.2), tmp_path)

    files, frames = sorted(tmp_path.glob('*.npz')), buffer.snapshot()

    assert [int(path.stem) for path in files] == [frame.stamp_ns for frame in frames]

    buffer.clear()
    assert list(tmp_path.iterdir()) == []


def test_a_frame_comes_back_from_its_file(tmp_path):
    points = np.array([[3.5, 4.0, 1.5], [10.0, 2.0, 2.5]], np.float32)
    frame = replace(scene(3), points=points, before=scene(2).rgb, held_out=True)

    again = read_frame(write_frame(tmp_path, frame))

    np.testing.assert_array_equal(again.rgb, frame.rgb)
    np.testing.assert_array_equal(again.before, frame.before)
    np.testing.assert_array_equal(again.points, points)
    assert (again.camera, again.stamp_ns, again.held_out) == (CAMERA, frame.stamp_ns, True)


def test_a_frame_with_points_that_are_nowhere_is_not_read(tmp_path):
    points = np.float32([[3, 4, np.inf], [5, 6, 2.0]])
    write_frame(tmp_path, TargetFrame(np.zeros((48, 64, 3), np.uint8), CAMERA, 1, points))

    assert read_frames(tmp_path) == ([], 1)


def test_what_is_no_frame_is_said_to_be_none(tmp_path):
    (tmp_path / '1.npz').write_bytes(b'')

    with pytest.raises(DatasetError, match='is not a collected frame'):
        read_frame(tmp_path / '1.npz')
    assert read_frames(tmp_path) == ([], 1)


def test_points_move_with_the_image():
    camera = PinholeCamera(120.0, 120.0, 63.5, 47.5, 128, 96)
    points = np.array([[0.5, 0.5, 2.0], [127.5, 95.5, 3.0]])

    frame = make_target_frame(np.zeros((96, 128, 3), np.uint8), camera, SIZE, points=points)

    # The corner of four pixels becomes the centre of the pixel they are averaged to.
    np.testing.assert_allclose(frame.points, [[0.0, 0.0, 2.0], [63.5, 47.5, 3.0]])
    assert frame.camera == CAMERA


def test_image_and_camera_must_agree():
    with pytest.raises(CameraError, match='camera is for 64x48 px, the image has 32x32'):
        make_target_frame(np.zeros((32, 32, 3), np.uint8), CAMERA, SIZE)
