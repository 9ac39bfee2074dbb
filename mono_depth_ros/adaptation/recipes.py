# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What each mode of adaptation does: which weights train, on which losses, how long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from mono_depth_ros.adaptation.config import AdapterConfig
from mono_depth_ros.model.fastdepth import FastDepth
from torch import nn

# conv10..conv13 of the encoder, counted from 0: what Hornauer et al. train.
LATENT_BLOCKS = range(9, 13)


@dataclass(frozen=True)
class Recipe:
    """
    One method; a weight of 0 leaves its loss out.

    Attributes
    ----------
    steps : int
        Updates; 0 trains nothing.
    learning_rate : float
        Of Adam, for the network and the discriminators.
    momentum : float
        First beta of Adam.
    trains : str
        ``latent`` (conv10 to conv13) or ``all``.
    bn_weight : float
        Weight of the target in the batch statistics, set once before training.
    bn_trains : bool
        Normalise with the statistics of the batch and let the running ones follow, as the paper's
        code does in every layer; otherwise they are frozen.
    discriminators : str
        ``paper``, ``lean``, or empty for none.
    adversarial, latent, replay, teacher, consistency, anchor : float
        Weights of the losses.
    ramp : int
        Updates over which the adversarial weight rises.
    augments : bool
        Scale, rotate, mirror and recolour both domains, as the paper does.
    clips : bool
        Limit gradient and drift.
    deploys_average : bool
        What leaves is the average of the network over its updates.

    """

    steps: int = 0
    learning_rate: float = 0.0
    momentum: float = 0.9
    trains: str = 'all'
    bn_weight: float = 0.0
    bn_trains: bool = False
    discriminators: str = ''
    adversarial: float = 0.0
    latent: float = 0.0
    replay: float = 0.0
    teacher: float = 0.0
    consistency: float = 0.0
    anchor: float = 0.0
    ramp: int = 0
    augments: bool = False
    clips: bool = True
    deploys_average: bool = True


RECIPES = {
    'none': Recipe(),
    'bn': Recipe(bn_weight=0.3),
    'replay': Recipe(steps=200, learning_rate=1e-4, replay=1.0),
    # L_enc of Hornauer et al.: both adversarial terms and 0.7 L1 on the latent, nothing else.
    'paper': Recipe(
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
    ),
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
    'consistency': Recipe(steps=150, learning_rate=1e-4, replay=1.0, consistency=1.0),
    'auto': Recipe(
        steps=200,
        learning_rate=1e-4,
        discriminators='lean',
        adversarial=0.05,
        latent=0.05,
        replay=1.0,
        consistency=1.0,
        ramp=50,
    ),
}
# With an anchor more can be learnt, and the anchor sees that nothing goes astray.
ANCHORED: dict[str, dict[str, Any]] = {
    'auto': {'steps': 300, 'learning_rate': 5e-4, 'anchor': 1.0},
}


def recipe_for(config: AdapterConfig, *, anchored: bool) -> Recipe:
    """Return the recipe of a mode, with the steps, rate and batch norm weight that were set."""
    recipe = RECIPES[config.mode]
    if anchored:
        recipe = replace(recipe, **ANCHORED.get(config.mode, {}))
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
    if recipe.trains == 'all':
        yield network
    else:
        yield from (network.encoder[index] for index in LATENT_BLOCKS)


def collect_params(network: nn.Module) -> dict[str, nn.Parameter]:
    """Return the weights that train, by name."""
    return {name: p for name, p in network.named_parameters() if p.requires_grad}
