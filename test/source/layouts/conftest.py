# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write the files that datasets are made of."""

import cv2
import numpy as np
import pytest


@pytest.fixture
def write():
    """Return a function that writes one image: colour of one level, or 16-bit depth."""

    def write_image(path, size, level=None, depth=None):
        path.parent.mkdir(parents=True, exist_ok=True)
        if depth is None:
            pixels = np.full((*size, 3), level, np.uint8)
        else:
            pixels = np.full(size, depth, np.uint16)
            pixels[0] = 0
        assert cv2.imwrite(str(path), pixels)
        return path

    return write_image
