# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which network leaves a run: the best of those looked at, with a scale that somebody has seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import math

from mono_depth_ros.adaptation.batches import images_to_tensor
from mono_depth_ros.adaptation.evidence import Depth, measured, point_errors, structure_error
from mono_depth_ros.adaptation.target_frame import TargetFrame
from mono_depth_ros.model.fastdepth import FastDepth
import numpy as np
import torch

SCALE_FRAMES, BATCH = 32, 8


def split_held_out(frames: Sequence[TargetFrame]) -> tuple[list[TargetFrame], list[TargetFrame]]:
    """
    Split held-out frames into a third that chooses a candidate and the others, which judge it.

    What was chosen by some images looks better on them than it is.
    """
    judging = [frame for number, frame in enumerate(frames) if number % 3]
    return list(frames[::3]), judging


class BestCandidate:
    """
    Keeps the candidate with the least error at metric points, or at the structure of images.

    Parameters
    ----------
    frames : sequence of TargetFrame
        Images that are neither trained on nor judged by.
    focal : float
        Reference focal length of the network [px].
    on_floor : bool
        Metric points are of a floor that the network in use has seen: shape chooses, where it is
        known.

    Attributes
    ----------
    network : FastDepth or None
        The best so far.
    error : float
        Its error; NaN where the images say nothing, then the last candidate leaves.

    """

    def __init__(
        self, frames: Sequence[TargetFrame], focal: float, *, on_floor: bool = False
    ) -> None:
        self._frames, self._focal, self._on_floor = frames, focal, on_floor
        self.network: FastDepth | None = None
        self.error = math.nan
        self._worse = 0

    def offer(self, candidate: Callable[[], FastDepth]) -> int:
        """Look at the candidate of now; return how many in a row were no better."""
        if not any(len(frame.points) or len(frame.structure) for frame in self._frames):
            return 0
        network = candidate()
        error = self._error(predict_all(network, self._frames))
        if math.isnan(self.error) or error < self.error:
            self.network, self.error, self._worse = network, error, 0
        else:
            self._worse += 1
        return self._worse

    def _error(self, depths: list[Depth]) -> float:
        points = measured(self._frames)
        if self._on_floor or not points:
            shape = structure_error(depths, self._frames)
            if not (points and math.isnan(shape)):
                return shape
        predicted, true = point_errors(depths, self._frames, self._focal)
        return float(np.mean(np.abs(predicted - true) / true))


@torch.no_grad()
def predict_all(network: FastDepth, frames: Sequence[TargetFrame]) -> list[Depth]:
    """Return the depth (h, w) of every frame, in metres at the reference focal length."""
    depths: list[Depth] = []
    for first in range(0, len(frames), BATCH):
        images = [frame.rgb for frame in frames[first : first + BATCH]]
        size = (images[0].shape[0], images[0].shape[1])
        depths += list(network(images_to_tensor(images, size))[0].numpy())
    return depths


@torch.no_grad()
def keep_scale(
    network: FastDepth, baseline: FastDepth, frames: Sequence[TargetFrame]
) -> tuple[FastDepth, float]:
    """
    Give a network the median depth of the baseline in the middle one of the frames.

    Without a metric point nothing that was learnt from says how many metres anything is, and a
    change of scale is an accident. It is one number, and it goes into the bias of the head.

    Returns
    -------
    network : FastDepth
        Changed in place.
    factor : float
        By which its depth was multiplied.

    """
    chosen = frames[:: max(1, len(frames) // SCALE_FRAMES)]
    pairs = zip(predict_all(baseline, chosen), predict_all(network, chosen), strict=True)
    ratios = [math.log(float(np.median(old)) / float(np.median(new))) for old, new in pairs]
    shift = float(np.median(ratios))
    if math.isfinite(shift):
        assert network.head.bias is not None
        network.head.bias += shift
    return network, math.exp(shift)
