# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Let tests, and the processes they start, find the doubles of TensorRT and pycuda."""

import json
import os
from pathlib import Path
import sys

DOUBLES = Path(__file__).parent / 'doubles'
MODULES = ('tensorrt', 'pycuda')
ENGINE = 'mono_depth_ros.engine.'
OURS = ('tensorrt_engine', 'tensorrt_log', 'builder', 'build_progress', 'cuda', 'refit')


def environment(**settings: object) -> dict[str, str]:
    """Return the variables that give a process a pretended GPU with these settings."""
    path = os.pathsep.join(filter(None, (str(DOUBLES), os.environ.get('PYTHONPATH', ''))))
    return {'PYTHONPATH': path, 'FAKE_GPU': json.dumps(settings)}


def forget() -> None:
    """Import the doubles, and what imports them, anew: another process, as it were."""
    for name in list(sys.modules):
        if name.split('.')[0] in MODULES or name in {ENGINE + module for module in OURS}:
            del sys.modules[name]
