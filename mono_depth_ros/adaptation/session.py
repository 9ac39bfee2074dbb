# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From frames and a source to an adapted network: what the cycle and the command line share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
import logging
import time
from typing import Any

from mono_depth_ros.adaptation.adapter import Adapter
from mono_depth_ros.adaptation.anchors import floor_points, static_map
from mono_depth_ros.adaptation.batches import BatchMaker, images_to_tensor
from mono_depth_ros.adaptation.config import AdapterConfig, GateConfig
from mono_depth_ros.adaptation.evidence import Evidence, measured, point_errors, Predict
from mono_depth_ros.adaptation.gate import judge
from mono_depth_ros.adaptation.recipes import Recipe, recipe_for
from mono_depth_ros.adaptation.selection import BestCandidate, keep_scale, split_held_out
from mono_depth_ros.adaptation.shipped import samples_of_shape, split_samples
from mono_depth_ros.adaptation.target_frame import TargetFrame
from mono_depth_ros.adaptation.verdict import Verdict
from mono_depth_ros.errors import DatasetError, ModelError
from mono_depth_ros.metric_points import robust_scale
from mono_depth_ros.model.fastdepth import FastDepth
from mono_depth_ros.model.registry import domain_of
from mono_depth_ros.source.pool import Sample
import numpy as np
from numpy.typing import NDArray
import torch

logger = logging.getLogger(__name__)

CHECK_EVERY, PATIENCE = 25, 5
CONTROL_FRAMES = 60
# Images held out at least, of which eight judge, and the largest share that it may take.
HELD_OUT, LARGEST_SHARE = 12, 0.4
Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class AdaptationRun:
    """
    An adapted network and how it came about.

    Attributes
    ----------
    network : FastDepth
        The candidate; the network in use itself if no update has helped.
    steps, skipped : int
        Updates made, and those without a finite loss.
    seconds : float
        Time they took.
    drift : float
        Relative distance of the weights from the shipped ones.
    losses : dict
        Mean of the last updates, by name.
    stopped : str
        Why it ended early, empty if it did not.
    factor : float
        By which depth was multiplied in the end to keep its scale.

    """

    network: FastDepth
    steps: int
    skipped: int
    seconds: float
    drift: float
    losses: dict[str, float]
    stopped: str = ''
    factor: float = 1.0


def predictor(network: FastDepth) -> Predict:
    """Return a network as a function from an image (h, w, 3) to depth (h, w)."""
    network = network.eval()

    @torch.no_grad()
    def predict(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        depth = network(images_to_tensor([rgb], (rgb.shape[0], rgb.shape[1])))[0][0]
        return np.asarray(depth.numpy(), np.float32)

    return predict


def anchor_to_floor(
    frames: Sequence[TargetFrame], network: FastDepth, camera_height: float
) -> list[TargetFrame]:
    """
    Give frames the points of the floor below a camera of known height [m], and no others.

    The few that a sensor may have measured are too few to be believed (`measured`).
    """
    predict = predictor(network)
    return [
        replace(frame, points=floor_points(predict(frame.rgb), frame.camera, camera_height))
        for frame in frames
    ]


def gather_evidence(
    training: Sequence[TargetFrame],
    held_out: Sequence[TargetFrame],
    samples: Sequence[Sample],
    baseline: FastDepth,
    *,
    on_floor: bool = False,
) -> Evidence:
    """
    Put together what candidates are judged on, with the controls fitted to training images.

    ``on_floor`` says that all points come from `anchor_to_floor`.
    """
    scale, static = 0.0, None
    if measured(training):
        anchored = [frame for frame in training if len(frame.points)]
        anchored = anchored[:: max(1, len(anchored) // CONTROL_FRAMES)]
        predict = predictor(baseline)
        depths = [predict(frame.rgb) for frame in anchored]
        scale = robust_scale(*point_errors(depths, anchored, baseline.focal))
        size = (anchored[0].rgb.shape[0], anchored[0].rgb.shape[1])
        static = static_map([frame.points for frame in anchored], size)
    return Evidence(
        held_out,
        samples,
        baseline.focal,
        baseline.min_depth,
        baseline.max_depth,
        scale,
        static,
        on_floor,
    )


def choose_recipe(
    source: FastDepth, frames: Sequence[TargetFrame], config: AdapterConfig
) -> Recipe:
    """Return the recipe for a network and for what is known of the frames."""
    outdoors = domain_of(source.max_depth) == 'street'
    return recipe_for(config, anchored=measured(frames), outdoors=outdoors)


def adapt_network(
    source: FastDepth,
    samples: Sequence[Sample],
    frames: Sequence[TargetFrame],
    config: AdapterConfig,
    *,
    start: FastDepth | None = None,
    held_out: Sequence[TargetFrame] = (),
    on_floor: bool = False,
    report: Report = lambda event: None,
) -> AdaptationRun:
    """
    Adapt a network to target images.

    Where held-out images have metric points or structure, the best candidate of every 25 updates
    is kept, and it ends when five in a row were no better. If none was better than what training
    began with, the network in use itself leaves. Where no loss holds the scale, it is put back to
    that of the network in use.

    Parameters
    ----------
    source : FastDepth
        The shipped network.
    samples : sequence of Sample
        Source images with depth.
    frames : sequence of TargetFrame
        Target images to train on.
    config : AdapterConfig
        Mode and settings.
    start : FastDepth, optional
        The network in use, if it is another one.
    held_out : sequence of TargetFrame
        Target images that are not trained on, to choose by; the gate must judge by others.
    on_floor : bool
        All metric points come from `anchor_to_floor`.
    report : callable
        Told every update: step, steps, losses, eta_s.

    Raises
    ------
    ModelError
        If losses stay not finite.
    DatasetError
        If images are missing that the mode needs.

    """
    recipe = choose_recipe(source, frames, config)
    in_use = start or source
    adapter = Adapter(source, recipe, config, start=start, frames=frames)
    best = BestCandidate(held_out if recipe.chosen else [], source.focal, on_floor=on_floor)
    started = time.monotonic()
    recent: list[dict[str, float]] = []
    stopped = ''
    if recipe.steps:
        batches = BatchMaker(samples, frames, source, recipe, batch=config.batch, seed=config.seed)
        best.offer(adapter.candidate)
        first = best.network
        for step in range(recipe.steps):
            recent = [*recent, adapter.step(batches.make(step))][-CHECK_EVERY:]
            left = (time.monotonic() - started) / (step + 1) * (recipe.steps - step - 1)
            event: dict[str, Any] = {'step': step + 1, 'steps': recipe.steps}
            report({**event, 'eta_s': round(left, 1), 'losses': recent[-1]})
            stopped = adapter.alarm()
            if stopped and recipe.consistency:  # which does not need them
                logger.warning('%s: going on without', stopped)
                adapter.drop_discriminators()
                stopped = ''
            due = (step + 1) % CHECK_EVERY == 0 or step + 1 == recipe.steps
            if due and best.offer(adapter.candidate) >= PATIENCE:
                stopped = f'no better on held-out images for {PATIENCE} checks'
            if stopped:
                break
        if adapter.done == adapter.skipped:
            raise ModelError(f'no loss of {adapter.done} updates was finite')
        if first is not None and best.network is first and not recipe.bn_weight:
            best.network = in_use  # and not what differs from it by the weights set back
    network, factor = best.network or adapter.candidate(), 1.0
    if recipe.keeps_scale and recipe.steps and network is not in_use:
        network, factor = keep_scale(network, in_use, frames)
    names = recent[-1] if recent else {}
    return AdaptationRun(
        network=network,
        steps=adapter.done,
        skipped=adapter.skipped,
        seconds=time.monotonic() - started,
        drift=adapter.drift(),
        losses={name: float(np.nanmean([row[name] for row in recent])) for name in names},
        stopped=stopped,
        factor=factor,
    )


def adapt_and_judge(
    source: FastDepth,
    samples: Sequence[Sample],
    frames: Sequence[TargetFrame],
    config: AdapterConfig,
    gate: GateConfig,
    *,
    source_held_out: int,
    start: FastDepth | None = None,
    on_floor: bool = False,
    report: Report = lambda event: None,
) -> tuple[AdaptationRun, Verdict]:
    """
    Adapt a network to some of the images, and judge it on others: what a cycle and a table share.

    Parameters
    ----------
    source : FastDepth
        The shipped network.
    samples : sequence of Sample
        Source images with depth; of those, the ones whose shape is near that of the target serve.
    frames : sequence of TargetFrame
        Target images, some of them held out.
    config : AdapterConfig
        Mode and settings.
    gate : GateConfig
        Thresholds of the verdict.
    source_held_out : int
        Source images to judge by.
    start : FastDepth, optional
        The network in use, if it is another one.
    on_floor : bool
        All metric points come from `anchor_to_floor`.
    report : callable
        Told the stage, ``train`` or ``judge``, and with it every update.

    Raises
    ------
    ModelError
        If losses stay not finite.
    DatasetError
        If images are missing that the mode or the gate needs.

    """
    training, held_out = split_frames(frames)
    choosing, judging = split_held_out(held_out)
    rows, columns = training[0].rgb.shape[:2]
    replay, kept = split_samples(samples_of_shape(samples, (rows, columns)), source_held_out)
    report({'stage': 'train'})
    run = adapt_network(
        source,
        replay,
        training,
        config,
        start=start,
        held_out=choosing,
        on_floor=on_floor,
        report=lambda event: report({'stage': 'train', **event}),
    )
    report({'stage': 'judge'})
    baseline = start or source
    evidence = gather_evidence(training, judging, kept, baseline, on_floor=on_floor)
    return run, judge(predictor(run.network), predictor(baseline), evidence, gate)


def split_frames(
    frames: Sequence[TargetFrame],
) -> tuple[list[TargetFrame], list[TargetFrame]]:
    """
    Split frames into those to train on and those held out.

    Of few frames the buffer has held out very few, and they must not decide alone: more are taken,
    spread evenly.

    Raises
    ------
    DatasetError
        If either is empty.

    """
    others = [i for i, frame in enumerate(frames) if not frame.held_out]
    wanted = min(HELD_OUT, int(LARGEST_SHARE * len(frames)))
    missing = max(0, wanted - (len(frames) - len(others)))
    taken = {others[i] for i in np.linspace(0, len(others) - 1, missing).astype(int)}
    kept = set(others) - taken
    training = [frame for i, frame in enumerate(frames) if i in kept]
    held_out = [frame for i, frame in enumerate(frames) if i not in kept]
    if not training or not held_out:
        raise DatasetError(
            f'{len(training)} images to train on and {len(held_out)} held out: both are needed'
        )
    return training, held_out
