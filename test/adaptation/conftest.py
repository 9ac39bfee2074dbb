# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A tiny network, a source of floors, and a target that is darker and of another tint."""

from mono_depth_ros.adaptation.target_frame import TargetFrame
from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.source.pool import Sample
import numpy as np
import pytest

SIZE = (64, 96)
FOCAL = 80.0


def floor(seed, size=SIZE):
    """Return image and depth of a floor that is brighter the nearer it is."""
    rng = np.random.default_rng(seed)
    near = rng.uniform(0.8, 2.0)
    depth = np.linspace(near * rng.uniform(1.5, 3.0), near, size[0])[:, None] * np.ones(size[1])
    texture = rng.uniform(0.8, 1.2, (size[0] // 8, size[1] // 8))
    texture = np.repeat(np.repeat(texture, 8, 0), 8, 1)
    rgb = np.clip(255 / depth[..., None] * texture[..., None] * [1.0, 0.8, 0.6], 0, 255)
    return rgb.astype(np.uint8), depth.astype(np.float32)


def make_sample(seed):
    rgb, depth = floor(seed)
    return Sample(rgb, depth, np.zeros(SIZE, np.uint8), FOCAL)


def make_frame(seed, *, points=0, held_out=False):
    """Return a target image; its camera sees the world as the network does, depth times one."""
    rgb, depth = floor(1000 + seed)
    rgb = np.clip(rgb * [0.6, 0.8, 0.9], 0, 255).astype(np.uint8)
    camera = PinholeCamera(FOCAL, FOCAL, 47.5, 31.5, SIZE[1], SIZE[0])
    rng = np.random.default_rng(seed)
    u, v = rng.integers(0, SIZE[1], points), rng.integers(0, SIZE[0], points)
    known = np.stack([u, v, depth[v, u]], axis=1).astype(np.float32).reshape(-1, 3)
    return TargetFrame(rgb, camera, seed * 10**9, known, held_out=held_out)


@pytest.fixture(scope='session')
def samples():
    return [make_sample(seed) for seed in range(12)]


@pytest.fixture(scope='session')
def frames():
    return [make_frame(seed) for seed in range(10)]


@pytest.fixture(scope='session')
def anchored_frames():
    return [make_frame(seed, points=40) for seed in range(10)]


@pytest.fixture(scope='session')
def tiny():
    """Return a network that has seen floors for a moment: good enough to be adapted."""
    torch = pytest.importorskip('torch')
    from mono_depth_ros.adaptation.batches import images_to_tensor
    from mono_depth_ros.model.fastdepth import FastDepth

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = FastDepth(0.125, focal=FOCAL)
        optimiser = torch.optim.Adam(network.parameters(), 5e-3)
        for step in range(40):
            pairs = [floor(100 + 4 * step + k) for k in range(4)]
            images = images_to_tensor([rgb for rgb, _ in pairs], SIZE)
            label = torch.from_numpy(np.stack([depth for _, depth in pairs]))
            optimiser.zero_grad()
            (network.train().log_depth(images)[0] - label.log()).abs().mean().backward()
            optimiser.step()
    return network.eval()
