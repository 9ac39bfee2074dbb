# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pre-training on the procedural world: seeded, resumable, on one or several devices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import contextlib
from dataclasses import dataclass
import math
from pathlib import Path
import signal
import time
from types import FrameType

from mono_depth_ros.errors import DatasetError, ModelError
from mono_depth_ros.manifest import Manifest
from mono_depth_ros.model.checkpoint import load_network, MANIFEST, save_network, WEIGHTS
from mono_depth_ros.model.onnx_export import export_onnx
from mono_depth_ros.model.registry import MODEL, PACK
from mono_depth_ros.source.pack import spread, write_source_pack
from mono_depth_ros.source.pool import Sample, SamplePool
from mono_depth_ros.training.batches import Prefetcher
from mono_depth_ros.training.config import PretrainConfig
from mono_depth_ros.training.distributed import Workers
from mono_depth_ros.training.log import TrainingLog
from mono_depth_ros.training.recorded import dataset_of
from mono_depth_ros.training.trainer import build_network, Trainer
from mono_depth_ros.training.validation import validate

STATE = 'training.pt'


@dataclass(frozen=True)
class PretrainResult:
    """How far a run came."""

    step: int
    skipped: int
    finished: bool
    scores: dict[str, float]


@contextlib.contextmanager
def _stop_request() -> Iterator[Callable[[], bool]]:
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
    ConfigError
        If there is no such device, or no network to start from.
    DatasetError
        If the pool is damaged, or has no sample of a domain.
    ModelError
        If the saved state does not fit, cannot be written, or the training diverged.

    """
    output = Path(output)
    with Workers.from_environment(device) as workers, _stop_request() as stop:
        pool = SamplePool(pool_root, config.domains)
        # Opened again at each save; one that is damaged now is told before anything is learnt.
        SamplePool(pool_root, config.domains, held_out=True)
        trainer = open_run(config, pool, output, workers)
        if pool.lacking:
            raise DatasetError(
                f'no samples of {" and ".join(pool.lacking)} in {pool_root}: render some first, '
                'or name recorded ones with --data'
            )
        if not pool.metric:
            raise DatasetError(
                f'no labels of {" and ".join(pool.domains)} have metres, and nothing else would '
                'tell the network any: train on indoor, street or images with depth, too'
            )
        log = TrainingLog(output, trainer.done) if workers.main else None
        prefetcher = Prefetcher(pool, config, workers.rank, workers.world)
        scores: dict[str, float] = {}
        started, first = time.monotonic(), trainer.done
        asked = False
        try:
            if workers.main and trainer.done >= config.steps and not _is_whole(output, trainer):
                scores = _checkpoint(trainer, output)
            while trainer.done < config.steps and not asked:
                values = trainer.step(prefetcher.batch(trainer.done))
                asked = not workers.all_true(not stop())
                last = trainer.done == config.steps or asked
                if trainer.done % config.save_every == 0 or last:
                    if log is not None:
                        scores = _checkpoint(trainer, output)
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


def open_run(
    config: PretrainConfig, pool: SamplePool, output: Path, workers: Workers | None = None
) -> Trainer:
    """
    Build a trainer, and continue what the folder of a run holds.

    Raises
    ------
    ConfigError
        If what to start from is not a network, or the processes cannot share a batch evenly.
    ModelError
        If the network to start from, or the saved state, is damaged or does not fit the settings.

    """
    trainer = Trainer(config, pool, workers)
    if (output / STATE).exists():
        trainer.resume(output / STATE)
    return trainer


def _checkpoint(trainer: Trainer, output: Path) -> dict[str, float]:
    """Save the run and the averaged network with its scores on held-out scenes."""
    config = trainer.config
    network = trainer.average.applied_to(build_network(config))
    scores = validate(network, trainer.pool.root, config, trainer.done - 1)
    # The state last: what is interrupted in between is done again when the run goes on.
    save_network(output, network, manifest_of(config, trainer, scores))
    trainer.save(output / STATE)
    return scores


def _is_whole(output: Path, trainer: Trainer) -> bool:
    """Whether the averaged network that lies in the folder of a run is that of its state."""
    try:
        manifest = Manifest.from_json((output / MANIFEST).read_text())
    except (OSError, ModelError):
        return False
    return manifest.version == str(trainer.done) and (output / WEIGHTS).is_file()


def manifest_of(config: PretrainConfig, trainer: Trainer, scores: dict[str, float]) -> Manifest:
    """Describe the averaged network of a run."""
    updates = range(min(trainer.done, config.steps))
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
        source=f'trained from {trainer.origin} on {_described(config)}',
        licence='that of its training images' if config.recorded else 'Apache-2.0',
        notes={
            'training': config.to_dict(),
            'updates': trainer.done,
            'updates_skipped': trainer.skipped,
            'samples_seen': sum(config.phase_at(step).batch for step in updates),
            'scenes': len(trainer.pool),
            'recorded': {name: dataset_of(trainer.pool.root, name) for name in config.recorded},
            'scores_held_out_scenes': {k: round(v, 4) for k, v in scores.items()},
        },
    )


def _described(config: PretrainConfig) -> str:
    """Say what a network was trained on."""
    kinds = {'procedural scenes': config.rendered, 'recorded images': config.recorded}
    return ' and '.join(f'{kind} ({", ".join(names)})' for kind, names in kinds.items() if names)


def export_run(config: PretrainConfig, pool_root: Path, output: Path) -> None:
    """Write ``model.onnx`` and ``source_pack.zip`` beside the averaged network of a run."""
    manifest = Manifest.from_json((output / MANIFEST).read_text())
    export_onnx(load_network(output), manifest, output / MODEL)
    write_source_pack(output / PACK, packed_samples(config, pool_root))


def packed_samples(config: PretrainConfig, pool_root: Path) -> Iterator[Sample]:
    """Yield what travels with the weights: as much of each metric domain, of all its shapes."""
    pool = SamplePool(pool_root, SamplePool(pool_root, config.domains).metric)
    domains = pool.matching_by_domain(config.input_size, ratio=math.inf)
    for part in domains:
        for index in spread(max(1, config.pack_samples // len(domains)), len(part)):
            yield pool[int(part[index])]
