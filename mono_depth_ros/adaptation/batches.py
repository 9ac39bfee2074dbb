# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Batches of adaptation: source and target in equal shares, a function of seed and step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
import math
from typing import Any

import cv2
from mono_depth_ros.adaptation.recipes import Recipe
from mono_depth_ros.adaptation.target_frame import TargetFrame
from mono_depth_ros.errors import DatasetError
from mono_depth_ros.model.fastdepth import FastDepth
from mono_depth_ros.preprocessing import resize_rgb
from mono_depth_ros.source.pool import Sample
from mono_depth_ros.training.augmentation import canonical_depth, crop_to, jitter_colours
from mono_depth_ros.training.batches import label_weight
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

# Points of one image that take part in one update.
MAX_POINTS = 256
STRONG_COLOURS, REPLAY_COLOURS, FAR_WEIGHT = 0.5, 0.25, 0.1
STRONG_ZOOM, SHIFT = 0.7, 0.1
PAPER_SCALE, PAPER_DEGREES, PAPER_COLOURS = 1.5, 5.0, 0.4


@dataclass(frozen=True)
class Window:
    """Part of an image (top, left, rows, columns), maybe mirrored."""

    top: int
    left: int
    rows: int
    columns: int
    mirrored: bool

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the window."""
        return slice(self.top, self.top + self.rows), slice(self.left, self.left + self.columns)


@dataclass(frozen=True)
class AdaptationBatch:
    """
    What one update looks at; parts that the recipe leaves out have no images.

    Attributes
    ----------
    source_rgb, source_depth : Tensor, shapes (B, 3, h, w) and (B, h, w)
        Source images in [0, 1] and their depth in metres at the reference focal length, for the
        discriminators; NaN where unlabelled.
    source_index, target_index : tuple of int
        Which samples and frames these are, unless they are augmented: for cached outputs.
    target_rgb : Tensor, shape (B, 3, h, w)
        Target images.
    points : Tensor, shape (B, N, 3)
        Metric points of the target images: u, v [px], metres at the reference focal length; 0
        is no point.
    strong_rgb : Tensor, shape (B, 3, h, w)
        The target images through windows and with other colours.
    windows : tuple of Window
        Which.
    replay_rgb, replay_depth, replay_weight : Tensor
        Source images as in training.

    """

    source_rgb: Tensor
    source_depth: Tensor
    source_index: tuple[int, ...]
    target_rgb: Tensor
    target_index: tuple[int, ...]
    points: Tensor
    strong_rgb: Tensor
    windows: tuple[Window, ...]
    replay_rgb: Tensor
    replay_depth: Tensor
    replay_weight: Tensor

    def to(self, device: torch.device) -> AdaptationBatch:
        """Return the batch on a device."""
        moved: dict[str, Any] = {
            spec.name: value.to(device)
            for spec in fields(self)
            if isinstance(value := getattr(self, spec.name), Tensor)
        }
        return replace(self, **moved)


class BatchMaker:
    """
    Draws balanced batches for one recipe.

    Parameters
    ----------
    samples : sequence of Sample
        Source images with depth.
    frames : sequence of TargetFrame
        Target images of one size, which becomes the size of the batches.
    network : FastDepth
        Gives the reference focal length and the range of depth.
    recipe : Recipe
        Decides what a batch has.
    batch, seed : int
        Images of each domain in one batch; seed of everything drawn.

    Raises
    ------
    DatasetError
        If there is no target image, or no source image but the recipe needs them.

    """

    def __init__(
        self,
        samples: Sequence[Sample],
        frames: Sequence[TargetFrame],
        network: FastDepth,
        recipe: Recipe,
        *,
        batch: int = 4,
        seed: int = 0,
    ) -> None:
        if not frames:
            raise DatasetError('there is no target image to adapt to')
        if not samples and (recipe.replay or recipe.discriminators):
            raise DatasetError(
                'there is no source image: this mode needs the source pack of the network'
            )
        self.samples, self.frames, self.recipe = samples, frames, recipe
        self.focal, self.max_depth = network.focal, network.max_depth
        self.min_depth = network.min_depth
        self.batch, self.seed = batch, seed
        self.size = (frames[0].rgb.shape[0], frames[0].rgb.shape[1])

    def make(self, step: int) -> AdaptationBatch:
        """Return the batch of an update, the same whenever it is asked for."""
        rng = np.random.default_rng((self.seed, step))
        recipe, size = self.recipe, self.size
        chosen = self._draw(len(self.frames), step, rng)
        frames = [self.frames[index] for index in chosen]
        source, target_rgb = [], [frame.rgb for frame in frames]
        source_index, target_index = [], chosen
        if recipe.discriminators:
            source_index = rng.integers(len(self.samples), size=self.batch).tolist()
            source = [crop_to(self.samples[index], size, None) for index in source_index]
        if recipe.augments:
            source = [augment_as_paper(sample, rng) for sample in source]
            target_rgb = [augment_as_paper(_unlabelled(rgb), rng).rgb for rgb in target_rgb]
            source_index, target_index = [], []
        strong, windows = [], []
        if recipe.consistency:
            windows = [draw_window(size, rng) for _ in frames]
            strong = [strong_view(f.rgb, w, rng) for f, w in zip(frames, windows, strict=True)]
        replay = self._replay(rng) if recipe.replay else []
        depth = [canonical_depth(sample, self.focal) for sample in replay]
        limit = np.float32(self.max_depth)
        weight = [label_weight(d, self.min_depth, float(limit), FAR_WEIGHT) for d in depth]
        return AdaptationBatch(
            images_to_tensor([s.rgb for s in source], size),
            _maps([canonical_depth(s, self.focal) for s in source], size),
            tuple(source_index),
            images_to_tensor(target_rgb, size),
            tuple(target_index),
            self._points(frames, rng),
            images_to_tensor(strong, size),
            tuple(windows),
            images_to_tensor([s.rgb for s in replay], size),
            _maps(depth, size),
            _maps(weight, size),
        )

    def _draw(self, count: int, step: int, rng: np.random.Generator) -> list[int]:
        """Go through all target images in a random order before any comes again."""
        positions = np.arange(step * self.batch, (step + 1) * self.batch)
        orders = {
            turn: np.random.default_rng((self.seed, 1 << 20, turn)).permutation(count)
            for turn in set((positions // count).tolist())
        }
        return [int(orders[p // count][p % count]) for p in positions.tolist()]

    def _replay(self, rng: np.random.Generator) -> list[Sample]:
        samples = []
        for index in rng.integers(len(self.samples), size=self.batch):
            sample = crop_to(self.samples[int(index)], self.size, rng)
            samples.append(replace(sample, rgb=jitter_colours(sample.rgb, rng, REPLAY_COLOURS)))
        return samples

    def _points(self, frames: list[TargetFrame], rng: np.random.Generator) -> Tensor:
        """Stack the points of the frames, drawing some where there are many."""
        if not self.recipe.anchor:
            return torch.zeros(len(frames), 0, 3)
        count = min(MAX_POINTS, max(1, *(len(frame.points) for frame in frames), 1))
        points = np.zeros((len(frames), count, 3), np.float32)
        for row, frame in zip(points, frames, strict=True):
            chosen = frame.points
            if len(chosen) > count:
                chosen = chosen[rng.choice(len(chosen), count, replace=False)]
            row[: len(chosen)] = chosen
            row[:, 2] *= self.focal / frame.camera.focal
        return torch.from_numpy(points)


def images_to_tensor(images: Sequence[NDArray[np.uint8]], size: tuple[int, int]) -> Tensor:
    """Stack images (h, w, 3) of 0 to 255 as (B, 3, h, w) of 0 to 1; channels stay last."""
    stacked = np.stack(images) if images else np.zeros((0, *size, 3), np.uint8)
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).float() / 255


def _maps(maps: Sequence[NDArray[np.float32]], size: tuple[int, int]) -> Tensor:
    return torch.from_numpy(np.stack(maps) if maps else np.zeros((0, *size), np.float32))


def _unlabelled(rgb: NDArray[np.uint8]) -> Sample:
    nothing = np.zeros(rgb.shape[:2], np.float32)
    return Sample(rgb, nothing, np.zeros(rgb.shape[:2], np.uint8), 1.0)


def draw_window(size: tuple[int, int], rng: np.random.Generator) -> Window:
    """Draw a window of the shape of the image, near its middle, mirrored every other time."""
    factor = math.exp(rng.uniform(math.log(STRONG_ZOOM), 0.0))
    rows, columns = (max(2, round(side * factor)) for side in size)
    shift = rng.uniform(-SHIFT, SHIFT, 2)
    top, left = (
        int(np.clip(round((side - part) / 2 + move * part), 0, side - part))
        for side, part, move in zip(size, (rows, columns), shift, strict=True)
    )
    return Window(top, left, rows, columns, bool(rng.random() < 0.5))


def strong_view(
    rgb: NDArray[np.uint8], window: Window, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return an image through a window, grown to its size again, with other colours."""
    part = resize_rgb(np.ascontiguousarray(rgb[window.slices]), (rgb.shape[0], rgb.shape[1]))
    part = part[:, ::-1] if window.mirrored else part
    return jitter_colours(np.ascontiguousarray(part), rng, STRONG_COLOURS)


def view_maps(maps: Tensor, windows: Sequence[Window]) -> Tensor:
    """Look at maps (B, h, w) through windows, as `strong_view` does at images; same shape."""
    views = []
    for depth, window in zip(maps, windows, strict=True):
        part = depth[window.slices][None, None]
        part = torch.nn.functional.interpolate(
            part, maps.shape[1:], mode='bilinear', align_corners=False
        )[0, 0]
        views.append(part.flip(-1) if window.mirrored else part)
    return torch.stack(views)


def augment_as_paper(sample: Sample, rng: np.random.Generator) -> Sample:
    """
    Augment one sample as Hornauer et al. do: scale, rotate, mirror, recolour.

    Scale by U(1, 1.5) with depth divided by it (here the focal length grows instead, which is the
    same at the reference focal length), rotate by U(-5, 5) degrees, mirror every other time,
    colours by 0.4. Where the rotation shows what was outside the image, the border is repeated
    and depth is unlabelled.
    """
    size = (sample.rgb.shape[0], sample.rgb.shape[1])
    scale, degrees = rng.uniform(1.0, PAPER_SCALE), rng.uniform(-PAPER_DEGREES, PAPER_DEGREES)
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
    colours = jitter_colours(np.asarray(rgb, np.uint8), rng, PAPER_COLOURS)
    return Sample(
        colours,
        np.asarray(depth, np.float32),
        np.asarray(semantics, np.uint8),
        sample.focal * scale,
    )
