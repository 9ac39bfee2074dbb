# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images of a camera that walks past a wall, which tests look at."""

import cv2
from mono_depth_ros.adaptation.target_frame import make_target_frame
from mono_depth_ros.camera import PinholeCamera
import numpy as np

CAMERA = PinholeCamera(300.0, 300.0, 159.5, 119.5, 320, 240)


def photographs(count=8):
    """Render a textured wall with a nearer panel, from a camera that moves sideways."""
    rng = np.random.default_rng(0)
    wall, panel = (cv2.resize(rng.integers(0, 256, (60, 90), np.uint8), (960, 640)) for _ in 'ab')
    images = []
    for number in range(count):
        layers = [
            np.roll(texture, -round(300 * 0.04 * number / z), axis=1)[100:340, 200:520]
            for texture, z in ((wall, 4.0), (panel, 2.0))
        ]
        edge = 160 - round(300 * 0.04 * number / 2.0)
        image = layers[0].copy()
        image[:, :edge] = layers[1][:, :edge]
        images.append(np.repeat(image[..., None], 3, 2))
    return images


def frames_of(images, gap_ns=100_000_000):
    """Bring images to a network of 96x128, one after another."""
    return [
        make_target_frame(image, CAMERA, (96, 128), stamp_ns=k * gap_ns)
        for k, image in enumerate(images)
    ]
