# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The discriminators have the sizes of the paper, look at any image, and start the same way."""

from mono_depth_ros.errors import ShapeError
import pytest

torch = pytest.importorskip('torch')

from mono_depth_ros.model.discriminator import (
    build_discriminators,
    DepthDiscriminator,
    LatentDiscriminator,
    LEAN_DEPTH,
    LEAN_LATENT,
)


def weights_of(network):
    """Count the weights of convolutions, without biases."""
    return sum(p.numel() for p in network.parameters() if p.ndim == 4)


def test_the_paper_sizes_have_the_parameters_of_the_paper():
    assert weights_of(DepthDiscriminator()) == pytest.approx(2.77e6, rel=0.003)
    assert weights_of(LatentDiscriminator(1024)) == pytest.approx(6.19e6, rel=0.003)


def test_the_lean_sizes_are_much_smaller():
    assert weights_of(DepthDiscriminator(LEAN_DEPTH)) == pytest.approx(0.175e6, rel=0.003)
    lean = LatentDiscriminator(1024, LEAN_LATENT, first_kernel=1)
    assert weights_of(lean) == pytest.approx(0.24e6, rel=0.01)


@pytest.mark.parametrize('size', [(64, 96), (224, 224), (96, 32)])
@pytest.mark.parametrize('kind', ['paper', 'lean'])
def test_every_patch_gets_an_answer_whatever_the_image_size(size, kind):
    depth, latent = build_discriminators(64, kind, seed=0)

    assert depth(torch.rand(2, 4, *size)).shape == (2, 1, size[0] // 16, size[1] // 16)
    cells = (size[0] // 32, size[1] // 32)
    assert latent(torch.rand(2, 64, *cells)).shape == (2, 1, *cells)


def test_a_seed_gives_the_same_weights_and_leaves_the_global_generator_alone():
    state = torch.get_rng_state()

    first, again = (build_discriminators(64, 'lean', seed=3)[0] for _ in range(2))
    other = build_discriminators(64, 'lean', seed=4)[0]

    assert torch.equal(first[0].weight, again[0].weight)
    assert not torch.equal(first[0].weight, other[0].weight)
    assert first[0].weight.detach().std() == pytest.approx(0.02, rel=0.1)
    assert torch.equal(torch.get_rng_state(), state)


def test_dropout_is_for_training_only():
    network = build_discriminators(64, 'lean', seed=0)[0].eval()
    x = torch.rand(1, 4, 64, 64)

    assert torch.equal(network(x), network(x))
    network.train()
    assert not torch.equal(network(x), network(x))


def test_what_is_too_small_to_be_judged_is_refused():
    depth, latent = build_discriminators(64, 'lean', seed=0)

    with pytest.raises(ShapeError, match='at least 32x32'):
        depth(torch.rand(1, 4, 16, 64))
    with pytest.raises(ShapeError, match='at least two cells'):
        latent(torch.rand(1, 64, 1, 1))
