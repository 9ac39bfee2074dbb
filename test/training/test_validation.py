# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Validation sees every domain alike, at a shape that its images have."""

from dataclasses import replace

import pytest

torch = pytest.importorskip('torch')

from mono_depth_ros.source.domain_file import describe_domain, RELATIVE
from mono_depth_ros.source.pool import write_shard
from mono_depth_ros.training.batches import validation_samples
from mono_depth_ros.training.config import Phase, PretrainConfig
from mono_depth_ros.training.validation import validate
import numpy as np

CONFIG = PretrainConfig(
    domains=('indoor', 'street'), focal=80.0, phases=(Phase(4, ((64, 192), (64, 96)), 4),)
)


def shard(numbers, size):
    """Make grey images whose sample i has the focal length ``numbers[i]``."""
    count = len(numbers)
    return {
        'rgb': np.full((count, *size, 3), 128, np.uint8),
        'depth': np.full((count, *size), 2.0, np.float16),
        'semantics': np.zeros((count, *size), np.uint8),
        'focal': np.asarray(numbers, np.float32),
    }


def test_every_domain_is_scored_however_many_samples_the_first_has(tmp_path):
    write_shard(tmp_path / 'indoor-000000', shard(np.arange(100, 140), (64, 96)))
    write_shard(tmp_path / 'street-000000', shard(np.arange(200, 240), (64, 96)))

    samples = validation_samples(tmp_path, CONFIG, 0, count=20)

    assert {domain: len(part) for domain, part in samples.items()} == {'indoor': 10, 'street': 10}


def test_held_out_samples_are_spread_over_the_shard(tmp_path):
    write_shard(tmp_path / 'indoor-000000', shard(np.arange(100, 140), (64, 96)))
    config = replace(CONFIG, domains=('indoor',))

    samples = validation_samples(tmp_path, config, 0, count=4)['indoor']

    assert [sample.focal for sample in samples] == [100.0, 113.0, 126.0, 139.0]


def test_a_domain_is_scored_at_the_size_that_its_images_have(tmp_path):
    write_shard(tmp_path / 'indoor-000000', shard([100.0], (64, 96)))
    write_shard(tmp_path / 'street-000000', shard([200.0], (64, 192)))

    samples = validation_samples(tmp_path, CONFIG, 0)

    assert samples['indoor'][0].depth.shape == (64, 96)
    assert samples['street'][0].depth.shape == (64, 192)
    assert (samples['indoor'][0].focal, samples['street'][0].focal) == (100.0, 200.0)


class Constant(torch.nn.Module):
    """A network that says 2 m at the reference focal length, whatever it sees."""

    max_depth = 20.0

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def log_depth(self, rgb, focal):
        return torch.full((len(rgb), *rgb.shape[2:]), 2.0).log(), None


def test_a_domain_of_few_samples_counts_as_much_as_one_of_many(tmp_path):
    # At 80 px the wall at 2 m stays there; seen with 160 px it is one at 1 m: abs_rel 1.
    write_shard(tmp_path / 'indoor-000000', shard([80.0] * 9, (64, 96)))
    write_shard(tmp_path / 'street-000000', shard([160.0], (64, 96)))

    scores = validate(Constant(), tmp_path, CONFIG, 0)

    assert scores['val_abs_rel'] == pytest.approx(0.5, rel=1e-3)
    assert scores['val_abs_rel_median'] == pytest.approx(0.0, abs=1e-3)


def test_metres_and_shape_are_scored_apart(tmp_path):
    # Right in shape and twice as far as it is.
    write_shard(tmp_path / 'indoor-000000', shard([160.0], (64, 96)))

    scores = validate(Constant(), tmp_path, CONFIG, 0)

    assert scores == pytest.approx(
        {
            'val_abs_rel': 1.0,
            'val_delta1': 0.0,
            'val_abs_rel_median': 0.0,
            'val_delta1_median': 1.0,
        },
        abs=1e-3,
    )


def test_what_lies_beyond_the_range_of_the_network_is_not_scored(tmp_path):
    far = shard([80.0], (64, 96))
    far['depth'][:, :, 48:] = CONFIG.max_depth + 1
    far['depth'][:, :8], far['depth'][:, 8:16] = np.nan, np.inf
    write_shard(tmp_path / 'indoor-000000', far)
    beyond = shard([80.0], (64, 96))
    beyond['depth'][:] = CONFIG.max_depth + 1
    write_shard(tmp_path / 'street-000000', beyond)

    scores = validate(Constant(), tmp_path, CONFIG, 0)

    assert scores['val_abs_rel'] == pytest.approx(0.0, abs=1e-3)


def test_there_are_no_scores_without_held_out_samples(tmp_path):
    assert validate(Constant(), tmp_path, CONFIG, 0) == {}


def test_labels_without_metres_are_not_scored(tmp_path):
    describe_domain(tmp_path, 'lab', {'labels': RELATIVE})
    for domain in ('indoor', 'lab'):
        write_shard(tmp_path / f'{domain}-000000', shard([100.0, 101.0], (64, 96)))

    config = replace(CONFIG, domains=('indoor', 'lab'))

    samples = validation_samples(tmp_path, config, 0, count=2)

    assert {domain: len(part) for domain, part in samples.items()} == {'indoor': 2}
