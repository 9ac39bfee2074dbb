# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
from mono_depth_ros.camera import camera_from_fov
from mono_depth_ros.config import EngineConfig, OutputConfig
from mono_depth_ros.errors import CameraError, ConfigError, ImageError
from mono_depth_ros.manifest import Manifest
from mono_depth_ros.pipeline import DepthEstimator
import numpy as np
import pytest

CAMERA = camera_from_fov(64, 48, 60.0)
RGB = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
RAMP = np.linspace(1.0, 5.0, 24 * 32, dtype=np.float32).reshape(24, 32)


class FixedEngine:
    """An engine that answers every image with the same output."""

    backend, device, precision = 'fixed', 'CPU', 'fp32'

    def __init__(self, raw, **manifest):
        self.manifest = Manifest('fixed', **{'input_size': raw.shape, **manifest})
        self.input_size = raw.shape
        self.raw = raw

    def infer(self, rgb):
        assert rgb.shape == (*self.input_size, 3) and rgb.flags.c_contiguous
        return self.raw

    def close(self):
        pass


def estimate(raw, config=None, settings=None, camera=CAMERA, **manifest):
    engine = FixedEngine(raw, **manifest)
    return DepthEstimator(engine, config, settings).estimate(RGB, camera)


NETWORK_SIZE = OutputConfig(output_size='network')


def test_depth_is_scaled_by_the_focal_length():
    focal = CAMERA.resized(32, 24).focal

    depth = estimate(RAMP, settings=NETWORK_SIZE, focal=2 * focal)

    np.testing.assert_allclose(depth, RAMP / 2, rtol=1e-5)


def test_a_network_without_focal_length_is_taken_at_its_word():
    np.testing.assert_array_equal(estimate(RAMP, settings=NETWORK_SIZE), RAMP)


def test_inverse_depth_becomes_depth():
    depth = estimate(1 / RAMP, settings=NETWORK_SIZE, output='inverse_depth')

    np.testing.assert_allclose(depth, RAMP, rtol=1e-5)


def test_relative_depth_never_goes_out_as_metres():
    with pytest.raises(ConfigError, match='only knows relative inverse_depth: give depth_scale'):
        estimate(RAMP, output='inverse_depth', metric=False)


def test_relative_inverse_depth_goes_out_with_a_scale_and_shift():
    relative = (1 / RAMP - 0.1) / 0.5
    config = EngineConfig(depth_scale=0.5, depth_shift=0.1)

    depth = estimate(relative, config, NETWORK_SIZE, output='inverse_depth', metric=False)

    np.testing.assert_allclose(depth, RAMP, rtol=1e-4)


def test_depth_comes_at_the_size_of_the_camera():
    assert estimate(RAMP).shape == (48, 64)


def test_the_limit_of_the_model_holds_unless_another_is_set():
    far = RAMP * 4

    assert np.isinf(estimate(far, max_depth=10.0)).any()
    assert np.isfinite(estimate(far, settings=OutputConfig(max_depth=50.0), max_depth=10.0)).all()


@pytest.mark.parametrize('ratio', [0.6, 1.0, 1.4])
def test_the_end_of_a_network_is_no_wall(ratio):
    output = RAMP.copy()
    output[0] = 10.0
    focal = CAMERA.resized(32, 24).focal

    depth = estimate(
        output, settings=NETWORK_SIZE, focal=focal / ratio, max_depth=10.0, reach=10.0
    )

    assert np.isposinf(depth[0]).all()
    np.testing.assert_allclose(depth[1:], RAMP[1:] * ratio, rtol=1e-5)


def test_a_network_without_an_end_may_say_any_depth():
    depth = estimate(np.where(RAMP > 4, 12, RAMP), settings=NETWORK_SIZE, max_depth=12.0)

    assert depth.max() == 12.0


def test_what_is_far_never_comes_near():
    output = OutputConfig(output_size='network', far_value=5.0)

    depth = estimate(RAMP * 4, settings=output, max_depth=10.0)

    np.testing.assert_array_equal(depth, np.minimum(RAMP * 4, 10.0))


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf, -1.0, 0.0])
def test_a_pixel_the_network_cannot_tell_is_missing(bad):
    output = RAMP.copy()
    output[3, 4] = bad

    depth = estimate(output, settings=NETWORK_SIZE)

    assert np.isnan(depth[3, 4])
    assert np.isnan(depth).sum() == 1


@pytest.mark.parametrize(
    ('output', 'message'),
    [
        (np.full((24, 32), np.nan, np.float32), 'no positive finite number'),
        (-RAMP, 'no positive finite number'),
        (np.full((24, 32), 2.0, np.float32), r'constant \(2\)'),
    ],
)
def test_an_output_that_is_useless_everywhere_is_an_error(output, message):
    with pytest.raises(ImageError, match=message):
        estimate(output)


def test_the_output_of_the_engine_is_not_written_to():
    output = RAMP.copy()
    output[0, 0] = -1.0
    before = output.copy()

    estimate(output, settings=OutputConfig(max_depth=2.0))

    np.testing.assert_array_equal(output, before)


def test_camera_info_of_another_size_is_refused():
    with pytest.raises(CameraError, match='camera_info is for 32x24 px, the image has 64x48'):
        estimate(RAMP, camera=CAMERA.resized(32, 24))


@pytest.mark.parametrize('output', ['depth', 'inverse_depth'])
def test_disparity_is_that_of_the_network_whatever_it_calls_far(output):
    raw = RAMP if output == 'depth' else 1 / RAMP

    shown = disparity(raw, output=output)

    assert shown.shape == (48, 64)
    assert shown.dtype == np.float32
    np.testing.assert_allclose(shown[[0, -1], [0, -1]], [1.0, 0.2], rtol=1e-5)


def test_disparity_may_be_negative_and_has_gaps_where_the_network_says_nothing():
    raw = RAMP - 3
    raw[5, 5] = np.inf

    shown = disparity(raw, output='inverse_depth', metric=False)

    assert shown[0, 0] == -2
    assert np.isnan(shown[10, 10])


@pytest.mark.parametrize('value', [1.0, np.nan])
def test_disparity_that_says_nothing_is_an_image_error(value):
    with pytest.raises(ImageError, match='constant, or not finite'):
        disparity(np.full((24, 32), value, np.float32), output='inverse_depth')


def disparity(raw, **manifest):
    config = EngineConfig(depth_scale=1.0)
    return DepthEstimator(FixedEngine(raw, **manifest), config).disparity(RGB)
