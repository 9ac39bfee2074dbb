# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What leaves a run is the best that was looked at, with the scale it had before."""

import copy
from dataclasses import replace
import math

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from mono_depth_ros.adaptation import session
from mono_depth_ros.adaptation.config import AdapterConfig
from mono_depth_ros.adaptation.selection import (
    BestCandidate,
    keep_scale,
    predict_all,
    split_held_out,
)
from mono_depth_ros.adaptation.session import adapt_network, choose_recipe, split_frames


def scaled(network, factor):
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.head.bias += math.log(factor)
    return other


def bent(network, power):
    """Return a network with another shape: log depth times a number."""
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.head.weight *= power
    return other


def with_truth(network, frames, *, metric):
    """Give frames points of what a network sees, in metres or in units of their own."""
    known = []
    for k, (frame, depth) in enumerate(zip(frames, predict_all(network, frames), strict=True)):
        v, u = np.mgrid[2:64:6, 2:96:6].reshape(2, -1)
        points = np.stack([u, v, depth[v, u]], 1).astype(np.float32)
        own = points * np.float32([1, 1, 2 + k])
        known.append(replace(frame, points=points) if metric else replace(frame, structure=own))
    return known


def test_no_image_both_chooses_and_judges(frames):
    choosing, judging = split_held_out(frames)

    assert (len(choosing), len(judging)) == (4, 6)
    assert not {f.stamp_ns for f in choosing} & {f.stamp_ns for f in judging}


@pytest.mark.parametrize(
    ('images', 'training', 'judges'), [(10, 6, 2), (30, 18, 8), (90, 77, 8), (200, 170, 20)]
)
def test_a_small_buffer_has_enough_judges(frames, images, training, judges):
    # Of every hundred images the buffer holds out fifteen.
    collected = [
        replace(frames[0], stamp_ns=k, held_out=int((k + 1) * 0.15) > int(k * 0.15))
        for k in range(images)
    ]

    learnt, held_out = split_frames(collected)

    assert len(learnt) == training
    assert len(split_held_out(held_out)[1]) == judges
    assert sorted(f.stamp_ns for f in [*learnt, *held_out]) == list(range(images))
    assert {f.stamp_ns for f in collected if f.held_out} <= {f.stamp_ns for f in held_out}


@pytest.mark.parametrize('metric', [True, False])
def test_the_best_candidate_is_kept(tiny, frames, metric):
    best = BestCandidate(with_truth(tiny, frames, metric=metric), tiny.focal)

    worse = [best.offer(lambda n=n: n) for n in (bent(tiny, 1.3), tiny, bent(tiny, 0.8))]

    assert worse == [0, 0, 1]
    assert best.network is tiny
    assert best.error == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize(
    ('on_floor', 'shaped', 'chosen'),
    [
        (False, True, 'scale'),
        (True, True, 'shape'),
        (True, False, 'scale'),
    ],
)
def test_what_the_floor_says_chooses_only_where_no_shape_is_known(
    tiny, frames, on_floor, shaped, chosen
):
    known = with_truth(tiny, frames, metric=True)
    if shaped:
        known = with_truth(bent(tiny, 1.5), known, metric=False)
    best = BestCandidate(known, tiny.focal, on_floor=on_floor)
    candidates = {'scale': tiny, 'shape': bent(tiny, 1.5)}

    for network in candidates.values():
        best.offer(lambda network=network: network)

    assert best.network is candidates[chosen]


def test_structure_does_not_choose_a_scale(tiny, frames):
    best = BestCandidate(with_truth(tiny, frames, metric=False), tiny.focal)
    best.offer(lambda: scaled(tiny, 0.5))

    assert best.error == pytest.approx(0.0, abs=1e-5)


def test_images_that_know_nothing_choose_nothing(tiny, frames):
    best = BestCandidate(frames, tiny.focal)

    assert best.offer(lambda: tiny) == 0
    assert best.network is None


def test_the_scale_is_put_back(tiny, frames):
    network, factor = keep_scale(scaled(tiny, 1.3), tiny, frames)

    assert factor == pytest.approx(1 / 1.3, rel=1e-4)
    for new, old in zip(predict_all(network, frames), predict_all(tiny, frames), strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-4)


@pytest.mark.parametrize(
    ('mode', 'anchored', 'put_back'),
    [('replay', False, True), ('auto', True, False), ('auto', False, False)],
)
def test_the_scale_is_put_back_unless_a_loss_holds_it(
    tiny, samples, frames, mode, anchored, put_back
):
    far = with_truth(scaled(tiny, 1.5), frames, metric=True)
    config = AdapterConfig(mode=mode, steps=12, batch=2, learning_rate=3e-3, ema=0.5)

    run = adapt_network(tiny, samples, far if anchored else frames, config)

    assert (run.factor != 1.0) == put_back
    if put_back:
        pairs = zip(predict_all(run.network, frames), predict_all(tiny, frames), strict=True)
        shift = np.median([np.log(np.median(new) / np.median(old)) for new, old in pairs])
        assert abs(shift) < 0.01


@pytest.mark.parametrize('known', ['points', 'structure'])
def test_where_no_update_helps_the_network_in_use_leaves(tiny, samples, frames, known):
    # What is known of the images is what the network in use says of them: it cannot be bettered.
    held_out = with_truth(bent(tiny, 1.2), frames, metric=known == 'points')
    wild = AdapterConfig(mode='auto', steps=2, batch=2, learning_rate=0.5, restore=0.1)
    in_use = bent(tiny, 1.2)

    run = adapt_network(tiny, samples, frames, wild, start=in_use, held_out=held_out)

    assert run.network is in_use
    assert run.factor == 1.0


def test_the_last_update_is_looked_at_too(tiny, samples, frames, monkeypatch):
    looked_at = []

    class Spy(BestCandidate):
        def offer(self, candidate):
            looked_at.append(candidate())
            return super().offer(candidate)

    monkeypatch.setattr(session, 'BestCandidate', Spy)
    config = AdapterConfig(mode='auto', steps=3, batch=2, learning_rate=1e-3)

    adapt_network(tiny, samples, frames, config)

    first, last = (predict_all(network, frames[:1])[0] for network in looked_at)
    assert not np.array_equal(first, last)


@pytest.mark.parametrize(('images', 'anchored'), [(0, False), (2, False), (3, True), (10, True)])
def test_points_of_a_few_images_anchor_nothing(tiny, frames, anchored_frames, images, anchored):
    mixed = [*anchored_frames[:images], *frames[images:]]

    recipe = choose_recipe(tiny, mixed, AdapterConfig())

    assert (recipe.anchor > 0, recipe.scale > 0) == (anchored, not anchored)


def test_floor_points_stand_alone(tiny, frames, anchored_frames, monkeypatch):
    floor = np.float32([[3, 4, 1.5]])
    monkeypatch.setattr(session, 'floor_points', lambda depth, camera, height: floor)

    mixed = session.anchor_to_floor([anchored_frames[0], frames[1]], tiny, 0.5)

    assert [frame.points.tolist() for frame in mixed] == [floor.tolist()] * 2
