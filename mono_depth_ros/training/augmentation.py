# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Augmentation of labelled samples: what the camera sees, and how it shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
import math
from typing import Any

import cv2
from mono_depth_ros.preprocessing import resize_rgb
from mono_depth_ros.source.pool import Sample
from mono_depth_ros.source.semantics import Semantic
import numpy as np
from numpy.typing import NDArray


def nearest_shape(sizes: Sequence[tuple[int, int]], rows: int, columns: int) -> tuple[int, int]:
    """Return the first of the sizes (height, width) whose aspect ratio is nearest to this one."""
    return min(sizes, key=lambda size: abs(math.log(size[1] / size[0] * rows / columns)))


def crop_to(
    sample: Sample,
    size: tuple[int, int],
    rng: np.random.Generator | None,
    *,
    min_zoom: float = 0.7,
    shift: float = 0.1,
) -> Sample:
    """
    Cut a window of the aspect ratio of ``size``, resize it, and mirror every other one.

    Zooming in changes the focal length by the same factor and no depth. The window moves by at
    most ``shift`` of its side from the middle, since the network relies on where the optical
    axis is; a shift looks like a small rotation of the camera.

    Parameters
    ----------
    sample : Sample
        Any size.
    size : tuple of int
        (height, width) of the result [px].
    rng : np.random.Generator, optional
        Without one the largest centred window is taken, and nothing is mirrored.
    min_zoom : float
        Smallest window, as a fraction of the largest that fits.
    shift : float
        Largest movement from the middle, as a fraction of the window.

    """
    height, width = size
    rows, columns = sample.depth.shape
    largest = min(rows / height, columns / width)
    factor, dx, dy, mirrored = largest, 0.0, 0.0, False
    if rng is not None:
        factor *= math.exp(rng.uniform(math.log(min_zoom), 0.0))
        dx, dy = rng.uniform(-shift, shift, 2)
        mirrored = bool(rng.random() < 0.5)
    crop_rows = max(1, min(rows, round(height * factor)))
    crop_columns = max(1, min(columns, round(width * factor)))
    top = _place(rows, crop_rows, dy)
    left = _place(columns, crop_columns, dx)
    window = np.s_[top : top + crop_rows, left : left + crop_columns]
    row = _nearest(crop_rows, height)
    column = _nearest(crop_columns, width)
    rgb = resize_rgb(np.ascontiguousarray(sample.rgb[window]), size)
    depth = sample.depth[window][row[:, None], column]
    semantics = sample.semantics[window][row[:, None], column]
    flip = np.s_[:, ::-1] if mirrored else np.s_[:, :]
    focal = sample.focal * math.sqrt(height / crop_rows * width / crop_columns)
    return replace(
        sample, rgb=rgb[flip], depth=depth[flip], semantics=semantics[flip], focal=focal
    )


def roll_camera(sample: Sample, angle: float) -> Sample:
    """
    Turn the camera about its optical axis, which changes no depth along it.

    Parameters
    ----------
    sample : Sample
        Any size; the axis is in the middle of the image.
    angle : float
        How far the image turns, counterclockwise [degrees].

    Returns
    -------
    Sample
        Of the same size. What the image did not show has no depth, and the colour of its edge.

    """
    rows, columns = sample.depth.shape
    turn = cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), angle, 1.0)

    def turned(pixels: NDArray[Any], method: int, **border: Any) -> NDArray[Any]:
        return cv2.warpAffine(pixels, turn, (columns, rows), flags=method, **border)

    depth = sample.depth.astype(np.float32)
    return replace(
        sample,
        rgb=turned(sample.rgb, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        depth=turned(depth, cv2.INTER_NEAREST, borderValue=math.nan),
        semantics=turned(sample.semantics, cv2.INTER_NEAREST, borderValue=int(Semantic.OTHER)),
    )


def _place(length: int, crop: int, shift: float) -> int:
    """First row or column of a window moved by ``shift`` of its side from the middle."""
    free = length - crop
    return min(free, max(0, round(free / 2 + shift * crop)))


def _nearest(source: int, target: int) -> NDArray[np.intp]:
    """Index of the source pixel whose area contains the centre of each target pixel."""
    return ((np.arange(target) + 0.5) * source / target).astype(np.intp)


def canonical_depth(sample: Sample, focal: float) -> NDArray[np.float32]:
    """Return the depth that a camera of focal length ``focal`` would see in the same image."""
    return np.asarray(sample.depth.astype(np.float32) * np.float32(focal / sample.focal))


def jitter_colours(
    rgb: NDArray[np.uint8], rng: np.random.Generator, strength: float = 0.4
) -> NDArray[np.uint8]:
    """
    Change saturation, brightness, contrast, channel gains, gamma, sharpness and noise.

    Parameters
    ----------
    rgb : np.ndarray, shape (H, W, 3), uint8
        Image.
    rng : np.random.Generator
        Source of randomness.
    strength : float
        Largest relative change of brightness and saturation; a tenth of the images turn grey.
        Contrast changes by exp(-strength) to exp(4 strength). 0 changes nothing.

    Returns
    -------
    np.ndarray, shape (H, W, 3), uint8

    """
    if strength <= 0:
        return rgb
    saturation = 0.0 if rng.random() < 0.1 else rng.uniform(1 - strength, 1 + strength)
    grey = np.tile([0.299, 0.587, 0.114], (3, 1))
    x = cv2.transform(rgb, grey + (np.eye(3) - grey) * saturation)
    x = cv2.LUT(x, _tone_curves(float(rgb.mean()) / 255, rng, strength))
    # The rendered images are blurred and noisy as cameras make them; a little more on some.
    if rng.random() < 0.5 * strength:
        x = cv2.GaussianBlur(x, (5, 5), rng.uniform(0.3, 1.0))
    if rng.random() < strength:
        noise = rng.standard_normal(x.shape, np.float32) * np.float32(rng.uniform(0, 6))
        x = np.clip(x + noise, 0, 255).astype(np.uint8)
    return np.asarray(x, np.uint8)


def _tone_curves(middle: float, rng: np.random.Generator, strength: float) -> NDArray[np.uint8]:
    """Draw one table of 256 values for each channel: contrast, brightness, gain, gamma."""
    # Photographs have half as much contrast again as the rendered images, so mostly more of it.
    contrast = math.exp(rng.uniform(-strength, 4 * strength))
    brightness = rng.uniform(1 - strength, 1 + strength)
    level = np.arange(256)[:, None] / 255
    level = (middle + (level - middle) * contrast) * brightness * rng.uniform(0.9, 1.1, 3)
    level = level.clip(0, 1) ** math.exp(rng.uniform(-strength, strength))
    return np.asarray(level * 255 + 0.5, np.uint8)[None]  # (1, 256, 3)
