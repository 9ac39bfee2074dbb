# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A small pool whose depth can be learnt from its colours."""

from mono_depth_ros.source.domain_file import describe_domain, RELATIVE
from mono_depth_ros.source.pool import write_shard
import numpy as np
import pytest


def shard(seed, count=16, size=(64, 96)):
    """Make images of a floor that is brighter the nearer it is."""
    rng = np.random.default_rng(seed)
    near = rng.uniform(0.8, 2.0, (count, 1, 1))
    far = near * rng.uniform(1.5, 3.0, (count, 1, 1))
    ramp = np.linspace(0, 1, size[0])[None, :, None] * np.ones((1, 1, size[1]))
    depth = far + (near - far) * ramp
    rgb = np.clip(255 / depth[..., None] * [1.0, 0.8, 0.6], 0, 255)
    return {
        'rgb': rgb.astype(np.uint8),
        'depth': depth.astype(np.float16),
        'semantics': np.zeros(depth.shape, np.uint8),
        'focal': np.full(count, 80.0, np.float32),
    }


def without_metres(arrays, scale=0.3, shift=0.2):
    """Give a shard labels whose inverse has another scale and shift."""
    depth = 1 / (scale / arrays['depth'].astype(np.float32) + shift)
    return {**arrays, 'depth': depth.astype(np.float16)}


@pytest.fixture
def mixed_root(pool_root):
    """Make a pool that has images of another place too, called lab, without metres."""
    describe_domain(pool_root, 'lab', {'labels': RELATIVE})
    for number in range(2):
        write_shard(pool_root / f'lab-{number:06d}', without_metres(shard(7 + number)))
    return pool_root


@pytest.fixture
def pool_root(tmp_path):
    root = tmp_path / 'pool'
    for number in range(2):
        write_shard(root / f'indoor-{number:06d}', shard(number))
    return root
