# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The adapter: one network, one recipe, one update at a time, and a way back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import contextlib
import copy

from mono_depth_ros.adaptation.batch_norm import batch_norms, blend_batch_statistics
from mono_depth_ros.adaptation.batches import AdaptationBatch, images_to_tensor, view_maps
from mono_depth_ros.adaptation.config import AdapterConfig
from mono_depth_ros.adaptation.losses import (
    adversarial_loss,
    anchor_loss,
    consistency_loss,
    discriminator_loss,
    latent_loss,
    teacher_loss,
)
from mono_depth_ros.adaptation.recipes import collect_params, configure_model, Recipe
from mono_depth_ros.adaptation.target_frame import TargetFrame
from mono_depth_ros.errors import ModelError
from mono_depth_ros.model.discriminator import build_discriminators
from mono_depth_ros.model.fastdepth import FastDepth
from mono_depth_ros.training.losses import gradient_loss, l1_log_loss, log_residual
import torch
from torch import nn, Tensor

GRADIENT_WEIGHT = 0.5  # of the replay loss, as in training
BN_BATCH, BN_IMAGES = 8, 128
# A discriminator that wins or loses clearly for so long has nothing more to teach.
MONITORED = 50
WON, LOST = 0.02, 0.30


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
        self.device = choose_device(config.device)
        self.source = copy.deepcopy(source).eval().requires_grad_(False).to(self.device)
        self._begin = copy.deepcopy(start or source).to(self.device)
        self._frames = frames
        self.reset()

    def reset(self) -> None:
        """Go back to where this adapter started, with new discriminators."""
        config, recipe = self.config, self.recipe
        network = copy.deepcopy(self._begin)
        if config.restore:
            restore_weights(network, self.source, config.restore, config.seed)
        blend_batch_statistics(network, self._images(), recipe.bn_weight)
        self.network = configure_model(network, recipe)
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self._params = collect_params(self.network)
        origin = dict(self.source.named_parameters())
        self._origin = [origin[name].detach() for name in self._params]
        self._judges: tuple[nn.Module, nn.Module] | None = None
        betas = (recipe.momentum, 0.999)
        if recipe.discriminators:
            both = build_discriminators(
                network.latent_channels, recipe.discriminators, config.seed
            )
            self._judges = (both[0].to(self.device).train(), both[1].to(self.device).train())
            weights = [p for judge in self._judges for p in judge.parameters()]
            self._judge_optimiser = torch.optim.Adam(weights, recipe.learning_rate, betas)
        if self._params:
            values = list(self._params.values())
            self._optimiser = torch.optim.Adam(values, recipe.learning_rate, betas)
        self._latents: dict[tuple[str, int], Tensor] = {}
        self._history: list[float] = []
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
        self.done += 1
        statistics = self._statistics()
        with seeded(self.config.seed, self.done):
            seen = self._look(batch)
            losses: dict[str, float] = {}
            usable = True
            if self._judges is not None:
                losses['discriminator'] = self._teach_judges(batch, *seen[:2])
                usable = bool(torch.isfinite(torch.tensor(losses['discriminator'])))
                self._history.append(losses['discriminator'])
            terms = self._terms(batch, *seen)
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
        recent = self._history[-MONITORED:]
        if len(recent) < MONITORED or not self.recipe.clips:
            return ''
        if max(recent) < WON:
            return f'the discriminators tell both domains apart: loss below {WON} ({MONITORED} x)'
        # They start at 1/2 and need a while to come down to 1/4, which is chance.
        if len(self._history) >= 2 * MONITORED and sum(recent) / MONITORED > LOST:
            return f'the discriminators do not learn: mean loss above {LOST} ({MONITORED} x)'
        return ''

    def dismiss_judges(self) -> None:
        """Go on without the adversarial terms."""
        self._judges = None
        self._history.clear()

    # One update.

    def _look(self, batch: AdaptationBatch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Run the network once: log depth and latent of the target, log depth of the others."""
        recipe = self.recipe
        wants_target = recipe.adversarial or recipe.teacher or recipe.anchor or recipe.latent
        target = batch.target_rgb if wants_target else batch.target_rgb[:0]
        parts = [target, batch.strong_rgb, batch.replay_rgb]
        log_depth, latent = self.network.log_depth(torch.cat(parts))
        split = torch.split(log_depth, [len(part) for part in parts])
        return split[0], latent[: len(target)], split[1], split[2]

    def _teach_judges(self, batch: AdaptationBatch, log_depth: Tensor, latent: Tensor) -> float:
        """L_Dd + L_Dz: source labels and source latents are real, what T gives is not."""
        assert self._judges is not None
        judges = self._judges
        source, target = self._pairs(batch, log_depth.detach())
        source_latent = self._source_latent('source', batch.source_rgb, batch.source_index)
        loss = discriminator_loss(judges[0](source), judges[0](target))
        loss = loss + discriminator_loss(judges[1](source_latent), judges[1](latent.detach()))
        self._judge_optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        weights = [p for judge in judges for p in judge.parameters()]
        limit = self.config.clip if self.recipe.clips else float('inf')
        norm = nn.utils.clip_grad_norm_(weights, limit)
        if torch.isfinite(loss) and torch.isfinite(norm):
            self._judge_optimiser.step()
        return float(loss.detach()) / 2

    def _terms(
        self,
        batch: AdaptationBatch,
        log_depth: Tensor,
        latent: Tensor,
        strong: Tensor,
        replay: Tensor,
    ) -> dict[str, tuple[float, Tensor]]:
        """Return the losses of the network by name, each with its weight."""
        recipe = self.recipe
        terms: dict[str, tuple[float, Tensor]] = {}
        if self._judges is not None and recipe.adversarial:
            ramp = min(1.0, self.done / recipe.ramp) if recipe.ramp else 1.0
            with frozen(*self._judges):
                _, target = self._pairs(batch, log_depth)
                fooled = adversarial_loss(self._judges[0](target))
                fooled_latent = adversarial_loss(self._judges[1](latent))
            terms['adversarial depth'] = (ramp * recipe.adversarial, fooled)
            terms['adversarial latent'] = (ramp * recipe.adversarial, fooled_latent)
        if recipe.latent:
            anchor = self._source_latent('target', batch.target_rgb, batch.target_index)
            terms['latent'] = (recipe.latent, latent_loss(latent, anchor))
        if recipe.teacher or recipe.consistency:
            with torch.no_grad():
                taught, _ = self.average.log_depth(batch.target_rgb)
            if recipe.teacher:
                terms['teacher'] = (recipe.teacher, teacher_loss(log_depth, taught))
            if recipe.consistency:
                wanted = view_maps(taught, batch.windows)
                terms['consistency'] = (recipe.consistency, consistency_loss(strong, wanted))
        if recipe.anchor:
            terms['anchor'] = (recipe.anchor, anchor_loss(log_depth, batch.points))
        if recipe.replay:
            weight = batch.replay_weight
            residual = log_residual(replay, batch.replay_depth, weight, self.network.max_depth)
            loss = l1_log_loss(residual, weight) + GRADIENT_WEIGHT * gradient_loss(
                residual, weight
            )
            terms['replay'] = (recipe.replay, loss)
        return terms

    def _pairs(self, batch: AdaptationBatch, log_depth: Tensor) -> tuple[Tensor, Tensor]:
        """
        Return source and target as D_d sees them, RGB and depth / max_depth, (B, 4, h, w).

        Depth is in [0, 1] in both. Where the source has no label both are 0, or the holes alone
        would tell the domains apart.
        """
        known = ~torch.isnan(batch.source_depth)
        labels = torch.where(known, batch.source_depth, torch.zeros_like(batch.source_depth))
        depth = self.network
        metres = log_depth.exp().clamp(depth.min_depth, depth.max_depth)
        pairs = (
            torch.cat([rgb, (d.clamp(max=depth.max_depth) / depth.max_depth * known)[:, None]], 1)
            for rgb, d in ((batch.source_rgb, labels), (batch.target_rgb, metres))
        )
        source, target = pairs
        return source, target

    @torch.no_grad()
    def _source_latent(self, domain: str, rgb: Tensor, index: tuple[int, ...]) -> Tensor:
        """Return S_z of images; those that come again and again are kept, as half floats."""
        keys = [(domain, number) for number in index]
        if not keys:
            return self.source(rgb)[1]  # type: ignore[no-any-return]
        missing = [row for row, key in enumerate(keys) if key not in self._latents]
        if missing:
            _, latent = self.source(rgb[missing])
            for row, value in zip(missing, latent, strict=True):
                self._latents[keys[row]] = value.half()
        return torch.stack([self._latents[key] for key in keys]).float()

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
        with torch.no_grad():
            mine, theirs = self.average.state_dict(), self.network.state_dict()
            names = [name for name, value in mine.items() if value.is_floating_point()]
            torch._foreach_lerp_(
                [mine[name] for name in names],
                [theirs[name] for name in names],
                1 - self.config.ema,
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


def choose_device(name: str) -> torch.device:
    """Return the device of a name; ``auto`` takes a GPU if there is one."""
    if name == 'auto':
        name = 'cuda' if torch.cuda.is_available() else 'cpu'
    return torch.device(name)


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


def _norm(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack([value.square().sum() for value in tensors]).sum().sqrt()
