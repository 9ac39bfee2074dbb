# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What each mode of adaptation does: which weights train, on which losses, how long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
import math
from typing import Any

from mono_depth_ros.adaptation.config import AdapterConfig
from mono_depth_ros.model.fastdepth import ENCODER_PARTS, FastDepth
import torch
from torch import nn

# The last blocks of the encoder, conv10..conv13 of MobileNet-v1: what Hornauer et al. train. They
# hold half of the weights of MobileNet-v2, too.
LATENT_BLOCKS = 4


@dataclass(frozen=True)
class Recipe:
    """
    One method; a weight of 0 leaves its loss out.

    Attributes
    ----------
    steps : int
        Updates; 0 trains nothing.
    optimiser : str
        ``adam`` or ``sgd``.
    learning_rate : float
        For the network and the discriminators.
    momentum : float
        First beta of Adam, or of SGD.
    warm_up : int
        Updates over which the rate of the network rises.
    decays : bool
        Let that rate fall to 0 by a cosine.
    trains : str
        ``latent`` (the last blocks of the encoder), ``decoder`` (all but the encoder) or ``all``.
    bn_weight : float
        Weight of the target in the batch statistics, set once before training.
    bn_trains : bool
        Normalise with the statistics of the batch and let the running ones follow, as the paper's
        code does in every layer; otherwise they are frozen.
    discriminators : str
        ``paper``, ``lean``, or empty for none.
    adversarial, latent, replay, recall, teacher, consistency, structure, scale, anchor : float
        Weights of the losses.
    ramp : int
        Updates over which the adversarial weight rises.
    augments : bool
        Scale, rotate, mirror and recolour both domains, as the paper does.
    clips : bool
        Limit gradient and drift.
    deploys_average : bool
        What leaves is the average of the network over its updates.
    chosen : bool
        The best of the candidates looked at leaves, and not the last one.
    keeps_scale : bool
        What leaves has the median depth on the target that the network in use has: for modes in
        which no loss holds the scale.

    """

    steps: int = 0
    optimiser: str = 'adam'
    learning_rate: float = 0.0
    momentum: float = 0.9
    warm_up: int = 0
    decays: bool = False
    trains: str = 'all'
    bn_weight: float = 0.0
    bn_trains: bool = False
    discriminators: str = ''
    adversarial: float = 0.0
    latent: float = 0.0
    replay: float = 0.0
    recall: float = 0.0
    teacher: float = 0.0
    consistency: float = 0.0
    structure: float = 0.0
    scale: float = 0.0
    anchor: float = 0.0
    ramp: int = 0
    augments: bool = False
    clips: bool = True
    deploys_average: bool = True
    chosen: bool = True
    keeps_scale: bool = True

    @property
    def uses_views(self) -> bool:
        """Whether the network learns from target images through windows."""
        return bool(self.consistency or self.structure or self.scale or self.anchor)

    @property
    def sees_whole_images(self) -> bool:
        """Whether other networks than the one that trains look at target images."""
        return bool(self.teacher or self.consistency or self.scale)

    @property
    def needs_source(self) -> bool:
        """Whether it works on labelled source images too."""
        return bool(self.replay or self.recall or self.discriminators)


_PAPER = Recipe(
    # L_enc of Hornauer et al.: both adversarial terms and 0.7 L1 on the latent, nothing else.
    steps=250,
    learning_rate=2e-4,
    momentum=0.5,
    trains='latent',
    bn_trains=True,
    discriminators='paper',
    adversarial=1.0,
    latent=0.7,
    augments=True,
    clips=False,
    deploys_average=False,
    chosen=False,
    keeps_scale=False,
)
RECIPES = {
    'none': Recipe(),
    'bn': Recipe(bn_weight=0.3, keeps_scale=False),
    'replay': Recipe(steps=200, learning_rate=1e-4, trains='decoder', replay=1.0),
    'paper': _PAPER,
    'lean': Recipe(
        steps=200,
        learning_rate=2e-4,
        momentum=0.5,
        trains='latent',
        bn_weight=0.3,
        discriminators='lean',
        adversarial=1.0,
        latent=0.7,
        replay=1.0,
        teacher=0.1,
        ramp=50,
    ),
    'consistency': Recipe(
        steps=150,
        learning_rate=1e-3,
        warm_up=20,
        decays=True,
        trains='decoder',
        replay=1.0,
        consistency=1.0,
    ),
    'auto': Recipe(
        steps=120,
        learning_rate=7e-4,
        warm_up=20,
        decays=True,
        trains='decoder',
        replay=1.0,
        recall=1.0,
        consistency=0.3,
        structure=2.0,
        scale=1.0,
        keeps_scale=False,
    ),
}
# What changes with an anchor, and out of doors (virtual KITTI to KITTI in the paper).
ANCHORED: dict[str, dict[str, Any]] = {'auto': {'anchor': 1.0, 'scale': 0.0}}
OUTDOORS: dict[str, dict[str, Any]] = {
    'paper': {'optimiser': 'sgd', 'learning_rate': 1e-5, 'momentum': 0.9},
}


def recipe_for(config: AdapterConfig, *, anchored: bool, outdoors: bool = False) -> Recipe:
    """Return the recipe of a mode, with the steps, rate and batch norm weight that were set."""
    recipe = RECIPES[config.mode]
    if anchored:
        recipe = replace(recipe, **ANCHORED.get(config.mode, {}))
    if outdoors:
        recipe = replace(recipe, **OUTDOORS.get(config.mode, {}))
    if recipe.steps and config.steps:
        recipe = replace(recipe, steps=config.steps)
    if config.learning_rate:
        recipe = replace(recipe, learning_rate=config.learning_rate)
    if config.bn_weight >= 0 and not recipe.bn_trains and config.mode != 'none':
        recipe = replace(recipe, bn_weight=config.bn_weight)
    return recipe


def configure_model(network: FastDepth, recipe: Recipe) -> FastDepth:
    """Let the weights of a recipe train and freeze all others; set the mode of batch norm."""
    network.requires_grad_(False)
    for part in trained_parts(network, recipe):
        part.requires_grad_(True)
    return network.train(recipe.bn_trains)


def trained_parts(network: FastDepth, recipe: Recipe) -> Iterator[nn.Module]:
    """Yield the modules that train."""
    if recipe.steps == 0:
        return
    if recipe.trains == 'latent':
        yield from network.encoder[-LATENT_BLOCKS:]
        return
    for name, part in network.named_children():
        if recipe.trains == 'all' or name not in ENCODER_PARTS:
            yield part


def collect_params(network: nn.Module) -> dict[str, nn.Parameter]:
    """Return the weights that train, by name."""
    return {name: p for name, p in network.named_parameters() if p.requires_grad}


def make_optimiser(recipe: Recipe, weights: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Return the optimiser of a recipe."""
    if recipe.optimiser == 'sgd':
        return torch.optim.SGD(weights, recipe.learning_rate, momentum=recipe.momentum)
    return torch.optim.Adam(weights, recipe.learning_rate, (recipe.momentum, 0.999))


def rate_at(recipe: Recipe, step: int) -> float:
    """Return the learning rate of the network at an update, counted from 0."""
    rate = recipe.learning_rate * min(1.0, (step + 1) / max(1, recipe.warm_up))
    if recipe.decays and recipe.steps:
        rate *= 0.5 * (1 + math.cos(math.pi * min(1.0, step / recipe.steps)))
    return rate
