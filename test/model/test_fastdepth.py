# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network: shapes, limits, and coordinates that do not depend on the input size."""

import pytest

torch = pytest.importorskip('torch')

from mono_depth_ros.errors import ModelError, ShapeError
from mono_depth_ros.model.fastdepth import FastDepth, ray_slopes


@pytest.fixture(scope='module', params=['mobilenet_v1', 'mobilenet_v2'])
def network(request):
    torch.manual_seed(0)
    return FastDepth(0.25, encoder=request.param).eval()


@pytest.mark.parametrize('size', [(32, 32), (64, 96), (96, 320)])
def test_any_multiple_of_the_stride_gives_depth_of_the_same_size(network, size):
    depth, latent = network(torch.rand(2, 3, *size))

    assert depth.shape == (2, *size)
    assert latent.shape == (2, network.latent_channels, size[0] // 32, size[1] // 32)


def test_the_full_width_network_has_the_size_of_the_paper():
    count = sum(p.numel() for p in FastDepth(1.0, coordinates=False).parameters())

    assert count == pytest.approx(3.96e6, rel=0.02)


def test_mobilenet_v2_has_the_size_of_its_paper_without_the_last_bottleneck():
    encoder = FastDepth(1.0, encoder='mobilenet_v2').encoder
    table = [(n, c, s) for n, c, s in [(1, 16, 1), (2, 24, 2), (3, 32, 2), (4, 64, 2)]]
    table += [(3, 96, 1), (3, 160, 2)]

    assert len(encoder) == sum(n for n, _, _ in table)
    # 3.4 M with classifier (1.281 M), last convolution (.412 M), last bottleneck (.474 M) and stem
    assert sum(p.numel() for p in encoder.parameters()) == pytest.approx(1.336e6, rel=0.01)


def test_an_unknown_encoder_is_refused():
    with pytest.raises(ModelError, match="'resnet'"):
        FastDepth(encoder='resnet')


def test_depth_stays_within_its_limits(network):
    with torch.no_grad():
        depth, _ = network(torch.rand(1, 3, 64, 64) * 1e4)

    assert depth.min() >= network.min_depth
    assert depth.max() <= network.max_depth


def test_residual_blocks_pass_their_input_on_where_the_shapes_allow():
    network = FastDepth(0.25, residual=True).eval()
    features = torch.rand(1, 64, 4, 4)
    block = next(b for b in network.encoder if b.residual and b[0].in_channels == 64)
    torch.nn.init.zeros_(block[3].weight)

    torch.testing.assert_close(block(features), features)
    assert [number for number, b in enumerate(network.encoder, 1) if b.residual] == [
        *(3, 5, 7, 8, 9, 10, 11, 13)
    ]


@pytest.mark.parametrize('shape', [(1, 3, 100, 64), (1, 4, 64, 64), (3, 64, 64)])
def test_other_input_shapes_are_refused(network, shape):
    with pytest.raises(ShapeError, match='multiples of 32'):
        network(torch.zeros(shape))


def test_ray_slopes_are_those_of_the_cell_centres():
    fine = ray_slopes(8, 12, focal=10.0, like=torch.zeros(1))
    coarse = ray_slopes(8, 12, focal=10.0, like=torch.zeros(1), step=4)

    assert fine[0, 0, 0].tolist() == pytest.approx([(u - 5.5) / 10 for u in range(12)])
    assert fine[0, 1, :, 0].tolist() == pytest.approx([(v - 3.5) / 10 for v in range(8)])
    torch.testing.assert_close(coarse, torch.nn.functional.avg_pool2d(fine, 4))


def test_half_the_size_at_half_the_focal_length_sees_the_same_slopes():
    large = ray_slopes(64, 96, focal=220.0, like=torch.zeros(1), step=8)
    small = ray_slopes(32, 48, focal=110.0, like=torch.zeros(1), step=4)

    torch.testing.assert_close(large, small)


def test_a_network_without_coordinates_ignores_the_focal_length():
    network, image = FastDepth(0.25, coordinates=False).eval(), torch.rand(1, 3, 64, 64)

    torch.testing.assert_close(network(image, 50.0)[0], network(image, 500.0)[0])


def test_the_architecture_rebuilds_the_same_network(network):
    again = FastDepth(**network.architecture)

    shapes = {name: value.shape for name, value in network.state_dict().items()}
    assert {name: value.shape for name, value in again.state_dict().items()} == shapes


@pytest.mark.parametrize('encoder', ['mobilenet_v1', 'mobilenet_v2'])
def test_the_head_and_the_coordinates_are_in_full_precision_under_autocast(encoder):
    torch.manual_seed(0)
    network = FastDepth(0.25, encoder=encoder).eval()
    seen = []
    for part in (network.position, network.head):
        part.register_forward_hook(
            lambda part, inputs, output: seen.append((inputs[0].dtype, output.dtype))
        )
    rgb = torch.rand(2, 3, 64, 96)

    with torch.no_grad():
        full, _ = network.log_depth(rgb)
        with torch.autocast('cpu', torch.float16):
            half, latent = network.log_depth(rgb)

    assert latent.dtype == torch.float16
    assert seen == [(torch.float32, torch.float32)] * 4
    assert half.dtype == torch.float32
    assert (half - full).mean().abs() < 1e-3
