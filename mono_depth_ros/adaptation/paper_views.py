# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How Hornauer et al. augment both domains (ICCVW 2021, arXiv 2108.02671)."""

from __future__ import annotations

import cv2
from mono_depth_ros.source.pool import Sample
from mono_depth_ros.training.augmentation import jitter_colours
import numpy as np
from numpy.typing import NDArray

SCALE, DEGREES, COLOURS = 1.5, 5.0, 0.4


def unlabelled(rgb: NDArray[np.uint8]) -> Sample:
    """Return an image as a sample without depth."""
    nothing = np.zeros(rgb.shape[:2], np.float32)
    return Sample(rgb, nothing, np.zeros(rgb.shape[:2], np.uint8), 1.0)


def augment_as_paper(sample: Sample, rng: np.random.Generator) -> Sample:
    """
    Augment one sample as Hornauer et al. do: scale, rotate, mirror, recolour.

    Scale by U(1, 1.5) with depth divided by it (here the focal length grows instead, which is the
    same at the reference focal length), rotate by U(-5, 5) degrees, mirror every other time,
    colours by 0.4. Where the rotation shows what was outside the image, the border is repeated
    and depth is unlabelled.
    """
    size = (sample.rgb.shape[0], sample.rgb.shape[1])
    scale, degrees = rng.uniform(1.0, SCALE), rng.uniform(-DEGREES, DEGREES)
    mirrored = bool(rng.random() < 0.5)
    centre = ((size[1] - 1) / 2, (size[0] - 1) / 2)
    matrix = cv2.getRotationMatrix2D(centre, degrees, scale)
    if mirrored:
        matrix[0] = -matrix[0]
        matrix[0, 2] += size[1] - 1
    wide = (size[1], size[0])
    rgb = cv2.warpAffine(sample.rgb, matrix, wide, borderMode=cv2.BORDER_REPLICATE)
    depth = cv2.warpAffine(
        sample.depth.astype(np.float32), matrix, wide, flags=cv2.INTER_NEAREST, borderValue=np.nan
    )
    semantics = cv2.warpAffine(sample.semantics, matrix, wide, flags=cv2.INTER_NEAREST)
    colours = jitter_colours(np.asarray(rgb, np.uint8), rng, COLOURS)
    return Sample(
        colours,
        np.asarray(depth, np.float32),
        np.asarray(semantics, np.uint8),
        sample.focal * scale,
    )
