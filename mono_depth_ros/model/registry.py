# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Which network a name means: a shipped one, an ONNX file, or what the robot made of them.

The store has one version in use. It stands in for the network it was adapted from, which it names
in its manifest (adaptation keeps the name), and for no other: a robot that adapted ``indoor`` and
is then started with ``street`` runs the shipped ``street`` and says that the store was left aside.
A path into the store itself always means that very file.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mono_depth_ros.engine.store_reader import number_of, StoreReader, Version
from mono_depth_ros.errors import ModelError, StoreError
from mono_depth_ros.manifest import Manifest, read_manifest

WEIGHTS_PATH = Path(__file__).resolve().parent.parent / 'weights'
MODEL = 'model.onnx'
PACK = 'source_pack.zip'
# Networks that see farther [m] are for the street.
OUTDOORS = 30.0


@dataclass(frozen=True)
class ResolvedModel:
    """
    The file to run, and why it is that one.

    Attributes
    ----------
    path : Path
        ONNX file.
    manifest : Manifest
        What the network is.
    version : str
        Name of the version in the store, else the version in the manifest.
    origin : str
        ``shipped``, ``file`` or ``store``.
    warning : str
        What is worth telling the user: a damaged store, a version that was left aside.
    made : dict
        How a version of the store was made.

    """

    path: Path
    manifest: Manifest
    version: str
    origin: str
    warning: str = ''
    made: dict[str, Any] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """Order in which versions of the store were added, 0 for what is not from there."""
        return number_of(self.version) if self.origin == 'store' else 0


def shipped_models() -> dict[str, Path]:
    """Return the networks that come with the package, name to ONNX file."""
    return {path.parent.name: path for path in sorted(WEIGHTS_PATH.glob(f'*/{MODEL}'))}


def domain_of(max_depth: float) -> str:
    """Name the shipped network of the same domain as one that sees this far [m]."""
    return 'street' if max_depth > OUTDOORS else 'indoor'


def resolve_model(
    name_or_path: str, store: StoreReader | None = None, *, candidate: bool = False
) -> ResolvedModel:
    """
    Find the network to run.

    Parameters
    ----------
    name_or_path : str
        Name of a shipped network, or path of an ONNX file of this package's form.
    store : StoreReader, optional
        Versions made on this robot; the one in use goes before the network it was adapted from.
    candidate : bool
        Prefer the version of the store that waits to be tried, as a reload does.

    Raises
    ------
    ModelError
        If there is no such network, or it was not imported. A damaged store never raises; it is
        told in ``warning``.

    """
    path, origin = _find(name_or_path)
    manifest = read_manifest(path)
    base = ResolvedModel(path, manifest, manifest.version, origin)
    if store is None or store.versions_path.resolve() in path.resolve().parents:
        return base
    version, warning = _read_store(store, manifest.name if candidate else None)
    if version is not None and version.manifest.name != manifest.name:
        other = (
            f'version {version.name} in {store.root} was adapted from {version.manifest.name!r}, '
            f'not from {manifest.name!r}: it is left aside'
        )
        version, warning = None, f'{warning}; {other}' if warning else other
    if version is None:
        return ResolvedModel(path, manifest, manifest.version, origin, warning)
    return ResolvedModel(
        version.onnx_path, version.manifest, version.name, 'store', warning, version.made
    )


def _find(name_or_path: str) -> tuple[Path, str]:
    shipped = shipped_models()
    if name_or_path in shipped:
        return shipped[name_or_path], 'shipped'
    path = Path(name_or_path).expanduser()
    if path.suffix == '.onnx' or path.is_file():
        return path, 'file'
    if (path / MODEL).is_file():
        return path / MODEL, 'file'
    names = ', '.join(shipped) or 'none in this installation'
    raise ModelError(
        f'no network {name_or_path!r}: give a shipped one ({names}) or the path of an imported '
        'ONNX file'
    )


def _read_store(store: StoreReader, candidate_for: str | None) -> tuple[Version | None, str]:
    """Return the version to run, and what is wrong with the store."""
    if candidate_for is not None:
        # What is wrong with a store that cannot even be listed, read_current says below.
        with contextlib.suppress(StoreError):
            waiting = store.candidate()
            if waiting is not None and waiting.manifest.name == candidate_for:
                return waiting, ''
    reading = store.read_current()
    return reading.version, reading.reason
