# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Batches of adaptation: source and target in equal shares, a function of seed and step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from mono_depth_ros.adaptation.paper_views import augment_as_paper, unlabelled
from mono_depth_ros.adaptation.recipes import Recipe
from mono_depth_ros.adaptation.target_frame import TargetFrame
from mono_depth_ros.adaptation.views import draw_window, strong_view, view_points, Window
from mono_depth_ros.errors import DatasetError
from mono_depth_ros.model.fastdepth import FastDepth
from mono_depth_ros.source.pool import Sample
from mono_depth_ros.training.augmentation import canonical_depth, crop_to, jitter_colours
from mono_depth_ros.training.batches import label_weight
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

# Points of one image that take part in one update.
MAX_POINTS = 512
REPLAY_COLOURS, FAR_WEIGHT = 0.25, 0.1


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
    strong_rgb : Tensor, shape (B, 3, h, w)
        The target images through windows and with other colours.
    windows : tuple of Window
        Which.
    points, structure : Tensor, shape (B, N, 3)
        Points of the views in ``strong_rgb``: u, v [px], and metres at the reference focal length
        or depth up to one factor for each image; 0 is no point.
    replay_rgb, replay_depth, replay_weight : Tensor
        Source images as in training.

    """

    source_rgb: Tensor
    source_depth: Tensor
    source_index: tuple[int, ...]
    target_rgb: Tensor
    target_index: tuple[int, ...]
    strong_rgb: Tensor
    windows: tuple[Window, ...]
    points: Tensor
    structure: Tensor
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
        if not samples and recipe.needs_source:
            raise DatasetError(
                'there is no source image: this mode needs the source pack of the network'
            )
        self.samples, self.frames, self.recipe = samples, frames, recipe
        self.focal = network.focal
        self.min_depth, self.max_depth = network.min_depth, network.max_depth
        self.batch, self.seed = batch, seed
        self.size = (frames[0].rgb.shape[0], frames[0].rgb.shape[1])

    def make(self, step: int) -> AdaptationBatch:
        """Return the batch of an update, the same whenever it is asked for."""
        rng = np.random.default_rng((self.seed, step))
        recipe, size = self.recipe, self.size
        chosen = self._draw(len(self.frames), step)
        frames = [self.frames[index] for index in chosen]
        source, target_rgb = [], [frame.rgb for frame in frames]
        source_index, target_index = [], chosen
        if recipe.discriminators:
            source_index = rng.integers(len(self.samples), size=self.batch).tolist()
            source = [crop_to(self.samples[index], size, None) for index in source_index]
        if recipe.augments:
            source = [augment_as_paper(sample, rng) for sample in source]
            target_rgb = [augment_as_paper(unlabelled(rgb), rng).rgb for rgb in target_rgb]
            source_index, target_index = [], []
        windows = [draw_window(size, rng) for _ in frames] if recipe.uses_views else []
        strong = [strong_view(f.rgb, w, rng) for f, w in zip(frames, windows, strict=False)]
        metric = [_at_focal(frame, self.focal) for frame in frames] if recipe.anchor else []
        replay = self._replay(rng) if recipe.replay or recipe.recall else []
        depth = [canonical_depth(sample, self.focal) for sample in replay]
        weight = [label_weight(d, self.min_depth, self.max_depth, FAR_WEIGHT) for d in depth]
        return AdaptationBatch(
            images_to_tensor([s.rgb for s in source], size),
            _maps([canonical_depth(s, self.focal) for s in source], size),
            tuple(source_index),
            images_to_tensor(target_rgb, size),
            tuple(target_index),
            images_to_tensor(strong, size),
            tuple(windows),
            self._points(metric, windows, rng),
            self._points([f.structure for f in frames] if recipe.structure else [], windows, rng),
            images_to_tensor([s.rgb for s in replay], size),
            _maps(depth, size),
            _maps(weight, size),
        )

    def _draw(self, count: int, step: int) -> list[int]:
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

    def _points(
        self,
        points: Sequence[NDArray[np.float32]],
        windows: Sequence[Window],
        rng: np.random.Generator,
    ) -> Tensor:
        """Stack the points of images as the windows show them, drawing some where many are."""
        seen = [view_points(p, w, self.size) for p, w in zip(points, windows, strict=False)]
        count = min(MAX_POINTS, max([len(part) for part in seen], default=0))
        stacked = np.zeros((self.batch, count, 3), np.float32)
        for row, part in zip(stacked, seen, strict=False):
            chosen = part
            if len(part) > count:
                chosen = part[rng.choice(len(part), count, replace=False)]
            row[: len(chosen)] = chosen
        return torch.from_numpy(stacked)


def _at_focal(frame: TargetFrame, focal: float) -> NDArray[np.float32]:
    """Return the points of a frame with depth as a camera of focal length ``focal`` sees it."""
    points: NDArray[np.float32] = frame.points.copy()
    points[:, 2] *= focal / frame.camera.focal
    return points


def images_to_tensor(images: Sequence[NDArray[np.uint8]], size: tuple[int, int]) -> Tensor:
    """Stack images (h, w, 3) of 0 to 255 as (B, 3, h, w) of 0 to 1; channels stay last."""
    stacked = np.stack(images) if images else np.zeros((0, *size, 3), np.uint8)
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).float() / 255


def _maps(maps: Sequence[NDArray[np.float32]], size: tuple[int, int]) -> Tensor:
    return torch.from_numpy(np.stack(maps) if maps else np.zeros((0, *size), np.float32))
