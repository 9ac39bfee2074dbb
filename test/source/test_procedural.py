# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The procedural world keeps its promises: seeds, sizes, ranges, classes, sequences."""

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from mono_depth_ros.errors import ConfigError
from mono_depth_ros.source.procedural import render_batch, render_sequence
from mono_depth_ros.source.scene import WorldConfig
from mono_depth_ros.source.semantics import Semantic

SIZE = (48, 64)


@pytest.fixture(scope='module')
def indoor():
    return render_batch(3, 12, SIZE)


@pytest.fixture(scope='module')
def street():
    return render_batch(3, 6, SIZE, domain='street')


@pytest.mark.parametrize('domain', ['indoor', 'street', 'mixed'])
def test_the_same_seed_gives_the_same_pixels(domain):
    first = render_batch(11, 2, SIZE, domain=domain)
    second = render_batch(11, 2, SIZE, domain=domain)

    assert torch.equal(first.rgb, second.rgb)
    assert torch.equal(first.depth, second.depth)
    assert torch.equal(first.semantics, second.semantics)


def test_another_seed_gives_another_world(indoor):
    other = render_batch(4, 1, SIZE)

    assert not torch.equal(indoor.rgb[:1], other.rgb)
    assert not torch.equal(indoor.depth[:1], other.depth)


def test_a_sample_does_not_depend_on_how_many_follow_it(indoor):
    alone = render_batch(3, 1, SIZE)

    assert torch.equal(alone.rgb[0], indoor.rgb[0])
    assert torch.equal(alone.depth[0], indoor.depth[0])
    assert alone.focal[0] == indoor.focal[0]


@pytest.mark.parametrize('size', [(8, 8), (31, 57), (96, 40)])
def test_any_size_and_aspect_ratio_is_rendered(size):
    batch = render_batch(0, 1, size)

    assert batch.rgb.shape == (1, *size, 3)
    assert batch.rgb.dtype == torch.uint8
    assert batch.depth.shape == batch.semantics.shape == (1, *size)
    assert batch.depth.dtype == torch.float32


def test_indoor_depth_is_finite_and_that_of_rooms(indoor):
    assert torch.isfinite(indoor.depth).all()
    assert float(indoor.depth.min()) > 0.05
    assert float(indoor.depth.max()) < 60
    assert 0.6 < float(indoor.depth.median()) < 6


def test_the_sky_of_a_street_has_infinite_depth_and_a_class(street):
    sky = torch.isinf(street.depth)

    assert 0.02 < float(sky.float().mean()) < 0.8
    assert (street.semantics[sky] == Semantic.CEILING).all()


def test_cameras_keep_the_promised_ranges(indoor, street):
    width = SIZE[1]
    for batch, low, high in ((indoor, 0.1, 2.0), (street, 0.2, 2.2)):
        fov = 2 * np.degrees(np.arctan(0.5 * width / batch.focal.numpy()))
        assert (fov > 49.9).all() and (fov < 110.1).all()
        assert (batch.camera_height >= low).all() and (batch.camera_height <= high).all()
        assert float(batch.camera_height.std()) > 0.1


def test_all_classes_occur(indoor, street):
    seen = set(indoor.semantics.unique().tolist()) | set(street.semantics.unique().tolist())

    assert seen >= {int(c) for c in Semantic} - {int(Semantic.PERSON)}
    assert max(seen) <= max(Semantic)


def test_images_are_well_exposed_and_differ(indoor):
    brightness = indoor.rgb.float().mean((1, 2, 3))

    assert (brightness > 20).all() and (brightness < 235).all()
    assert (indoor.rgb.float().std((1, 2, 3)) > 4).all()
    assert float(brightness.std()) > 10


def test_one_camera_is_left_without_camera_variation():
    batch = render_batch(0, 4, SIZE, config=WorldConfig(camera=False))

    assert len(batch.focal.unique()) == 1
    assert len(batch.camera_height.unique()) == 1


def test_imaging_changes_pixels_but_not_depth():
    plain = render_batch(5, 2, SIZE, config=WorldConfig(imaging=False))
    taken = render_batch(5, 2, SIZE)

    assert torch.equal(plain.depth, taken.depth)
    assert not torch.equal(plain.rgb, taken.rgb)


@pytest.mark.parametrize('switch', ['texture', 'lighting', 'clutter', 'antialias'])
def test_every_other_switch_still_renders(switch):
    full = render_batch(7, 1, SIZE)
    batch = render_batch(7, 1, SIZE, config=WorldConfig(**{switch: False}))

    assert torch.isfinite(batch.depth).all()
    assert not torch.equal(batch.rgb, full.rgb)


@pytest.mark.parametrize('domain', ['indoor', 'street'])
def test_a_sequence_sees_one_static_world(domain):
    frames = list(render_sequence(2, 6, (60, 80), domain=domain, rate=10))
    first, last = frames[0], frames[-1]
    camera = first.camera

    v, u = np.meshgrid(np.arange(60), np.arange(80), indexing='ij')
    z = first.depth.astype(np.float64)
    good = z < 40
    x, y = (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy
    points = np.stack([x * z, y * z, z], -1)[good]
    moved = np.linalg.inv(last.world_from_camera) @ first.world_from_camera
    points = points @ moved[:3, :3].T + moved[:3, 3]
    points = points[points[:, 2] > 0.1]
    pixel_u = np.rint(points[:, 0] / points[:, 2] * camera.fx + camera.cx).astype(int)
    pixel_v = np.rint(points[:, 1] / points[:, 2] * camera.fy + camera.cy).astype(int)
    inside = (pixel_u >= 0) & (pixel_u < 80) & (pixel_v >= 0) & (pixel_v < 60)
    seen = last.depth[pixel_v[inside], pixel_u[inside]]
    ratio = seen / points[inside, 2]

    assert inside.mean() > 0.3
    assert np.mean(np.abs(ratio - 1) < 0.05) > 0.7
    # Something may hide a point, but nothing of a static world moves away from in front of it.
    assert np.mean(ratio > 1.1) < 0.12


def test_a_sequence_moves_smoothly_and_repeats():
    frames = list(render_sequence(1, 12, (24, 32), rate=10))
    again = list(render_sequence(1, 2, (24, 32), rate=10))

    places = np.array([frame.world_from_camera[:3, 3] for frame in frames])
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    assert steps.max() < 0.09
    assert np.abs(np.diff(steps)).max() < 0.06
    np.testing.assert_array_equal(frames[1].rgb, again[1].rgb)
    for frame in frames:
        rotation = frame.world_from_camera[:3, :3]
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(rotation) == pytest.approx(1.0)


def test_an_unknown_domain_is_refused():
    with pytest.raises(ConfigError, match="domain must be one of .*'indoor'.*got 'moon'"):
        render_batch(0, 1, SIZE, domain='moon')


def test_a_size_out_of_range_is_refused():
    with pytest.raises(ConfigError, match='size must be'):
        render_batch(0, 1, (4, 64))


def test_a_rate_that_is_not_positive_is_refused():
    with pytest.raises(ConfigError, match='rate must be positive'):
        next(render_sequence(0, 1, SIZE, rate=0))
