# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The plans of a store: serialized TensorRT engines, each for one network on one machine.

::

    engines/<key>.plan     owner only; a plan is code that runs on the GPU and in this process
    engines/<key>.json     what it was built from, and its SHA-256
    engines/timing.cache   what TensorRT measured, so that the next network builds faster
    engines/<sha16>-int8.onnx, .json    a network with Q/DQ nodes, and how good it is

Only plans from this folder are ever loaded, and only if nobody but the owner could have written
them. Whatever is missing, damaged, of another TensorRT or of another GPU is built again.
"""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass
import hashlib
import json
import os
from pathlib import Path
import stat
from typing import Any

from mono_depth_ros.engine import durable
from mono_depth_ros.errors import EngineError, StoreError

# Counts up when the graph surgery before a build changes, so that old plans are left aside.
SURGERY = 2
TIMING_CACHE = 'timing.cache'
KEPT_PLANS = 8


@dataclass(frozen=True)
class BuildOptions:
    """
    What is told to the builder beside the network.

    Attributes
    ----------
    workspace_mb : int
        GPU memory that one layer may use while it runs [MiB].
    optimization_level : int
        0 (fast build) to 5 (fast engine); 3 is TensorRT's own default.
    refittable : bool
        The plan takes the weights of other networks of its structure; it may run slower.

    """

    workspace_mb: int = 1024
    optimization_level: int = 3
    refittable: bool = False


@dataclass(frozen=True)
class PlanKey:
    """
    Everything that decides whether an engine may run a plan.

    Two networks of one architecture differ in ``onnx``, so they never share a plan. An engine
    runs a plan whatever its `BuildOptions` were, so those are in its record: the builder builds
    again if others are asked for.
    """

    onnx: str
    input_size: tuple[int, int]
    precision: str
    tensorrt: str
    gpu: str
    compute_capability: str
    surgery: int = SURGERY

    @property
    def digest(self) -> str:
        """Return the name of the plan."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


class PlanFolder:
    """
    The ``engines`` folder of a store.

    Parameters
    ----------
    path : Path
        The folder; it need not exist.

    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    @property
    def timing_cache(self) -> Path:
        """File of the timing cache."""
        return self.path / TIMING_CACHE

    def plan_path(self, key: str) -> Path:
        """Return where the plan of this key is, or will be."""
        return self.path / f'{key}.plan'

    def int8_path(self, onnx_sha256: str) -> Path:
        """Return where the Q/DQ form of a network is, or will be."""
        return self.path / f'{onnx_sha256[:16]}-int8.onnx'

    def read(self, path: Path) -> bytes | str:
        """
        Read a file of this folder, after every check that it is what was written here.

        Returns
        -------
        bytes or str
            The bytes; or, in words, why there are none to use: missing, damaged, not private.

        Raises
        ------
        EngineError
            If others may write to the folder, so that nothing in it can be trusted.

        """
        if not path.exists():
            return 'not built yet'
        self.check_private()
        try:
            found = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            return f'it cannot be read ({error.strerror})'
        # What was checked is what is read, even if the name points elsewhere by now.
        with open(found, 'rb') as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
                return 'it is not a file of this user'
            if stat.S_IMODE(status.st_mode) & 0o077:
                return 'others may read or write it (expected mode 0600)'
            data = file.read()
        recorded = self.record(path).get('sha256')
        if recorded != hashlib.sha256(data).hexdigest():
            return 'it is damaged' if recorded else 'its record is missing'
        with contextlib.suppress(OSError):
            os.utime(path)  # the least recently used one is pruned first
        return data

    def record(self, path: Path) -> dict[str, Any]:
        """Return what is recorded of a file; empty if nothing readable is."""
        try:
            values = json.loads(path.with_suffix('.json').read_text())
        except (OSError, ValueError):
            return {}
        return values if isinstance(values, dict) else {}

    def write(self, path: Path, data: bytes, made: dict[str, Any]) -> None:
        """
        Write a file and its record, whole or not at all, for the owner only.

        Raises
        ------
        StoreError
            If the folder cannot be written.

        """
        values = {**made, 'sha256': hashlib.sha256(data).hexdigest(), 'bytes': len(data)}
        text = json.dumps(values, indent=1, default=str) + '\n'
        try:
            # A plan without its record is built again, so a kill between the two does no harm.
            self._write_private(path, data)
            self._write_private(path.with_suffix('.json'), text.encode())
        except OSError as error:
            raise durable.store_error(f'write {path}', error) from error

    def keep_timings(self, data: bytes) -> None:
        """Write the timing cache; what cannot be written is measured again."""
        with contextlib.suppress(OSError):
            self._write_private(self.timing_cache, data)

    def discard(self, path: Path) -> None:
        """Remove a file that does not load, and its record."""
        for name in (path, path.with_suffix('.json')):
            with contextlib.suppress(OSError):
                name.unlink()

    def prune(self, keep: int = KEPT_PLANS) -> None:
        """Remove all but the ``keep`` plans used last."""
        plans = sorted(self.path.glob('*.plan'), key=_used, reverse=True)
        for path in plans[keep:]:
            self.discard(path)

    @contextlib.contextmanager
    def building(self, what: str, wait_s: float = 1800.0) -> Any:
        """
        Be the only builder in this folder: two at once would spoil each other's timing.

        Raises
        ------
        StoreError
            If the folder cannot be written, or another builder does not end in time.

        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise durable.store_error(f'make the folder {self.path}', error) from error
        with durable.locked(self.path / 'lock', what, wait_s=wait_s):
            durable.clean(self.path)
            yield

    def check_private(self) -> None:
        """Raise EngineError if anyone but the owner may put plans into the folder."""
        try:
            status = self.path.stat()
        except OSError as error:
            raise StoreError(f'cannot read {self.path}: {error.strerror}') from error
        if status.st_uid != os.geteuid():
            raise EngineError(
                f'{self.path} belongs to another user, so its plans are not loaded: chown it, or '
                'set store to a folder of your own'
            )
        if stat.S_IMODE(status.st_mode) & 0o022:
            raise EngineError(
                f'others may write to {self.path}, so its plans are not loaded: '
                f'chmod 700 {self.path}'
            )

    def _write_private(self, path: Path, data: bytes) -> None:
        def private(name: str, flags: int) -> int:
            return os.open(name, flags | os.O_EXCL, 0o600)

        with durable.whole(path) as temporary, open(temporary, 'wb', opener=private) as file:
            file.write(data)


def _used(path: Path) -> float:
    """Return when a plan was last read or written."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
