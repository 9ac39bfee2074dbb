# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth and classes equal what geometry says."""

import math

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from mono_depth_ros.source.casting import is_leaf
from mono_depth_ros.source.draw import Draw
from mono_depth_ros.source.renderer import render
from mono_depth_ros.source.scene import Builder, Light, Lighting, Scene, WorldConfig
from mono_depth_ros.source.semantics import Semantic
from mono_depth_ros.source.viewpoint import look_rotation, Viewpoint

SIZE = (45, 60)
FOCAL = 50.0
CPU = torch.device('cpu')
LIGHTING = Lighting((Light((0.0, 0.0, 3.0), (1.0, 1.0, 1.0)),), (0.5,) * 3, (0.5,) * 3)


@pytest.fixture
def builder():
    return Builder(Draw(0), WorldConfig(texture=False))


def ahead(position=(0.0, 0.0, 1.0), yaw=0.0, down=0.0, roll=0.0):
    return Viewpoint(np.array(position), look_rotation(yaw, down, roll), FOCAL, *SIZE)


def labels(builder, view):
    scene: Scene = builder.build(LIGHTING, (-1, -1, 1, 1))
    _, depth, semantics = render([scene], [view], CPU, colour=False)
    return depth[0].numpy(), semantics[0].numpy()


def rays():
    """Return x / z and y / z of all pixels, (h, w) each."""
    v, u = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]), indexing='ij')
    return (u - (SIZE[1] - 1) / 2) / FOCAL, (v - (SIZE[0] - 1) / 2) / FOCAL


def test_the_depth_of_a_wall_in_front_is_its_distance_everywhere(builder):
    builder.box((4.0, 0.0, -20.0), (2.0, 100.0, 50.0), builder.materials.new('paint'))

    depth, _ = labels(builder, ahead())

    np.testing.assert_allclose(depth, 3.0, rtol=1e-5)


@pytest.mark.parametrize('down', [0.0, 0.3])
def test_the_depth_of_a_floor_is_that_of_the_plane(builder, down):
    builder.box((0, 0, -0.5), (2000, 2000, 0.5), builder.materials.new('paint'), Semantic.FLOOR)

    depth, semantics = labels(builder, ahead(down=down))

    _, y = rays()
    falling = y * math.cos(down) + math.sin(down)  # metres down for a metre of depth
    seen = falling > 2e-3
    np.testing.assert_allclose(depth[seen], 1.0 / falling[seen], rtol=1e-4)
    assert np.isinf(depth[falling <= 0]).all()
    assert (semantics[seen] == Semantic.FLOOR).all()
    assert (semantics[falling <= 0] == Semantic.CEILING).all()


def test_the_depth_of_a_turned_box_is_that_of_its_nearer_face(builder):
    builder.box((5.0, 0.0, 0.0), (2.0, 2.0, 2.0), builder.materials.new('paint'), yaw=math.pi / 4)

    depth, _ = labels(builder, ahead())

    x, _ = rays()
    middle = depth[SIZE[0] // 2]
    expected = (5.0 - math.sqrt(2)) / (1 - np.abs(x[0]))  # both faces fall off at 45 degrees
    hit = np.isfinite(middle)
    assert hit.sum() > 15
    np.testing.assert_allclose(middle[hit], expected[hit], rtol=1e-4)


def test_the_depth_of_a_sphere_solves_the_quadratic(builder):
    builder.ellipsoid((4.0, 0.5, 0.2), (2.0, 2.0, 2.0), builder.materials.new('paint'))

    depth, semantics = labels(builder, ahead())

    x, y = rays()
    centre = np.array([-0.5, -0.2, 4.0])  # in the optical frame
    a = x**2 + y**2 + 1
    b = x * centre[0] + y * centre[1] + centre[2]
    gap = b**2 - a * (centre @ centre - 1.0)
    expected = (b - np.sqrt(np.maximum(gap, 0))) / a
    clear = np.abs(gap) > 1e-3
    np.testing.assert_array_equal(np.isfinite(depth[clear]), gap[clear] > 0)
    np.testing.assert_allclose(depth[clear & (gap > 0)], expected[clear & (gap > 0)], rtol=1e-4)
    assert (semantics[np.isfinite(depth)] == Semantic.OTHER).all()


def test_leaves_lie_in_an_ellipsoid_that_is_sparse_at_its_outline(builder):
    centre = 4.0
    builder.foliage(
        (centre, 0.0, 0.0), (2.0, 2.0, 2.0), builder.materials.new('foliage'), holes=0.8
    )

    depth, semantics = labels(builder, ahead())

    x, y = rays()
    a = x**2 + y**2 + 1
    gap = centre**2 - a * (centre**2 - 1.0)
    root = np.sqrt(np.maximum(gap, 0))
    near, far = (centre - root) / a, (centre + root) / a
    through = np.isinf(depth)
    assert through[gap < -0.01].all()
    leaf = ~through & (gap > 0.01)
    assert (depth >= near - 1e-3)[leaf].all() and (depth <= far + 1e-3)[leaf].all()
    assert (depth < near + 1e-3)[leaf].mean() > 0.02  # on the surface
    assert (depth > near + 0.1)[leaf].mean() > 0.2  # behind holes in it
    outline, middle = (gap > 0.01) & (gap < 0.3), gap > 0.8
    assert through[outline].mean() > 2 * through[middle].mean()
    assert 0.1 < through[outline].mean() < 0.9
    assert (semantics[~through] == Semantic.VEGETATION).all()


@pytest.mark.parametrize('fine', [1.0, 6.0])
@pytest.mark.parametrize('holes', [0.1, 0.3, 0.6, 0.9])
def test_the_holes_of_foliage_take_their_share_of_its_surface_and_less_inside(holes, fine):
    direction = torch.randn((1, 3, 20_000), generator=torch.Generator().manual_seed(0))
    sphere = direction / direction.norm(dim=1, keepdim=True)
    share, waves = torch.tensor([[holes]]), torch.tensor([[fine]])

    bare = [1 - is_leaf(r * sphere, share, waves).float().mean().item() for r in (1.0, 0.7)]

    assert bare[0] == pytest.approx(holes, abs=0.08)
    assert bare[1] < 0.8 * bare[0]


def test_leaves_are_not_equally_bright(builder):
    material = builder.materials.new('foliage')
    other = Builder(Draw(0), WorldConfig(texture=False))
    other.materials.new('foliage')
    builder.foliage((4.0, 0.0, 0.2), (2.0, 2.0, 2.0), material, holes=0.0)
    other.ellipsoid((4.0, 0.0, 0.2), (2.0, 2.0, 2.0), material)

    leaves, smooth = (
        render([b.build(LIGHTING, (-1, -1, 1, 1))], [ahead()], CPU)[0][0].numpy()
        for b in (builder, other)
    )

    ratio = (leaves.mean(0) / smooth.mean(0))[18:27, 25:35]
    assert ratio.std() > 0.1
    assert np.median(ratio) == pytest.approx(1.0, abs=0.3)


def test_foliage_without_holes_is_an_ellipsoid(builder):
    material = builder.materials.new('foliage')
    other = Builder(Draw(0), WorldConfig(texture=False))
    other.materials.new('foliage')
    builder.foliage((4.0, 0.5, 0.2), (2.0, 1.0, 1.5), material, holes=0.0, yaw=0.3)
    other.ellipsoid((4.0, 0.5, 0.2), (2.0, 1.0, 1.5), material, yaw=0.3)

    depth, expected = labels(builder, ahead())[0], labels(other, ahead())[0]

    np.testing.assert_allclose(depth, expected, rtol=1e-5)


def test_the_depth_of_a_cylinder_is_that_of_its_side(builder):
    builder.frustum((3.0, 0.0, -5.0), (1.0, 1.0, 10.0), builder.materials.new('paint'))

    depth, _ = labels(builder, ahead())

    x, _ = rays()
    gap = 9.0 - (1 + x**2) * (9.0 - 0.25)
    expected = (3.0 - np.sqrt(np.maximum(gap, 0))) / (1 + x**2)
    clear = np.abs(gap) > 1e-2
    np.testing.assert_array_equal(np.isfinite(depth[clear]), gap[clear] > 0)
    np.testing.assert_allclose(depth[clear & (gap > 0)], expected[clear & (gap > 0)], rtol=1e-4)


def test_a_cone_narrows_to_its_top(builder):
    builder.frustum((3.0, 0.0, 0.0), (1.0, 1.0, 1.5), builder.materials.new('paint'), taper=1.0)

    depth, _ = labels(builder, ahead())

    widths = np.isfinite(depth).sum(1)
    below = widths[SIZE[0] // 2 :]
    assert widths[: SIZE[0] // 2 - 9].max() == 0
    assert (np.diff(below[below > 0])[:-1] >= 0).all()
    # Half way up, at the height of 0.75 m, the radius is a quarter of a metre.
    row = round((SIZE[0] - 1) / 2 + FOCAL * 0.25 / 2.76)
    assert depth[row, SIZE[1] // 2] == pytest.approx(3.0 - 0.25, abs=0.03)


def test_the_nearest_of_many_things_in_a_row_is_seen(builder):
    material = builder.materials.new('paint')
    for k in range(30):
        builder.box((3.0 + k, 0.0, 0.0), (0.2, 50.0, 50.0), material, Semantic(k % 7))
        builder.ellipsoid((3.5 + k, 0.0, 0.0), (0.2, 2.0, 2.0), material)

    depth, semantics = labels(builder, ahead())

    np.testing.assert_allclose(depth[: SIZE[0] // 2], 2.9, rtol=1e-5)
    assert (semantics[: SIZE[0] // 2] == Semantic(0)).all()


def test_far_spheres_behind_each_other_hide_in_order_of_depth(builder):
    material = builder.materials.new('paint')
    for k in reversed(range(40)):
        size = 0.2 * (k + 2)
        builder.ellipsoid((k + 2.0, 0.0, 1 - size / 2), (size, size, size), material)

    depth, _ = labels(builder, ahead())

    assert depth[SIZE[0] // 2, SIZE[1] // 2] == pytest.approx(1.8, abs=0.01)


def test_points_back_projected_from_a_rolled_camera_lie_on_the_surface(builder):
    builder.box((0, 0, -0.5), (100, 100, 0.5), builder.materials.new('paint'))
    view = ahead(position=(1.0, 2.0, 1.5), yaw=0.7, down=0.9, roll=0.4)

    depth, _ = labels(builder, view)

    x, y = rays()
    points = np.stack([x * depth, y * depth, depth], -1) @ view.rotation.T + view.position
    assert np.isfinite(depth).all()
    np.testing.assert_allclose(points[..., 2], 0.0, atol=1e-4)


def test_a_box_cut_by_the_image_plane_is_still_seen(builder):
    builder.box((0.0, 1.5, 0.0), (40.0, 1.0, 3.0), builder.materials.new('paint'))

    depth, _ = labels(builder, ahead())

    x, _ = rays()
    left = (x < -0.3) & (depth < 15)  # the wall one metre to the left
    np.testing.assert_allclose(depth[left], -1.0 / x[left], rtol=1e-4)
    assert np.isfinite(depth[SIZE[0] // 2, 0])


def test_an_image_in_a_batch_is_that_of_its_scene_alone(builder):
    builder.box((4.0, 0.0, 0.0), (1.0, 1.0, 2.0), builder.materials.new('paint'))
    other = Builder(Draw(1), WorldConfig(texture=False))
    other.ellipsoid((3.0, 0.0, 0.0), (1.0, 1.0, 2.0), other.materials.new('paint'))
    scenes = [b.build(LIGHTING, (-1, -1, 1, 1)) for b in (builder, other)]
    views = [ahead(), ahead(yaw=0.1)]

    rgb, depth, _ = render(scenes, views, CPU)

    for k in range(2):
        alone, depth_alone, _ = render([scenes[k]], [views[k]], CPU)
        torch.testing.assert_close(rgb[k], alone[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(depth[k], depth_alone[0], rtol=1e-5, atol=0.0)


def test_a_thing_throws_a_shadow_away_from_the_light(builder):
    builder.box((0, 0, -0.5), (60, 60, 0.5), builder.materials.new('paint'))
    builder.box((4.0, 0.0, 1.0), (1.0, 1.0, 0.1), builder.materials.new('paint'))
    lit = Lighting((Light((4.0, 0.0, 3.0), (4.0,) * 3),), (0.1,) * 3, (0.1,) * 3, occlusion=0.1)
    scene = builder.build(lit, (-1, -1, 1, 1))

    rgb, depth, _ = render([scene], [ahead(down=0.25)], CPU)

    x, y = rays()
    grey, metres = rgb[0].mean(0).numpy(), depth[0].clamp(max=1e3).numpy()
    points = np.stack([x * metres, y * metres, metres], -1) @ look_rotation(0.0, 0.25, 0.0).T
    on_floor = np.abs(points[..., 2] + 1.0) < 1e-3
    under = on_floor & (np.abs(points[..., 0] - 4.0) < 0.4) & (np.abs(points[..., 1]) < 0.4)
    beside = on_floor & (np.abs(points[..., 0] - 4.0) < 0.4) & (np.abs(points[..., 1]) > 1.5)
    beside &= np.abs(points[..., 1]) < 2.0
    assert grey[under].mean() < 0.5 * grey[beside].mean()
