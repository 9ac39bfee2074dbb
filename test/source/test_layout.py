# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Draws, textures, viewpoints: what scenes are made of."""

import itertools
import math

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from mono_depth_ros.source.draw import Draw
from mono_depth_ros.source.furniture import _load
from mono_depth_ros.source.rooms import indoor
from mono_depth_ros.source.scene import Builder, rotation_matrices, WorldConfig
from mono_depth_ros.source.streets import street
from mono_depth_ros.source.surface import look_up
from mono_depth_ros.source.textures import texture_bank, TEXTURE_COUNT, texture_groups
from mono_depth_ros.source.viewpoint import (
    _pose_close,
    choose_viewpoint,
    clearance,
    look_rotation,
    probe,
)


def test_draws_stay_in_range_and_repeat():
    draw, again = Draw(1, 2), Draw(1, 2)

    values = [draw.uniform(2, 3) for _ in range(5000)]

    assert values == [again.uniform(2, 3) for _ in range(5000)]
    assert min(values) >= 2 and max(values) < 3
    assert {draw.integer(1, 3) for _ in range(100)} == {1, 2, 3}
    assert abs(np.std([draw.normal(2.0) for _ in range(4000)]) - 2.0) < 0.1


def test_texture_groups_cover_the_bank():
    indices = list(itertools.chain.from_iterable(texture_groups().values()))

    assert indices == list(range(TEXTURE_COUNT)) == list(range(len(texture_bank())))
    assert (texture_bank().std((1, 2, 3)) > 1).sum() >= TEXTURE_COUNT - 1  # all but the flat one


def test_a_texture_is_looked_up_at_its_texels():
    u, v = torch.tensor([10.5, 200.5]) / 256, torch.tensor([30.5, 99.5]) / 256
    index = torch.full_like(u, 60.0)

    colour = look_up(index, u, v, torch.full_like(u, 1.0))

    expected = texture_bank()[60][[30, 99], [10, 200]].T / 255
    np.testing.assert_allclose(colour.numpy(), expected, atol=1e-3)


def test_the_coarsest_level_is_nearly_the_mean_of_the_texture():
    index, zero = torch.tensor([60.0]), torch.tensor([0.3])

    colour = look_up(index, zero, zero, torch.tensor([1e4]))

    assert np.abs(colour[:, 0].numpy() - texture_bank()[60].mean((0, 1)) / 255).max() < 0.35


def test_an_optical_frame_looks_ahead_with_y_down():
    rotation = look_rotation(0.0, 0.0, 0.0)

    np.testing.assert_allclose(rotation[:, 2], [1, 0, 0], atol=1e-12)  # z forward
    np.testing.assert_allclose(rotation[:, 0], [0, -1, 0], atol=1e-12)  # x right
    np.testing.assert_allclose(rotation[:, 1], [0, 0, -1], atol=1e-12)  # y down
    assert look_rotation(0.3, 0.5, 0.0)[2, 2] < 0  # pitched down, it looks down


def test_rotations_are_rotations():
    matrices = rotation_matrices(np.random.default_rng(0).uniform(-3, 3, (20, 3)))

    unit = np.broadcast_to(np.eye(3), matrices.shape)
    np.testing.assert_allclose(matrices @ matrices.transpose(0, 2, 1), unit, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(matrices), 1.0)


@pytest.mark.parametrize(('make', 'outdoor'), [(indoor, False), (street, True)])
def test_cameras_stand_free_and_inside(make, outdoor):
    for seed in range(15):
        draw = Draw(seed)
        scene = make(draw, WorldConfig())
        view = choose_viewpoint(draw, scene, (24, 32), WorldConfig(), outdoor=outdoor)

        x0, y0, x1, y1 = scene.ground
        assert x0 < view.position[0] < x1
        assert y0 < view.position[1] < y1
        assert clearance(scene, view.position[None])[0] > 0.04


def test_scenes_without_clutter_hold_fewer_things():
    full = [len(indoor(Draw(seed), WorldConfig()).kind) for seed in range(20)]
    bare = [len(indoor(Draw(seed), WorldConfig(clutter=False)).kind) for seed in range(20)]

    assert sum(bare) < 0.8 * sum(full)


def test_cameras_held_over_things_see_them_from_near():
    target = np.array([1.0, 2.0, 0.75])
    for seed in range(30):
        position, (yaw, down, roll), close = _pose_close(Draw(seed), target)
        rotation = look_rotation(yaw, down, roll)
        x, y, z = rotation.T @ (target - position)

        assert close
        assert 0.12 <= position[2] <= 2.0
        assert 0.2 < z < 1.6
        assert math.hypot(x, y) < z  # in view


def test_surfaces_are_bare_or_crowded():
    few = [Builder(Draw(seed), WorldConfig()) for seed in range(60)]
    loads = [_load(b) for b in few]
    assert min(loads) == 0 and max(loads) > 9


def test_a_quarter_of_indoor_cameras_look_at_things_from_near():
    near = 0
    for seed in range(40):
        draw = Draw(seed)
        scene = indoor(draw, WorldConfig())
        view = choose_viewpoint(draw, scene, (24, 32), WorldConfig(), outdoor=False)
        depth, _ = probe(scene, view.position, view.rotation, np.array([0.6, 0.45]))
        near += np.median(depth) < 1.0
    assert 6 <= near <= 22
