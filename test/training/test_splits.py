# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is held out looks like nothing that is trained on, and is little."""

from mono_depth_ros.frames import FrameSource
from mono_depth_ros.source.layouts.listed import GroupedFrames
from mono_depth_ros.training.splits import split_frames
import pytest


def grouped(*places):
    source = GroupedFrames('grouped', len(places), False)
    source.places = list(places)
    return source


def drives(**counts):
    """Return images of drives of these lengths, one of each in turn, as of a shuffled list."""
    places = [(drive, f'{i:04d}') for drive, count in counts.items() for i in range(count)]
    return grouped(*sorted(places, key=lambda place: place[1]))


def groups(source, numbers):
    return [source.places[number][0] for number in sorted(numbers)]


def test_the_smallest_drives_that_have_five_per_cent_are_held_out():
    source = drives(a=90, b=35, c=3, d=2, e=70)

    split = split_frames(source, most=128)

    # 10 of 200 are wanted, and those of b make 40, a fifth.
    assert split.kind == 'groups'
    assert set(groups(source, split.held_out)) == {'b', 'c', 'd'}
    assert len(split.held_out) == 40 and not split.unused


def test_drives_that_are_enough_leave_the_next_one_alone():
    source = drives(a=90, b=40, c=6, d=4, e=60)

    assert sorted(groups(source, split_frames(source, 128).held_out)) == ['c'] * 6 + ['d'] * 4


def test_of_a_long_drive_some_images_are_held_out_and_the_others_are_not_used():
    source = drives(a=900, b=100)

    split = split_frames(source, most=10)

    assert groups(source, split.held_out) == ['b'] * 10
    assert groups(source, split.unused) == ['b'] * 90
    frames = sorted(source.places[number][1] for number in split.held_out)
    assert frames[0] == '0000' and frames[-1] == '0099'


@pytest.mark.parametrize('counts', [{'a': 100}, {'a': 60, 'b': 40}])
def test_where_no_drive_is_short_the_last_by_name_are_held_out(counts):
    source = drives(**counts)
    source.places.reverse()

    split = split_frames(source, most=128)

    last = max(counts.values()) - 5
    assert (split.kind, len(split.held_out), split.unused) == ('names', 5, frozenset())
    assert min(source.places[number][1] for number in split.held_out) == f'{last:04d}'


def test_of_a_recording_the_end_is_held_out():
    split = split_frames(FrameSource('recording', 200, False), most=128)

    assert (split.kind, split.count, split.held_out) == ('end', 10, frozenset())
    assert split_frames(FrameSource('recording', 10000, False), most=128).count == 128
