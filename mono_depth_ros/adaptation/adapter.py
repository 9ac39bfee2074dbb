# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The adapter: one network, one recipe, one update at a time, and a way back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import contextlib
import copy
from dataclasses import replace
import math

from mono_depth_ros.adaptation.batch_norm import batch_norms, blend_batch_statistics
from mono_depth_ros.adaptation.batches import AdaptationBatch, images_to_tensor
from mono_depth_ros.adaptation.config import AdapterConfig
from mono_depth_ros.adaptation.discriminators import Discriminators
from mono_depth_ros.adaptation.frozen_source import FrozenSource
from mono_depth_ros.adaptation.objective import objective, Seen
from mono_depth_ros.adaptation.recipes import (
    collect_params,
    configure_model,
    make_optimiser,
    rate_at,
    Recipe,
)
from mono_depth_ros.adaptation.target_frame import TargetFrame
from mono_depth_ros.errors import ModelError
from mono_depth_ros.model.fastdepth import FastDepth
from mono_depth_ros.training.distributed import choose_device
import torch
from torch import nn, Tensor

BN_BATCH, BN_IMAGES = 8, 128
EMA_START = 10


class Adapter:
    """
    Adapts a network to target images, one `step` at a time.

    Equal networks, frames, batches and seed give equal weights on one device.

    Parameters
    ----------
    source : FastDepth
        The shipped network: S of the paper, and the origin that drift is measured from.
    recipe : Recipe
        What trains, on which losses.
    config : AdapterConfig
        Gradient limit, drift, decay of the average, seed.
    start : FastDepth, optional
        Where to start from, if not from ``source``: what the robot has adapted before.
    frames : sequence of TargetFrame
        Target images, for the batch statistics; the recipe may not need any.

    Attributes
    ----------
    network, average : FastDepth
        T of the paper, and its average over the updates T'.
    done, skipped : int
        Updates made, and how many of them were left out since a loss was not finite.

    """

    def __init__(
        self,
        source: FastDepth,
        recipe: Recipe,
        config: AdapterConfig,
        *,
        start: FastDepth | None = None,
        frames: Sequence[TargetFrame] = (),
    ) -> None:
        self.recipe, self.config = recipe, config
        self.device = torch.device(choose_device(config.device))
        self.source = FrozenSource(source, self.device)
        self.begin = FrozenSource(start, self.device) if start is not None else self.source
        self._frames = frames
        self.reset()

    def reset(self) -> None:
        """Go back to where this adapter started, with new discriminators."""
        config, recipe = self.config, self.recipe
        network = copy.deepcopy(self.begin.network)
        if config.restore:
            restore_weights(network, self.source.network, config.restore, config.seed)
        blend_batch_statistics(network, self._images(), recipe.bn_weight)
        self.network = configure_model(network, recipe)
        # Then one look at an image serves the network, its average, and what both come from.
        self._one_encoder = (
            recipe.trains == 'decoder'
            and not recipe.augments
            and not recipe.bn_trains
            and all(self.source.encodes_like(other) for other in (network, self.begin.network))
        )
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self._params = collect_params(self.network)
        origin = dict(self.source.network.named_parameters())
        self._origin = [origin[name].detach() for name in self._params]
        self.discriminators: Discriminators | None = None
        if recipe.discriminators:
            self.discriminators = Discriminators(
                network, recipe, config.clip, config.seed, self.device
            )
        if self._params:
            self._optimiser = make_optimiser(recipe, list(self._params.values()))
        self.done = self.skipped = self._skipped_in_a_row = 0

    def step(self, batch: AdaptationBatch) -> dict[str, float]:
        """
        Make one update of the discriminators, then one of the network.

        Returns
        -------
        dict
            Every loss by name, without its weight, and ``total``.

        Raises
        ------
        ModelError
            If ``max_skipped`` updates in a row had a loss that was not finite.

        """
        batch = batch.to(self.device)
        for group in self._optimiser.param_groups:
            group['lr'] = rate_at(self.recipe, self.done)
        self.done += 1
        statistics = self._statistics()
        with seeded(self.config.seed, self.done):
            seen = self._look(batch)
            losses: dict[str, float] = {}
            usable = True
            if self.discriminators is not None:
                real = self.source.latent('source', batch.source_rgb, batch.source_index)
                loss = self.discriminators.step(batch, seen.target, seen.latent, real)
                losses['discriminator'] = loss
                usable = math.isfinite(loss)
            terms = objective(
                self.recipe,
                batch,
                seen,
                self.average,
                self.source,
                self.begin,
                self.discriminators,
                self.done,
            )
            total = sum((weight * term for weight, term in terms.values()), torch.zeros(()))
            losses.update({name: float(term.detach()) for name, (_, term) in terms.items()})
            losses['total'] = float(total.detach())
            usable = usable and self._descend(total)
        if usable:
            self._after_update()
        else:
            self._skip(statistics)
        return losses

    def candidate(self) -> FastDepth:
        """Return the network to judge and to hand over: the average, or as the recipe says."""
        chosen = self.average if self.recipe.deploys_average else self.network
        return copy.deepcopy(chosen).eval().requires_grad_(False).cpu()

    def drift(self) -> float:
        """Return ``|theta - theta_0| / |theta_0|`` over the weights that train."""
        if not self._params:
            return 0.0
        with torch.no_grad():
            moved = [p - o for p, o in zip(self._params.values(), self._origin, strict=True)]
        return float(_norm(moved) / _norm(self._origin).clamp(min=1e-12))

    def alarm(self) -> str:
        """Say why going on makes no sense: the discriminators have clearly won or lost."""
        return self.discriminators.alarm() if self.discriminators is not None else ''

    def drop_discriminators(self) -> None:
        """Go on without the adversarial terms."""
        self.discriminators = None

    # One update.

    def _look(self, batch: AdaptationBatch) -> Seen:
        """Run the network once on all images of a batch that the recipe wants seen."""
        recipe = self.recipe
        wants_target = recipe.adversarial or recipe.teacher or recipe.latent
        target = batch.target_rgb if wants_target else batch.target_rgb[:0]
        parts = [target, batch.strong_rgb, batch.replay_rgb]
        eyes = self.source if self._one_encoder else self.network
        features = eyes.encode(torch.cat(parts))
        log_depth = self.network.decode(features)
        split = torch.split(log_depth, [len(part) for part in parts])
        seen = Seen(split[0], features[0][: len(target)], split[1], split[2])
        if not self._one_encoder:
            return seen
        whole = None
        if recipe.sees_whole_images:
            whole = self.source.target_features(batch.target_rgb, batch.target_index)
        replay = tuple(level[len(log_depth) - len(split[2]) :] for level in features)
        return replace(seen, target_features=whole, replay_features=replay)

    def _descend(self, total: Tensor) -> bool:
        """Take one step down the gradient; False, and no step, if anything is not finite."""
        self._optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        limit = self.config.clip if self.recipe.clips else float('inf')
        norm = nn.utils.clip_grad_norm_(self._params.values(), limit)
        if not (torch.isfinite(total) and torch.isfinite(norm)):
            return False
        self._optimiser.step()
        return True

    def _after_update(self) -> None:
        """Pull the weights back within the largest drift, and let the average follow."""
        self._skipped_in_a_row = 0
        drift = self.drift()
        if self.recipe.clips and drift > self.config.max_drift:
            with torch.no_grad():
                for value, origin in zip(self._params.values(), self._origin, strict=True):
                    value.copy_(origin + (value - origin) * (self.config.max_drift / drift))
        # At first the average follows closely, or it would hang back for all of a short cycle.
        decay = min(self.config.ema, self.done / (self.done + EMA_START))
        with torch.no_grad():
            mine, theirs = self.average.state_dict(), self.network.state_dict()
            names = [name for name, value in mine.items() if value.is_floating_point()]
            torch._foreach_lerp_(
                [mine[name] for name in names], [theirs[name] for name in names], 1 - decay
            )

    def _skip(self, statistics: list[Tensor]) -> None:
        for buffer, before in zip(self._buffers(), statistics, strict=True):
            buffer.copy_(before)
        self.skipped += 1
        self._skipped_in_a_row += 1
        if self._skipped_in_a_row >= self.config.max_skipped:
            raise ModelError(
                f'the losses of {self._skipped_in_a_row} updates in a row were not finite: lower '
                'learning_rate, or look for damaged weights'
            )

    def _statistics(self) -> list[Tensor]:
        """Copy the batch statistics, which a forward pass may change before losses are known."""
        return [buffer.clone() for buffer in self._buffers()]

    def _buffers(self) -> list[Tensor]:
        if not self.recipe.bn_trains:
            return []
        return [b for norm in batch_norms(self.network) for b in norm.buffers()]

    def _images(self) -> Iterator[Tensor]:
        """Yield target images for the batch statistics."""
        chosen = self._frames[:: max(1, len(self._frames) // BN_IMAGES)][:BN_IMAGES]
        for first in range(0, len(chosen), BN_BATCH):
            images = [frame.rgb for frame in chosen[first : first + BN_BATCH]]
            if len(images) > 1 or first == 0:
                size = (images[0].shape[0], images[0].shape[1])
                yield images_to_tensor(images, size).to(self.device)


@torch.no_grad()
def restore_weights(network: FastDepth, source: FastDepth, share: float, seed: int) -> None:
    """Set a random share of the weights back to those of the source (CoTTA, equation 9)."""
    generator = torch.Generator().manual_seed(seed)
    for own, origin in zip(network.parameters(), source.parameters(), strict=True):
        chosen = torch.rand(own.shape, generator=generator) < share
        own.copy_(torch.where(chosen.to(own.device), origin, own))


@contextlib.contextmanager
def seeded(seed: int, step: int) -> Iterator[None]:
    """Let the random numbers of torch inside depend on seed and step alone."""
    with torch.random.fork_rng():
        torch.manual_seed((seed << 32) + step)
        yield


def _norm(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack([value.square().sum() for value in tensors]).sum().sqrt()
