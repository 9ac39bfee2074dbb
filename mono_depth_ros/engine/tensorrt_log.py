# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What TensorRT says, collected, and turned into messages with what to do."""

from __future__ import annotations

import logging

import tensorrt as trt

logger = logging.getLogger(__name__)

if not hasattr(trt, 'Builder'):
    raise ImportError('only the types of tensorrt are installed, not the library')

# What a message contains, and what to do about it. The first that matches counts.
REMEDIES = (
    (
        ('different version', 'not compatible with this version', 'serialization', 'magic tag'),
        'the plan is of another TensorRT: it is built again',
    ),
    (
        ('different compute', 'compute capability', 'incompatible device'),
        'the plan is of another GPU: it is built again',
    ),
    (
        ('out of memory', 'outofmemory', 'cudamalloc', 'insufficient memory', 'allocation'),
        'the GPU has too little free memory: end other programs that use it, build with a smaller '
        '--workspace, or choose a smaller input_size',
    ),
    (
        ('insufficient driver', 'driver version', 'cuda initialization', 'no cuda-capable'),
        'the driver does not fit this TensorRT: `mono_depth doctor --gpu` says which it needs',
    ),
    (
        ('no implementation', 'could not find any implementation'),
        'TensorRT has no kernel for it on this GPU in this precision: try --precision fp32',
    ),
    (
        ('unsupported operator', 'no importer', 'plugin not found', 'unsupported'),
        'TensorRT cannot run this network: choose the backend onnxruntime or torch',
    ),
)


class Log(trt.ILogger):
    """
    Passes messages of TensorRT on to `logging` and keeps its errors.

    TensorRT calls it from threads of its own; appending to a list is safe there.
    """

    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self.errors: list[str] = []

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        """Take one message."""
        if severity in (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR):
            self.errors.append(msg)
            logger.debug('TensorRT: %s', msg)
        elif severity == trt.ILogger.Severity.WARNING:
            logger.debug('TensorRT warns: %s', msg)

    def explain(self, what: str) -> str:
        """Return what failed, what TensorRT said since the last call, and what to do."""
        said, self.errors = '; '.join(dict.fromkeys(self.errors))[:600], []
        lowered = said.lower()
        for signs, remedy in REMEDIES:
            if any(sign in lowered for sign in signs):
                return f'{what}: {said}: {remedy}'
        return (
            f'{what}: {said or "TensorRT gave no reason"}: `mono_depth doctor --gpu` looks closer'
        )
