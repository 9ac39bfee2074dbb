# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What no network must fall short of.

The constant knows the true median of each image and nothing else. The row priors know nothing of
the image, only that the floor is near and what is above it is far.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from mono_depth_ros.evaluation.methods import BORROWED, RAMP, ROW_PRIOR
from mono_depth_ros.metrics import row_prior
from mono_depth_ros.model.registry import domain_of, PACK, WEIGHTS_PATH
import numpy as np
from numpy.typing import NDArray

ROWS = 192


def row_priors(model: Path, max_depth: float) -> dict[str, NDArray[np.float64]]:
    """
    Return depth per image row, from the top, of every prior there is for a network.

    Parameters
    ----------
    model : Path
        Its ONNX file; a source pack beside it gives the mean depth of its source domain.
    max_depth : float
        Farthest depth of the network [m]; it decides which shipped pack stands in for a missing
        one.

    Returns
    -------
    dict
        Name to depth [m] of each row. The plain ramp falls from 3 m at the top to 1 m at the
        bottom; its metres mean nothing, its ratio does.

    Raises
    ------
    DatasetError
        If the source pack is damaged.

    """
    priors = {RAMP: np.geomspace(3.0, 1.0, ROWS)}
    pack, name = model.parent / PACK, ROW_PRIOR
    if not pack.is_file():
        shipped = domain_of(max_depth)
        pack, name = WEIGHTS_PATH / shipped / PACK, BORROWED[shipped]
    if pack.is_file():
        priors[name] = _pack_prior(pack)
    return priors


@cache
def _pack_prior(pack: Path) -> NDArray[np.float64]:
    from mono_depth_ros.source.pack import read_source_pack

    return row_prior((sample.depth for sample in read_source_pack(pack)), ROWS)
