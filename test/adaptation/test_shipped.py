# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What travels with a network serves the shape of the camera."""

import numpy as np
import pytest

pytest.importorskip('torch')

from mono_depth_ros.adaptation.shipped import samples_of_shape
from mono_depth_ros.source.pool import Sample


def sample_of(height, width):
    shape = (height, width)
    rgb, classes = np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.uint8)
    return Sample(rgb, np.ones(shape, np.float32), classes, focal=float(width))


PACK = [sample_of(*size) for size in [(12, 16), (10, 32), (12, 16), (12, 12)]]


@pytest.mark.parametrize(
    ('size', 'widths'),
    [((192, 256), [16, 16, 12]), ((224, 384), [16, 16]), ((128, 416), [32]), ((32, 256), [32])],
    ids=['4:3 and near it', '16:9', 'wide', 'wider than all: the nearest'],
)
def test_source_images_of_the_shape_of_the_camera_serve(size, widths):
    assert [sample.focal for sample in samples_of_shape(PACK, size)] == widths


def test_of_a_pack_of_one_shape_all_serve():
    assert len(samples_of_shape(PACK[:1] * 5, (128, 416))) == 5
    assert samples_of_shape([], (128, 416)) == []
