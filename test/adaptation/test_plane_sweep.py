# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plane sweep: dense depth where images agree, and nothing where they do not."""

from dataclasses import replace

from mono_depth_ros.adaptation.plane_sweep import plane_sweep, SweepLimits
from mono_depth_ros.adaptation.segment import Segment
from mono_depth_ros.adaptation.target_frame import no_points
import numpy as np
import pytest
from walks import CAMERA, frames_of, photographs

RANGE = (1.0, 3.0, 10.0)


def walk(count=8, step=0.04):
    """Number the images of a walk to the right, with their poses."""
    images = dict(enumerate(photographs(count)))
    poses = {number: np.eye(4) for number in images}
    for number, pose in poses.items():
        pose[0, 3] = step * number
    return images, poses


def test_a_wall_and_a_panel_before_it_have_their_depth():
    images, poses = walk(12)

    maps = plane_sweep(images, poses, CAMERA, RANGE)

    assert sorted(maps) == list(range(12))
    for number, depth in maps.items():
        edge = 160 - 6 * number
        panel, wall = depth[20:-20, 20 : edge - 12], depth[20:-20, edge + 40 : -20]
        for part, metres in ((panel, 2.0), (wall, 4.0)):
            known = part[np.isfinite(part)]
            assert known.size > 0.7 * part.size
            assert np.median(known) == pytest.approx(metres, rel=0.02)
            assert np.mean(np.abs(known / metres - 1) > 0.1) < 0.02


def test_what_others_do_not_see_is_not_known():
    images, poses = walk()
    images[4] = images[4].copy()
    images[4][80:160, 40:100] = np.random.default_rng(1).integers(0, 256, (80, 60, 3))

    depth = plane_sweep(images, poses, CAMERA, RANGE)[4]

    assert np.isfinite(depth[90:150, 50:90]).mean() < 0.02
    assert np.isfinite(depth[90:150, 200:280]).mean() > 0.7


def test_a_bare_wall_says_nothing():
    _, poses = walk(4)
    bare = {number: np.full((240, 320, 3), 128, np.uint8) for number in poses}

    maps = plane_sweep(bare, poses, CAMERA, RANGE)

    assert not any(np.isfinite(depth).any() for depth in maps.values())


def test_wrong_poses_leave_little():
    images, poses = walk()
    right = plane_sweep(images, poses, CAMERA, RANGE)
    rng = np.random.default_rng(0)
    for pose in poses.values():
        pose[1, 3] = rng.uniform(-0.1, 0.1)  # up to 15 pixels up and down

    wrong = plane_sweep(images, poses, CAMERA, RANGE)

    def share(maps):
        return np.mean([np.isfinite(depth).mean() for depth in maps.values()])

    assert share(wrong) < 0.25 * share(right)


def test_images_far_from_all_others_are_left_out():
    images, poses = walk(4)
    poses[3][0, 3] = 9.0

    assert sorted(plane_sweep(images, poses, CAMERA, RANGE, SweepLimits(baseline=0.02))) == [
        0,
        1,
        2,
    ]
    assert plane_sweep({}, {}, CAMERA, RANGE) == {}


def run_through(images, poses=None, sensed=None):
    """Return what a segment makes of images."""
    segment, done = Segment(images=len(images)), []
    for number, frame in enumerate(frames_of(images.values())):
        frame = replace(frame, points=no_points() if sensed is None else sensed)
        pose = None if poses is None else poses[number]
        done += segment.add(frame, images[number], CAMERA, pose)
    return done


def metres_of(frames, left):
    """Return the median depth of the dense points of all frames on one side."""
    points = np.concatenate([frame.points for frame in frames if len(frame.points) == 1000])
    return np.median(points[points[:, 0] < 30 if left else points[:, 0] > 80, 2])


def test_a_segment_keeps_dense_points_in_metres_where_poses_are_known():
    images, poses = walk(12)

    with_poses, without = run_through(images, poses), run_through(images)

    for frames in (with_poses, without):
        assert sum(len(frame.structure) == 1000 for frame in frames) >= 10
    assert metres_of(with_poses, left=True) == pytest.approx(2.0, rel=0.03)
    assert metres_of(with_poses, left=False) == pytest.approx(4.0, rel=0.03)
    assert not any(len(frame.points) for frame in without)


def test_poses_that_are_off_give_the_metres_alone():
    images, poses = walk(12)
    rng = np.random.default_rng(0)
    for pose in poses.values():
        pitch = rng.normal(0, 0.012)  # 4 px
        c, s = np.cos(pitch), np.sin(pitch)
        pose[:3, :3] = [[1, 0, 0], [0, c, -s], [0, s, c]]

    found, without = run_through(images, poses), run_through(images)

    for one, other in zip(found, without, strict=True):
        np.testing.assert_array_equal(one.structure, other.structure)
    assert metres_of(found, left=True) == pytest.approx(2.0, rel=0.1)
    assert metres_of(found, left=False) == pytest.approx(4.0, rel=0.1)


@pytest.mark.parametrize('unknown', [(0,), (5,), (0, 2, 4, 6, 8, 10), (8, 9, 10, 11)])
def test_poses_of_some_images_give_the_metres_of_all(unknown):
    images, poses = walk(12)
    some = {number: None if number in unknown else pose for number, pose in poses.items()}

    found, without = run_through(images, some), run_through(images)

    for one, other in zip(found, without, strict=True):
        np.testing.assert_array_equal(one.structure, other.structure)
    assert sum(len(frame.points) == 1000 for frame in found) >= 10
    assert metres_of(found, left=True) == pytest.approx(2.0, rel=0.05)
    assert metres_of(found, left=False) == pytest.approx(4.0, rel=0.05)


@pytest.mark.parametrize(
    'turn',
    [
        [[0, 0, 1], [-1, 0, 0], [0, -1, 0]],  # of the body of a robot, which looks along x
        [[0, -1, 0], [1, 0, 0], [0, 0, 1]],
        [[-1, 0, 0], [0, -1, 0], [0, 0, 1]],
    ],
)
def test_poses_that_are_not_of_the_camera_give_no_metres(turn):
    images, poses = walk(12)
    for pose in poses.values():
        pose[:3, :3] = turn

    found = run_through(images, poses)

    assert sum(len(frame.structure) == 1000 for frame in found) >= 10
    assert not any(len(frame.points) for frame in found)


def test_a_segment_says_how_much_poses_explain():
    images, poses = walk(12)
    segment = Segment(images=12)
    for number, frame in enumerate(frames_of(images.values())):
        assert np.isnan(segment.explained)
        segment.add(frame, images[number], CAMERA, poses[number])

    assert segment.explained == pytest.approx(1.0, abs=0.2)


def test_in_haste_a_segment_keeps_corners():
    images, poses = walk(8)
    segment = Segment()
    for number, frame in enumerate(frames_of(images.values())):
        segment.add(frame, images[number], CAMERA, poses[number])

    counts = [len(frame.structure) for frame in segment.flush(sweep=False)]

    assert len(counts) == 8
    assert all(20 <= count < 800 for count in counts)  # of a sweep there would be 1000


def test_points_of_a_sensor_are_kept():
    images, poses = walk(8)
    sensed = np.float32([[10, 20, 1.5]])

    done = run_through(images, poses, sensed)

    assert all(np.array_equal(frame.points, sensed) for frame in done)
    assert any(len(frame.structure) for frame in done)
