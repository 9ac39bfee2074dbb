# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One training run: an update, a save, a resume."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mono_depth_ros.errors import ModelError
from mono_depth_ros.model.checkpoint import load_training_state, save_training_state
from mono_depth_ros.model.fastdepth import FastDepth
from mono_depth_ros.source.pool import SamplePool
from mono_depth_ros.training.average import WeightAverage
from mono_depth_ros.training.batches import Batch, check_batches
from mono_depth_ros.training.config import PretrainConfig
from mono_depth_ros.training.distributed import Workers
from mono_depth_ros.training.losses import (
    gradient_loss,
    l1_log_loss,
    log_residual,
    relative_loss,
    scale_shift_invariant_loss,
    silog_loss,
)
from mono_depth_ros.training.mixing import min_norm_weights
from mono_depth_ros.training.start import describe_start, start_folder, start_from
import torch
from torch import nn, Tensor

# A run whose last updates were all skipped has diverged; going on would only burn time.
MAX_SKIPPED_IN_A_ROW = 100
DATA_TERMS = {'l1_log': l1_log_loss, 'relative': relative_loss, 'silog': silog_loss}


class LossModule(nn.Module):
    """Network and losses as one module, so that DDP sees one forward pass per update."""

    def __init__(self, network: FastDepth, config: PretrainConfig) -> None:
        super().__init__()
        self.network, self.config = network, config

    def forward(self, batch: Batch) -> Tensor:
        """Return the training loss of each domain of a batch; 0 for one without an image."""
        log_depth, _ = self.network.log_depth(batch.rgb, batch.focal)
        maps, counts = (log_depth, batch.label, batch.weight), list(batch.counts)
        domains = zip(*(torch.split(part, counts) for part in maps), strict=True)
        losses = [
            self._relative(*domain) if relative else self._metric(*domain)
            for domain, relative in zip(domains, batch.relative, strict=True)
        ]
        return torch.stack(losses)

    def _relative(self, log_depth: Tensor, label: Tensor, weight: Tensor) -> Tensor:
        return scale_shift_invariant_loss((-log_depth).exp(), 1 / label, weight > 0)

    def _metric(self, log_depth: Tensor, label: Tensor, weight: Tensor) -> Tensor:
        residual = log_residual(log_depth.float(), label, weight, self.network.max_depth)
        loss = DATA_TERMS[self.config.loss](residual, weight)
        loss = loss + self.config.gradient_weight * gradient_loss(residual, weight)
        if self.config.shape_weight:
            loss = loss + self.config.shape_weight * self._relative(log_depth, label, weight)
        return loss


def build_network(config: PretrainConfig) -> FastDepth:
    """Build the network of a config with its seeded initial weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return FastDepth(
            config.width,
            encoder=config.encoder,
            min_depth=config.min_depth,
            max_depth=config.headroom * config.max_depth,
            focal=config.focal,
            high_resolution=config.high_resolution,
            residual=config.residual,
        )


def frozen_parts(network: FastDepth, config: PretrainConfig) -> list[nn.Module]:
    """Return the parts of the network that keep the weights they start from."""
    parts: list[nn.Module] = []
    if config.frozen_blocks:
        parts += [network.stem, *network.encoder[: config.frozen_blocks]]
    if config.frozen_position and network.position is not None:
        parts.append(network.position)
    return parts


def build_optimiser(network: FastDepth, config: PretrainConfig) -> torch.optim.Optimizer:
    """AdamW; norms, biases and depthwise kernels do not decay; ``share`` is a factor on ``lr``."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, weight in network.named_parameters():
        if weight.requires_grad:
            encodes = name.startswith(('stem.', 'encoder.'))
            decays = weight.ndim == 4 and weight.shape[1] > 1
            groups.setdefault((encodes, decays), []).append(weight)
    return torch.optim.AdamW(
        [
            {
                'params': weights,
                'weight_decay': config.weight_decay if decays else 0.0,
                'share': config.encoder_rate if encodes else 1.0,
            }
            for (encodes, decays), weights in groups.items()
        ],
        config.learning_rate,
    )


def computes_in_half(device: torch.device) -> bool:
    """Whether updates use float16: CPUs gain nothing by it."""
    return device.type == 'cuda'


class Trainer:
    """
    One training run: ``step`` makes an update, ``save`` and ``resume`` carry it over a kill.

    Parameters
    ----------
    config : PretrainConfig
    pool : SamplePool
        Training samples.
    workers : Workers, optional
        The processes that train together; this one alone by default.

    Raises
    ------
    ConfigError
        If what to start from is not a network, or the processes cannot share a batch evenly.
    ModelError
        If its weights are damaged or of other channels.

    """

    def __init__(
        self, config: PretrainConfig, pool: SamplePool, workers: Workers | None = None
    ) -> None:
        self.config, self.pool = config, pool
        self.workers = workers or Workers()
        check_batches(config, self.workers.world)
        self.network = build_network(config)
        self.origin = describe_start(config.start)
        if config.start:
            start_from(self.network, start_folder(config.start))
        for part in frozen_parts(self.network, config):
            part.requires_grad_(False)
        self.network.to(self.workers.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.module = self.workers.wrap(LossModule(self.network, config))
        self.optimiser = build_optimiser(self.network, config)
        self.average = WeightAverage(self.network, config.ema)
        kind = self.workers.device.type
        self.scaler = torch.amp.GradScaler(kind, enabled=computes_in_half(self.workers.device))
        self.done = 0
        self.skipped = 0
        self._skipped_in_a_row = 0

    def step(self, batch: Batch) -> dict[str, float]:
        """
        Make one update, or skip and count it if its loss or gradient is not finite.

        Gradients that are too great for float16 alone are skipped, too, but not counted: the next
        loss is scaled less.

        Returns
        -------
        dict
            ``loss``, ``gradient`` (its norm before clipping) and ``rate``.

        Raises
        ------
        ModelError
            If `MAX_SKIPPED_IN_A_ROW` updates in a row were not finite.

        """
        device = self.workers.device
        rate = self.config.learning_rate_at(self.done)
        for group in self.optimiser.param_groups:
            group['lr'] = rate * group['share']
        self._set_modes()
        self.optimiser.zero_grad(set_to_none=True)
        statistics = self._buffers()
        with torch.autocast(device.type, torch.float16, enabled=self.scaler.is_enabled()):
            losses = self.module(batch.to(device))
        shares = self._shares(losses, batch.counts)
        loss = (losses * shares).sum()
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimiser)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        self.done += 1
        sound = self.workers.all_true(bool(torch.isfinite(loss)))
        if self.workers.all_true(sound and bool(torch.isfinite(norm))):
            self.scaler.step(self.optimiser)
            self.scaler.update()
            self.average.update(self.network)
            self._skipped_in_a_row = 0
        else:
            self._skip(statistics, overflowed=sound and self.scaler.get_scale() > 1)
        return {'loss': loss.item(), 'gradient': norm.item(), 'rate': rate}

    def _shares(self, losses: Tensor, counts: Sequence[int]) -> Tensor:
        """Return how much the loss of each domain counts; what nobody labelled does not."""
        seen = torch.tensor(counts, dtype=losses.dtype, device=losses.device)
        if self.config.mixing == 'mean':
            return seen / seen.sum()
        head = list(self.network.head.parameters())  # what all domains share, and no other layer
        gradients = [torch.autograd.grad(loss, head, retain_graph=True) for loss in losses]
        rows = torch.stack([torch.cat([part.flatten() for part in row]) for row in gradients])
        rows = self.workers.mean(rows)
        chosen = (rows != 0).any(1).nonzero().flatten()  # no gradient would have the least norm
        if not len(chosen):
            return seen / seen.sum()
        products = (rows[chosen] @ rows[chosen].T).double().cpu().numpy()
        shares = torch.zeros_like(seen)
        shares[chosen] = torch.from_numpy(min_norm_weights(products)).to(shares)
        return shares

    def _set_modes(self) -> None:
        """Let batch norms normalise with the batch where they are to learn its statistics."""
        self.module.train()
        kept = frozen_parts(self.network, self.config)
        if self.config.frozen_statistics:
            kept = [self.network.stem, self.network.encoder]
        for part in kept:
            part.eval()

    def _buffers(self) -> list[Tensor]:
        """Copy the batch statistics, which the forward pass changes before the loss is known."""
        return [buffer.clone() for buffer in self.network.buffers()]

    def _skip(self, statistics: list[Tensor], *, overflowed: bool) -> None:
        for buffer, before in zip(self.network.buffers(), statistics, strict=True):
            buffer.copy_(before)
        # A bad sample says nothing about the scale: many of them would bring it down to nothing.
        self.scaler.update(None if overflowed else self.scaler.get_scale())
        self.skipped += not overflowed
        self._skipped_in_a_row += 1
        if self._skipped_in_a_row >= MAX_SKIPPED_IN_A_ROW:
            raise ModelError(
                f'{MAX_SKIPPED_IN_A_ROW} updates in a row were not finite: lower learning_rate '
                'or look for bad samples'
            )

    def save(self, path: Path) -> None:
        """Write everything that `resume` needs, replacing the file only when it is complete."""
        save_training_state(
            path,
            {
                'architecture': self.network.architecture,
                'config': self.config.to_dict(),
                'network': self.network.state_dict(),
                'average': self.average.state_dict(),
                'optimiser': self.optimiser.state_dict(),
                'scaler': self.scaler.state_dict(),
                'done': self.done,
                'skipped': self.skipped,
            },
        )

    def resume(self, path: Path) -> None:
        """
        Continue from what `save` wrote.

        Raises
        ------
        ModelError
            If the file is damaged, of another architecture, or was made with other settings than
            those that may change.

        """
        state = load_training_state(path)
        if state.get('architecture') != self.network.architecture:
            raise ModelError(
                f'{path} is of another network: {state.get("architecture")}, the settings say '
                f'{self.network.architecture}; train into another folder'
            )
        differences = self.config.differences(state.get('config', {}))
        if differences:
            raise ModelError(
                f'{path} was made with other settings: {"; ".join(differences)}: go on with '
                'those, or train into another folder'
            )
        try:
            self.network.load_state_dict(state['network'])
            self.average.load_state_dict(state['average'])
            self.optimiser.load_state_dict(state['optimiser'])
            if state.get('scaler'):  # empty from a CPU
                self.scaler.load_state_dict(state['scaler'])
            self.done, self.skipped = int(state['done']), int(state['skipped'])
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise ModelError(
                f'{path} does not fit the settings ({error}): go on with those it was made with, '
                'or train into another folder'
            ) from error
