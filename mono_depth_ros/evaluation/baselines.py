# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What no network must fall short of.

The constant knows the true median of each image and nothing else. The row priors know nothing of
the image, only that the floor is near and what is above it is far.
"""

from __future__ import annotations

from pathlib import Path

from mono_depth_ros.evaluation.methods import RAMP, ROW_PRIOR
from mono_depth_ros.metrics import row_prior
import numpy as np
from numpy.typing import NDArray

ROWS = 192
PACK = 'source_pack.zip'


def row_priors(model: Path) -> dict[str, NDArray[np.float64]]:
    """
    Return depth per image row, from the top, of every prior there is for a network.

    Parameters
    ----------
    model : Path
        Its ONNX file; a source pack beside it gives the mean depth of its source domain.

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
    pack = model.parent / PACK
    if pack.is_file():
        from mono_depth_ros.source.pack import read_source_pack

        depths = (sample.depth for sample in read_source_pack(pack))
        priors[ROW_PRIOR] = row_prior(depths, ROWS)
    return priors
