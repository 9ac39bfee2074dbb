# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A pool of rendered samples on disk, filled by one process while others train from it.

A shard is a folder of .npy files; it appears by one rename, so a reader never sees half of one.
Shard 0 of every domain is held out for validation.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
import math
import os
from pathlib import Path
import re
import shutil
from typing import Any

from mono_depth_ros import __version__
from mono_depth_ros.errors import DatasetError
from mono_depth_ros.source.domain_file import check_domain, describe_domain, is_relative
import numpy as np
from numpy.typing import NDArray

ARRAYS = ('rgb', 'depth', 'semantics', 'focal')
SHARD_SAMPLES = 128
RENDERED_AT_ONCE = 8
SHARD = re.compile(r'([a-z]+)-(\d{6})')


@dataclass(frozen=True)
class Sample:
    """
    One labelled image.

    Attributes
    ----------
    rgb : np.ndarray, shape (H, W, 3), uint8
    depth : np.ndarray, shape (H, W), float16 or float32
        Metres along the optical axis; inf is the sky, NaN is unlabelled.
    semantics : np.ndarray, shape (H, W), uint8
        Class of each pixel.
    focal : float
        Focal length in pixels; the principal point is the middle of the image.
    relative : bool
        Whether the inverse of ``depth`` is only known up to a scale and a shift: it is no metres.

    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.floating]
    semantics: NDArray[np.uint8]
    focal: float
    relative: bool = False


@dataclass(frozen=True)
class Rows:
    """
    Where an array of a shard is; one of its rows is read when it is asked for.

    Attributes
    ----------
    path : Path
        Its .npy file.
    offset : int
        Where its values begin [bytes].
    dtype : np.dtype
    shape : tuple of int
        Rows first.

    """

    path: Path
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def __getitem__(self, row: int) -> NDArray[Any]:
        """Read one row; raise DatasetError if that is not possible."""
        count = math.prod(self.shape[1:])
        place = self.offset + row * count * self.dtype.itemsize
        try:
            values = np.fromfile(self.path, self.dtype, count, offset=place)
        except OSError as error:
            raise DatasetError(f'cannot read {self.path}: {error.strerror}') from error
        if values.size != count:
            raise DatasetError(f'{self.path} has been cut off: delete its shard')
        return values.reshape(self.shape[1:])


@dataclass(frozen=True)
class Shard:
    """
    The samples of one shard.

    None of its files stays open: a pool has more of them than a process may open.

    Attributes
    ----------
    domain : str
        What they are samples of.
    arrays : dict of str to Rows
        Those of `ARRAYS`.
    relative : bool
        Whether its samples are.

    """

    domain: str
    arrays: dict[str, Rows]
    relative: bool = False

    def __len__(self) -> int:
        return self.arrays['depth'].shape[0]

    @property
    def size(self) -> tuple[int, int]:
        """Return (height, width) of its samples [px]."""
        _, height, width = self.arrays['depth'].shape
        return height, width

    def __getitem__(self, row: int) -> Sample:
        """Read one sample; raise DatasetError if that is not possible."""
        values = {name: rows[row] for name, rows in self.arrays.items()}
        return Sample(
            rgb=np.asarray(values['rgb'], np.uint8),
            depth=values['depth'],
            semantics=np.asarray(values['semantics'], np.uint8),
            focal=float(values['focal']),
            relative=self.relative,
        )


@dataclass(frozen=True)
class _Contents:
    """Known shards, and the number of samples up to the end of each."""

    shards: tuple[Shard, ...]
    ends: NDArray[np.int64]

    @property
    def count(self) -> int:
        return int(self.ends[-1]) if self.ends.size else 0


class SamplePool:
    """
    The samples of one or more domains under a folder.

    Parameters
    ----------
    root : Path
        Folder of the shards.
    domains : sequence of str
        Which domains to read, e.g. ``('indoor', 'street')``.
    held_out : bool
        Read the held-out shard of each domain instead of all the others.

    """

    def __init__(self, root: Path, domains: Sequence[str], *, held_out: bool = False) -> None:
        self.root, self.domains, self.held_out = Path(root), tuple(domains), held_out
        self._known: frozenset[str] = frozenset()
        self._contents = _Contents((), np.zeros(0, np.int64))
        self.refresh()

    def refresh(self) -> int:
        """Look for shards that appeared since the last call; return the number of samples."""
        shards = list(self._contents.shards)
        known = set(self._known)
        for path in sorted(self.root.glob('*-??????')) if self.root.is_dir() else ():
            match = SHARD.fullmatch(path.name)
            if match is None or match[1] not in self.domains or path.name in known:
                continue
            if (int(match[2]) == 0) == self.held_out:
                relative = is_relative(self.root, match[1])
                shards.append(replace(read_shard(path), relative=relative))
            known.add(path.name)
        ends = np.cumsum([len(shard) for shard in shards], dtype=np.int64)
        # Published as one object: threads that prepare batches read the pool meanwhile.
        self._contents = _Contents(tuple(shards), ends)
        self._known = frozenset(known)
        return len(self)

    def __len__(self) -> int:
        return self._contents.count

    @property
    def lacking(self) -> list[str]:
        """Domains without any sample."""
        found = {shard.domain for shard in self._contents.shards}
        return [domain for domain in self.domains if domain not in found]

    @property
    def metric(self) -> list[str]:
        """Domains whose labels are metres."""
        relative = {shard.domain for shard in self._contents.shards if shard.relative}
        return [domain for domain in self.domains if domain not in relative]

    def matching(self, size: tuple[int, int], ratio: float = 1.5) -> NDArray[np.int64]:
        """Return the samples of `matching_by_domain` of all domains together."""
        parts = self.matching_by_domain(size, ratio)
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def matching_by_domain(
        self, size: tuple[int, int], ratio: float = 1.5
    ) -> list[NDArray[np.int64]]:
        """
        Return the samples whose aspect ratio is within a factor ``ratio`` of that of a size.

        Parameters
        ----------
        size : tuple of int
            (height, width) [px].
        ratio : float
            Largest factor between both aspect ratios.

        Returns
        -------
        list of np.ndarray, shape (N,), int64
            Their numbers, for each domain that has samples at all; where none of a domain fits,
            those of its nearest shape.

        """
        wanted = size[1] / size[0]
        contents = self._contents
        runs: dict[str, dict[float, list[NDArray[np.int64]]]] = {}
        for end, shard in zip(contents.ends, contents.shards, strict=True):
            rows, columns = shard.size
            run = np.arange(end - len(shard), end)
            runs.setdefault(shard.domain, {}).setdefault(columns / rows / wanted, []).append(run)
        chosen = [
            [run for aspect in fitting_aspects(shapes, ratio) for run in shapes[aspect]]
            for _, shapes in sorted(runs.items())
        ]
        return [np.sort(np.concatenate(part)) for part in chosen]

    def __getitem__(self, index: int) -> Sample:
        contents = self._contents
        number = int(np.searchsorted(contents.ends, index, side='right'))
        if not 0 <= index < contents.count:
            raise IndexError(f'sample {index} of a pool of {contents.count}')
        first = int(contents.ends[number - 1]) if number else 0
        return contents.shards[number][index - first]


def fitting_aspects(aspects: Collection[float], ratio: float) -> list[float]:
    """
    Return the relative aspect ratios within a factor ``ratio`` of 1, or the nearest if none is.
    """
    fitting = [aspect for aspect in aspects if 1 / ratio <= aspect <= ratio]
    return fitting or [min(aspects, key=lambda aspect: abs(math.log(aspect)))]


def shard_path(root: Path, domain: str, number: int) -> Path:
    """Return the folder of a shard; number 0 is the held-out one."""
    return Path(root) / f'{domain}-{number:06d}'


def read_shard(path: Path) -> Shard:
    """
    Look at the arrays of one shard.

    Raises
    ------
    DatasetError
        If one of them cannot be read or is damaged, or they do not belong together.

    """
    arrays = {name: _find_rows(path / f'{name}.npy') for name in ARRAYS}
    if len({rows.shape[0] for rows in arrays.values()}) != 1:
        raise DatasetError(
            f'{path}: its arrays have different lengths; delete it and render again'
        )
    return Shard(path.name.partition('-')[0], arrays)


def _find_rows(path: Path) -> Rows:
    try:
        array = np.load(path, mmap_mode='r')
        if not array.flags.c_contiguous:
            raise ValueError(f'{path.name} is in Fortran order')
        return Rows(path, array.offset, array.dtype, array.shape)
    except OSError as error:
        raise DatasetError(f'cannot read {path}: {error.strerror}') from error
    except (EOFError, ValueError) as error:
        raise DatasetError(f'{path.parent} is not a shard of rendered samples: {error}') from error


def make_pool(root: Path) -> None:
    """Make the folder of a pool; raise DatasetError if that is not possible."""
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(f'cannot write to {root}: {error.strerror}') from error


def write_shard(path: Path, arrays: dict[str, NDArray[np.generic]]) -> None:
    """Write a shard so that it appears complete or not at all; one that is there is kept."""
    make_pool(path.parent)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        temporary.mkdir()
        for name in ARRAYS:
            np.save(temporary / f'{name}.npy', arrays[name])
        temporary.rename(path)
    except OSError as error:
        if path.exists():  # another process wrote it meanwhile
            return
        raise DatasetError(f'cannot write {path}: {error.strerror}') from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def shard_seed(seed: int, domain: str, number: int) -> int:
    """Seed of the first scene of a shard, random for each shard, domain and seed: in 2**31."""
    entropy = [seed, number, *domain.encode()]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0]) % 2**31


def render_shard(
    domain: str,
    size: tuple[int, int],
    count: int,
    seed: int,
    *,
    device: str = 'cpu',
) -> dict[str, NDArray[np.generic]]:
    """Render ``count`` samples of (height, width) pixels as the arrays of one shard."""
    from mono_depth_ros.source.procedural import render_batch

    parts: dict[str, list[NDArray[np.generic]]] = {name: [] for name in ARRAYS}
    for start in range(0, count, RENDERED_AT_ONCE):
        number = min(RENDERED_AT_ONCE, count - start)
        rendered = render_batch(seed + start, number, size, domain=domain, device=device)
        for name, arrays in parts.items():
            arrays.append(getattr(rendered, name).cpu().numpy())
    shard = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    return {**shard, 'depth': shard['depth'].astype(np.float16)}


def missing_shards(root: Path, domain: str, *, samples: int) -> list[int]:
    """Return the shards that a pool of so many training samples and the held-out ones lacks."""
    numbers = range(-(-samples // SHARD_SAMPLES) + 1)
    return [number for number in numbers if not shard_path(root, domain, number).exists()]


def check_rendered(
    root: Path, domain: str, *, sizes: Sequence[tuple[int, int]], seed: int
) -> None:
    """
    Check that the shards of a domain, if there are any, are those that `fill_pool` would render.

    Those of a pool without DOMAIN.json are taken as they are.

    Raises
    ------
    DatasetError
        If they are of other sizes, another seed or another version of the package.

    """
    check_domain(root, domain, _rendered_as(sizes, seed))


def _rendered_as(sizes: Sequence[tuple[int, int]], seed: int) -> dict[str, object]:
    return {'sizes': list(sizes), 'seed': seed, 'version': __version__}


def fill_pool(
    root: Path,
    domain: str,
    *,
    samples: int,
    sizes: Sequence[tuple[int, int]],
    seed: int = 0,
    shard_samples: int = SHARD_SAMPLES,
    device: str = 'cpu',
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """
    Render shards until the pool holds ``samples`` training samples of a domain.

    Shards that exist are kept, so a killed run continues where it was. Shard k has the size
    ``sizes[k % len(sizes)]`` and a seed of its own: the pool does not depend on interruptions.
    ``DOMAIN.json`` beside the shards says what they were rendered with.

    Returns
    -------
    int
        Number of shards rendered by this call.

    Raises
    ------
    DatasetError
        If the pool cannot be written, or has shards that were rendered with something else; its
        folder is made before anything is rendered.

    """
    make_pool(root)
    describe_domain(root, domain, _rendered_as(sizes, seed))
    rendered = 0
    for number in range(-(-samples // shard_samples) + 1):  # and the held-out one
        path = shard_path(root, domain, number)
        if not path.exists():
            size = sizes[number % len(sizes)]
            arrays = render_shard(
                domain, size, shard_samples, shard_seed(seed, domain, number), device=device
            )
            write_shard(path, arrays)
            rendered += 1
        progress(min(samples, number * shard_samples))
    return rendered
