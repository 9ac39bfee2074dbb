# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Anchors: metric points of a sensor, of motion, and of the floor under the camera."""

from floors import CAMERA, floor_depth
from mono_depth_ros.adaptation.anchors import floor_points, static_map
from mono_depth_ros.adaptation.corners import CornerFollower, Sightings
from mono_depth_ros.adaptation.tracks import depth_in_views, intersect_tracks, TrackLimits
from mono_depth_ros.errors import ShapeError
import numpy as np
import pytest


def test_a_wall_gives_no_floor_points():
    assert floor_points(np.full((96, 128), 2.0, np.float32), CAMERA, 0.5).shape == (0, 3)


def test_a_known_height_gives_the_floor_its_metres():
    true, _ = floor_depth(0.6, 15)
    predicted = true * 1.7

    points = floor_points(predicted, CAMERA, 0.6)

    assert len(points) > 100
    u, v = points[:, :2].astype(int).T
    np.testing.assert_allclose(points[:, 2], true[v, u], rtol=0.02)


def test_a_static_map_follows_a_quadratic_place():
    v, u = np.mgrid[:48, :64]
    true = np.exp(0.5 + 0.8 * (u / 64 - 0.5) ** 2 - 0.9 * (v / 48 - 0.5)).astype(np.float32)
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(0, 48, 300), rng.integers(0, 64, 300)
    points = np.stack([columns, rows, true[rows, columns]], 1).astype(np.float32)
    points[:30, 2] *= 5  # outliers

    fitted = static_map([points[:100], points[100:]], (48, 64))

    np.testing.assert_allclose(fitted, true, rtol=0.03)


def test_a_static_map_needs_points():
    with pytest.raises(ShapeError, match='at least 12 points, got 3'):
        static_map([np.ones((3, 3), np.float32)], (48, 64))


def textured_plane(distance, poses):
    """Render a fronto-parallel textured plane ``distance`` metres ahead of the first pose."""
    import cv2

    rng = np.random.default_rng(0)
    texture = cv2.resize(rng.integers(0, 256, (60, 80), np.uint8), (640, 480))
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width].astype(np.float64)
    images = []
    for pose in poses:
        rays = np.stack(
            [(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, np.ones_like(u)], -1
        )
        rays = rays @ pose[:3, :3].T
        reach = (distance - pose[2, 3]) / rays[..., 2]
        x, y = (pose[i, 3] + reach * rays[..., i] for i in (0, 1))
        maps = [(axis * 120 + offset).astype(np.float32) for axis, offset in ((x, 320), (y, 240))]
        images.append(cv2.remap(texture, *maps, cv2.INTER_LINEAR))
    return images


def triangulate(images, poses, camera=CAMERA):
    """Return u, v and depth of the corners of each image."""
    follower, poses = CornerFollower(), np.stack(poses)
    for image in images:
        follower.add(image)
    views = follower.sightings()
    seen, world = intersect_tracks(views, poses, camera, TrackLimits())
    points = np.column_stack([seen.uv, depth_in_views(seen, world, poses)])
    return [points[seen.image == number] for number in range(len(poses))]


def test_tracked_corners_of_a_moving_camera_are_metric():
    poses = [np.eye(4) for _ in range(6)]
    for number, pose in enumerate(poses):
        pose[:3, 3] = [0.05 * number, 0.02 * number, 0.01 * number]
    images = textured_plane(2.0, poses)

    found = triangulate(images, poses)

    points = np.concatenate(found)
    truth = np.concatenate(
        [np.full(len(part), 2.0 - pose[2, 3]) for part, pose in zip(found, poses, strict=True)]
    )
    assert min(len(part) for part in found) > 10
    error = np.abs(points[:, 2] / truth - 1)
    assert np.median(error) < 0.02
    assert np.percentile(error, 95) < 0.1


def test_a_camera_that_only_turns_sees_no_depth():
    poses = [np.eye(4) for _ in range(4)]
    for number, pose in enumerate(poses):
        angle = 0.02 * number
        c, s = np.cos(angle), np.sin(angle)
        pose[:3, :3] = [[c, 0, s], [0, 1, 0], [-s, 0, c]]
    images = textured_plane(2.0, poses)

    found = triangulate(images, poses)

    assert [len(part) for part in found] == [0, 0, 0, 0]


def test_no_image_gives_no_points():
    views, world = intersect_tracks(
        CornerFollower().sightings(), np.zeros((0, 4, 4)), CAMERA, TrackLimits()
    )

    assert len(views.track) == len(world) == 0


def test_poses_that_no_corner_agrees_with_give_no_points():
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, 0, 3] = [-0.3, 0.0, 0.3]
    u = CAMERA.cx - CAMERA.fx * poses[:, 0, 3] / 2.0
    v = CAMERA.cy + np.array([0.0, 3.0, 0.0])  # a view that is off, without which two are left
    views = Sightings(np.zeros(3, int), np.arange(3), np.column_stack([u, v]), 3)

    seen, _ = intersect_tracks(views, poses, CAMERA, TrackLimits())

    assert len(seen.track) == 0


def test_the_kitchen_has_the_points_that_were_measured_before(kitchen):
    from mono_depth_ros.frames import open_frames

    frames = [frame for frame, _ in zip(open_frames(kitchen), range(40))]  # noqa: B905

    found = triangulate(
        [frame.rgb for frame in frames],
        [frame.world_from_camera for frame in frames],
        frames[0].camera,
    )

    errors = []
    for points, frame in zip(found, frames, strict=True):
        u, v = points[:, :2].round().astype(int).T
        errors.append(points[:, 2] / frame.depth[v.clip(0, 479), u.clip(0, 639)] - 1)
    error = np.concatenate(errors)
    error = error[np.isfinite(error)]
    assert len(error) > 40 * 80
    assert np.median(np.abs(error)) < 0.06
    assert abs(np.median(error)) < 0.03
