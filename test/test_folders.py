# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One bad file of an RGB-D folder costs its own frame, and no other."""

import errno
from pathlib import Path
import struct
import zlib

import cv2
from mono_depth_ros.camera import camera_to_json, PinholeCamera
from mono_depth_ros.errors import CameraError, DatasetError
from mono_depth_ros.frames import open_frames
import numpy as np
import pytest

CAMERA = PinholeCamera(60.0, 61.0, 31.5, 23.5, 64, 48)


@pytest.fixture
def rgbd(tmp_path):
    """Make an RGB-D folder of two images at 1 m."""
    for name in ('rgb', 'depth'):
        (tmp_path / name).mkdir()
    camera_to_json(tmp_path / 'camera.json', CAMERA)
    for number in range(2):
        rgb = np.full((48, 64, 3), 128, np.uint8)
        cv2.imwrite(str(tmp_path / 'rgb' / f'{number}.png'), rgb)
        depth = np.full((48, 64), 1000, np.uint16)
        cv2.imwrite(str(tmp_path / 'depth' / f'{number}.png'), depth)
    return tmp_path


def png_of_absurd_size():
    """Return a PNG that says it has 2^18 x 2^18 pixels, which OpenCV raises an error of."""
    chunks = {
        b'IHDR': struct.pack('>IIBBBBB', 1 << 18, 1 << 18, 16, 0, 0, 0, 0),
        b'IDAT': zlib.compress(bytes(100)),
    }
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )


@pytest.mark.parametrize('number', [errno.EIO, errno.EACCES])
def test_depth_that_cannot_be_read_is_named_skipped_and_counted(rgbd, caplog, monkeypatch, number):
    read = Path.read_bytes

    def failing(path):
        if path == rgbd / 'depth' / '0.png':
            raise OSError(number, 'no luck')
        return read(path)

    monkeypatch.setattr(Path, 'read_bytes', failing)
    source = open_frames(rgbd)

    assert [frame.name for frame in source] == ['1']
    assert source.skipped == 1
    assert '0.png: no luck' in caplog.text


def test_depth_that_the_decoder_refuses_is_an_error_of_its_frame(rgbd):
    (rgbd / 'depth' / '0.png').write_bytes(png_of_absurd_size())
    source = open_frames(rgbd)

    assert [frame.name for frame in source] == ['1']
    with pytest.raises(DatasetError, match=r'depth image 0\.png cannot be decoded: '):
        list(open_frames(rgbd, strict=True))


@pytest.mark.parametrize('cap', ['-1', 'NaN', '1e999', '"far"', '[3]'])
def test_a_cap_that_is_no_depth_is_refused(rgbd, cap):
    text = (rgbd / 'camera.json').read_text().rstrip().removesuffix('}')
    (rgbd / 'camera.json').write_text(f'{text}, "max_depth": {cap}}}')

    with pytest.raises(CameraError, match=r'camera\.json.* max_depth'):
        open_frames(rgbd)


def test_the_cap_of_camera_json_is_that_of_the_frames(rgbd):
    assert open_frames(rgbd).max_depth == 0.0
    text = (rgbd / 'camera.json').read_text().rstrip().removesuffix('}')
    (rgbd / 'camera.json').write_text(f'{text}, "max_depth": 25}}')

    assert open_frames(rgbd).max_depth == 25.0
