# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pre-training on the procedural world: seeded, resumable, on one or several devices."""

from __future__ import annotations

from collections.abc import Callable
import contextlib
from dataclasses import dataclass
import math
from pathlib import Path
import signal
import time
from types import FrameType
from typing import Any

from mono_depth_ros.errors import ModelError
from mono_depth_ros.manifest import Manifest
from mono_depth_ros.model.checkpoint import (
    load_network,
    load_training_state,
    MANIFEST,
    save_network,
    save_training_state,
)
from mono_depth_ros.model.fastdepth import FastDepth
from mono_depth_ros.model.onnx_export import export_onnx
from mono_depth_ros.source.pool import SamplePool
from mono_depth_ros.training.average import WeightAverage
from mono_depth_ros.training.batches import Batch, Prefetcher, validation_batches
from mono_depth_ros.training.config import PretrainConfig
from mono_depth_ros.training.distributed import Workers
from mono_depth_ros.training.log import TrainingLog
from mono_depth_ros.training.losses import (
    gradient_loss,
    l1_log_loss,
    log_residual,
    silog_loss,
)
import torch
from torch import nn, Tensor

STATE = 'training.pt'
# A run whose last updates were all skipped has diverged; going on would only burn time.
MAX_SKIPPED_IN_A_ROW = 100


@dataclass(frozen=True)
class PretrainResult:
    """How far a run came."""

    step: int
    skipped: int
    finished: bool
    scores: dict[str, float]


class LossModule(nn.Module):
    """Network and loss as one module, so that DDP sees one forward pass per update."""

    def __init__(self, network: FastDepth, config: PretrainConfig) -> None:
        super().__init__()
        self.network, self.config = network, config

    def forward(self, rgb: Tensor, label: Tensor, weight: Tensor, focal: float) -> Tensor:
        """Return the training loss of a batch."""
        log_depth, _ = self.network.log_depth(rgb, focal)
        residual = log_residual(log_depth.float(), label, weight, self.network.max_depth)
        data = l1_log_loss if self.config.loss == 'l1_log' else silog_loss
        loss = data(residual, weight)
        return loss + self.config.gradient_weight * gradient_loss(residual, weight)


def build_network(config: PretrainConfig) -> FastDepth:
    """Build the network of a config with its seeded initial weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return FastDepth(
            config.width,
            min_depth=config.min_depth,
            max_depth=config.headroom * config.max_depth,
            focal=config.focal,
            high_resolution=config.high_resolution,
        )


def build_optimiser(network: nn.Module, config: PretrainConfig) -> torch.optim.Optimizer:
    """AdamW; norms, biases and depthwise kernels do not decay."""
    decayed = [p for p in network.parameters() if p.ndim == 4 and p.shape[1] > 1]
    kept = [p for p in network.parameters() if not (p.ndim == 4 and p.shape[1] > 1)]
    groups: list[dict[str, Any]] = [{'params': decayed}, {'params': kept, 'weight_decay': 0.0}]
    return torch.optim.AdamW(groups, config.learning_rate, weight_decay=config.weight_decay)


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

    """

    def __init__(
        self, config: PretrainConfig, pool: SamplePool, workers: Workers | None = None
    ) -> None:
        self.config, self.pool = config, pool
        self.workers = workers or Workers()
        self.network = build_network(config).to(self.workers.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.module = self.workers.wrap(LossModule(self.network, config))
        self.optimiser = build_optimiser(self.network, config)
        self.average = WeightAverage(self.network, config.ema)
        self.done = 0
        self.skipped = 0
        self._skipped_in_a_row = 0

    def step(self, batch: Batch) -> dict[str, float]:
        """
        Make one update, or skip and count it if its loss or gradient is not finite.

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
            group['lr'] = rate
        self.module.train()
        self.optimiser.zero_grad(set_to_none=True)
        statistics = self._buffers()
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == 'cuda'):
            loss = self.module(
                batch.rgb.to(device, non_blocking=True),
                batch.label.to(device, non_blocking=True),
                batch.weight.to(device, non_blocking=True),
                batch.focal,
            )
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        self.done += 1
        if self.workers.all_true(bool(torch.isfinite(loss)) and bool(torch.isfinite(norm))):
            self.optimiser.step()
            self.average.update(self.network)
            self._skipped_in_a_row = 0
        else:
            self._skip(statistics)
        return {'loss': loss.item(), 'gradient': norm.item(), 'rate': rate}

    def _buffers(self) -> list[Tensor]:
        """Copy the batch statistics, which the forward pass changes before the loss is known."""
        return [buffer.clone() for buffer in self.network.buffers()]

    def _skip(self, statistics: list[Tensor]) -> None:
        for buffer, before in zip(self.network.buffers(), statistics, strict=True):
            buffer.copy_(before)
        self.skipped += 1
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
                'network': self.network.state_dict(),
                'average': self.average.state_dict(),
                'optimiser': self.optimiser.state_dict(),
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
            If the file is damaged, or is of another architecture.

        """
        state = load_training_state(path)
        if state.get('architecture') != self.network.architecture:
            raise ModelError(
                f'{path} is of another network: {state.get("architecture")}, the settings say '
                f'{self.network.architecture}; train into another folder'
            )
        self.network.load_state_dict(state['network'])
        self.average.load_state_dict(state['average'])
        self.optimiser.load_state_dict(state['optimiser'])
        self.done, self.skipped = int(state['done']), int(state['skipped'])


@torch.no_grad()
def validate(
    network: FastDepth, pool: SamplePool, config: PretrainConfig, step: int
) -> dict[str, float]:
    """Score a network on held-out samples: abs_rel as it is and median-aligned, and delta1."""
    scores: dict[str, list[float]] = {'abs_rel': [], 'abs_rel_median': [], 'delta1': []}
    network.eval()
    device = next(network.parameters()).device
    for batch in validation_batches(pool, config, step):
        predicted = network.log_depth(batch.rgb.to(device), batch.focal)[0].float().cpu()
        for log_depth, label, weight in zip(predicted, batch.label, batch.weight, strict=True):
            valid = (weight > 0) & (label < network.max_depth)
            if valid.sum() < 100:
                continue
            error = log_depth[valid] - label[valid].log()
            scores['abs_rel'].append(float((error.exp() - 1).abs().mean()))
            error = error - error.median()
            scores['abs_rel_median'].append(float((error.exp() - 1).abs().mean()))
            scores['delta1'].append(float((error.abs() < math.log(1.25)).float().mean()))
    return {f'val_{name}': sum(v) / len(v) for name, v in scores.items() if v}


@contextlib.contextmanager
def _stop_request() -> Any:
    """Yield a function that tells whether SIGTERM or SIGINT asked this process to stop."""
    asked: list[int] = []

    def handler(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    try:
        before = {s: signal.signal(s, handler) for s in (signal.SIGTERM, signal.SIGINT)}
    except ValueError:  # not in the main thread: the caller looks after signals
        before = {}
    try:
        yield lambda: bool(asked)
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def pretrain(
    config: PretrainConfig,
    pool_root: Path,
    output: Path,
    *,
    device: str = 'auto',
    progress: Callable[[int, int, dict[str, float]], None] = lambda done, steps, scores: None,
) -> PretrainResult:
    """
    Train a network on the pool until its last update, continuing what ``output`` holds.

    Under ``torchrun`` every process calls this; gradients are averaged over them. SIGTERM and
    Ctrl-C save and return early. The pool may grow meanwhile. ``output`` gets ``training.pt`` (to
    resume), ``weights.safetensors`` and ``manifest.json`` (the averaged network), ``log.csv``.

    Parameters
    ----------
    config : PretrainConfig
        What to train and how.
    pool_root : Path
        Folder of rendered shards.
    output : Path
        Folder of the run.
    device : str
        ``cpu``, ``cuda`` or ``auto``.
    progress : callable
        Called with (updates done, updates in all, latest scores).

    Raises
    ------
    DatasetError
        If the pool is empty or damaged.
    ModelError
        If the saved state does not fit, cannot be written, or the training diverged.

    """
    output = Path(output)
    with Workers.from_environment(device) as workers, _stop_request() as stop:
        pool = SamplePool(pool_root, config.domains)
        held_out = SamplePool(pool_root, config.domains, held_out=True)
        trainer = Trainer(config, pool, workers)
        if (output / STATE).exists():
            trainer.resume(output / STATE)
        log = TrainingLog(output, trainer.done) if workers.main else None
        prefetcher = Prefetcher(pool, config, workers.rank, workers.world)
        scores: dict[str, float] = {}
        started, first = time.monotonic(), trainer.done
        asked = False
        try:
            while trainer.done < config.steps and not asked:
                values = trainer.step(prefetcher.batch(trainer.done))
                asked = not workers.all_true(not stop())
                last = trainer.done == config.steps or asked
                if trainer.done % config.save_every == 0 or last:
                    if log is not None:
                        scores = _checkpoint(trainer, held_out, output)
                        log.write(trainer, {**values, **scores}, started, first)
                elif log is not None and trainer.done % config.log_every == 0:
                    log.write(trainer, values, started, first)
                if trainer.done % config.log_every == 0:
                    pool.refresh()
                progress(trainer.done, config.steps, {**values, **scores})
        finally:
            prefetcher.close()
            if log is not None:
                log.close()
    return PretrainResult(trainer.done, trainer.skipped, trainer.done >= config.steps, scores)


def _checkpoint(trainer: Trainer, held_out: SamplePool, output: Path) -> dict[str, float]:
    """Save the run and the averaged network with its scores on held-out scenes."""
    config = trainer.config
    network = trainer.average.applied_to(build_network(config))
    scores = validate(network, held_out, config, trainer.done - 1)
    trainer.save(output / STATE)
    save_network(output, network, manifest_of(config, trainer, scores))
    return scores


def manifest_of(config: PretrainConfig, trainer: Trainer, scores: dict[str, float]) -> Manifest:
    """Describe the averaged network of a run."""
    samples = sum(
        min(max(0, trainer.done - start), phase.steps) * phase.batch
        for start, phase in zip(_starts(config), config.phases, strict=True)
    )
    return Manifest(
        name=config.name,
        version=str(trainer.done),
        input_size=config.input_size,
        dynamic=True,
        stride=32,
        focal=config.focal,
        output='depth',
        metric=True,
        min_depth=config.min_depth,
        max_depth=config.max_depth,
        source=f'trained from random weights on procedural scenes ({", ".join(config.domains)})',
        licence='Apache-2.0',
        notes={
            'training': config.to_dict(),
            'updates': trainer.done,
            'updates_skipped': trainer.skipped,
            'samples_seen': samples,
            'scenes': len(trainer.pool),
            'scores_held_out_scenes': {k: round(v, 4) for k, v in scores.items()},
        },
    )


def _starts(config: PretrainConfig) -> list[int]:
    """First update of each phase."""
    starts, total = [], 0
    for phase in config.phases:
        starts.append(total)
        total += phase.steps
    return starts


def export_run(output: Path) -> None:
    """Write ``model.onnx`` from the averaged network of a run."""
    manifest = Manifest.from_json((output / MANIFEST).read_text())
    export_onnx(load_network(output), manifest, output / 'model.onnx')
