# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the network learns from in one update: the losses of a recipe, with their weights."""

from __future__ import annotations

from dataclasses import dataclass
import math

from mono_depth_ros.adaptation.batches import AdaptationBatch
from mono_depth_ros.adaptation.discriminators import Discriminators
from mono_depth_ros.adaptation.frozen_source import FrozenSource
from mono_depth_ros.adaptation.losses import (
    anchor_loss,
    consistency_loss,
    latent_loss,
    recall_loss,
    scale_loss,
    structure_loss,
    teacher_loss,
)
from mono_depth_ros.adaptation.recipes import Recipe
from mono_depth_ros.adaptation.views import view_maps
from mono_depth_ros.model.fastdepth import FastDepth, Features
from mono_depth_ros.training.losses import gradient_loss, l1_log_loss, log_residual
import torch
from torch import Tensor

GRADIENT_WEIGHT = 0.5  # of the replay loss, as in training
Terms = dict[str, tuple[float, Tensor]]


@dataclass(frozen=True)
class Seen:
    """
    What the network made of the images of a batch.

    Attributes
    ----------
    target, strong, replay : Tensor, shape (B, h, w)
        Log depth of target images, of views of them, and of source images.
    latent : Tensor, shape (B, C, h / 32, w / 32)
        Latent of the target images.
    target_features, replay_features : tuple of Tensor, optional
        What the encoder says of target and source images, if it is that of all networks.

    """

    target: Tensor
    latent: Tensor
    strong: Tensor
    replay: Tensor
    target_features: Features | None = None
    replay_features: Features | None = None


def objective(
    recipe: Recipe,
    batch: AdaptationBatch,
    seen: Seen,
    average: FastDepth,
    source: FrozenSource,
    begin: FrozenSource,
    discriminators: Discriminators | None,
    step: int,
) -> Terms:
    """
    Return the losses of an update, counted from 1, by name, each with its weight.

    ``source`` is the shipped network, ``begin`` the one in use, where adaptation began.
    """
    terms: Terms = {}
    if discriminators is not None and recipe.adversarial:
        weight = recipe.adversarial * (min(1.0, step / recipe.ramp) if recipe.ramp else 1.0)
        on_depth, on_latent = discriminators.adversarial_losses(batch, seen.target, seen.latent)
        terms['adversarial depth'] = (weight, on_depth)
        terms['adversarial latent'] = (weight, on_latent)
    if recipe.latent:
        wanted = source.latent('target', batch.target_rgb, batch.target_index)
        terms['latent'] = (recipe.latent, latent_loss(seen.latent, wanted))
    terms.update(_of_the_teacher(recipe, batch, seen, average))
    if recipe.structure:
        terms['structure'] = (recipe.structure, structure_loss(seen.strong, batch.structure))
    if recipe.scale:
        known = begin.target_log_depth(batch.target_rgb, batch.target_index, seen.target_features)
        wanted = view_maps(known, batch.windows) - _zoom(batch).log()
        terms['scale'] = (recipe.scale, scale_loss(seen.strong, wanted))
    if recipe.anchor:
        terms['anchor'] = (recipe.anchor, anchor_loss(seen.strong, batch.points))
    if recipe.replay:
        terms['replay'] = (recipe.replay, _replay_loss(batch, seen.replay, average.max_depth))
    if recipe.recall:
        wanted = source.log_depth(batch.replay_rgb, seen.replay_features)
        terms['recall'] = (recipe.recall, recall_loss(seen.replay, wanted))
    return terms


def _of_the_teacher(
    recipe: Recipe, batch: AdaptationBatch, seen: Seen, average: FastDepth
) -> Terms:
    """Compare with what the average of the network sees in the whole images."""
    terms: Terms = {}
    if not (recipe.teacher or recipe.consistency):
        return terms
    with torch.no_grad():
        features = seen.target_features
        taught = average.decode(average.encode(batch.target_rgb) if features is None else features)
    if recipe.teacher:
        terms['teacher'] = (recipe.teacher, teacher_loss(seen.target, taught))
    if recipe.consistency:
        wanted = view_maps(taught, batch.windows)
        terms['consistency'] = (recipe.consistency, consistency_loss(seen.strong, wanted))
    return terms


def _zoom(batch: AdaptationBatch) -> Tensor:
    """Return by how much the windows are grown, (B, 1, 1): as a longer focal length would."""
    height, width = batch.target_rgb.shape[2:]
    zoom = [math.sqrt(height / w.rows * width / w.columns) for w in batch.windows]
    return batch.target_rgb.new_tensor(zoom)[:, None, None]


def _replay_loss(batch: AdaptationBatch, log_depth: Tensor, max_depth: float) -> Tensor:
    """Return L1 of log depth and of its gradients for source images, as in most of training."""
    weight = batch.replay_weight
    residual = log_residual(log_depth, batch.replay_depth, weight, max_depth)
    return l1_log_loss(residual, weight) + GRADIENT_WEIGHT * gradient_loss(residual, weight)
