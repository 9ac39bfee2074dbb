# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The gate: what is worse is refused, and for the right reason."""

from dataclasses import replace
import itertools
import json

import cv2
from mono_depth_ros.adaptation import gate
from mono_depth_ros.adaptation.anchors import floor_points
from mono_depth_ros.adaptation.config import GateConfig
from mono_depth_ros.adaptation.evidence import Evidence, structure_error, temporal_error
from mono_depth_ros.adaptation.gate import judge, spearman
from mono_depth_ros.adaptation.target_frame import TargetFrame
from mono_depth_ros.adaptation.verdict import Check, Verdict
from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.health import accepted_shift
from mono_depth_ros.source.pool import Sample
import numpy as np
import pytest

SIZE = (64, 96)
CAMERA = PinholeCamera(80.0, 80.0, 47.5, 31.5, SIZE[1], SIZE[0])


def photograph(seed):
    """Return image and depth of a smooth scene; brightness tells depth."""
    rng = np.random.default_rng(seed)
    depth = cv2.resize(rng.uniform(1, 5, (8, 12)).astype(np.float32), SIZE[::-1])
    level = np.round(40 * depth)
    return np.repeat(level[..., None], 3, 2).astype(np.uint8), depth


def network(rgb):
    """Read depth from brightness, 20 % too far: a network with a fair shape and a wrong scale."""
    return 1.2 * rgb[..., 0].astype(np.float32) / 40


def frame(seed, points=0):
    rgb, depth = photograph(seed)
    rng = np.random.default_rng(seed)
    u, v = rng.integers(0, SIZE[1], points), rng.integers(0, SIZE[0], points)
    known = np.stack([u, v, depth[v, u]], 1).astype(np.float32).reshape(-1, 3)
    before = np.ascontiguousarray(np.roll(rgb, 2, axis=1))
    return TargetFrame(rgb, CAMERA, seed, known, before, held_out=True)


def evidence(points=0, **settings):
    samples = []
    for seed in range(100, 106):
        rgb, depth = photograph(seed)
        samples.append(Sample(rgb, 1.2 * depth, np.zeros(SIZE, np.uint8), 80.0))
    frames = [frame(seed, points) for seed in range(4)]
    return Evidence(frames, samples, 80.0, 0.1, 10.0, **settings)


def failures(candidate, seen=None, **settings):
    verdict = judge(candidate, network, seen or evidence(), GateConfig(**settings))
    return {check.name for check in verdict.failed}, verdict


def nearly(rgb):
    """Give nearly the depth of the network in use: enough to be another network."""
    return network(rgb) * np.float32(1 + 1e-6)


def test_nearly_the_network_in_use_passes_its_gate():
    names, verdict = failures(nearly)

    assert not names
    assert verdict.accepted
    assert verdict.reason == f'all {len(verdict.checks)} checks passed'


@pytest.mark.parametrize('points', [0, 40])
def test_the_network_in_use_is_no_better_than_itself(points):
    names, verdict = failures(network, replace(evidence(points), samples=[]))

    assert names == {'changed share'}
    assert verdict.reason == ('no better than the network in use (changed share 0, must be > 0)')


def test_a_collapsed_candidate_is_refused_as_collapsed():
    names, verdict = failures(lambda rgb: np.full(SIZE, 3.0, np.float32))

    assert not verdict.accepted
    assert {'spread ratio', 'rank correlation'} <= names
    assert verdict.reason.startswith('depth collapsed to a constant (spread ratio 0, must be >= ')


def test_a_drifted_scale_is_refused_as_drift():
    seen = replace(evidence(), samples=[])

    names, verdict = failures(lambda rgb: 1.3 * network(rgb), seen)

    assert names == {'median shift'}
    assert verdict.reason.startswith('the scale drifted (median shift 1.3, must be <= 1.1)')


def test_the_scale_may_move_if_metric_points_agree():
    seen = replace(evidence(points=40), samples=[])

    names, verdict = failures(lambda rgb: network(rgb) / 1.2, seen)

    assert not names
    assert verdict.notes['points abs_rel before'] == pytest.approx(0.2, abs=0.02)


def test_metric_points_decide_against_a_worse_candidate():
    seen = replace(evidence(points=40), samples=[])

    names, verdict = failures(lambda rgb: 1.02 * network(rgb), seen)

    assert names == {'points abs_rel'}
    assert 'worse at metric points' in verdict.reason


def test_metric_points_may_ask_for_another_shape():
    # The network in use is nearly flat; the candidate sees what is there.
    def flat(rgb):
        return 3 * (network(rgb) / 3.6) ** 0.2

    seen = replace(evidence(points=40), samples=[])

    verdict = judge(lambda rgb: network(rgb) / 1.2, flat, seen, GateConfig(max_temporal_ratio=9))

    assert verdict.accepted, verdict.reason
    told = {check.name for check in verdict.checks if not check.passed}
    assert 'largest spread ratio' in told


def test_an_anchored_candidate_must_beat_one_factor():
    rng = np.random.default_rng(0)
    noise = rng.normal(1, 0.08, SIZE).astype(np.float32)
    seen = replace(evidence(points=40), samples=[], scale=1 / 1.2)

    names, _ = failures(
        lambda rgb: network(rgb) / 1.2 * noise, seen, max_flip_ratio=1e9, max_temporal_ratio=1e9
    )
    told, _ = failures(
        lambda rgb: network(rgb) / 1.2 * noise,
        seen,
        max_flip_ratio=1e9,
        max_temporal_ratio=1e9,
        beat_controls=False,
    )

    on_floor, verdict = failures(
        lambda rgb: network(rgb) / 1.2 * noise,
        replace(seen, on_floor=True),
        max_flip_ratio=1e9,
        max_temporal_ratio=1e9,
    )

    assert names == {'points abs_rel, one factor'}
    assert not told
    assert not on_floor
    assert names <= {check.name for check in verdict.checks if not check.passed}


def test_the_health_watch_finds_the_shift_that_the_gate_has_accepted():
    _, verdict = failures(lambda rgb: 1.05 * network(rgb), max_median_ratio=1.1)

    made = json.loads(json.dumps({'verdict': verdict.to_dict()}))

    assert accepted_shift(made) == pytest.approx(1.05, rel=1e-3)


def above_a_plane(height, factor=1.0, beyond=1.0):
    """Return a network that sees a plane below the camera [m], and shelves in the distance."""
    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    with np.errstate(divide='ignore'):
        plane = np.abs(height / ((v - CAMERA.cy) / CAMERA.fy))
    shelves = 5 + beyond * (np.abs(u - CAMERA.cx) / 24 + v / 32)
    depth = (factor * np.where(v > 38, plane, shelves)).astype(np.float32)
    return lambda rgb: depth.copy()


def judged_on_the_floor(baseline, candidate, camera_height):
    frames = [
        TargetFrame(rgb, CAMERA, points=floor_points(baseline(rgb), CAMERA, camera_height))
        for rgb in (photograph(seed)[0] for seed in range(4))
    ]
    assert all(len(seen.points) > 100 for seen in frames)
    seen = Evidence(frames, [], CAMERA.focal, 0.1, 80.0, on_floor=True)
    return judge(candidate, baseline, seen, GateConfig())


def test_a_table_taken_for_the_floor_does_not_set_the_scale():
    # The table is 0.5 m below a camera that is 1.2 m above the floor.
    verdict = judged_on_the_floor(above_a_plane(0.5), above_a_plane(0.5, 2.4), 1.2)

    assert [check.name for check in verdict.failed] == ['median shift']
    points = {check.name: check for check in verdict.checks}['points abs_rel']
    assert (points.value, points.threshold) == pytest.approx((0.0, 1 - 1 / 2.4), abs=0.02)


def test_the_floor_may_set_a_scale_that_is_somewhat_wrong():
    verdict = judged_on_the_floor(above_a_plane(0.9), above_a_plane(0.9, 1.2 / 0.9), 1.2)

    assert verdict.accepted, verdict.reason


def test_the_floor_does_not_ask_for_another_shape():
    verdict = judged_on_the_floor(above_a_plane(0.9), above_a_plane(0.9, 1.2 / 0.9, -1.0), 1.2)

    assert [check.name for check in verdict.failed] == ['rank correlation']


def test_a_sky_that_comes_nearer_is_no_collapse():
    def under_sky(metres):
        def predict(rgb):
            depth = network(rgb)
            depth[:8] = metres
            return depth

        return predict

    far, near = under_sky(80.0), under_sky(50.0)
    rgb = frame(0).rgb
    assert np.std(near(rgb)) < 0.7 * np.std(far(rgb))

    verdict = judge(near, far, replace(evidence(), samples=[], max_depth=200.0), GateConfig())

    assert 'spread ratio' not in {check.name for check in verdict.failed}


def test_few_points_decide_nothing():
    names, verdict = failures(nearly, evidence(points=5), min_points=50)

    assert not names
    assert not any('points' in check.name for check in verdict.checks)


def test_points_of_one_image_do_not_speak_for_all():
    seen = replace(evidence(), samples=[], frames=[frame(0, 200), *map(frame, range(1, 8))])

    names, verdict = failures(lambda rgb: network(rgb) / 1.2, seen)

    assert names == {'median shift'}
    assert not any('points' in check.name for check in verdict.checks)


def test_an_anchored_candidate_must_beat_a_map_that_sees_no_image():
    # All frames show one scene, which a map fitted to its points knows by heart.
    _, depth = photograph(0)
    seen = replace(evidence(points=40, static=depth), samples=[])
    seen = replace(seen, frames=[frame(0, 40)] * 4)

    names, verdict = failures(lambda rgb: network(rgb) / 1.1, seen)
    told, _ = failures(lambda rgb: network(rgb) / 1.1, seen, beat_controls=False)

    assert names == {'points abs_rel, static map'}
    assert 'a map that sees no image does better' in verdict.reason
    assert not told


def shaped(seed, factor=1.0):
    """Return a frame that knows the shape of what it sees, in other units."""
    known = frame(seed, 40)
    structure = known.points * np.float32([1, 1, factor])
    return replace(known, points=known.points[:0], structure=structure)


def test_structure_has_no_scale():
    frames = [shaped(0), shaped(1, 7.0)]
    depths = [network(f.rgb) for f in frames]

    assert structure_error(depths, frames) == pytest.approx(0.0, abs=0.02)
    assert np.isnan(structure_error(depths[:1], [frame(0)]))


def test_a_candidate_that_sees_shape_worse_is_refused():
    seen = replace(evidence(), samples=[], frames=[shaped(k, 2.0 + k) for k in range(4)])

    flatter, _ = failures(lambda rgb: 3 * (network(rgb) / 3) ** 0.9, seen)
    same, _ = failures(nearly, seen)

    assert flatter == {'structure error'}
    assert not same


def test_forgetting_the_source_is_refused():
    def forgetful(rgb):
        # Only source images are of this kind.
        return network(rgb) * (
            1.15 if any(np.array_equal(rgb, s.rgb) for s in seen.samples) else 1
        )

    seen = evidence()

    names, verdict = failures(forgetful, seen)

    assert 'source abs_rel rise' in names
    assert 'it forgot the source' in verdict.reason


def test_depth_that_is_not_finite_is_refused():
    def holes(rgb):
        depth = network(rgb)
        depth[:2, :10] = np.nan
        return depth

    names, _ = failures(holes)

    assert 'finite share' in names


def test_another_order_of_near_and_far_is_refused():
    names, _ = failures(lambda rgb: 7.5 - network(rgb))

    assert 'rank correlation' in names


def test_a_candidate_that_treats_left_and_right_differently_is_refused():
    tilt = np.linspace(0.9, 1.1, SIZE[1], dtype=np.float32)

    names, _ = failures(lambda rgb: network(rgb) * tilt)

    assert 'flip ratio' in names


def test_flicker_is_refused():
    rng = np.random.default_rng(0)

    def flickers(rgb):
        return network(rgb) * rng.normal(1, 0.05, SIZE).astype(np.float32)

    names, _ = failures(flickers)

    assert 'temporal ratio' in names


@pytest.mark.parametrize(('more', 'refused'), [((0.3, -0.2), False), ((0.03, 0.02), True)])
def test_flicker_counts_as_far_as_the_images_tell(monkeypatch, more, refused):
    calls = itertools.count()

    def told(seen, depth, depth_before):
        # The network in use flickers by 1 on every image, the candidate by a little more or less.
        if depth.flat[0] == network(seen.rgb).flat[0]:
            return 1.0
        return 1.0 + more[next(calls) % 2]

    monkeypatch.setattr(gate, 'temporal_error', told)

    names, _ = failures(lambda rgb: network(rgb) * np.float32(1.01))

    assert ('temporal ratio' in names) == refused


def test_depth_that_moves_with_the_image_does_not_flicker():
    seen = frame(1)

    steady = temporal_error(seen, network(seen.rgb), network(seen.before))
    stuck = temporal_error(seen, network(seen.rgb), network(seen.rgb))

    assert steady < 0.5 * stuck


def test_a_camera_that_moves_ahead_is_no_flicker():
    seen = replace(frame(1), before=frame(1).rgb)  # without flow
    before = np.tile(np.geomspace(3.0, 20.0, SIZE[1]), (SIZE[0], 1)).astype(np.float32)
    noise = np.random.default_rng(0).normal(1, 0.02, SIZE).astype(np.float32)

    ahead = temporal_error(seen, before - np.float32(0.5), before)
    flickering = temporal_error(seen, (before - np.float32(0.5)) * noise, before)

    # What is left is what -t / Z leaves of ln(1 - t / Z).
    assert ahead < 0.003 < 0.01 < flickering
    assert temporal_error(seen, 0.9 * before, before) == pytest.approx(0.0, abs=1e-6)
    assert temporal_error(seen, np.full_like(before, 2.0), np.full_like(before, 3.0)) == 0.0


def test_rank_correlation_knows_order_only():
    depth = photograph(0)[1]

    assert spearman(depth, depth**3) == pytest.approx(1.0)
    assert spearman(depth, -depth) == pytest.approx(-1.0)
    assert spearman(depth, np.ones_like(depth)) == 0.0


def test_a_check_without_a_number_never_passes():
    assert not Check('x', float('nan'), 1.0, '<=', 'wrong').passed
    assert not Check('x', float('nan'), 1.0, '>=', 'wrong').passed


def test_nothing_checked_is_nothing_accepted():
    assert not Verdict().accepted


def test_a_verdict_is_json_with_every_number_and_threshold():
    _, verdict = failures(lambda rgb: np.full(SIZE, np.nan, np.float32))

    values = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))

    assert values['accepted'] is False
    assert {'name', 'value', 'threshold', 'passed'} <= set(values['checks'][0])
