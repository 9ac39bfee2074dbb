# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Look at the GPU, or measure one engine on it, and print JSON: the last line is the result.

A process of its own, since a driver or library that does not fit may crash instead of raising.
"""

from __future__ import annotations

import json
from pathlib import Path
import sys
import time
from typing import Any

from mono_depth_ros.engine.base import Engine
from mono_depth_ros.engine.comparison import compare_with_reference, images
from mono_depth_ros.engine.select import load_engine
from mono_depth_ros.errors import MonoDepthError
import numpy as np
from numpy.typing import NDArray

RUNS, WARM_UPS = 300, 20


def look() -> dict[str, Any]:
    """Return what the libraries say of the GPU."""
    from mono_depth_ros.engine.cuda import driver_version, first_gpu, toolkit_version
    import mono_depth_ros.engine.tensorrt_log  # noqa: F401  # sees types without a library
    import pycuda
    import tensorrt

    gpu = first_gpu()
    return {
        'tensorrt': tensorrt.__version__,
        'pycuda': pycuda.VERSION_TEXT,
        'driver_cuda': driver_version(),
        'pycuda_cuda': toolkit_version(),
        'gpu': gpu.name,
        'compute_capability': gpu.compute_capability,
        'free_mb': gpu.free_memory() >> 20,
    }


def latencies(engine: Engine, frame: NDArray[np.uint8]) -> dict[str, float]:
    """Return p50 and p99 of one inference, host to host [ms]."""
    elapsed = []
    for _ in range(RUNS + WARM_UPS):
        started = time.perf_counter()
        engine.infer(frame)
        elapsed.append(1e3 * (time.perf_counter() - started))
    p50, p99 = np.percentile(elapsed[WARM_UPS:], (50, 99))
    return {'p50_ms': round(float(p50), 3), 'p99_ms': round(float(p99), 3)}


def measure(model: Path, backend: str, precision: str, engines: Path | None) -> dict[str, Any]:
    """Return how fast an engine is, and how far from the reference."""
    engine = load_engine(model, backend, precision=precision, engines_path=engines)
    difference = compare_with_reference(engine, model)
    result = {
        'device': engine.device,
        'precision': engine.precision,
        'reference': difference.reference,
        'mean_difference': difference.mean,
        'max_difference': difference.largest,
        'accuracy': difference.describe(),
        'accurate': difference.accepted,
        **latencies(engine, images(engine.input_size)[0]),
    }
    engine.close()
    return result


def main() -> int:
    """Print ``{...}`` or ``{"error": ...}``."""
    try:
        if sys.argv[1] == 'look':
            result = look()
        else:
            model, backend, precision, engines = sys.argv[2:6]
            result = measure(Path(model), backend, precision, Path(engines) if engines else None)
    except (MonoDepthError, ImportError, OSError) as error:
        result = {'error': str(error)}
    print(json.dumps(result))
    return 1 if 'error' in result else 0


if __name__ == '__main__':
    sys.exit(main())
