# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a cycle is asked, and what it answers; both travel between processes as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
import json
from typing import Any

from mono_depth_ros.adaptation.config import AdapterConfig, CycleConfig, GateConfig
from mono_depth_ros.errors import ConfigError

SKIPPED, REJECTED, FAILED = 'SKIPPED', 'REJECTED', 'FAILED'
# In the store and waiting to be tried, or in use already.
ADDED, PROMOTED = 'ADDED', 'PROMOTED'
# Of a cycle itself; what happens to its network afterwards has other names.
STATES = (SKIPPED, REJECTED, FAILED, ADDED, PROMOTED)
STAGES = ('load', 'prepare', 'train', 'judge', 'export', 'add', 'promote')


@dataclass(frozen=True)
class CycleJob:
    """
    One cycle.

    Attributes
    ----------
    frames : str
        Folder of collected frames; it must not change meanwhile.
    store : str
        Folder of the store; empty is the default one.
    model : str
        Shipped network, or path of an ONNX file with its weights beside it.
    backend : str
        Engine that parity and latency are measured with; another stands in for TensorRT, which
        has no plan of a candidate.
    promote : bool
        Put the candidate in use at once; otherwise the depth node tries it first.
    claimed : bool
        Whoever asks has claimed the store already.
    rate_factor : float
        Factor on the learning rate, less than 1 after candidates that were rejected.
    adapter, gate, cycle : Config
        Settings.

    """

    frames: str
    store: str = ''
    model: str = 'indoor'
    backend: str = 'auto'
    promote: bool = False
    claimed: bool = False
    rate_factor: float = 1.0
    adapter: AdapterConfig = field(default_factory=AdapterConfig)
    gate: GateConfig = field(default_factory=GateConfig)
    cycle: CycleConfig = field(default_factory=CycleConfig)

    def to_json(self) -> str:
        """Return the job as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> CycleJob:
        """Read a job; raise ConfigError if it is none."""
        try:
            values = json.loads(text)
            return cls(
                adapter=AdapterConfig.from_mapping(values.pop('adapter', {})),
                gate=GateConfig.from_mapping(values.pop('gate', {})),
                cycle=CycleConfig.from_mapping(values.pop('cycle', {})),
                **values,
            )
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigError(f'not an adaptation job: {error}') from error


@dataclass(frozen=True)
class Outcome:
    """
    How a cycle ended.

    Attributes
    ----------
    state : str
        One of `STATES`, or ``ROLLED BACK``.
    reason : str
        Why, in one line.
    stage : str
        Where it ended: one of `STAGES` of the cycle, or what the node did before or after it.
    version : str
        Version added to the store.
    verdict : dict
        Every check of the gate with its number and threshold.
    details : dict
        mode, steps, skipped, drift, losses, frames, seconds, peak memory [MB].

    """

    state: str
    reason: str
    stage: str = ''
    version: str = ''
    verdict: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)
