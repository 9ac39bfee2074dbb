# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shape from motion without poses: right up to one factor, and silent where nothing is seen."""

from dataclasses import replace

from mono_depth_ros.adaptation.bundle import adjust_bundle
from mono_depth_ros.adaptation.corners import CornerFollower, Sightings
from mono_depth_ros.adaptation.segment import Segment
from mono_depth_ros.adaptation.structure import reconstruct
from mono_depth_ros.adaptation.target_frame import read_frame, write_frame
from mono_depth_ros.adaptation.tracks import reprojection
import numpy as np
import pytest
from walks import CAMERA, frames_of, photographs


def turned(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def watch(places, angles, count=300, noise=0.2, wrong=0.0, seed=0):
    """Project a cloud into cameras at places (x, y, z) turned by angles; also return its depth."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(1.5, 6.0, count)
    u, v = rng.uniform(40, 280, count), rng.uniform(40, 200, count)
    world = np.stack([(u - CAMERA.cx) / 300 * z, (v - CAMERA.cy) / 300 * z, z], 1)
    track, image, uv, depth = [], [], [], []
    for number, (place, angle) in enumerate(zip(places, angles, strict=True)):
        local = (world - place) @ turned(angle)
        pixels = local[:, :2] / local[:, 2:] * 300 + [CAMERA.cx, CAMERA.cy]
        pixels += rng.normal(0, noise, pixels.shape)
        lost = rng.random(count) < wrong
        pixels[lost] = rng.uniform(0, 240, (int(lost.sum()), 2))
        track.append(np.arange(count))
        image.append(np.full(count, number))
        uv.append(pixels)
        depth.append(np.where(lost, np.nan, local[:, 2]))
    parts = np.concatenate(track), np.concatenate(image), np.concatenate(uv)
    return Sightings(*parts, len(places)), depth


def errors(points, views, depth, number):
    """Return |ln| of found over true depth of one image, after the median is out."""
    own = views.image == number
    index = [int(np.argmin(np.abs(views.uv[own] - p[:2]).sum(1))) for p in points]
    ratio = np.log(points[:, 2] / depth[number][views.track[own][index]])
    ratio = ratio[np.isfinite(ratio)]
    return np.abs(ratio - np.median(ratio))


def test_shape_is_found_up_to_one_factor():
    places = [np.array([0.06 * k, 0.01 * k, 0.04 * k]) for k in range(9)]
    views, depth = watch(places, [0.01 * k for k in range(9)])

    (found,) = reconstruct(views, CAMERA)

    for number in range(9):
        assert len(found.points(number)) > 150
        assert np.median(errors(found.points(number), views, depth, number)) < 0.01


def test_poses_are_found_up_to_the_same_factor():
    places = [np.array([0.06 * k, 0.01 * k, 0.04 * k]) for k in range(9)]
    views, depth = watch(places, [0.01 * k for k in range(9)])

    (found,) = reconstruct(views, CAMERA)

    first, last = (np.linalg.inv(found.world_from_camera[k]) for k in (0, 8))
    moved = last @ np.linalg.inv(first)  # from the first camera to the last
    own = found.views.image == 0
    metres = np.median(depth[0][found.views.track[own]] / found.depth[own])
    np.testing.assert_allclose(moved[:3, :3], turned(0.08).T, atol=0.003)
    np.testing.assert_allclose(moved[:3, 3] * metres, -turned(0.08).T @ places[8], atol=0.01)


def test_two_runs_that_share_nothing_have_a_unit_each():
    places = [np.array([0.06 * k, 0.0, 0.02 * k]) for k in range(9)]
    first, _ = watch(places, [0.0] * 9)
    second, _ = watch(places, [0.0] * 9, seed=1)
    both = Sightings(
        np.concatenate([first.track, second.track + 300]),
        np.concatenate([first.image, second.image + 9]),
        np.concatenate([first.uv, second.uv]),
        18,
    )

    found = reconstruct(both, CAMERA)

    assert sorted(sorted(one.world_from_camera) for one in found) == [
        list(range(9)),
        list(range(9, 18)),
    ]


def test_moving_all_at_once_is_better_than_in_turns():
    places = [np.array([0.03 * k, 0.005 * k, 0.02 * k]) for k in range(12)]
    views, depth = watch(places, [0.005 * k for k in range(12)], noise=0.3)
    world = np.stack(
        [
            (views.uv[:300, 0] - CAMERA.cx) / 300 * depth[0],
            (views.uv[:300, 1] - CAMERA.cy) / 300 * depth[0],
            depth[0],
        ],
        1,
    )
    rng = np.random.default_rng(0)
    poses = np.tile(np.eye(4), (12, 1, 1))
    for pose, place, angle in zip(poses, places, [0.005 * k for k in range(12)], strict=True):
        pose[:3, :3], pose[:3, 3] = turned(angle), place
    off = poses.copy()
    off[1:, :3, 3] += rng.normal(0, 0.01, (11, 3))
    begun = world * rng.uniform(0.9, 1.1, (300, 1))

    moved, found = adjust_bundle(views, begun, off, CAMERA)

    before, after = (
        np.median(reprojection(views, *guess, CAMERA)) for guess in ((begun, off), (moved, found))
    )
    assert after < 0.4 < 1.0 < before  # px; the noise is .3 in both directions
    np.testing.assert_allclose(found[0], poses[0])
    unit = found[-1, :3, 3] @ places[-1] / (places[-1] @ places[-1])
    np.testing.assert_allclose(found[:, :3, 3] / unit, places, atol=0.004)


def test_what_is_right_stays():
    places = [np.array([0.06 * k, 0.0, 0.02 * k]) for k in range(3)]
    views, depth = watch(places, [0.0] * 3, noise=0.0)
    rays = (views.uv[:300] - [CAMERA.cx, CAMERA.cy]) / 300
    world = np.column_stack([rays, np.ones(300)]) * depth[0][:, None]
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, :3, 3] = places

    moved, found = adjust_bundle(views, world, poses, CAMERA)

    np.testing.assert_allclose(moved, world, atol=1e-6)
    np.testing.assert_allclose(found, poses, atol=1e-6)


def test_wrong_sightings_are_left_out():
    places = [np.array([0.08 * k, 0.0, 0.02 * k]) for k in range(5)]
    views, depth = watch(places, [0.0] * 5, wrong=0.15)

    (found,) = reconstruct(views, CAMERA)

    assert len(found.points(0)) > 100
    assert np.percentile(errors(found.points(0), views, depth, 0), 95) < 0.1


@pytest.mark.parametrize('angle', [0.0, 0.02])
def test_a_camera_that_stands_or_only_turns_sees_no_shape(angle):
    views, _ = watch([np.zeros(3)] * 9, [angle * k for k in range(9)])

    assert reconstruct(views, CAMERA) == []


def test_few_corners_say_nothing():
    views, _ = watch([np.array([0.1 * k, 0, 0]) for k in range(5)], [0.0] * 5, count=30)

    assert reconstruct(views, CAMERA) == []


def test_no_image_has_no_corner():
    nothing = CornerFollower().sightings()

    assert nothing.images == 0
    assert reconstruct(nothing, CAMERA) == []


def test_a_segment_returns_images_in_order_with_what_motion_told():
    images, segment = photographs(), Segment(images=8)
    poses = [np.eye(4) for _ in images]
    for number, pose in enumerate(poses):
        pose[0, 3] = 0.04 * number

    done = []
    for frame, image, pose in zip(frames_of(images), images, poses, strict=True):
        done += segment.add(frame, image, CAMERA, pose)

    assert [frame.stamp_ns for frame in done] == [k * 100_000_000 for k in range(8)]
    points = np.concatenate([frame.points for frame in done])
    left = points[:, 0] < 30
    assert np.median(points[left, 2]) == pytest.approx(2.0, rel=0.1)
    assert np.median(points[points[:, 0] > 80, 2]) == pytest.approx(4.0, rel=0.1)


def test_without_poses_there_are_no_metres():
    images, segment = photographs(), Segment(images=20)
    done = []
    for frame, image in zip(frames_of(images), images, strict=True):
        done += segment.add(frame, image, CAMERA)
    done += segment.flush()

    assert len(done) == 8
    assert not any(len(frame.points) for frame in done)


def test_a_gap_ends_a_segment_and_a_short_one_says_nothing():
    images, segment = photographs(3), Segment(images=20)
    first, second, late = frames_of(images)

    assert segment.add(first, images[0], CAMERA) == []
    assert segment.add(second, images[1], CAMERA) == []
    done = segment.add(replace(late, stamp_ns=9_000_000_000), images[2], CAMERA)

    assert [frame.stamp_ns for frame in done] == [first.stamp_ns, second.stamp_ns]
    assert done[0] is first


def test_images_between_which_hardly_anything_moves_do_not_count():
    images = [image for image in photographs() for _ in range(4)]  # as of a faster camera
    frames, segment = frames_of(images, gap_ns=10_000_000), Segment(images=8)

    done = [
        one
        for f, image in zip(frames, images, strict=True)
        for one in segment.add(f, image, CAMERA)
    ]

    assert [frame.stamp_ns for frame in done] == [k * 10_000_000 for k in range(29)]
    assert [k for k, frame in enumerate(done) if len(frame.structure)] == list(range(0, 29, 4))


@pytest.mark.parametrize(('rate', 'count'), [(10, 101), (100, 300)])
def test_images_of_a_camera_that_stands_still_are_held_for_a_while_only(rate, count):
    image, segment = photographs(1)[0], Segment()
    frames = frames_of([image] * count, gap_ns=1_000_000_000 // rate)

    done = [segment.add(frame, image, CAMERA) for frame in frames]

    assert not any(done[:-1])
    assert done[-1] == frames


def test_intrinsics_that_a_driver_rounds_end_no_segment():
    images, segment = photographs(3), Segment()
    jittered = [replace(CAMERA, fx=300 + 0.1 * k) for k in range(3)]

    rows = zip(frames_of(images), images, jittered, strict=True)

    assert [segment.add(frame, image, camera) for frame, image, camera in rows] == [[], [], []]
    assert len(segment.add(frames_of(images, 1)[2], images[2], replace(CAMERA, fx=310.0))) == 3


def test_shape_is_found_where_images_come_rarely():
    places = [np.array([0.15 * k, 0.0, 0.05 * k]) for k in range(9)]
    views, depth = watch(places, [0.0] * 9)
    age = views.image - views.track % 9  # each corner is seen by three images in a row
    views = views.where((age >= 0) & (age < 3))

    found = reconstruct(views, CAMERA)

    assert sum(len(structure.world_from_camera) for structure in found) >= 6
    for structure in found:
        for number in structure.world_from_camera:
            assert np.median(errors(structure.points(number), views, depth, number)) < 0.05


def test_structure_survives_the_disk(tmp_path):
    (frame,) = frames_of(photographs(1))
    known = replace(frame, structure=np.float32([[1.0, 2.0, 0.7]]))

    again = read_frame(write_frame(tmp_path, known))

    np.testing.assert_array_equal(again.structure, known.structure)
    assert again.points.shape == (0, 3)
