# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Load an engine beside the running one: images come first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
import os
import threading
from typing import TypeVar

Result = TypeVar('Result')

LOWEST_PRIORITY = 19
_beside: ContextVar[threading.Event | None] = ContextVar('beside', default=None)
_have_run: set[str] = set()


@contextmanager
def beside_images(given_up: threading.Event | None = None) -> Iterator[None]:
    """
    Load engines, in this thread and block, so that another thread can go on with images.

    ``given_up`` says, once it is set, that nobody waits for them any more.
    """
    token = _beside.set(given_up or threading.Event())
    try:
        yield
    finally:
        _beside.reset(token)


def is_beside_images() -> bool:
    """Say whether this is inside of `beside_images`."""
    return _beside.get() is not None


def is_given_up() -> bool:
    """Say whether nobody waits any more for what is loaded inside of `beside_images`."""
    given_up = _beside.get()
    return given_up is not None and given_up.is_set()


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
