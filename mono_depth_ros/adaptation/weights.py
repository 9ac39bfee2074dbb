# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the weights of a network are, for those who can do without torch, too."""

from __future__ import annotations

from pathlib import Path

from mono_depth_ros.engine.store_reader import WEIGHTS
from mono_depth_ros.errors import ModelError


def weights_beside(model_path: Path) -> Path:
    """
    Return the weights beside an ONNX file.

    Raises
    ------
    ModelError
        If there are none: an imported network cannot be adapted.

    """
    weights = model_path.with_name(WEIGHTS)
    if not weights.is_file():
        raise ModelError(
            f'{model_path} has no {WEIGHTS} beside it: only networks of this package can be '
            'adapted (indoor, street, or one of `mono_depth pretrain`)'
        )
    return weights
