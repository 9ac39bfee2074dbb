# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training learns, continues after a kill as if nothing had happened, and survives bad data."""

from collections import Counter
import csv
from dataclasses import replace
import errno
from functools import partial
import os
import signal
import subprocess
import sys

from mono_depth_ros.errors import ConfigError, DatasetError, ModelError
from mono_depth_ros.manifest import Manifest, read_manifest
import numpy as np
import pytest

torch = pytest.importorskip('torch')

from mono_depth_ros.model.checkpoint import load_network, load_training_state, save_network
from mono_depth_ros.source.pack import read_source_pack
from mono_depth_ros.source.pool import SamplePool, write_shard
from mono_depth_ros.training import trainer as module
from mono_depth_ros.training.augmentation import crop_to
from mono_depth_ros.training.batches import collate, training_batch
from mono_depth_ros.training.config import Phase, PretrainConfig
from mono_depth_ros.training.distributed import Workers
from mono_depth_ros.training.pretrain import export_run, packed_samples, pretrain
from mono_depth_ros.training.trainer import build_network, LossModule, Trainer

pytestmark = pytest.mark.usefixtures('one_thread')

CONFIG = PretrainConfig(
    start='',
    encoder='mobilenet_v1',
    width=0.25,
    frozen_blocks=0,
    frozen_statistics=False,
    focal=80.0,
    input_size=(64, 96),
    phases=(Phase(4, ((32, 64),), 4, 0.5), Phase(4, ((64, 96), (64, 64)), 4)),
    warmup_steps=2,
    decay_fraction=0.4,
    save_every=3,
    log_every=2,
)


def walls(count, focal, size=(64, 96)):
    """Make black images of a wall at 2 m."""
    return {
        'rgb': np.zeros((count, *size, 3), np.uint8),
        'depth': np.full((count, *size), 2.0, np.float16),
        'semantics': np.zeros((count, *size), np.uint8),
        'focal': np.broadcast_to(np.asarray(focal, np.float32), count),
    }


def weights_of(output):
    state = load_training_state(output / 'training.pt')
    return {**state['network'], **{f'average.{k}': v for k, v in state['average'].items()}}


@pytest.fixture
def untrained(tmp_path):
    """Return a function that saves the initial weights of a config, and starts it from them."""

    def start_with(config):
        folder = tmp_path / 'untrained'
        save_network(folder, build_network(config), Manifest('untrained'))
        return replace(config, start=str(folder))

    return start_with


def stop_after(count):
    def progress(done, steps, scores):
        if done == count:
            os.kill(os.getpid(), signal.SIGTERM)

    return progress


def test_training_learns_a_tiny_world(tmp_path, pool_root):
    config = replace(
        CONFIG,
        phases=(Phase(150, ((64, 96),), 8),),
        save_every=150,
        warmup_steps=10,
        ema=0.9,
        colour_strength=0.0,
        min_zoom=0.95,
    )

    result = pretrain(config, pool_root, tmp_path / 'run')

    assert result.finished
    assert result.scores['val_abs_rel'] < 0.12
    assert result.scores['val_abs_rel_median'] < 0.08


def test_resuming_after_a_kill_equals_never_having_stopped(tmp_path, pool_root):
    pretrain(CONFIG, pool_root, tmp_path / 'whole')

    first = pretrain(CONFIG, pool_root, tmp_path / 'parts', progress=stop_after(5))
    second = pretrain(CONFIG, pool_root, tmp_path / 'parts')

    assert (first.finished, second.finished) == (False, True)
    assert first.step < CONFIG.steps
    whole, parts = weights_of(tmp_path / 'whole'), weights_of(tmp_path / 'parts')
    for name, value in whole.items():
        torch.testing.assert_close(torch.as_tensor(parts[name]), torch.as_tensor(value))


@pytest.fixture
def in_half(monkeypatch):
    """Let a CPU compute in float16, as a GPU does."""
    monkeypatch.setattr(module, 'computes_in_half', lambda device: True)


def test_resuming_in_half_precision_equals_never_having_stopped(
    tmp_path, pool_root, in_half, monkeypatch
):
    # It begins too great, and grows every second update.
    scaler = partial(torch.amp.GradScaler, 'cpu', init_scale=2.0**18, growth_interval=2)
    monkeypatch.setattr(torch.amp, 'GradScaler', lambda *arguments, **settings: scaler())

    pretrain(CONFIG, pool_root, tmp_path / 'whole')
    pretrain(CONFIG, pool_root, tmp_path / 'parts', progress=stop_after(5))
    pretrain(CONFIG, pool_root, tmp_path / 'parts')

    whole, parts = weights_of(tmp_path / 'whole'), weights_of(tmp_path / 'parts')
    states = [load_training_state(tmp_path / n / 'training.pt') for n in ('whole', 'parts')]

    assert states[0]['scaler'] == states[1]['scaler'] != scaler().state_dict()
    assert (states[0]['skipped'], states[0]['average']['_updates'] > 3) == (0, True)
    for name, value in whole.items():
        assert torch.equal(torch.as_tensor(parts[name]), torch.as_tensor(value)), name


def test_updates_in_half_precision_are_those_in_full_precision(pool_root, in_half, monkeypatch):
    pool = SamplePool(pool_root, ('indoor',))
    half = Trainer(CONFIG, pool)
    monkeypatch.undo()
    full = Trainer(CONFIG, pool)

    values = [
        [trainer.step(training_batch(pool, CONFIG, step)) for step in range(4)]
        for trainer in (half, full)
    ]

    assert (half.scaler.is_enabled(), full.scaler.is_enabled()) == (True, False)
    assert half.skipped == 0
    for found, wanted in zip(*values, strict=True):
        assert found['loss'] == pytest.approx(wanted['loss'], rel=0.02)
        assert found['gradient'] == pytest.approx(wanted['gradient'], rel=0.1)


def test_gradients_too_great_for_half_precision_are_no_bad_update(pool_root, in_half):
    pool = SamplePool(pool_root, ('indoor',))
    trainer = Trainer(CONFIG, pool)
    trainer.scaler = torch.amp.GradScaler('cpu', init_scale=2.0**60)
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}

    trainer.step(training_batch(pool, CONFIG, 0))

    assert (trainer.done, trainer.skipped, trainer.average.updates) == (1, 0, 0)
    assert trainer.scaler.get_scale() == 2.0**59
    for name, value in trainer.network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_bad_sample_is_counted_and_leaves_the_scale(pool_root, in_half):
    pool = SamplePool(pool_root, ('indoor',))
    trainer = Trainer(CONFIG, pool)
    bad = training_batch(pool, CONFIG, 0)
    bad.rgb[0, 0, 0, 0] = torch.nan
    scale = trainer.scaler.get_scale()

    trainer.step(bad)
    trainer.step(bad)

    assert (trainer.done, trainer.skipped) == (2, 2)
    assert trainer.scaler.get_scale() == scale


def test_gradients_that_no_scale_makes_finite_end_a_run(pool_root, in_half, monkeypatch):
    monkeypatch.setattr(module, 'MAX_SKIPPED_IN_A_ROW', 20)
    pool = SamplePool(pool_root, ('indoor',))
    trainer = Trainer(CONFIG, pool)
    weight = trainer.network.head.weight
    weight.register_hook(lambda gradient: gradient * torch.inf)

    with pytest.raises(ModelError, match='lower learning_rate'):
        for _ in range(20):
            trainer.step(training_batch(pool, CONFIG, 0))
    assert trainer.scaler.get_scale() == 1.0
    assert trainer.skipped == 4


def test_a_run_leaves_a_network_that_says_how_it_was_made(tmp_path, pool_root):
    config = replace(CONFIG, pack_samples=5)
    pretrain(config, pool_root, tmp_path / 'run')
    export_run(config, pool_root, tmp_path / 'run')

    manifest = Manifest.from_json((tmp_path / 'run' / 'manifest.json').read_text())
    assert manifest == read_manifest(tmp_path / 'run' / 'model.onnx')
    assert manifest.notes['samples_seen'] == 32
    assert manifest.notes['training']['seed'] == 0
    network = load_network(tmp_path / 'run')
    assert network.max_depth == CONFIG.headroom * manifest.max_depth
    assert len(read_source_pack(tmp_path / 'run' / 'source_pack.zip')) == 5
    with (tmp_path / 'run' / 'log.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [row['step'] for row in rows] == ['2', '3', '4', '6', '8']
    scores = manifest.notes['scores_held_out_scenes']
    assert scores == {name: pytest.approx(float(rows[-1][name]), abs=1e-4) for name in scores}
    assert set(scores) == {
        f'val_{name}{align}' for name in ('abs_rel', 'delta1') for align in ('', '_median')
    }


def test_the_shape_term_sees_neither_a_common_factor_nor_missing_labels(pool_root):
    batch = training_batch(SamplePool(pool_root, ('indoor',)), CONFIG, 0)
    batch.label[0, :8] = torch.inf  # sky
    batch.label[1, :8], batch.weight[1, :8] = torch.nan, 0.0
    network = build_network(CONFIG).eval()

    def shape_term():
        with torch.no_grad():
            plain, both = (
                LossModule(network, replace(CONFIG, shape_weight=weight))(batch)
                for weight in (0.0, 1.0)
            )
        return (both - plain).item()

    before = shape_term()
    with torch.no_grad():
        network.head.bias += 0.7

    assert before > 0.1
    assert shape_term() == pytest.approx(before, rel=1e-4)


def test_an_update_that_is_not_finite_is_skipped_and_counted(pool_root):
    pool = SamplePool(pool_root, ('indoor',))
    trainer = Trainer(CONFIG, pool)
    trainer.step(training_batch(pool, CONFIG, 0))
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    bad = training_batch(pool, CONFIG, 1)
    bad.rgb[0, 0, 0, 0] = torch.nan

    trainer.step(bad)

    assert (trainer.done, trainer.skipped) == (2, 1)
    for name, value in trainer.network.state_dict().items():
        torch.testing.assert_close(value, before[name])


def test_a_run_that_has_diverged_ends_and_says_what_to_do(pool_root, monkeypatch):
    monkeypatch.setattr(module, 'MAX_SKIPPED_IN_A_ROW', 2)
    pool = SamplePool(pool_root, ('indoor',))
    trainer = Trainer(CONFIG, pool)
    bad = training_batch(pool, CONFIG, 0)
    bad.rgb[:] = torch.nan
    trainer.step(bad)

    with pytest.raises(ModelError, match='lower learning_rate'):
        trainer.step(bad)


def test_a_disk_that_fills_up_keeps_the_previous_state(tmp_path, pool_root, monkeypatch):
    pretrain(CONFIG, pool_root, tmp_path / 'run', progress=stop_after(3))
    before = weights_of(tmp_path / 'run')

    def full(state, path):
        path.write_bytes(b'half')
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(torch, 'save', full)

    with pytest.raises(ModelError, match='No space left on device'):
        pretrain(CONFIG, pool_root, tmp_path / 'run')
    after = weights_of(tmp_path / 'run')
    assert all(torch.equal(torch.as_tensor(after[k]), torch.as_tensor(before[k])) for k in before)


def test_a_run_that_ends_while_it_saves_the_last_network_is_not_finished(
    tmp_path, pool_root, monkeypatch
):
    def end(folder, network, manifest):
        if manifest.version == str(CONFIG.steps):
            raise ModelError('No space left on device')
        save_network(folder, network, manifest)

    monkeypatch.setattr('mono_depth_ros.training.pretrain.save_network', end)
    with pytest.raises(ModelError, match='No space left on device'):
        pretrain(CONFIG, pool_root, tmp_path / 'run')
    monkeypatch.undo()

    assert pretrain(CONFIG, pool_root, tmp_path / 'run').finished
    manifest = Manifest.from_json((tmp_path / 'run' / 'manifest.json').read_text())
    assert manifest.version == str(CONFIG.steps)


def test_a_finished_run_that_lost_its_network_writes_it_again(tmp_path, pool_root):
    pretrain(CONFIG, pool_root, tmp_path / 'run')
    weights = tmp_path / 'run' / 'weights.safetensors'
    before = weights.read_bytes()
    weights.unlink()

    assert pretrain(CONFIG, pool_root, tmp_path / 'run').finished
    assert weights.read_bytes() == before


def test_a_state_of_another_architecture_is_refused(tmp_path, pool_root):
    pretrain(CONFIG, pool_root, tmp_path / 'run', progress=stop_after(1))

    with pytest.raises(ModelError, match='train into another folder'):
        pretrain(replace(CONFIG, width=0.5), pool_root, tmp_path / 'run')


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'encoder_rate': 0.5}, r'encoder_rate 1\.0, now 0\.5: go on with those'),
        ({'weight_decay': 0.1, 'seed': 1}, r'seed 0, now 1; weight_decay 0\.01, now 0\.1'),
        ({'loss': 'silog'}, "loss 'l1_log', now 'silog'"),
        ({'frozen_blocks': 3}, 'frozen_blocks 0, now 3'),
    ],
)
def test_a_run_does_not_go_on_with_other_settings(
    tmp_path, pool_root, untrained, changes, message
):
    config = untrained(CONFIG)
    pretrain(config, pool_root, tmp_path / 'run', progress=stop_after(1))

    with pytest.raises(ModelError, match=f'training.pt was made with other settings: {message}'):
        pretrain(replace(config, **changes), pool_root, tmp_path / 'run')


def test_a_run_may_go_on_for_longer_and_be_saved_at_other_times(tmp_path, pool_root):
    pretrain(CONFIG, pool_root, tmp_path / 'run')
    longer = replace(
        CONFIG,
        phases=(*CONFIG.phases, Phase(2, ((64, 96),), 4)),
        samples=99,
        decay_fraction=0.5,
        pack_samples=3,
        workers=2,
        log_every=1,
        save_every=1,
    )

    assert pretrain(longer, pool_root, tmp_path / 'run').step == 10


def test_a_state_that_is_not_what_its_settings_say_is_refused_in_words(
    tmp_path, pool_root, untrained
):
    config = untrained(CONFIG)
    pretrain(config, pool_root, tmp_path / 'run', progress=stop_after(1))
    state = load_training_state(tmp_path / 'run' / 'training.pt')
    state['config']['frozen_blocks'] = 3
    torch.save(state, tmp_path / 'run' / 'training.pt')

    with pytest.raises(ModelError, match='does not fit the settings'):
        pretrain(replace(config, frozen_blocks=3), pool_root, tmp_path / 'run')


def test_a_run_starts_from_other_weights_moved_to_its_range(tmp_path, pool_root):
    pretrain(CONFIG, pool_root, tmp_path / 'near', device='cpu')
    far = replace(CONFIG, start=str(tmp_path / 'near'), max_depth=80.0)

    started = Trainer(far, SamplePool(pool_root, ('indoor',))).network.eval()
    source = load_network(tmp_path / 'near')

    rgb = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        gain = started.log_depth(rgb)[0] - source.log_depth(rgb)[0]
    torch.testing.assert_close(gain, torch.full_like(gain, np.log(8.0)), atol=1e-4, rtol=0)


def test_weights_of_other_channels_are_no_start(tmp_path, pool_root):
    pretrain(CONFIG, pool_root, tmp_path / 'small', device='cpu')
    wide = replace(CONFIG, start=str(tmp_path / 'small'), width=0.5)

    reason = r'small, which has width 0\.25 instead of 0\.5: give its values as settings, or start'
    with pytest.raises(ModelError, match=reason):
        Trainer(wide, SamplePool(pool_root, ('indoor',)))


def test_a_small_domain_is_seen_as_often_as_a_large_one(tmp_path):
    # At the reference of 80 px the walls of one domain are at 2 m, those of the other at 1 m.
    write_shard(tmp_path / 'indoor-000001', walls(200, focal=80.0))
    write_shard(tmp_path / 'lab-000001', walls(5, focal=160.0))
    config = replace(
        CONFIG,
        domains=('indoor', 'lab'),
        phases=(Phase(9, ((64, 96),), 100),),
        min_zoom=1.0,
        max_roll=0.0,
    )
    pool = SamplePool(tmp_path, config.domains)

    batch = training_batch(pool, config, 0)

    assert 35 <= (batch.label[:, 0, 0] < 1.5).sum() <= 65
    torch.testing.assert_close(batch.rgb, training_batch(pool, config, 0).rgb)


def test_a_domain_of_another_shape_is_seen_as_often(tmp_path):
    write_shard(tmp_path / 'indoor-000001', walls(9, focal=80.0))
    # Larger windows of it are shrunk to the batch, and so is their focal length.
    write_shard(tmp_path / 'lab-000001', walls(9, focal=800.0, size=(96, 320)))
    config = replace(
        CONFIG,
        domains=('indoor', 'lab'),
        phases=(Phase(9, ((64, 96),), 100),),
        max_roll=0.0,
    )

    batch = training_batch(SamplePool(tmp_path, config.domains), config, 0)

    assert 35 <= (batch.label[:, 0, 0] < 1.0).sum() <= 65


def test_the_pack_has_as_much_of_each_domain_and_all_of_its_shapes(tmp_path):
    write_shard(tmp_path / 'indoor-000001', walls(50, focal=80.0))
    write_shard(tmp_path / 'lab-000001', walls(9, focal=70.0, size=(64, 256)))
    write_shard(tmp_path / 'lab-000002', walls(9, focal=60.0, size=(64, 160)))
    config = replace(CONFIG, domains=('indoor', 'lab'), pack_samples=12)

    samples = list(packed_samples(config, tmp_path))

    assert Counter((sample.focal, sample.depth.shape) for sample in samples) == {
        (80.0, (64, 96)): 6,
        (70.0, (64, 256)): 3,
        (60.0, (64, 160)): 3,
    }


def test_the_samples_of_a_single_domain_are_drawn_from_all_of_it(pool_root):
    pool = SamplePool(pool_root, ('indoor',))
    config = replace(CONFIG, phases=(Phase(9, ((64, 96),), 4),), max_roll=0.0)
    rng = np.random.default_rng((config.seed, 3, 0))
    picked = rng.integers(len(pool), size=4)
    samples = [crop_to(pool[int(index)], (64, 96), rng) for index in picked[:1]]

    batch = training_batch(pool, config, 3)

    expected = collate(samples, config.focal, config).label[0]
    torch.testing.assert_close(batch.label[0], expected)


@pytest.mark.parametrize(('processes', 'better'), [(3, 6), (4, 8)])
def test_a_batch_that_processes_cannot_share_evenly_is_refused(pool_root, processes, better):
    config = replace(CONFIG, phases=(Phase(9, ((64, 96),), 4),))
    reason = f'{processes} processes cannot share a batch of 4 evenly, .*: {better} would do'

    with pytest.raises(ConfigError, match=reason):
        Trainer(config, SamplePool(pool_root, ('indoor',)), Workers(0, processes))


MIXED = replace(
    CONFIG, domains=('indoor', 'lab'), phases=(Phase(40, ((64, 96),), 8),), learning_rate=5e-3
)


def test_a_batch_says_which_of_its_images_have_no_metres(mixed_root):
    pool = SamplePool(mixed_root, MIXED.domains)

    batch = training_batch(pool, MIXED, 0)

    assert (sum(batch.counts), batch.relative) == (8, (False, True))
    assert pool.metric == ['indoor']
    assert batch.weight[batch.counts[0] :].unique().tolist() == [0.0, 1.0]  # 0 where it rolled


def test_labels_without_metres_teach_shape_and_no_scale(mixed_root):
    batch = training_batch(SamplePool(mixed_root, MIXED.domains), MIXED, 0)
    module = LossModule(build_network(MIXED).eval(), MIXED)
    other = batch.label.clone()
    other[batch.counts[0] :] = 1 / (5 / other[batch.counts[0] :] + 0.1)

    with torch.no_grad():
        losses, same = module(batch), module(replace(batch, label=other))
        module.network.head.bias += 0.7
        farther = module(batch)

    torch.testing.assert_close(same, losses, rtol=1e-3, atol=1e-4)
    assert farther[1].item() == pytest.approx(losses[1].item(), rel=1e-3)
    assert farther[0].item() != pytest.approx(losses[0].item(), rel=0.1)


@pytest.mark.parametrize('mixing', ['mean', 'pareto'])
def test_a_network_learns_from_images_with_and_without_metres(mixed_root, mixing):
    config = replace(MIXED, mixing=mixing)
    trainer = Trainer(config, SamplePool(mixed_root, config.domains))
    unseen = training_batch(SamplePool(mixed_root, config.domains, held_out=True), config, 0)

    def losses():
        with torch.no_grad():
            return trainer.module.eval()(unseen)

    before = losses()
    for step in range(config.steps):
        trainer.step(training_batch(trainer.pool, config, step))

    assert (losses() < 0.8 * before).all()


def test_no_domain_gets_worse_for_the_sake_of_another(mixed_root):
    config = replace(MIXED, mixing='pareto')
    trainer = Trainer(config, SamplePool(mixed_root, config.domains))
    batch = training_batch(trainer.pool, config, 0)
    losses = trainer.module(batch)

    shares = trainer._shares(losses, batch.counts)

    head = trainer.network.head.weight
    first, second = (torch.autograd.grad(loss, head, retain_graph=True)[0] for loss in losses)
    step = shares[0] * first + shares[1] * second
    assert shares.sum().item() == pytest.approx(1.0)
    assert min((step * first).sum(), (step * second).sum()) > 0


def test_a_domain_that_is_not_in_a_batch_has_no_share(mixed_root):
    config = replace(MIXED, mixing='pareto', phases=(Phase(40, ((64, 96),), 2),))
    trainer = Trainer(config, SamplePool(mixed_root, config.domains))
    batches = (training_batch(trainer.pool, config, step) for step in range(40))
    batch = next(batch for batch in batches if batch.counts == (0, 2))

    shares = trainer._shares(trainer.module(batch), batch.counts)

    assert shares.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(('useless', 'shares'), [([1], [1.0, 0.0]), ([0, 1], [0.5, 0.5])])
def test_a_domain_without_a_label_has_no_share(mixed_root, useless, shares):
    config = replace(MIXED, mixing='pareto')
    trainer = Trainer(config, SamplePool(mixed_root, config.domains))
    batches = (training_batch(trainer.pool, config, step) for step in range(40))
    batch = next(batch for batch in batches if batch.counts == (4, 4))
    for domain in useless:
        batch.weight[4 * domain : 4 * domain + 4] = 0

    assert trainer._shares(trainer.module(batch), batch.counts).tolist() == shares


def test_what_travels_with_the_weights_has_metres(mixed_root):
    samples = list(packed_samples(replace(MIXED, pack_samples=6), mixed_root))

    assert len(samples) == 6
    assert not any(sample.relative for sample in samples)


def test_a_network_that_nothing_tells_metres_is_refused(tmp_path, mixed_root):
    config = replace(MIXED, domains=('lab',))

    with pytest.raises(DatasetError, match='no labels of lab have metres, .*: train on indoor'):
        pretrain(config, mixed_root, tmp_path / 'run')


def test_a_domain_without_a_sample_is_refused(tmp_path, pool_root):
    config = replace(CONFIG, domains=('indoor', 'lap', 'street'))

    with pytest.raises(DatasetError, match='no samples of lap and street in .*: render some'):
        pretrain(config, pool_root, tmp_path / 'run')


def test_a_damaged_held_out_shard_is_told_before_anything_is_learnt(tmp_path, pool_root):
    (pool_root / 'indoor-000000' / 'depth.npy').write_bytes(b'half')
    learnt = []

    with pytest.raises(DatasetError, match='indoor-000000 is not a shard'):
        pretrain(CONFIG, pool_root, tmp_path / 'run', progress=lambda *told: learnt.append(told))

    assert not learnt


def test_an_empty_pool_says_to_render(tmp_path):
    with pytest.raises(DatasetError, match='render some first'):
        pretrain(CONFIG, tmp_path / 'nothing', tmp_path / 'run')


def test_a_batch_depends_on_nothing_but_pool_seed_and_step(pool_root):
    pool = SamplePool(pool_root, ('indoor',))

    first, again = (training_batch(pool, CONFIG, 5) for _ in range(2))

    torch.testing.assert_close(first.rgb, again.rgb)
    assert not torch.equal(first.rgb, training_batch(pool, replace(CONFIG, seed=1), 5).rgb)


def test_labels_are_at_the_reference_focal_length(tmp_path):
    # One wall at 2 m seen with focal lengths 80 and 160: at 80 px the second is at 1 m.
    write_shard(tmp_path / 'indoor-000001', walls(2, focal=[80.0, 160.0]))
    config = replace(CONFIG, min_zoom=1.0, max_roll=0.0, phases=(Phase(4, ((64, 96),), 16),))

    batch = training_batch(SamplePool(tmp_path, ('indoor',)), config, 0)

    assert sorted({round(float(value), 3) for value in batch.label.unique()}) == [1.0, 2.0]


@pytest.mark.parametrize('mixing', ['mean', 'pareto'])
def test_two_processes_under_torchrun_train_one_network(tmp_path, mixed_root, mixing):
    script = tmp_path / 'train.py'
    script.write_text(
        'import sys\n'
        'from pathlib import Path\n'
        'import torch\n'
        'from mono_depth_ros.training.config import Phase, PretrainConfig\n'
        'from mono_depth_ros.training import pretrain as module\n'
        'torch.set_num_threads(1)\n'
        'config = PretrainConfig(\n'
        '    start="", encoder="mobilenet_v1", width=0.25, frozen_blocks=0,\n'
        '    frozen_statistics=False, domains=("indoor", "lab"), mixing=sys.argv[3],\n'
        '    phases=(Phase(3, ((32, 64),), 4),), save_every=3,\n'
        ')\n'
        'trainers = []\n'
        'class Kept(module.Trainer):\n'
        '    def __init__(self, *arguments):\n'
        '        super().__init__(*arguments)\n'
        '        trainers.append(self)\n'
        'module.Trainer = Kept\n'
        'pool, output = map(Path, sys.argv[1:3])\n'
        'result = module.pretrain(config, pool, output, device="cpu")\n'
        'assert result.finished and result.skipped == 0\n'
        'weights = torch.cat([w.detach().flatten() for w in trainers[0].network.parameters()])\n'
        'torch.save(weights, output / f"weights-{trainers[0].workers.rank}.pt")\n'
    )
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2']

    done = subprocess.run(
        [*command, str(script), str(mixed_root), str(tmp_path / 'run'), mixing],
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert load_training_state(tmp_path / 'run' / 'training.pt')['done'] == 3
    first, second = (torch.load(tmp_path / 'run' / f'weights-{rank}.pt') for rank in range(2))
    assert torch.equal(first, second)


def test_what_is_frozen_keeps_the_weights_it_starts_from(pool_root, untrained):
    config = untrained(replace(CONFIG, encoder='mobilenet_v2'))
    config = replace(config, frozen_blocks=7, frozen_statistics=True)
    trainer = Trainer(config, SamplePool(pool_root, ('indoor',)))
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}

    for step in range(2):
        trainer.step(training_batch(trainer.pool, config, step))

    moved = {
        name
        for name, value in trainer.network.state_dict().items()
        if not torch.equal(value, before[name]) and 'num_batches' not in name
    }
    kept = ('stem.', *(f'encoder.{number}.' for number in range(7)))
    assert not [name for name in moved if name.startswith(kept)]
    assert not [name for name in moved if name.startswith('encoder.') and 'running' in name]
    assert {'encoder.7.0.weight', 'decoder.0.1.running_mean', 'head.bias'} <= moved


def test_nothing_is_propagated_through_an_encoder_that_is_all_frozen(pool_root, untrained):
    config = replace(untrained(CONFIG), frozen_blocks=13, frozen_position=True)
    trainer = Trainer(config, SamplePool(pool_root, ('indoor',)))

    features = trainer.network.encode(torch.rand(2, 3, 64, 96))

    assert not any(level.requires_grad for level in features)
    assert trainer.network.decode(features).requires_grad


def test_the_encoder_may_learn_more_slowly(pool_root):
    config = replace(CONFIG, encoder_rate=0.1)
    trainer = Trainer(config, SamplePool(pool_root, ('indoor',)))
    trainer.step(training_batch(trainer.pool, config, 0))

    rates = {
        id(weight): group['lr']
        for group in trainer.optimiser.param_groups
        for weight in group['params']
    }
    network = trainer.network
    assert rates[id(network.encoder[3][0].weight)] == pytest.approx(
        0.1 * rates[id(network.head.weight)]
    )
