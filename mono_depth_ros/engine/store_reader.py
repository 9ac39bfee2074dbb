# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read the store of network versions: which there are, which is in use, what is damaged."""

from __future__ import annotations

from collections.abc import Mapping
import contextlib
from dataclasses import dataclass, field
import hashlib
import json
import os
from pathlib import Path
import re
from typing import Any

from mono_depth_ros.engine import durable
from mono_depth_ros.errors import ModelError, StoreError
from mono_depth_ros.manifest import Manifest

MODEL, WEIGHTS, MANIFEST, BAD = 'model.onnx', 'weights.safetensors', 'manifest.json', 'bad'
CURRENT, WAITING, HISTORY = 'current', 'waiting', 'history.json'
SCHEDULE = 'schedule.json'
SHIPPED = 'the shipped network'
# How the mark begins of a version that a person gave up, whatever machines thought of it.
BY_HAND = 'rolled back by hand'
_NAME = re.compile(r'(\d+)-([0-9a-f]{8})')


@dataclass(frozen=True)
class Version:
    """
    One version in the store.

    Attributes
    ----------
    name : str
        ``<number>-<first 8 digits of the SHA-256 of model.onnx>``.
    path : Path
        Its folder.
    manifest : Manifest
        What the network is.
    files : dict
        SHA-256 of each file, in hexadecimal.
    created : str
        When it was added, ISO 8601, UTC.
    made : dict
        How it was made: parent, mode, verdict, whatever the writer wants kept.
    bad : str
        Why it must not run, empty if it may.

    """

    name: str
    path: Path
    manifest: Manifest
    files: dict[str, str]
    created: str
    made: dict[str, Any] = field(default_factory=dict)
    bad: str = ''

    @property
    def onnx_path(self) -> Path:
        """The network as every engine reads it."""
        return self.path / MODEL

    @property
    def weights_path(self) -> Path | None:
        """Its weights for further training, if they were kept."""
        return self.path / WEIGHTS if WEIGHTS in self.files else None


@dataclass(frozen=True)
class Reading:
    """
    What a reader should run: a version, or the shipped network where it is None.

    ``reason`` is empty unless the store is damaged; then it says what was found and what is
    used instead.
    """

    version: Version | None
    reason: str = ''


def default_store_path() -> Path:
    """Return ``$ROS_HOME/mono_depth``, by default ``~/.ros/mono_depth``."""
    ros_home = os.environ.get('ROS_HOME')
    return (Path(ros_home) if ros_home else Path.home() / '.ros') / 'mono_depth'


class StoreReader:
    """
    Versions on disk, read without a lock: nothing that has its name is ever changed in place.

    Parameters
    ----------
    root : str or Path, optional
        Folder of the store; `default_store_path` if empty. It need not exist.
    refused : mapping, optional
        Versions that this reader takes as marked bad, and why: the mark may not be written yet,
        or never, if the disk is full.

    """

    def __init__(
        self, root: str | Path | None = None, *, refused: Mapping[str, str] | None = None
    ) -> None:
        self.root = Path(root).expanduser() if root else default_store_path()
        self.refused = refused or {}

    @property
    def versions_path(self) -> Path:
        """Folder of the versions."""
        return self.root / 'versions'

    @property
    def engines_path(self) -> Path:
        """Folder of the plans that were built from versions."""
        return self.root / 'engines'

    def versions(self) -> list[Version]:
        """Return the readable versions, oldest first; `verify` tells about the others."""
        versions = []
        for name in self._names():
            with contextlib.suppress(StoreError):
                versions.append(self._read(name))
        return versions

    def find(self, version: Version | str | int) -> Version:
        """Read a version, by name or number; StoreError if it is damaged or not there."""
        return self._read(self._find_name(version))

    def current_name(self) -> str | None:
        """Return the name that ``current`` points to, whatever is there; None if it is not set."""
        return self._target(CURRENT)

    def read_current(self) -> Reading:
        """
        Return the version in use, or, if it is damaged, the one in use before it.

        Never raises: a robot with a broken store runs the shipped network and says why.
        """
        try:
            name = self.current_name()
            if name is None:
                return Reading(None)
            problem = self._problem(name)
            if not problem:
                return Reading(self._read(name))
            earlier = self._earlier(name)
            fallback = self._read(earlier[-1]) if earlier and earlier[-1] else None
        except StoreError as error:
            return Reading(None, f'{error}; using {SHIPPED}')
        used = fallback.name if fallback else SHIPPED
        return Reading(fallback, f'version {name} in {self.root} {problem}; using {used}')

    def candidate(self) -> Version | None:
        """
        Return the version waiting to be tried: the one added last, if none was chosen since.

        It is neither bad nor damaged.
        """
        name = self.waiting_name()
        return None if name is None or self._problem(name) else self._read(name)

    def damaged_candidate(self) -> str:
        """
        Say what is damaged of the version waiting to be tried; empty if nothing is.

        Raises
        ------
        StoreError
            If it cannot be read now.

        """
        name = self.waiting_name()
        if name is None:
            return ''
        try:
            damage = '' if self._mark(name) else self._damage(name)
        except OSError as error:
            raise durable.store_error(f'read version {name} in {self.root}', error) from error
        return f'version {name} in {self.root} waits to be tried, but {damage}' if damage else ''

    def waiting_name(self) -> str | None:
        """Return the name of the version waiting to be tried, bad or damaged too."""
        name = self._target(WAITING)
        return name if name in self._names() and name != self.current_name() else None

    def _target(self, link: str) -> str | None:
        """Return the name of the version that a link points to; None if there is no link."""
        try:
            return Path(os.readlink(self.root / link)).name
        except FileNotFoundError:
            return None
        except OSError as error:
            raise durable.store_error(f'read the link {self.root / link}', error) from error

    def _mark(self, name: str) -> str:
        """Say why a version is bad; empty if it is not. OSError passes."""
        path = self.versions_path / name / BAD
        return path.read_text() if path.exists() else self.refused.get(name, '')

    def is_of(self, name: str, network: str) -> bool:
        """Say whether a version was made of a network, as far as one can read."""
        return self._network(name) in ('', network)

    def schedule(self) -> dict[str, Any]:
        """Return what was kept with `VersionStore.keep_schedule`; empty if it cannot be read."""
        try:
            kept = json.loads((self.root / SCHEDULE).read_text())
        except (OSError, ValueError):
            return {}
        return kept if isinstance(kept, dict) else {}

    def verify(self) -> dict[str, str]:
        """Check the files of every version against their hashes; return what is wrong, by name."""
        problems = {name: self._problem(name, bad_is_wrong=False) for name in self._names()}
        name = self.current_name()
        if name is not None and name not in problems:
            problems['current'] = f'points to {name}, which is not there'
        return {name: problem for name, problem in problems.items() if problem}

    def _names(self) -> list[str]:
        """Return the names of all versions, damaged ones too, oldest first."""
        try:
            names = [name for name in os.listdir(self.versions_path) if _NAME.fullmatch(name)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise durable.store_error(f'read the store {self.root}', error) from error
        return sorted(names, key=number_of)

    def _find_name(self, version: Version | str | int) -> str:
        """Return the name of a version that is there, damaged or not."""
        wanted = version.name if isinstance(version, Version) else str(version)
        for known in self._names():
            if wanted in (known, known.split('-')[0]):
                return known
        known_names = ', '.join(self._names()) or 'none'
        raise StoreError(f'no version {wanted} in {self.root}, there is: {known_names}')

    def _read(self, name: str) -> Version:
        path = self.versions_path / name
        try:
            text = (path / MANIFEST).read_text()
            values = json.loads(text)
            if values.pop('digest') != digest_of(values):
                raise ValueError('its digest does not match')
            if not values['files'][MODEL].startswith(name.split('-')[1]):
                raise ValueError('it belongs to another version')
            bad = (path / BAD).read_text() if (path / BAD).exists() else ''
            return Version(
                name=name,
                path=path,
                manifest=Manifest.from_json(text),
                files=values['files'],
                created=values['created'],
                made=values['made'],
                bad=bad,
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ModelError) as error:
            raise StoreError(f'version {name} in {self.root} has a damaged {MANIFEST}') from error

    def _problem(self, name: str, bad_is_wrong: bool = True) -> str:
        """Say why a version cannot be used; empty if it can."""
        try:
            damage = self._damage(name)
            if damage or not bad_is_wrong:
                return damage
            bad = self._mark(name)
        except OSError as error:
            return f'cannot be read: {error.strerror}'
        return f'is marked bad ({bad})' if bad else ''

    def _damage(self, name: str) -> str:
        """Say what is lost or damaged of a version; empty if nothing is. OSError passes."""
        if not _NAME.fullmatch(name) or not (self.versions_path / name).is_dir():
            return 'is not there'
        try:
            version = self._read(name)
        except StoreError:
            return f'has a damaged {MANIFEST}'
        for file, digest in version.files.items():
            if not (version.path / file).is_file():
                return f'has lost {file}'
            if durable.sha256(version.path / file) != digest:
                return f'has a damaged {file}'
        return ''

    def _earlier(self, name: str) -> list[str]:
        """
        Return the versions in use before this one, oldest first, up to the last usable one.

        One of another network is none. Where the shipped network, '', was chosen meanwhile, that
        is the last one.
        """
        history = self._history()
        if name in history:
            history = history[: len(history) - 1 - history[::-1].index(name)]
        network = self._network(name)
        while history and history[-1]:
            other = network and not self.is_of(history[-1], network)
            if history[-1] != name and not other and not self._problem(history[-1]):
                break
            history.pop()
        return history

    def _network(self, name: str) -> str:
        """Name the network that a version was made of; empty if it cannot be read."""
        try:
            return self._read(name).manifest.name
        except StoreError:
            return ''

    def _history(self) -> list[str]:
        try:
            names = json.loads((self.root / HISTORY).read_text())
            return [name for name in names if isinstance(name, str)]
        except (OSError, ValueError, TypeError):
            return []  # then there is nothing to fall back to but the shipped network


def number_of(name: str) -> int:
    """Return the number a version was given when it was added."""
    return int(name.split('-')[0])


def digest_of(values: dict[str, Any]) -> str:
    """Return a digest of everything in a manifest.json but the digest itself."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
