# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which recorded images are held out: none that look like those that are trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mono_depth_ros.frames import Frame, FrameSource
from mono_depth_ros.source.layouts.listed import GroupedFrames
from mono_depth_ros.source.pack import spread

HELD_OUT_SHARE = 0.05
# Whole groups are held out if they are no more than this share of the images.
MOST_OF_GROUPS = 0.2
# What is held out, as DOMAIN.json says it.
GROUPS, NAMES, END = 'groups', 'names', 'end'


@dataclass(frozen=True)
class Split:
    """
    Which frames of a source are held out, by their numbers.

    Attributes
    ----------
    kind : str
        Whole `GROUPS`, the last by their `NAMES`, or the `END` of a recording.
    count : int
        So many of the end, which nobody knows before everything is read.
    held_out : frozenset of int
        Those that are known before.
    unused : frozenset of int
        The others of their groups, which nothing is taught on either.

    """

    kind: str
    count: int
    held_out: frozenset[int] = frozenset()
    unused: frozenset[int] = frozenset()


def split_frames(source: FrameSource, most: int) -> Split:
    """
    Choose what to hold out: 5 % of the images of a source, and not more than ``most``.

    Where their groups are known, the smallest ones are held out whole, with at most ``most``
    images, evenly spread over them; if that would be more than a fifth of all images, the last
    ones by name are. Images of a split file come in any order, and neighbours look alike.
    """
    count = max(1, min(most, round(HELD_OUT_SHARE * source.count)))
    if not isinstance(source, GroupedFrames):
        return Split(END, count)
    places = source.places
    ordered = sorted(range(len(places)), key=lambda number: (places[number][1], number))
    chosen = _small_groups([group for group, _ in places], count)
    if not chosen:
        return Split(NAMES, count, frozenset(ordered[-count:]))
    alike = [number for number in ordered if places[number][0] in chosen]
    held_out = frozenset(alike[index] for index in spread(most, len(alike)))
    return Split(GROUPS, count, held_out, frozenset(alike) - held_out)


def _small_groups(groups: Sequence[str], count: int) -> set[str]:
    """Return the smallest groups that have so many images together; none if they are too many."""
    chosen: set[str] = set()
    taken = 0
    for group, size in sorted(Counter(groups).items(), key=lambda item: (item[1], item[0])):
        if taken >= count or taken + size > MOST_OF_GROUPS * len(groups):
            break
        chosen.add(group)
        taken += size
    return chosen


class UsedFrames(FrameSource):
    """
    The frames of a source but those that a split leaves unused.

    Attributes
    ----------
    held_out : bool
        Whether the frame at hand is held out.

    """

    def __init__(self, source: FrameSource, split: Split) -> None:
        super().__init__(source.name, source.count, source.strict)
        self.source, self.split, self.held_out = source, split, False

    def _loaders(self) -> Iterator[Callable[[], Frame]]:
        for number, load in enumerate(self.source._loaders()):
            if number not in self.split.unused:
                self.held_out = number in self.split.held_out
                yield load
