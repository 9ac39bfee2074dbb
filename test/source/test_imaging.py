# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Camera effects do what they are named after."""

import pytest

torch = pytest.importorskip('torch')

from mono_depth_ros.source.draw import Draw
from mono_depth_ros.source.imaging import draw_sensor, jpeg, luma, Sensor, take


def picture(level=0.5, height=20, width=28):
    torch.manual_seed(0)
    return level * torch.rand(1, 3, height, width)


def test_exposure_follows_the_scene():
    dark = take(picture(0.01), [Sensor()], [0])
    bright = take(picture(0.8), [Sensor()], [0])

    assert abs(int(dark.float().mean()) - int(bright.float().mean())) <= 1


def test_a_lamp_does_not_darken_the_rest():
    scene = picture()
    lamp = scene.clone()
    lamp[:, :, :2, :2] = 8.0

    with_lamp, without = take(lamp, [Sensor()], [0]), take(scene, [Sensor()], [0])

    assert float(with_lamp[..., 4:, 4:].float().mean()) > 0.8 * float(without.float().mean())


def test_no_saturation_gives_grey():
    image = take(picture(), [Sensor(saturation=0.0, noise=0.02)], [0]).int()

    assert (image[:, 0] - image[:, 1]).abs().max() <= 1
    assert (image[:, 2] - image[:, 1]).abs().max() <= 1


def test_vignetting_darkens_the_corners_only():
    flat = torch.full((1, 3, 21, 21), 0.3)

    image = take(flat, [Sensor(vignetting=0.5)], [0])[0, 0]

    assert image[0, 0] < image[10, 10] - 20


def test_blur_and_motion_smooth_the_image():
    sharp = take(picture(), [Sensor()], [0]).float().std()

    assert take(picture(), [Sensor(blur=1.0)], [0]).float().std() < 0.7 * sharp
    assert take(picture(), [Sensor(motion=(4.0, 0.0))], [0]).float().std() < 0.8 * sharp


def test_noise_comes_from_the_seed():
    sensor = Sensor(noise=0.03)

    first, again = take(picture(), [sensor], [1]), take(picture(), [sensor], [1])

    assert torch.equal(first, again)
    assert not torch.equal(first, take(picture(), [sensor], [2]))


@pytest.mark.parametrize('size', [(16, 16), (15, 23)])
def test_jpeg_keeps_size_and_loses_more_at_low_quality(size):
    image = picture(1.0, *size)

    fine, coarse = jpeg(image, [99.0]), jpeg(image, [15.0])

    assert fine.shape == image.shape
    loss_fine, loss_coarse = (luma(other - image).abs().mean() for other in (fine, coarse))
    assert loss_fine < 0.01 < loss_coarse


def test_jpeg_keeps_a_flat_colour():
    flat = torch.tensor([0.7, 0.3, 0.2])[None, :, None, None].expand(1, 3, 16, 16)

    torch.testing.assert_close(jpeg(flat, [80.0]), flat, atol=0.02, rtol=0)


def test_every_drawn_sensor_gives_a_picture():
    for seed in range(20):
        image = take(picture(), [draw_sensor(Draw(seed), 28)], [seed])

        assert image.dtype == torch.uint8
        assert 10 < float(image.float().mean()) < 245
