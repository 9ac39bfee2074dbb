# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Open a labelled dataset by name and place: ``nyu:/data/nyu``, ``kitti:/data/kitti:SPLIT``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from mono_depth_ros.errors import ConfigError, DatasetError
from mono_depth_ros.folders import FolderFrames
from mono_depth_ros.frames import Frame, FrameSource, open_frames, ProceduralFrames
from mono_depth_ros.metrics import INDOOR_CAP, OUTDOOR_CAP
from mono_depth_ros.source.layouts.diml import open_diml
from mono_depth_ros.source.layouts.kitti import open_kitti, open_kitti_lidar
from mono_depth_ros.source.layouts.nyu import open_nyu
from mono_depth_ros.source.layouts.vkitti2 import open_vkitti2

LAYOUTS: dict[str, Callable[[Path, Path | None, bool], FrameSource]] = {
    'nyu': open_nyu,
    'kitti': open_kitti,
    'kitti_lidar': open_kitti_lidar,
    'vkitti2': open_vkitti2,
    'diml': open_diml,
}


def open_dataset(text: str, *, strict: bool = False, labels: bool = False) -> FrameSource:
    """
    Open images with depth.

    Parameters
    ----------
    text : str
        ``LAYOUT:FOLDER`` or ``LAYOUT:FOLDER:SPLIT`` with one of ``LAYOUTS`` and a split file, or
        the name of a part, of the dataset; or anything that ``open_frames`` takes, of which an
        RGB-D folder and ``procedural`` have depth.
    strict : bool
        Raise at the first image that cannot be read, instead of skipping and counting it.
    labels : bool
        Take a folder with ``disparity/`` in place of depth, too; it has no metres.

    Raises
    ------
    DatasetError
        If there is nothing, or nothing of that layout.

    """
    layout, _, rest = text.partition(':')
    if layout not in LAYOUTS:
        path = Path(text).expanduser()
        if labels and (path / 'disparity').is_dir() and not (path / 'depth').is_dir():
            return FolderFrames(path, strict=strict, disparity=True)
        if path.is_dir() and not (path / 'camera.json').is_file():
            names = ', '.join(f'{name}:{text}' for name in LAYOUTS)
            raise DatasetError(
                f'{path} is not an RGB-D folder, for it has no camera.json; if it is a public '
                f'dataset, say which: {names}'
            )
        source = open_frames(text, strict=strict)
        if isinstance(source, ProceduralFrames):
            source.max_depth = INDOOR_CAP if source.kind == 'indoor' else OUTDOOR_CAP
        return source
    folder, _, split = rest.partition(':')
    if not folder:
        raise DatasetError(
            f'{text!r} names a layout, but no folder: give {layout}:FOLDER, or ./{layout} for a '
            'folder of that name'
        )
    root = Path(folder).expanduser()
    if not root.exists():
        raise DatasetError(f'there is nothing at {root} for {text!r}')
    source = LAYOUTS[layout](root, Path(split).expanduser() if split else None, strict)
    source.name = text
    return source


class SelectedFrames(FrameSource):
    """
    Every n-th frame of another source, or the first ones; the others are never read.

    Parameters
    ----------
    source : FrameSource
        Where the frames come from.
    every : int
        1 takes all, 2 every second one.
    limit : int
        Take at most so many; 0 takes all.

    """

    def __init__(self, source: FrameSource, every: int = 1, limit: int = 0) -> None:
        if every < 1 or limit < 0:
            raise ConfigError(f'every must be at least 1 and limit 0, got {every} and {limit}')
        counts = [-(-source.count // every), limit]
        super().__init__(source.name, min(filter(None, counts), default=0), source.strict)
        self.source, self.every, self.limit = source, every, limit
        self.max_depth, self.crop = source.max_depth, source.crop

    def _loaders(self) -> Iterator[Callable[[], Frame]]:
        stop = self.limit * self.every if self.limit else None
        return islice(self.source._loaders(), 0, stop, self.every)
