# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Both discriminators of adversarial adaptation, their training, and when they are no use."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib

from mono_depth_ros.adaptation.batches import AdaptationBatch
from mono_depth_ros.adaptation.losses import adversarial_loss, discriminator_loss
from mono_depth_ros.adaptation.recipes import make_optimiser, Recipe
from mono_depth_ros.model.discriminator import build_discriminators
from mono_depth_ros.model.fastdepth import FastDepth
import torch
from torch import nn, Tensor

# Discriminators that win or lose clearly for so long have nothing more to tell.
MONITORED = 50
WON, LOST = 0.02, 0.30


class Discriminators:
    """
    D_d, which sees image and depth, and D_z, which sees the latent.

    Parameters
    ----------
    network : FastDepth
        Gives the number of channels of the latent and the range of depth.
    recipe : Recipe
        Size, learning rate and whether gradients are limited.
    limit : float
        Largest norm of the gradient.
    seed : int
        Of their weights.
    device : torch.device
        Where they are.

    Attributes
    ----------
    history : list of float
        Their mean loss at every update; 1/4 is chance.

    """

    def __init__(
        self, network: FastDepth, recipe: Recipe, limit: float, seed: int, device: torch.device
    ) -> None:
        both = build_discriminators(network.latent_channels, recipe.discriminators, seed)
        self._depth, self._latent = (module.to(device).train() for module in both)
        self._weights = [p for module in both for p in module.parameters()]
        self._optimiser = make_optimiser(recipe, self._weights)
        self._limit = limit if recipe.clips else float('inf')
        self._watched = recipe.clips
        self._range = network.min_depth, network.max_depth
        self.history: list[float] = []

    def step(
        self, batch: AdaptationBatch, log_depth: Tensor, latent: Tensor, source_latent: Tensor
    ) -> float:
        """Make one update: source labels and latents are real, what T gives is not."""
        source, target = self.pairs(batch, log_depth.detach())
        loss = discriminator_loss(self._depth(source), self._depth(target))
        loss = loss + discriminator_loss(
            self._latent(source_latent), self._latent(latent.detach())
        )
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self._weights, self._limit)
        if torch.isfinite(loss) and torch.isfinite(norm):
            self._optimiser.step()
        self.history.append(float(loss.detach()) / 2)
        return self.history[-1]

    def adversarial_losses(
        self, batch: AdaptationBatch, log_depth: Tensor, latent: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the adversarial losses of T on depth and on the latent."""
        _, target = self.pairs(batch, log_depth)
        with frozen(self._depth, self._latent):
            return adversarial_loss(self._depth(target)), adversarial_loss(self._latent(latent))

    def pairs(self, batch: AdaptationBatch, log_depth: Tensor) -> tuple[Tensor, Tensor]:
        """
        Return source and target as D_d sees them, RGB and depth / max_depth, (B, 4, h, w).

        Depth is in [0, 1] in both. Where the source has no label both are 0, or the holes alone
        would tell the domains apart.
        """
        known = ~torch.isnan(batch.source_depth)
        labels = torch.where(known, batch.source_depth, torch.zeros_like(batch.source_depth))
        nearest, farthest = self._range
        metres = log_depth.exp().clamp(nearest, farthest)
        source, target = (
            torch.cat([rgb, (d.clamp(max=farthest) / farthest * known)[:, None]], 1)
            for rgb, d in ((batch.source_rgb, labels), (batch.target_rgb, metres))
        )
        return source, target

    def alarm(self) -> str:
        """Say why going on makes no sense: the discriminators have clearly won or lost."""
        recent = self.history[-MONITORED:]
        if len(recent) < MONITORED or not self._watched:
            return ''
        if max(recent) < WON:
            return f'the discriminators tell both domains apart: loss below {WON} ({MONITORED} x)'
        # They start at 1/2 and need a while to come down to 1/4, which is chance.
        if len(self.history) >= 2 * MONITORED and sum(recent) / MONITORED > LOST:
            return f'the discriminators do not learn: mean loss above {LOST} ({MONITORED} x)'
        return ''


@contextlib.contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Let gradients pass through modules without reaching their weights."""
    for module in modules:
        module.requires_grad_(False)
    try:
        yield
    finally:
        for module in modules:
            module.requires_grad_(True)
