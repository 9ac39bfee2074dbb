# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Adaptation to recorded images: collect, score, and compare the modes with their controls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mono_depth_ros.adaptation.config import AdapterConfig, BufferConfig, GateConfig
from mono_depth_ros.adaptation.frame_buffer import FrameBuffer
from mono_depth_ros.adaptation.gate import judge, Predict
from mono_depth_ros.adaptation.session import (
    adapt_network,
    anchor_to_floor,
    gather_evidence,
    predictor,
    Report,
    split_frames,
    split_samples,
)
from mono_depth_ros.adaptation.target_frame import make_target_frame, TargetFrame
from mono_depth_ros.adaptation.tracks import PosedImage, triangulate
from mono_depth_ros.errors import ConfigError, DatasetError
from mono_depth_ros.frames import Frame
from mono_depth_ros.metric_points import points_from_depth
from mono_depth_ros.metrics import mean_scores, Protocol, score_image
from mono_depth_ros.model.fastdepth import FastDepth
from mono_depth_ros.postprocessing import resize_depth
from mono_depth_ros.source.pool import Sample
import numpy as np
from numpy.typing import NDArray

ANCHORS = ('none', 'poses', 'depth', 'height')
# What is compared: every mode, and the default with each anchor.
COMPARED = ('none', 'bn', 'replay', 'paper', 'lean', 'consistency', 'auto')


def collect(
    frames: Sequence[Frame], size: tuple[int, int], anchor: str, config: BufferConfig
) -> FrameBuffer:
    """
    Put recorded frames through the buffer, with the points of an anchor.

    Parameters
    ----------
    frames : sequence of Frame
        With camera; with poses or depth where the anchor needs them.
    size : tuple of int
        (height, width) of the network input [px].
    anchor : str
        ``poses`` (corners tracked through the frames), ``depth`` (of the frames, as a range
        sensor), ``height`` (points come later, from the network) or ``none``.
    config : BufferConfig
        What is kept.

    Raises
    ------
    DatasetError
        If the frames lack what the anchor needs.

    """
    points = anchor_points(frames, anchor)
    buffer = FrameBuffer(config)
    for frame, known in zip(frames, points, strict=True):
        if frame.camera is None:
            raise DatasetError(f'{frame.name} has no camera: give --fov')
        buffer.add(
            make_target_frame(frame.rgb, frame.camera, size, stamp_ns=frame.stamp_ns, points=known)
        )
    return buffer


def anchor_points(frames: Sequence[Frame], anchor: str) -> list[NDArray[np.float32] | None]:
    """Return the metric points of each frame, in pixels of its image."""
    if anchor not in ANCHORS:
        raise ConfigError(f'anchor must be one of {ANCHORS}, got {anchor!r}')
    if anchor == 'depth':
        if not any(frame.depth is not None for frame in frames):
            raise DatasetError('no frame has depth to be anchored to')
        return [points_from_depth(f.depth) if f.depth is not None else None for f in frames]
    if anchor == 'poses':
        poses = [frame.world_from_camera for frame in frames]
        camera = frames[0].camera
        if camera is None or any(pose is None for pose in poses):
            raise DatasetError('every frame needs a camera and a pose to be anchored to poses')
        images = [
            PosedImage(frame.rgb, pose)
            for frame, pose in zip(frames, poses, strict=True)
            if pose is not None
        ]
        return list(triangulate(images, camera))
    return [None] * len(frames)


def score(
    predict: Predict, frames: Iterable[Frame], size: tuple[int, int], focal: float
) -> dict[str, float]:
    """
    Score a network on labelled frames, as `mono_depth evaluate` does.

    Returns
    -------
    dict
        abs_rel and delta1 of the metres as they are, and aligned by the median; number of images.

    """
    rows: dict[str, list[dict[str, float]]] = {'none': [], 'median': []}
    for frame in frames:
        if frame.depth is None or frame.camera is None:
            continue
        target = make_target_frame(frame.rgb, frame.camera, size)
        depth = predict(target.rgb) * np.float32(target.camera.focal / focal)
        grown = resize_depth(depth, (frame.rgb.shape[0], frame.rgb.shape[1]), 'edge')
        for align, kept in rows.items():
            row = score_image(grown, frame.depth, Protocol(align))
            if row is not None:
                kept.append(row)
    raw, aligned = (mean_scores(kept) for kept in rows.values())
    if not raw:
        raise DatasetError('no frame with depth to score on')
    return {
        'abs_rel': raw['abs_rel'],
        'delta1': raw['delta1'],
        'abs_rel_aligned': aligned['abs_rel'],
        'delta1_aligned': aligned['delta1'],
        'images': raw['images'],
    }


@dataclass(frozen=True)
class Comparison:
    """
    What every mode is compared on.

    Attributes
    ----------
    source : FastDepth
        The network before adaptation.
    samples : list of Sample
        Source images with depth.
    target : dict
        Collected frames by anchor; ``none`` must be there.
    labelled : list of Frame
        Frames with depth that no mode has seen.
    config : AdapterConfig
        Settings; mode and seed are overwritten.
    gate : GateConfig
        Thresholds of the verdicts told.

    """

    source: FastDepth
    samples: Sequence[Sample]
    target: dict[str, list[TargetFrame]]
    labelled: Sequence[Frame]
    config: AdapterConfig
    gate: GateConfig

    @property
    def size(self) -> tuple[int, int]:
        """Size of the network input (height, width)."""
        shape = self.target['none'][0].rgb.shape
        return shape[0], shape[1]

    def rows(
        self, seeds: Sequence[int], report: Report = lambda event: None
    ) -> list[dict[str, object]]:
        """Adapt with every mode, anchor and seed, score each, and add the controls."""
        runs = [(mode, 'none') for mode in COMPARED]
        runs += [('auto', anchor) for anchor in self.target if anchor != 'none']
        rows: list[dict[str, object]] = []
        for mode, anchor in runs:
            name = mode if anchor == 'none' else f'{mode} + {anchor}'
            seeded = seeds if mode not in ('none', 'bn') else seeds[:1]
            for seed in seeded:
                report({'run': name, 'seed': seed})
                rows.append({'name': name, 'seed': seed, **self._run(mode, anchor, seed)})
        for anchor in self.target:
            rows += [] if anchor == 'none' else self._controls(anchor)
        return rows

    def _run(self, mode: str, anchor: str, seed: int) -> dict[str, object]:
        training, held_out = split_frames(self.target[anchor])
        replay, kept = split_samples(self.samples, 64)
        run = adapt_network(
            self.source,
            replay,
            training,
            replace(self.config, mode=mode, seed=seed),
            held_out=held_out,
        )
        predict = predictor(run.network)
        evidence = gather_evidence(training, held_out, kept, self.source)
        verdict = judge(predict, predictor(self.source), evidence, self.gate)
        return {
            **score(predict, self.labelled, self.size, self.source.focal),
            'steps': run.steps,
            'skipped': run.skipped,
            'drift': run.drift,
            'seconds': run.seconds,
            'losses': run.losses,
            'accepted': verdict.accepted,
            'verdict': verdict.to_dict(),
        }

    def _controls(self, anchor: str) -> list[dict[str, object]]:
        """Score what an anchor gives without any adaptation: one factor, and a static map."""
        training, held_out = split_frames(self.target[anchor])
        evidence = gather_evidence(training, held_out, [], self.source)
        rows: list[dict[str, object]] = []
        if evidence.scale <= 0 or evidence.static is None:
            return rows
        plain, factor = predictor(self.source), np.float32(evidence.scale)
        static = evidence.static
        # `score` multiplies by the camera's focal length over the reference; the map is metric.
        metres = static * np.float32(self.source.focal / training[0].camera.focal)
        for name, predict in (
            (f'one factor from {anchor}', lambda rgb: plain(rgb) * factor),
            (f'static map from {anchor}', lambda rgb: metres),
        ):
            rows.append(
                {'name': name, **score(predict, self.labelled, self.size, self.source.focal)}
            )
        return rows


def anchored_targets(
    frames: Sequence[Frame],
    size: tuple[int, int],
    anchors: Iterable[str],
    config: BufferConfig,
    source: FastDepth,
    camera_height: float,
) -> dict[str, list[TargetFrame]]:
    """Collect the same frames once for each anchor."""
    target = {}
    for anchor in dict.fromkeys(['none', *anchors]):
        kept = collect(frames, size, anchor, config).snapshot()
        if anchor == 'height':
            kept = anchor_to_floor(kept, source, camera_height)
        target[anchor] = kept
    return target
