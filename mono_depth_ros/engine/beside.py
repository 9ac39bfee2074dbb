# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Load an engine beside the running one: images come first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
import os
from typing import TypeVar

Result = TypeVar('Result')

LOWEST_PRIORITY = 19
_beside: ContextVar[bool] = ContextVar('beside', default=False)
_have_run: set[str] = set()


@contextmanager
def beside_images() -> Iterator[None]:
    """Load engines, in this thread and block, so that another thread can go on with images."""
    token = _beside.set(True)
    try:
        yield
    finally:
        _beside.reset(token)


def is_beside_images() -> bool:
    """Say whether this is inside of `beside_images`."""
    return _beside.get()


def has_run(backend: str) -> None:
    """Remember that a backend has run a network: it has the threads that it needs."""
    _have_run.add(backend)


def give_way(backend: str, work: Callable[[], Result]) -> Result:
    """
    Do some work of a backend, and inside of `beside_images` in a thread of the lowest priority.

    Linux gives each thread a niceness of its own, and threads that it starts get the same for
    ever. Backends keep theirs for all networks, so the first network of a process does not give
    way, and ``work`` must start none that are still needed afterwards.
    """
    if not is_beside_images() or backend not in _have_run:
        return work()
    with ThreadPoolExecutor(1, 'give_way', os.nice, (LOWEST_PRIORITY,)) as thread:
        return thread.submit(work).result()
