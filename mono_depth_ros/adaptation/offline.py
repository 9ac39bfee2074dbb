# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded images as a robot would collect them, and scores of networks on labelled ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mono_depth_ros.adaptation.config import BufferConfig
from mono_depth_ros.adaptation.evidence import Predict
from mono_depth_ros.adaptation.frame_buffer import FrameBuffer
from mono_depth_ros.adaptation.segment import Segment
from mono_depth_ros.adaptation.session import anchor_to_floor
from mono_depth_ros.adaptation.target_frame import make_target_frame, TargetFrame
from mono_depth_ros.errors import ConfigError, DatasetError
from mono_depth_ros.frames import Frame
from mono_depth_ros.metric_points import points_from_depth
from mono_depth_ros.metrics import (
    INDOOR_CAP,
    mean_scores,
    OUTDOOR_CAP,
    Protocol,
    score_image,
)
from mono_depth_ros.model.fastdepth import FastDepth
from mono_depth_ros.model.registry import domain_of
from mono_depth_ros.postprocessing import resize_depth
import numpy as np

ANCHORS = ('none', 'poses', 'depth', 'height')


def collect(
    frames: Iterable[Frame], size: tuple[int, int], anchor: str, config: BufferConfig
) -> FrameBuffer:
    """
    Put recorded frames through the buffer, with what motion and an anchor tell of them.

    Parameters
    ----------
    frames : iterable of Frame
        With camera; with poses or depth where the anchor needs them. They are gone through more
        than once, and only what is kept stays in memory.
    size : tuple of int
        (height, width) of the network input [px].
    anchor : str
        ``poses`` (they give the metres of what motion tells), ``depth`` (points of a range
        sensor, else of the depth of the frames), ``height`` (points come later, from the network)
        or ``none``.
    config : BufferConfig
        What is kept.

    Raises
    ------
    ConfigError
        If there is no such anchor.
    DatasetError
        If the frames lack what the anchor needs.

    """
    check_anchor(frames, anchor)
    buffer = FrameBuffer(config)
    for frame in _target_frames(frames, size, anchor):
        buffer.add(frame)
    return buffer


def _target_frames(
    frames: Iterable[Frame], size: tuple[int, int], anchor: str
) -> Iterator[TargetFrame]:
    segment = Segment()
    for frame in frames:
        if frame.camera is None:
            raise DatasetError(f'{frame.name} has no camera: give --fov')
        points, pose = None, None
        if anchor == 'poses':
            pose = frame.world_from_camera
        elif anchor == 'depth':
            points = frame.points
            if points is None and frame.depth is not None:
                points = points_from_depth(frame.depth)
        small = make_target_frame(
            frame.rgb, frame.camera, size, stamp_ns=frame.stamp_ns, points=points
        )
        yield from segment.add(small, frame.rgb, frame.camera, pose)
    yield from segment.flush()


def check_anchor(frames: Iterable[Frame], anchor: str) -> None:
    """Raise ConfigError for an unknown anchor, DatasetError if no frame has what it needs."""
    if anchor not in ANCHORS:
        raise ConfigError(f'anchor must be one of {ANCHORS}, got {anchor!r}')
    if anchor == 'depth' and not any(frame.depth is not None for frame in frames):
        raise DatasetError('no frame has depth to be anchored to')
    if anchor == 'poses' and not any(frame.world_from_camera is not None for frame in frames):
        raise DatasetError('a frame needs a camera and a pose to be anchored to poses: none has')


def score(
    predict: Predict,
    frames: Iterable[Frame],
    size: tuple[int, int],
    focal: float,
    max_depth: float = 10.0,
) -> dict[str, float]:
    """
    Score a network on labelled frames, as `mono_depth evaluate` does.

    Parameters
    ----------
    predict : callable
        Depth of an image at the reference focal length.
    frames : iterable of Frame
        With depth and camera; others are left out.
    size : tuple of int
        (height, width) of the network input [px].
    focal : float
        Reference focal length [px].
    max_depth : float
        Farther pixels are left out [m].

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
            row = score_image(grown, frame.depth, Protocol(align, max_depth=max_depth))
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


def cap_of(network: FastDepth) -> float:
    """Return the depth up to which a network is scored: 10 m indoors, 80 m out of doors."""
    return OUTDOOR_CAP if domain_of(network.max_depth) == 'street' else INDOOR_CAP


def anchored_targets(
    frames: Iterable[Frame],
    size: tuple[int, int],
    anchors: Sequence[str],
    config: BufferConfig,
    source: FastDepth,
    camera_height: float,
) -> dict[str, list[TargetFrame]]:
    """Collect frames with the points of each anchor; ``none`` is always there."""
    for anchor in anchors:
        check_anchor(frames, anchor)
    bare = collect(frames, size, 'none', config).snapshot()
    target = {'none': bare}
    for anchor in anchors:
        if anchor == 'height':
            target[anchor] = anchor_to_floor(bare, source, camera_height)
        else:
            target[anchor] = collect(frames, size, anchor, config).snapshot()
    return target
