# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The last checks of the gate: the engine that will run gives the same depth, as fast."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
import time
from typing import Any

from mono_depth_ros.adaptation.config import GateConfig
from mono_depth_ros.adaptation.target_frame import TargetFrame
from mono_depth_ros.adaptation.verdict import Check
from mono_depth_ros.engine.base import Engine
from mono_depth_ros.engine.select import load_engine
from mono_depth_ros.errors import ModelError
from mono_depth_ros.model.fastdepth import FastDepth
from mono_depth_ros.model.onnx_export import check_parity
import numpy as np

PARITY_FRAMES, LATENCY_RUNS, LATENCY_TRIES = 4, 15, 3


def compare_engines(
    candidate: Path,
    baseline: Path,
    network: FastDepth,
    frames: Sequence[TargetFrame],
    gate: GateConfig,
    backend: str,
    threads: int,
) -> list[Check]:
    """
    Compare the engine with torch, and its latency with that of the network in use.

    Both run on one backend, and one that needs no plan: the candidate has none yet, and whether
    TensorRT computes the same is for the build of its plan to say.

    Raises
    ------
    ModelError
        If the engine gives another depth: that is a fault, and no verdict on the network.

    """
    size = (frames[0].rgb.shape[0], frames[0].rgb.shape[1])
    engines: list[Engine] = []
    try:
        wanted = 'auto' if backend == 'tensorrt' else backend
        for path in (candidate, baseline):
            engine = load_engine(
                path, wanted, input_size=size, threads=threads, without='tensorrt'
            )
            engines.append(engine)
            wanted = engine.backend
        images = [np.ascontiguousarray(frame.rgb) for frame in frames[:PARITY_FRAMES]]
        parity = max(check_parity(network, engines[0].infer(rgb), rgb) for rgb in images)
        if not parity <= gate.max_parity:
            raise ModelError(
                f'the engine ({engines[0].backend}) differs from torch by {parity:.3g}, more '
                f'than {gate.max_parity:g}'
            )
        for _ in range(LATENCY_TRIES):  # a busy machine must not cost a good candidate
            ratio = latency_ratio(engines[0], engines[1], images)
            if ratio <= gate.max_latency_ratio:
                break
    finally:
        for engine in engines:
            engine.close()
    return [
        Check('parity', parity, gate.max_parity, '<=', 'engine and torch differ'),
        Check('latency ratio', ratio, gate.max_latency_ratio, '<=', 'it is slower'),
    ]


def latency_ratio(candidate: Engine, baseline: Engine, images: Sequence[Any]) -> float:
    """Return the ratio of the shortest times of two engines that take turns."""
    best = {id(candidate): float('inf'), id(baseline): float('inf')}
    for number in range(LATENCY_RUNS):
        for engine in (candidate, baseline):
            started = time.perf_counter()
            engine.infer(images[number % len(images)])
            best[id(engine)] = min(best[id(engine)], time.perf_counter() - started)
    return best[id(candidate)] / best[id(baseline)]
