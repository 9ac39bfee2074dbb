# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What TensorRT says, collected, and turned into messages with what to do."""

from __future__ import annotations

from collections import deque
import logging

import tensorrt as trt

logger = logging.getLogger(__name__)

if not hasattr(trt, 'Builder'):
    raise ImportError('only the types of tensorrt are installed, not the library')

NO_MEMORY = (
    'the GPU has too little free memory: end other programs that use it, build with a smaller '
    '--workspace, or choose a smaller input_size'
)
# What a message contains, and what to do about it. The first that matches counts.
REMEDIES = (
    (
        ('out of memory', 'outofmemory', 'cudamalloc', 'insufficient memory', 'allocation'),
        NO_MEMORY,
    ),
    (
        ('different version', 'not compatible with this version', 'serialization', 'magic tag'),
        'the plan is of another TensorRT: it is built again',
    ),
    (
        ('different compute', 'compute capability', 'incompatible device'),
        'the plan is of another GPU: it is built again',
    ),
    (
        ('insufficient driver', 'driver version', 'cuda initialization', 'no cuda-capable'),
        'the driver does not fit this TensorRT: `mono_depth doctor --gpu` says which it needs',
    ),
    (
        ('no implementation', 'could not find any implementation', 'insufficient workspace'),
        'TensorRT found no kernel for it on this GPU: allow it more with --workspace, or try '
        '--precision fp32',
    ),
    (
        ('unsupported operator', 'no importer', 'plugin not found', 'unsupported'),
        'TensorRT cannot run this network: choose the backend onnxruntime or torch',
    ),
)


class Log(trt.ILogger):
    """
    Passes messages of TensorRT on to `logging` and keeps its errors.

    There is one a process, `LOG`: TensorRT keeps a pointer to the first logger it is given, for
    whatever belongs to no builder or runtime, and it calls it from threads of its own; appending
    to a deque is safe there.
    """

    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self.errors: deque[str] = deque(maxlen=20)

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        """Take one message."""
        if severity in (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR):
            self.errors.append(msg)
            logger.debug('TensorRT: %s', msg)
        elif severity == trt.ILogger.Severity.WARNING:
            logger.debug('TensorRT warns: %s', msg)

    def explain(self, what: str) -> str:
        """Return what failed, what TensorRT said since the last call, and what to do."""
        said = '; '.join(dict.fromkeys(list(self.errors)))[:600]
        self.errors.clear()
        lowered = said.lower()
        for signs, remedy in REMEDIES:
            if any(sign in lowered for sign in signs):
                return f'{what}: {said}: {remedy}'
        return (
            f'{what}: {said or "TensorRT gave no reason"}: `mono_depth doctor --gpu` looks closer'
        )


LOG = Log()
