# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
from mono_depth_ros.errors import ImageError
from mono_depth_ros.image_encoding import compressed_to_rgb, ENCODINGS, image_to_rgb
import numpy as np
import pytest

H, W = 17, 20
PIXELS = np.random.default_rng(0).integers(0, 256, (H, W, 4), np.uint8)
RGB = PIXELS[..., :3]
GREY = PIXELS[..., 0]
EXPECTED_GREY = np.repeat(GREY[..., None], 3, axis=2)


def padded(rows, padding):
    """Return rows of bytes with ``padding`` bytes of rubbish behind each, and their step."""
    rows = rows.reshape(H, -1).view(np.uint8)
    rubbish = np.full((H, padding), 77, np.uint8)
    return np.concatenate([rows, rubbish], axis=1).tobytes(), rows.shape[1] + padding


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize(
    ('encoding', 'stored', 'expected'),
    [
        ('rgb8', RGB, RGB),
        ('bgr8', RGB[..., ::-1], RGB),
        ('8UC3', RGB[..., ::-1], RGB),
        ('rgba8', PIXELS, RGB),
        ('bgra8', PIXELS[..., [2, 1, 0, 3]], RGB),
        ('8UC4', PIXELS[..., [2, 1, 0, 3]], RGB),
        ('mono8', GREY, EXPECTED_GREY),
        ('8UC1', GREY, EXPECTED_GREY),
    ],
)
def test_every_plain_encoding_becomes_rgb(encoding, stored, expected, padding):
    data, step = padded(np.ascontiguousarray(stored), padding)

    rgb = image_to_rgb(data, encoding, H, W, step)

    np.testing.assert_array_equal(rgb, expected)


@pytest.mark.parametrize(('order', 'big'), [('<u2', False), ('>u2', True)])
def test_mono16_keeps_its_high_byte_in_either_byte_order(order, big):
    values = (GREY.astype(np.uint16) << 8) + 13
    data, step = padded(values.astype(order), 6)

    np.testing.assert_array_equal(image_to_rgb(data, 'mono16', H, W, step, big), EXPECTED_GREY)


def test_rgb8_is_read_without_a_copy():
    data = bytearray(RGB.tobytes())

    rgb = image_to_rgb(data, 'rgb8', H, W, W * 3)
    data[0] ^= 255

    assert rgb[0, 0, 0] == RGB[0, 0, 0] ^ 255


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'data': b'123'}, 'truncated'),
        ({'data': bytes(H * W * 3 + 1)}, 'too long'),
        ({'step': W * 3 - 1}, 'step must be at least 60'),
        ({'encoding': 'bayer_rggb8'}, "encoding 'bayer_rggb8' is not one of"),
        ({'encoding': ''}, "encoding '' is not one of"),
        ({'height': 0}, '16 to 16384 px'),
        ({'height': 1, 'width': 1, 'step': 3, 'data': b'123'}, '16 to 16384 px'),
        ({'height': 2**31, 'width': 2**31}, '16 to 16384 px'),
    ],
)
def test_a_message_that_contradicts_itself_is_refused(change, message):
    values = {'data': RGB.tobytes(), 'encoding': 'rgb8', 'height': H, 'width': W, 'step': W * 3}

    with pytest.raises(ImageError, match=message):
        image_to_rgb(**{**values, **change})


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=4096),
    st.sampled_from(sorted(ENCODINGS)),
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(0, 200),
    st.booleans(),
)
def test_no_message_raises_anything_but_an_image_error(data, encoding, height, width, step, big):
    try:
        rgb = image_to_rgb(data, encoding, height, width, step, big)
    except ImageError:
        return
    assert rgb.shape == (height, width, 3) and rgb.dtype == np.uint8


@pytest.mark.parametrize('suffix', ['.png', '.jpg'])
def test_a_compressed_image_is_decoded_red_first(suffix):
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 2] = 255
    data = cv2.imencode(suffix, red)[1].tobytes()

    rgb = compressed_to_rgb(data, 'bgr8; jpeg compressed bgr8')

    assert rgb[16, 16, 0] > 250 and rgb[16, 16, 2] < 5


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300))
def test_rubbish_is_no_compressed_image(data):
    with pytest.raises(ImageError, match='empty|cannot be decoded'):
        compressed_to_rgb(data, 'jpeg')


def test_compressed_depth_is_not_taken_for_an_image():
    with pytest.raises(ImageError, match='is depth'):
        compressed_to_rgb(b'123', '32FC1; compressedDepth png')
