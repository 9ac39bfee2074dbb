# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Score what `scale_source` publishes, as the table of the README has it.

    python scripts/scale_table.py [RGBD_FOLDER] [--camera-height METRES]

Without a folder: rendered rooms that one robot visits. Every network output is corrected as the
depth node does it, by points with noise and wrong ones among them, and by the floor.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.config import EngineConfig, ScaleConfig
from mono_depth_ros.floor_scale import FloorScale
from mono_depth_ros.metrics import depth_metrics
from mono_depth_ros.nodes.engine_loader import EngineLoader
from mono_depth_ros.pipeline import DepthEstimator
from mono_depth_ros.postprocessing import resize_depth
from mono_depth_ros.scale import fit_correction, sample_depth
from mono_depth_ros.slow_scale import SlowScale
import numpy as np
from numpy.typing import NDArray

RANGE, PERIOD_S, RATE = (0.3, 6.0), 0.5, ScaleConfig().scale_rate
POINTS, NOISE, WRONG = 150, 0.02, 0.1
ROOMS, SEED, ROOM_S = 100, 987654321, 2.0


class View(NamedTuple):
    """What the network said of an image, and what is true."""

    stamp_s: float
    said: NDArray[np.float32]
    true: NDArray[np.float32]
    camera: PinholeCamera


def kitchen(folder: str, estimator: DepthEstimator) -> Iterator[View]:
    """Give the images of a folder, recorded six times a second."""
    from mono_depth_ros.frames import open_frames

    for number, frame in enumerate(open_frames(folder)):
        assert frame.camera is not None and frame.depth is not None
        said = estimator.infer(frame.rgb, frame.camera)
        yield View(number / 6, said, frame.depth, frame.camera)


def rooms(estimator: DepthEstimator) -> tuple[list[View], float]:
    """Give rooms seen by one robot, and the height of its camera."""
    from mono_depth_ros.source.procedural import render_batch
    from mono_depth_ros.source.scene import WorldConfig

    batch = render_batch(SEED, ROOMS, (192, 256), config=WorldConfig(camera=False))
    views = []
    for number in range(ROOMS):
        focal = float(batch.focal[number])
        camera = PinholeCamera(focal, focal, 127.5, 95.5, 256, 192)
        said = estimator.infer(batch.rgb[number].numpy(), camera)
        views.append(View(number * ROOM_S, said, batch.depth[number].numpy(), camera))
    return views, float(batch.camera_height[0])


def sense(view: View, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return points as a sensor gives them: few, noisy, some of them wrong."""
    v, u = np.nonzero((view.true > 0) & (view.true < 8))
    chosen = rng.choice(len(v), POINTS)
    true = view.true[v[chosen], u[chosen]] * (1 + NOISE * rng.standard_normal(POINTS))
    wrong = rng.random(POINTS) < WRONG
    true[wrong] *= np.exp(rng.normal(0, 0.7, int(wrong.sum())))
    return np.stack([u[chosen], v[chosen], true], axis=1).astype(np.float32)


def score(views: list[View], source: str, height: float, factor: float) -> tuple[float, float]:
    """Publish all views and return abs_rel and delta1; of rooms, the last half."""
    slow, floor, rng = SlowScale(*RANGE, RATE), FloorScale(height), np.random.default_rng(0)
    fitted_s, scores = -np.inf, []
    still = views[1].stamp_s - views[0].stamp_s > 1  # images arrive in between, too
    for view in views:
        said = view.said * np.float32(factor)
        if still:
            slow.advance(view.stamp_s)
        published = slow.advance(view.stamp_s + (1.0 if still else 0.0)).apply(said)
        shown = resize_depth(published, view.true.shape, 'linear')
        with np.errstate(invalid='ignore'):
            known = (view.true > 1e-3) & (view.true < 10)
        metrics = depth_metrics(np.clip(shown[known], 1e-3, 10), view.true[known])
        scores.append((metrics['abs_rel'], metrics['delta1']))
        if source == 'none' or view.stamp_s - fitted_s < PERIOD_S:
            continue
        fitted_s = view.stamp_s
        if source == 'reference':
            points = sense(view, rng)
            fit = fit_correction(sample_depth(said, view.camera, points), points[:, 2], *RANGE)
        else:
            camera = view.camera.resized(said.shape[1], said.shape[0])
            fit = floor.fit(said, camera, *RANGE)
        slow.observe(fit)
    counted = scores[len(scores) // 2 :] if still else scores
    abs_rel, delta1 = np.mean(counted, axis=0)
    return float(abs_rel), float(delta1)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('folder', nargs='?', help='RGB-D folder')
    parser.add_argument('--camera-height', type=float, default=1.37)
    options = parser.parse_args()
    estimator = EngineLoader(EngineConfig(threads=1)).load()
    if options.folder:
        views, height = list(kitchen(options.folder, estimator)), options.camera_height
    else:
        views, height = rooms(estimator)
    for factor in (1.0, 0.6, 1.7):
        for source in ('none', 'reference', 'camera_height'):
            abs_rel, delta1 = score(views, source, height, factor)
            print(f'metres times {factor}: {source:14s} abs_rel {abs_rel:.3f} delta1 {delta1:.3f}')


if __name__ == '__main__':
    main()
