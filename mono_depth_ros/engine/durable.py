# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files that survive a kill or a power cut at any instant, and a lock for their one writer."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import errno
import fcntl
import hashlib
import os
from pathlib import Path
import shutil
import socket
import sys
import time

from mono_depth_ros.errors import StoreError, StoreInUseError

# Every unfinished file or folder has this prefix, so that the next writer can clean it up.
TEMPORARY = '.tmp-'
_BLOCK = 1 << 20
_REMEDIES = {
    errno.ENOSPC: 'the disk is full: free some space, or prune old versions',
    errno.EDQUOT: 'the quota is used up: free some space, or prune old versions',
    errno.EROFS: 'the file system is read-only: choose another store folder',
    errno.EACCES: 'permission denied: choose another store folder, or change its owner',
    errno.EPERM: 'not permitted: choose another store folder, or change its owner',
    errno.ENOTDIR: 'a file is in the way of a folder: choose another store folder',
    errno.ENOLCK: 'its file system has no locks: choose a folder on another one',
}


def store_error(action: str, error: OSError) -> StoreError:
    """Translate an OSError: what was being done, why it failed, what to do."""
    why = _REMEDIES.get(error.errno or 0, str(error))
    return StoreError(f'cannot {action}: {why}')


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace(temporary: Path, path: Path) -> None:
    """Give a finished temporary file, link or folder its name, and flush the folder it is in."""
    os.replace(temporary, path)
    sync(path.parent)


@contextlib.contextmanager
def whole(path: Path, folder: Path | None = None) -> Iterator[Path]:
    """
    Write a file whole or not at all: the block fills the temporary one, which becomes ``path``.

    It lies in ``folder``, by default beside ``path``. If the block or the disk fails, it goes away
    and what was there before stays.
    """
    temporary = (folder or path.parent) / f'{TEMPORARY}{os.getpid()}-{path.name}'
    try:
        yield temporary
        sync(temporary)
        replace(temporary, path)
    finally:
        remove(temporary)


def write_text(folder: Path, path: Path, text: str) -> None:
    """Write a small file whole or not at all; the temporary one lies in ``folder``."""
    with whole(path, folder) as temporary:
        temporary.write_text(text)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def clean(folder: Path) -> None:
    """Remove what killed writers left in a folder."""
    for leftover in folder.glob(f'{TEMPORARY}*'):
        remove(leftover)


def remove(path: Path) -> None:
    """Remove a file, link or folder; what cannot be removed is left to the next writer."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


@contextlib.contextmanager
def locked(path: Path, what: str, *, wait_s: float = 0.0) -> Iterator[None]:
    """
    Hold the lock file ``path``; the kernel lets go of it when the process ends, however it ends.

    Raises
    ------
    StoreInUseError
        If another process (or thread) holds it longer than ``wait_s`` seconds; says who.
    StoreError
        If it cannot be written.

    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(path.open('a+'))
        except OSError as error:
            raise store_error(f'write to {path.parent}', error) from error
        deadline = time.monotonic() + wait_s
        while not _try_lock(file.fileno(), path):
            if time.monotonic() >= deadline:
                file.seek(0)
                raise StoreInUseError(
                    f'{path.parent} is in use by {file.read().strip() or "another process"}: '
                    f'{what} needs it alone; end that one, or choose another store folder'
                )
            time.sleep(0.02)
        with contextlib.suppress(OSError):  # who holds it is a courtesy to others
            file.truncate(0)
            file.write(f'{what} (process {os.getpid()} on {socket.gethostname()})\n')
            file.flush()
        yield


def _try_lock(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise store_error(f'lock {path}', error) from error
    return True


def program() -> str:
    """Return the name of the running program, for messages."""
    return Path(sys.argv[0]).name or 'python'
