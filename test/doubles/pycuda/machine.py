# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The machine that the doubles of pycuda and TensorRT pretend to run on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
import itertools
import json
import os
import sys
import threading
from typing import Any

import numpy as np

# What FAKE_GPU may change, and how it is without.
DEFAULTS: dict[str, Any] = {
    'gpu': 'Pretended Orin',
    'compute_capability': [8, 7],
    'tensorrt': '10.3.0',
    'memory_mb': 4096,  # of the device
    'no_driver': False,  # cuda.init fails
    'devices': 1,
    'steps': 10,  # of a build
    'step_s': 0.0,  # duration of a step that is not in the timing cache
    'build_error': '',  # what the builder logs before it gives up
    'crash': False,  # the builder dies of a signal
    'load_error': '',  # what the runtime logs instead of loading a plan
    'refit': 'works',  # or fails, or is stale: the weights stay as they are
    'frame_error': '',  # what the engine logs instead of running a frame
    'unsupported': '',  # operator that the parser does not know
    'gain': 1.0,  # factor on the output, for engines that compute nonsense
}


class ContractError(AssertionError):
    """Something was done that the real libraries forbid, or punish later."""


class Stack(list[Any]):
    """Contexts of one thread; as in pycuda, leaving one there ends the process."""

    def __del__(self) -> None:
        if self:
            sys.stderr.write(
                'PyCUDA ERROR: The context stack was not empty upon module cleanup.\n'
            )
            sys.stderr.flush()
            os.abort()


class Machine:
    """Device memory, page-locked memory, streams, and what is alive of each kind."""

    def __init__(self) -> None:
        self.settings = {**DEFAULTS, **json.loads(os.environ.get('FAKE_GPU', '{}'))}
        self.initialised = False
        self.live: Counter[str] = Counter()
        self.leaked: list[str] = []
        self.memory: dict[int, np.ndarray] = {}
        self.pinned: dict[int, int] = {}
        self.streams: dict[int, list[Callable[[], None]]] = {}
        self.retained = 0
        self.logger: Any = None  # of TensorRT
        self.frames = 0
        self._addresses = itertools.count(0x7F0000000000, 1 << 24)
        self._local = threading.local()

    def setting(self, name: str) -> Any:
        """Return a setting; the environment may change while a process runs."""
        changed = json.loads(os.environ.get('FAKE_GPU', '{}'))
        return {**DEFAULTS, **changed}[name]

    @property
    def stack(self) -> Stack:
        """Contexts of this thread."""
        if not hasattr(self._local, 'stack'):
            self._local.stack = Stack()
        return self._local.stack

    def need_context(self, what: str) -> Any:
        """Return the context on top in this thread."""
        if not self.stack:
            raise ContractError(f'{what} needs a current context in {threading.current_thread()}')
        return self.stack[-1]

    def may_free(self, context: Any) -> bool:
        """Say whether pycuda could free something of this context in this thread."""
        on_top = bool(self.stack) and self.stack[-1] is context
        return on_top or context.thread == threading.get_ident()

    def new_address(self) -> int:
        """Return an address that nothing else has."""
        return next(self._addresses)

    def allocate(self, size: int) -> int:
        """Allocate device memory, filled with what is no image and no depth."""
        address = self.new_address()
        self.memory[address] = np.full(size, 0xCD, np.uint8)
        return address

    def used(self) -> int:
        """Return the allocated bytes."""
        return sum(block.nbytes for block in self.memory.values())

    def block(self, address: Any, what: str) -> np.ndarray:
        """Return the memory at an address."""
        found = self.memory.get(int(address))
        if found is None:
            raise ContractError(f'{what} uses memory that was freed or never allocated')
        return found

    def queue(self, stream: int, work: Callable[[], None]) -> None:
        """Do something when the stream is waited for."""
        if stream not in self.streams:
            raise ContractError('work is queued on a stream that is none, or is destroyed')
        self.streams[stream].append(work)

    def wait(self, stream: int) -> None:
        """Do what was queued, in order."""
        work, self.streams[stream] = self.streams[stream], []
        for item in work:
            item()


machine = Machine()
