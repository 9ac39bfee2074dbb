# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The store: every version of the network that a robot made for itself, and which one is in use.

::

    versions/<n>-<sha8>/{model.onnx, weights.safetensors, manifest.json}    never change
    versions/<n>-<sha8>/bad    why it must not run again
    current                    link to the version in use; none means the shipped network
    waiting                    link to the version to be tried; whoever chooses another removes it
    history.json               versions that were in use, oldest first; '' is the shipped network
    schedule.json              when the next one is to be made, for whoever makes them
    engines/                   plans built from them

Whatever is written gets a temporary name, is flushed, and is renamed: a kill or a power cut at
any instant leaves the store as it was before or as it is after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import contextlib
from dataclasses import asdict
import datetime
import json
import os
from pathlib import Path
import shutil
from typing import Any

from mono_depth_ros.engine import durable
from mono_depth_ros.engine.store_reader import (
    BAD,
    CURRENT,
    default_store_path,
    digest_of,
    HISTORY,
    MANIFEST,
    MODEL,
    number_of,
    Reading,
    SCHEDULE,
    SHIPPED,
    StoreReader,
    Version,
    WAITING,
    WEIGHTS,
)
from mono_depth_ros.errors import StoreError
from mono_depth_ros.manifest import Manifest, read_manifest

__all__ = ['Reading', 'StoreReader', 'Version', 'VersionStore', 'default_store_path']

_WAIT_S = 10.0


class VersionStore(StoreReader):
    """
    Versions on disk; many may read, one writes at a time, each verb complete in itself.

    The first writer makes the folder.
    """

    def add(
        self,
        onnx_path: Path,
        weights_path: Path | None = None,
        *,
        made: dict[str, Any] | None = None,
    ) -> Version:
        """
        Copy a network into the store; it waits to be tried, and is in use once it is promoted.

        A network that is there already is not added twice: its version is returned.

        Raises
        ------
        ModelError
            If the network is not one of this package's form.
        StoreError
            If the store cannot be written.

        """
        manifest = read_manifest(Path(onnx_path))
        with self._writing('add a version'):
            digest = durable.sha256(Path(onnx_path))
            for version in self.versions():
                if version.files[MODEL] == digest and not self._problem(version.name, False):
                    self._point(WAITING, version.name)
                    return version
            number = max((number_of(name) for name in self._names()), default=0) + 1
            name = f'{number}-{digest[:8]}'
            temporary = self.versions_path / f'{durable.TEMPORARY}{os.getpid()}-{name}'
            sources = {MODEL: onnx_path, **({WEIGHTS: weights_path} if weights_path else {})}
            try:
                self._fill(temporary, sources, manifest, made or {})
                durable.replace(temporary, self.versions_path / name)
            finally:
                durable.remove(temporary)
            self._point(WAITING, name)
            return self._read(name)

    def promote(self, version: Version | str | int, *, force: bool = False) -> Version:
        """
        Make a version the one in use; then none waits to be tried.

        ``force`` lets a version run that was marked bad, and takes the mark away.

        Raises
        ------
        StoreError
            If it is damaged, marked bad, not there, or the store cannot be written.

        """
        with self._writing('promote a version'):
            chosen = self.find(version)
            if chosen.bad and force:
                (chosen.path / BAD).unlink(missing_ok=True)
                durable.sync(chosen.path)
            return self._promote(chosen.name)

    def follow(self, name: str) -> bool:
        """
        Make the version that was waiting to be tried the one in use, since a reader runs it.

        Returns
        -------
        bool
            False, and nothing changed, if another one was chosen meanwhile.

        Raises
        ------
        StoreError
            As `promote` does.

        """
        with self._writing('promote a version'):
            chosen = self.find(name).name
            if chosen not in (self.waiting_name(), self.current_name()):
                return False
            self._promote(chosen)
            return True

    def _promote(self, name: str) -> Version:
        problem = self._problem(name)
        if problem:
            raise StoreError(f'version {name} {problem}: it is not put in use')
        if name != self.current_name():
            # First the history: the predecessor must be known before it stops being current.
            self._write_history([*self._history(), name])
            self._point(CURRENT, name)
        self._point(WAITING, '')
        return self._read(name)

    def rollback(self, reason: str) -> Version | None:
        """
        Mark the version in use bad and go back to the last usable one before it.

        Then none waits to be tried.

        Returns
        -------
        Version or None
            What is in use now; None is the shipped network.

        Raises
        ------
        StoreError
            If the shipped network is in use already, or the store cannot be written.

        """
        with self._writing('roll back'):
            name = self.current_name()
            if name is None:
                raise StoreError(f'nothing to roll back in {self.root}: {SHIPPED} is in use')
            self._point(WAITING, '')
            return self._withdraw(name, reason)

    def reset(self, network: str | None = None) -> bool:
        """
        Go back to the shipped network; the versions stay as good as they were.

        Then none waits to be tried.

        Parameters
        ----------
        network : str, optional
            Name of the network to go back to; versions that were made of others stay in use, and
            go on waiting.

        Returns
        -------
        bool
            False if it is in use already.

        Raises
        ------
        StoreError
            If the store cannot be written.

        """
        with self._writing('go back to the shipped network'):
            left = [
                link
                for link in (WAITING, CURRENT)
                if (name := self._target(link)) and (network is None or self.is_of(name, network))
            ]
            if WAITING in left:
                self._point(WAITING, '')
            if CURRENT not in left:
                return False
            self._write_history([*self._history(), ''])
            self._point(CURRENT, '')
            return True

    def withdraw(self, version: Version | str | int, reason: str) -> Version | None:
        """
        Mark a version bad and, if it is in use, go back to the last usable one before it.

        Whoever promotes it at the same time either comes first, and is undone here, or comes
        later, and is refused.

        Returns
        -------
        Version or None
            What is in use now; None is the shipped network.

        Raises
        ------
        StoreError
            If there is no such version, or the store cannot be written.

        """
        with self._writing('withdraw a version'):
            name = self._find_name(version)
            current = self.current_name()
            if name == current:
                return self._withdraw(name, reason)
            self._mark_bad(name, reason)
        return self.read_current().version

    def prune(self, keep: int = 3) -> list[str]:
        """
        Remove all but the last ``keep`` versions.

        The one in use, the one before it, and the one waiting to be tried stay.
        """
        with self._writing('prune'):
            current = self.current_name()
            spared = {*(self._names()[-keep:] if keep > 0 else ()), self.waiting_name()}
            if current is not None:
                spared |= {current, *self._earlier(current)[-1:]}
            removed = [name for name in self._names() if name not in spared]
            for name in removed:
                # Renamed first: a version is there whole or not at all.
                doomed = self.versions_path / f'{durable.TEMPORARY}{name}'
                durable.replace(self.versions_path / name, doomed)
                durable.remove(doomed)
            return removed

    def keep_schedule(self, state: Mapping[str, Any]) -> None:
        """Keep how far the schedule of adaptation is; StoreError if it cannot be written."""
        with self._writing('keep the schedule'):
            durable.write_text(self.root, self.root / SCHEDULE, json.dumps(dict(state)))

    @contextlib.contextmanager
    def claim(self, who: str) -> Iterator[None]:
        """
        Be the only one that adapts with this store, for as long as the context lasts.

        The verbs stay open to others, so that a person may still roll back.

        Raises
        ------
        StoreInUseError
            If another process has claimed it; the message says which.
        StoreError
            If the store cannot be written.

        """
        self._make_folders()
        with durable.locked(self.root / 'adapter.lock', who):
            yield

    @contextlib.contextmanager
    def _writing(self, action: str) -> Iterator[None]:
        self._make_folders()
        lock = durable.locked(self.root / 'lock', durable.program(), wait_s=_WAIT_S)
        with lock:
            try:
                durable.clean(self.root)
                durable.clean(self.versions_path)
                yield
            except OSError as error:
                raise durable.store_error(f'{action} in {self.root}', error) from error

    def _make_folders(self) -> None:
        try:
            self.versions_path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise durable.store_error(f'make the store {self.root}', error) from error

    def _write_history(self, names: list[str]) -> None:
        durable.write_text(self.root, self.root / HISTORY, json.dumps(names[-100:]))

    def _point(self, link: str, name: str) -> None:
        """Let a link point to a version, or remove it if there is no name."""
        if not name:
            (self.root / link).unlink(missing_ok=True)
            durable.sync(self.root)
            return
        temporary = self.root / f'{durable.TEMPORARY}{os.getpid()}-{link}'
        os.symlink(Path('versions') / name, temporary)
        durable.replace(temporary, self.root / link)

    def _withdraw(self, name: str, reason: str) -> Version | None:
        """Leave the version in use."""
        # First the mark: from here on every reader falls back by itself.
        self._mark_bad(name, reason)
        earlier = self._earlier(name)
        before = earlier[-1] if earlier else ''
        self._point(CURRENT, before)
        self._write_history(earlier)
        return self._read(before) if before else None

    def _mark_bad(self, name: str, reason: str) -> None:
        """Mark a version; the first reason stays."""
        path = self.versions_path / name / BAD
        if path.parent.is_dir() and not path.exists():
            durable.write_text(self.root, path, reason.strip() or 'no reason given')

    def _fill(
        self, folder: Path, sources: dict[str, Path], manifest: Manifest, made: dict[str, Any]
    ) -> None:
        folder.mkdir()
        for name, source in sources.items():
            shutil.copyfile(source, folder / name)
            durable.sync(folder / name)
        values: dict[str, Any] = {
            **asdict(manifest),
            'created': datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds'),
            'files': {name: durable.sha256(folder / name) for name in sources},
            'made': made,
        }
        values = json.loads(json.dumps(values, default=_plain))
        values['digest'] = digest_of(values)
        (folder / MANIFEST).write_text(json.dumps(values, indent=1) + '\n')
        durable.sync(folder / MANIFEST)
        durable.sync(folder)


def _plain(value: Any) -> Any:
    """Make JSON of what others keep in ``made``: numpy scalars, paths."""
    return value.item() if hasattr(value, 'item') else str(value)
