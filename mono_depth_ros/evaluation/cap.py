# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How far depth counts, where nobody says it."""

from __future__ import annotations

from mono_depth_ros.errors import ImageError
from mono_depth_ros.frames import FrameSource
from mono_depth_ros.metrics import Depth, INDOOR_CAP, OUTDOOR_CAP
from mono_depth_ros.source.layouts.datasets import SelectedFrames
import numpy as np

IMAGES = 5
# Of the depth, in percent: some sensors have single pixels that are far too far.
NEARER = 99.0


def guess_cap(source: FrameSource, first: Depth) -> float:
    """
    Return 10 m for a place where nearly all depth is nearer, and 80 m otherwise.

    Parameters
    ----------
    source : FrameSource
        A few images are read, evenly spread over it.
    first : np.ndarray, shape (H, W)
        Depth of its first image that has any [m]; NaN and inf are missing.

    """
    depths = [first]
    for load in SelectedFrames(source, max(1, source.count // IMAGES), IMAGES)._loaders():
        try:
            depth = load().depth
        except ImageError:
            continue  # it is told when its turn comes
        if depth is not None:
            depths.append(depth)
    known = np.concatenate([depth[np.isfinite(depth)] for depth in depths])
    return INDOOR_CAP if np.percentile(known, NEARER) <= INDOOR_CAP else OUTDOOR_CAP
