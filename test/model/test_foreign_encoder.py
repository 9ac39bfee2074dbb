# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The encoder computes what the network computed that its weights came from."""

import pytest

torch = pytest.importorskip('torch')
from mono_depth_ros.errors import ModelError
from mono_depth_ros.model.fastdepth import FastDepth
from mono_depth_ros.model.foreign_encoder import encoder_layers, fill_encoder
import torch.nn.functional as F


@pytest.fixture
def network():
    torch.manual_seed(0)
    return FastDepth(0.25, encoder='mobilenet_v2').eval()


def foreign_layers(network):
    """Make weights and biases as another network of these shapes has them."""
    generator = torch.Generator().manual_seed(1)
    return [
        (
            torch.randn(conv.weight.shape, generator=generator).mul(0.3).numpy(),
            torch.randn(len(conv.weight), generator=generator).mul(0.3).numpy(),
        )
        for conv, _ in encoder_layers(network)
    ]


def foreign_features(network, layers, rgb):
    """Compute the latent with plain convolutions, from the foreign weights alone."""
    weights = iter(layers)

    def convolve(x, conv):
        weight, bias = map(torch.from_numpy, next(weights))
        return F.conv2d(x, weight, bias, conv.stride, conv.padding, 1, conv.groups)

    # The padding of this network is black, which is -1 to the other one.
    weight, bias = map(torch.from_numpy, next(weights))
    x = F.relu6(F.conv2d(F.pad(rgb * 2 - 1, (1, 1, 1, 1), value=-1.0), weight, bias, 2))
    for block in network.encoder:
        y, convolutions = x, list(block)[::3]
        for number, conv in enumerate(convolutions, start=1):
            y = convolve(y, conv)
            y = y if number == len(convolutions) else F.relu6(y)
        x = x + y if block.residual else y
    return x


def test_the_latent_is_that_of_the_other_network(network):
    layers, rgb = foreign_layers(network), torch.rand(2, 3, 64, 96)

    fill_encoder(network, layers, torch.rand(4, 3, 64, 96))

    expected = foreign_features(network, layers, rgb)
    torch.testing.assert_close(network(rgb)[1], expected, rtol=1e-3, atol=1e-3)
    assert expected.std() > 0.1


def test_batch_norms_hold_the_statistics_of_the_images(network):
    images = torch.rand(4, 3, 64, 96)
    fill_encoder(network, foreign_layers(network), images)

    conv, norm = next(encoder_layers(network))
    features = conv(images)
    torch.testing.assert_close(norm.running_mean, features.mean((0, 2, 3)))
    torch.testing.assert_close(norm.running_var, features.var((0, 2, 3)))


def test_coordinates_have_no_influence_at_first(network):
    fill_encoder(network, foreign_layers(network), torch.rand(2, 3, 64, 96))
    rgb = torch.rand(1, 3, 64, 96)

    torch.testing.assert_close(network(rgb, 50.0)[0], network(rgb, 500.0)[0])


@pytest.mark.parametrize('change', [lambda layers: layers[:-1], lambda layers: layers[1:]])
def test_layers_of_another_network_are_refused(network, change):
    with pytest.raises(ModelError, match='shape'):
        fill_encoder(network, change(foreign_layers(network)), torch.rand(1, 3, 64, 64))
