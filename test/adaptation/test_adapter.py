# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The adapter: what each mode trains and changes, that seeds decide, and what faults cost."""

import copy
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from mono_depth_ros.adaptation.adapter import Adapter, restore_weights
from mono_depth_ros.adaptation.batch_norm import batch_norms
from mono_depth_ros.adaptation.batches import BatchMaker, images_to_tensor
from mono_depth_ros.adaptation.config import AdapterConfig, MODES
from mono_depth_ros.adaptation.frozen_source import FrozenSource
from mono_depth_ros.adaptation.losses import anchor_loss, structure_loss
from mono_depth_ros.adaptation.paper_views import augment_as_paper
from mono_depth_ros.adaptation.recipes import rate_at, Recipe, recipe_for
from mono_depth_ros.adaptation.views import view_maps, view_points, Window
from mono_depth_ros.errors import DatasetError, ModelError
from mono_depth_ros.model.fastdepth import FastDepth
from mono_depth_ros.source.pool import Sample

TRAINED = [mode for mode in MODES if mode not in ('none', 'bn')]


def start(tiny, samples, frames, mode, *, anchored=False, changes=None, **settings):
    """Return an adapter and its batches."""
    config = AdapterConfig(mode=mode, batch=2, **settings)
    recipe = replace(recipe_for(config, anchored=anchored), **(changes or {}))
    adapter = Adapter(tiny, recipe, config, frames=frames)
    return adapter, BatchMaker(samples, frames, tiny, recipe, batch=2, seed=config.seed)


def run(tiny, samples, frames, mode, steps=3, **settings):
    adapter, batches = start(tiny, samples, frames, mode, **settings)
    losses = [adapter.step(batches.make(step)) for step in range(steps)]
    return adapter, losses


def changed(before, after):
    """Return the names of weights and statistics that differ."""
    other = after.state_dict()
    return {
        name
        for name, value in before.state_dict().items()
        if value.is_floating_point() and not torch.equal(value, other[name])
    }


@pytest.mark.parametrize('mode', TRAINED)
def test_every_mode_makes_updates_with_finite_losses(tiny, samples, frames, mode):
    adapter, losses = run(tiny, samples, frames, mode, steps=2)

    assert (adapter.done, adapter.skipped) == (2, 0)
    assert all(np.isfinite(value) for row in losses for value in row.values())
    assert changed(tiny, adapter.candidate())


@pytest.mark.parametrize('mode', ['auto', 'replay', 'consistency'])
def test_features_that_serve_all_networks_change_no_loss(tiny, samples, frames, mode, monkeypatch):
    encode, encoded = FastDepth.encode, []

    def counted(network, rgb, focal=None):
        encoded.append(len(rgb))
        return encode(network, rgb, focal)

    monkeypatch.setattr(FastDepth, 'encode', counted)
    _, together = run(tiny, samples, frames, mode)
    looks = sum(encoded)
    monkeypatch.setattr(FrozenSource, 'encodes_like', lambda *_: False)
    _, apart = run(tiny, samples, frames, mode)

    assert (sum(encoded) > 2 * looks) is (mode == 'auto')
    for one, other in zip(together, apart, strict=True):
        assert one == pytest.approx(other, rel=0.01, abs=1e-3)


def test_a_frozen_network_says_what_the_network_says(tiny, frames):
    network = copy.deepcopy(tiny)
    generator = torch.Generator().manual_seed(0)
    for norm in batch_norms(network):
        norm.running_mean.normal_(generator=generator)
        norm.running_var.uniform_(0.5, 2.0, generator=generator)
    rgb = images_to_tensor([frame.rgb for frame in frames[:2]], frames[0].rgb.shape[:2])

    with torch.no_grad():
        expected, latent = network.log_depth(rgb)
    source = FrozenSource(network, torch.device('cpu'))

    torch.testing.assert_close(source.log_depth(rgb), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(source.latent('target', rgb, ()), latent, rtol=1e-4, atol=1e-4)


def test_a_network_with_another_encoder_is_recognised(tiny):
    source = FrozenSource(tiny, torch.device('cpu'))
    decoder, encoder, statistics = (copy.deepcopy(tiny) for _ in range(3))
    with torch.no_grad():
        decoder.head.bias += 1
        next(encoder.encoder.parameters()).add_(1)
        statistics.stem[1].running_mean += 1

    assert source.encodes_like(decoder)
    assert not source.encodes_like(encoder)
    assert not source.encodes_like(statistics)


def test_no_adaptation_changes_nothing(tiny, samples, frames):
    adapter, _ = start(tiny, samples, frames, 'none')

    assert not changed(tiny, adapter.candidate())


def test_bn_blends_the_batch_statistics_and_nothing_else(tiny, samples, frames):
    half, _ = start(tiny, samples, frames, 'bn', bn_weight=0.5)
    full, _ = start(tiny, samples, frames, 'bn', bn_weight=1.0)

    names = changed(tiny, half.candidate())
    assert names
    assert all('running' in name for name in names)
    for name in names:
        mean = (tiny.state_dict()[name] + full.candidate().state_dict()[name]) / 2
        torch.testing.assert_close(half.candidate().state_dict()[name], mean)


def test_full_bn_weight_normalises_the_target(tiny, samples, frames):
    adapter, _ = start(tiny, samples, frames[:8], 'bn', bn_weight=1.0)

    stem = adapter.candidate().stem
    seen = stem[0](images_to_tensor([frame.rgb for frame in frames[:8]], (64, 96)))

    torch.testing.assert_close(stem[1].running_mean, seen.detach().mean((0, 2, 3)))


def test_paper_trains_conv10_to_13_and_lets_all_batch_statistics_drift(tiny, samples, frames):
    adapter, losses = run(tiny, samples, frames, 'paper')

    names = changed(tiny, adapter.candidate())
    weights = {name for name in names if 'running' not in name}
    assert {name.split('.')[1] for name in weights} == {'9', '10', '11', '12'}
    assert all(name.startswith('encoder.') for name in weights)
    assert any(name.startswith('decoder.') and 'running' in name for name in names)
    assert set(losses[0]) == {
        'discriminator',
        'adversarial depth',
        'adversarial latent',
        'latent',
        'total',
    }


def test_the_total_of_paper_is_l_enc(tiny, samples, frames):
    _, (first, *_) = run(tiny, samples, frames, 'paper', steps=1)

    both = first['adversarial depth'] + first['adversarial latent']
    assert first['total'] == pytest.approx(both + 0.7 * first['latent'], rel=1e-5)


def test_lean_keeps_the_blended_statistics_frozen(tiny, samples, frames):
    adapter, batches = start(tiny, samples, frames, 'lean')
    blended = adapter.candidate()

    for step in range(2):
        adapter.step(batches.make(step))

    assert all('running' not in name for name in changed(blended, adapter.network))
    assert any('running' in name for name in changed(tiny, blended))


def test_what_leaves_lean_is_the_average(tiny, samples, frames):
    adapter, _ = run(tiny, samples, frames, 'lean', ema=0.9)

    assert not changed(adapter.average, adapter.candidate())
    assert changed(adapter.network, adapter.candidate())


def test_the_adversarial_terms_rise_slowly_in_lean(tiny, samples, frames):
    _, (first, *_) = run(tiny, samples, frames, 'lean', steps=1)

    rest = 0.7 * first['latent'] + first['replay'] + 0.1 * first['teacher']
    both = first['adversarial depth'] + first['adversarial latent']
    assert first['total'] == pytest.approx(both / 50 + rest, rel=1e-4)


@pytest.mark.parametrize('mode', ['auto', 'paper'])
def test_equal_seeds_give_equal_weights(tiny, samples, anchored_frames, mode):
    options = {'anchored': mode == 'auto', 'steps': 2}

    torch.manual_seed(1)
    first, _ = run(tiny, samples, anchored_frames, mode, seed=5, **options)
    torch.manual_seed(2)
    again, _ = run(tiny, samples, anchored_frames, mode, seed=5, **options)
    other, _ = run(tiny, samples, anchored_frames, mode, seed=6, **options)

    assert not changed(first.candidate(), again.candidate())
    assert changed(first.candidate(), other.candidate())


def test_an_anchor_corrects_the_scale(tiny, samples, anchored_frames):
    images = images_to_tensor([frame.rgb for frame in anchored_frames], (64, 96))
    with torch.no_grad():
        depths = 2 * tiny(images)[0].numpy()
    far = []
    for frame, depth in zip(anchored_frames, depths, strict=True):
        u, v = frame.points[:, :2].astype(int).T
        far.append(replace(frame, points=np.column_stack([u, v, depth[v, u]]).astype(np.float32)))
    points = torch.from_numpy(np.stack([frame.points for frame in far]))

    adapter, _ = run(
        tiny,
        samples,
        far,
        'auto',
        15,
        anchored=True,
        learning_rate=3e-3,
        ema=0.5,
        max_drift=1.0,
        changes={'warm_up': 0, 'decays': False, 'replay': 0.0, 'recall': 0.0},
    )

    before, after = (
        anchor_loss(network.log_depth(images)[0], points).item()
        for network in (tiny, adapter.candidate())
    )
    assert after < 0.8 * before


def test_consistency_does_not_run_away_in_scale(tiny, samples, frames):
    images = images_to_tensor([frame.rgb for frame in frames], (64, 96))

    only = {'replay': 0.0}  # which alone pulls towards the scale of the source

    adapter, losses = run(tiny, samples, frames, 'consistency', 12, ema=0.5, changes=only)

    before, after = (net.log_depth(images)[0].mean() for net in (tiny, adapter.candidate()))
    assert abs(after - before) < 0.05
    assert losses[-1]['consistency'] > 0


def test_reset_goes_back_to_the_start(tiny, samples, frames):
    adapter, batches = start(tiny, samples, frames, 'auto')
    first = adapter.step(batches.make(0))

    adapter.reset()

    assert not changed(tiny, adapter.candidate())
    assert adapter.done == 0
    assert adapter.step(batches.make(0)) == first


def test_the_drift_is_limited(tiny, samples, frames):
    adapter, _ = run(tiny, samples, frames, 'replay', learning_rate=0.1, max_drift=0.02)

    assert adapter.drift() == pytest.approx(0.02, rel=1e-3)


def test_drift_is_measured_from_the_source_and_not_from_the_start(tiny, samples, frames):
    first, _ = run(tiny, samples, frames, 'replay', learning_rate=0.01)
    config = AdapterConfig(mode='replay', restore=0.0)

    second = Adapter(
        tiny, recipe_for(config, anchored=False), config, start=first.network.requires_grad_(False)
    )

    assert second.drift() == pytest.approx(first.drift(), rel=1e-4)


def test_a_share_of_the_weights_is_restored(tiny, samples, frames):
    adapter, _ = run(tiny, samples, frames, 'replay', learning_rate=0.01)
    network = adapter.network

    restore_weights(network, tiny, 0.25, seed=0)

    name = 'decoder.0.3.weight'
    same = (network.state_dict()[name] == tiny.state_dict()[name]).float().mean()
    assert same == pytest.approx(0.25, abs=0.03)


def test_an_update_without_a_finite_loss_is_skipped_and_counted(tiny, samples, frames):
    adapter, batches = start(tiny, samples, frames, 'paper')
    batch = batches.make(0)
    broken = replace(batch, target_rgb=torch.full_like(batch.target_rgb, torch.nan))

    adapter.step(broken)

    assert adapter.skipped == 1
    assert not changed(tiny, adapter.candidate())
    adapter.step(batch)
    assert adapter.skipped == 1


def test_losses_that_stay_broken_end_it(tiny, samples, frames):
    adapter, batches = start(tiny, samples, frames, 'lean', max_skipped=3)
    batch = batches.make(0)
    broken = replace(batch, target_rgb=torch.full_like(batch.target_rgb, torch.nan))

    with pytest.raises(ModelError, match='3 updates in a row were not finite'):
        for _ in range(5):
            adapter.step(broken)


def test_discriminators_that_have_won_raise_an_alarm(tiny, samples, frames):
    adapter, batches = start(tiny, samples, frames, 'lean')

    adapter.discriminators.history = [0.01] * 49
    assert adapter.alarm() == ''
    adapter.discriminators.history = [0.01] * 50
    assert 'tell both domains apart' in adapter.alarm()
    adapter.discriminators.history = [0.45] * 99
    assert adapter.alarm() == ''
    adapter.discriminators.history = [0.35] * 100
    assert 'do not learn' in adapter.alarm()

    adapter.drop_discriminators()
    assert adapter.alarm() == ''
    assert 'adversarial depth' not in adapter.step(batches.make(0))


def test_memory_of_cached_outputs_is_bounded_by_the_images(tiny, samples, frames):
    adapter, batches = start(tiny, samples, frames, 'lean')

    for step in range(7):
        adapter.step(batches.make(step))

    assert len(adapter.source._latents) <= len(samples) + len(frames)


def test_a_hole_in_the_labels_does_not_tell_the_domains_apart(tiny, samples, frames):
    adapter, batches = start(tiny, samples, frames, 'lean')
    batch = batches.make(0)
    batch.source_depth[:, :20] = torch.nan

    source, target = adapter.discriminators.pairs(batch, torch.zeros_like(batch.source_depth))

    assert source[:, 3, :20].abs().max() == target[:, 3, :20].abs().max() == 0
    assert 0 < source[:, 3].max() <= 1
    torch.testing.assert_close(target[:, 3, 20:], torch.full_like(target[:, 3, 20:], 1 / 10))


def test_the_sky_is_as_far_as_it_gets(tiny, samples, frames):
    adapter, batches = start(tiny, samples, frames, 'lean')
    batch = batches.make(0)
    batch.source_depth[:] = torch.inf

    source, _ = adapter.discriminators.pairs(batch, torch.zeros_like(batch.source_depth))

    assert source[:, 3].unique().tolist() == [1.0]


def test_batches_are_balanced_and_go_through_all_images(tiny, samples, frames):
    _, batches = start(tiny, samples, frames, 'auto')

    made = [batches.make(step) for step in range(5)]

    assert sorted(index for batch in made for index in batch.target_index) == list(range(10))
    assert {len(batch.target_rgb) for batch in made} == {len(made[0].replay_rgb)} == {2}


def test_points_refer_to_the_focal_length_of_the_network(tiny, samples, anchored_frames):
    camera = anchored_frames[0].camera
    wide = replace(camera, fx=camera.fx / 2, fy=camera.fy / 2)
    frames = [replace(frame, camera=wide) for frame in anchored_frames]
    _, batches = start(tiny, samples, anchored_frames, 'auto', anchored=True)
    _, wider = start(tiny, samples, frames, 'auto', anchored=True)

    narrow, broad = batches.make(0).points, wider.make(0).points

    torch.testing.assert_close(broad, narrow * torch.tensor([1, 1, 2]))
    assert (narrow[..., 2] > 0).any()


def test_a_mode_that_needs_the_source_says_so(tiny, frames):
    with pytest.raises(DatasetError, match='needs the source pack'):
        start(tiny, [], frames, 'lean')


def test_no_target_image_is_said(tiny, samples):
    with pytest.raises(DatasetError, match='no target image'):
        start(tiny, samples, [], 'lean')


def test_a_map_looks_through_a_window_as_an_image_does():
    rows, columns = 64, 96
    ramp = torch.arange(columns).float().expand(rows, columns)[None]

    view = view_maps(ramp, [Window(8, 24, 32, 48, True)])[0]

    assert view.shape == (rows, columns)
    assert view[0, 0] == pytest.approx(24 + 47, abs=0.5)
    assert view[0, -1] == pytest.approx(24, abs=0.5)


def test_the_paper_scales_image_and_depth_together(samples):
    grey = Sample(samples[0].rgb, samples[0].depth, samples[0].semantics, 100.0)

    augmented = augment_as_paper(grey, np.random.default_rng(0))

    assert 100 <= augmented.focal <= 150
    known = np.isfinite(augmented.depth)
    assert known.mean() > 0.9
    assert set(np.unique(augmented.depth[known])) <= set(np.unique(grey.depth))


def test_points_look_through_a_window_as_an_image_does():
    rows, columns = 64, 96
    points = np.float32([[30.0, 20.0, 4.0], [5.0, 20.0, 4.0]])  # the second one is outside
    window = Window(8, 24, 32, 48, True)
    ramp = torch.arange(columns).float().expand(rows, columns)[None]

    (seen,) = view_points(points, window, (rows, columns))

    view = view_maps(ramp, [window])[0]
    assert view[int(seen[1]), int(seen[0])] == pytest.approx(30, abs=0.5)
    assert seen[2] == pytest.approx(4 / 2)  # grown to twice its size


def test_the_rate_rises_and_falls():
    recipe = Recipe(steps=100, learning_rate=1.0, warm_up=10, decays=True)

    rates = [rate_at(recipe, step) for step in range(100)]

    assert rates[0] == pytest.approx(0.1, abs=0.01)
    assert max(rates) == max(rates[8:12]) > 0.9
    assert rates[-1] < 0.01
    assert rate_at(Recipe(learning_rate=0.5), 7) == 0.5


def test_the_paper_takes_other_steps_out_of_doors():
    config = AdapterConfig(mode='paper')

    indoors = recipe_for(config, anchored=False)
    outdoors = recipe_for(config, anchored=False, outdoors=True)

    assert (indoors.optimiser, indoors.learning_rate) == ('adam', 2e-4)
    assert (outdoors.optimiser, outdoors.learning_rate, outdoors.momentum) == ('sgd', 1e-5, 0.9)


def test_shape_seen_in_motion_is_learnt(tiny, samples, anchored_frames):
    # The true shape, in units that are wrong by another factor in every image.
    shaped = [
        replace(f, points=f.points[:0], structure=f.points * np.float32([1, 1, 3 + k]))
        for k, f in enumerate(anchored_frames)
    ]
    images = images_to_tensor([frame.rgb for frame in shaped], (64, 96))
    structure = torch.from_numpy(np.stack([frame.structure for frame in shaped]))

    at_once = {'warm_up': 0, 'decays': False, 'replay': 0.0, 'recall': 0.0}
    adapter, _ = run(
        tiny,
        samples,
        shaped,
        'auto',
        60,
        learning_rate=1e-2,
        ema=0.5,
        max_drift=1,
        changes=at_once,
    )

    before, after = (
        structure_loss(network.log_depth(images)[0], structure).item()
        for network in (tiny, adapter.candidate())
    )
    assert after < 0.9 * before
