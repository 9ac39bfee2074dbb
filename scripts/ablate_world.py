# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Ask what of the procedural world matters: ``ablate_world.py OUTPUT [DATASET...]``.

Every variant leaves one kind of variation out of the rendered scenes, or is a smaller number of
full ones. It trains the decoder of one network from the same random weights, on the same frozen
encoder (`--start`), with the same budget, and is scored on held-out scenes of the full world and
on real images. A run that was stopped goes on.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import product
import json
from pathlib import Path

from mono_depth_ros.evaluation.methods import NETWORK
from mono_depth_ros.evaluation.scoring import DatasetScores
from mono_depth_ros.frames import Frame
from mono_depth_ros.metrics import Protocol
from mono_depth_ros.model.checkpoint import load_network
from mono_depth_ros.model.fastdepth import FastDepth
from mono_depth_ros.postprocessing import resize_depth
from mono_depth_ros.preprocessing import resize_rgb
from mono_depth_ros.source.layouts.datasets import open_dataset, SelectedFrames
from mono_depth_ros.source.pool import ARRAYS, shard_path, write_shard
from mono_depth_ros.source.procedural import render_batch
from mono_depth_ros.source.scene import WorldConfig
from mono_depth_ros.training.config import Phase, PretrainConfig
from mono_depth_ros.training.pretrain import pretrain
from mono_depth_ros.training.validation import validate
import numpy as np
import torch

VARIANTS = ('full', 'texture', 'lighting', 'camera', 'clutter', 'imaging')
SIZE, SCALE, SHARD = (128, 160), 0.65, 32


def render(folder: Path, variant: str, scenes: int, domain: str) -> None:
    """Render the scenes of a variant; shard 0, held out, is always of the full world."""
    for shard in range(-(-scenes // SHARD) + 1):
        path = shard_path(folder, domain, shard)
        if path.exists():
            continue
        off = {variant: False} if shard and variant in VARIANTS[1:] else {}
        batch = render_batch(
            900_000 + 1000 * shard, SHARD, SIZE, domain=domain, config=WorldConfig(**off)
        )
        arrays = {name: getattr(batch, name).numpy() for name in ARRAYS}
        write_shard(path, {**arrays, 'depth': arrays['depth'].astype(np.float16)})


@torch.no_grad()
def predict(network: FastDepth, frame: Frame, focal: float) -> np.ndarray:
    """Return the depth of an image at the size it was trained at."""
    assert frame.camera is not None
    rgb = torch.from_numpy(resize_rgb(frame.rgb, SIZE)).permute(2, 0, 1)[None].float() / 255
    log_depth, _ = network.log_depth(rgb, focal)
    factor = frame.camera.resized(SIZE[1], SIZE[0]).focal / focal
    rows, columns = frame.rgb.shape[:2]
    return resize_depth(log_depth.exp()[0].numpy() * np.float32(factor), (rows, columns), 'linear')


def score(network: FastDepth, path: str, every: int, focal: float, cap: float) -> dict[str, float]:
    """Score real images, as they are and median-aligned."""
    protocols = [Protocol(align, max_depth=cap) for align in ('none', 'median')]
    scores = DatasetScores(path, protocols, priors={})
    for frame in SelectedFrames(open_dataset(path), every):
        if frame.depth is not None:
            scores.add(frame.name, predict(network, frame, focal), frame.depth)
    return {
        f'{metric}_{align}': round(row[metric], 4)
        for align, row in scores.means()[NETWORK].items()
        for metric in ('abs_rel', 'delta1')
    }


def main() -> None:
    """Render, train and score every variant; write OUTPUT/ablation.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('output', type=Path)
    parser.add_argument('datasets', nargs='*')
    parser.add_argument('--domain', default='indoor')
    parser.add_argument('--start', required=True, help='weights by read_mobilenet_v2.py')
    parser.add_argument('--scenes', type=int, default=512)
    parser.add_argument('--updates', type=int, default=300)
    parser.add_argument('--every', type=int, default=4)
    parser.add_argument('--seeds', type=int, default=1, help='runs of each, on the same scenes')
    parser.add_argument(
        '--variants',
        nargs='*',
        default=VARIANTS,
        help='those, or numbers of scenes of the full world',
    )
    options = parser.parse_args()
    config = PretrainConfig(
        domains=(options.domain,),
        start=options.start,
        encoder='mobilenet_v2',
        width=1.0,
        frozen_blocks=16,
        frozen_statistics=True,
        phases=(Phase(options.updates, (SIZE,), 8, SCALE),),
        learning_rate=3e-3,
        warmup_steps=30,
        decay_fraction=0.8,
        ema=0.98,
        save_every=100,
    )
    if options.domain == 'street':
        config = replace(config, min_depth=0.5, max_depth=80.0)
    report = options.output / 'ablation.json'
    results = json.loads(report.read_text()) if report.exists() else {}
    for seed, variant in product(range(options.seeds), options.variants):
        runs = results.setdefault(variant, [])
        if seed < len(runs):
            continue
        pool, run = options.output / f'pool-{variant}', options.output / f'{variant}-{seed}'
        scenes = int(variant) if variant.isdigit() else options.scenes
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # so small images gain nothing from more
        render(pool, variant, scenes, options.domain)
        torch.set_num_threads(threads)
        pretrain(replace(config, seed=seed), pool, run, device='cpu')
        network = load_network(run)
        focal = config.focal * SCALE
        scores = {'held_out': validate(network, pool, config, 0)}
        for path in options.datasets:
            scores[Path(path).name] = score(network, path, options.every, focal, config.max_depth)
        runs.append(scores)
        report.write_text(json.dumps(results, indent=1) + '\n')
        print(variant, seed, scores, flush=True)


if __name__ == '__main__':
    main()
