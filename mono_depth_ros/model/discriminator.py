# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Discriminators of adversarial adaptation (Hornauer et al., ICCVW 2021, arXiv 2108.02671).

D_d looks at image and depth together, D_z at the latent. Both answer with a map, one value for
each place they look at, so neither is tied to an image size. They are trained with least squares
(LSGAN, Mao et al. 2017): 1 is source, 0 is target.
"""

from __future__ import annotations

from collections.abc import Sequence

from mono_depth_ros.errors import ShapeError
import torch
from torch import nn, Tensor

PAPER_DEPTH, LEAN_DEPTH = (64, 128, 256, 512), (16, 32, 64, 128)
PAPER_LATENT, LEAN_LATENT = (512, 256, 128), (128, 64, 64)
SLOPE = 0.2
DEVIATION = 0.02


class DepthDiscriminator(nn.Sequential):
    """
    D_d: PatchGAN on RGB and depth, (B, 4, H, W) to (B, 1, H / 16, W / 16).

    Four 4x4 convolutions of stride 2, from the second one with channel dropout (0.25) and
    instance norm, then a 4x4 convolution to one channel.

    Parameters
    ----------
    channels : sequence of int
        Of the four layers: `PAPER_DEPTH` (2.77 M parameters) or `LEAN_DEPTH` (0.175 M).

    """

    def __init__(self, channels: Sequence[int] = PAPER_DEPTH) -> None:
        layers: list[nn.Module] = []
        for number, (inputs, outputs) in enumerate(
            zip((4, *channels[:-1]), channels, strict=True)
        ):
            layers += [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.LeakyReLU(SLOPE)]
            if number:
                layers += [nn.Dropout2d(0.25), nn.InstanceNorm2d(outputs)]
        super().__init__(
            *layers, nn.ZeroPad2d((1, 0, 1, 0)), nn.Conv2d(channels[-1], 1, 4, 1, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Judge images with depth; raise ShapeError if they are too small to be judged."""
        if x.ndim != 4 or x.shape[1] != 4 or min(x.shape[2:]) < 32:
            raise ShapeError(
                f'expected RGB and depth, (B, 4, H, W) of at least 32x32, got {tuple(x.shape)}'
            )
        scores: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return scores


class LatentDiscriminator(nn.Sequential):
    """
    D_z: on the latent, (B, C, h, w) to (B, 1, h, w).

    Three convolutions, the last two with channel dropout (0.6) and instance norm, then a 1x1
    convolution. The paper ends in a linear layer over the whole map, which ties it to one image
    size; here each cell gets an answer.

    Parameters
    ----------
    inputs : int
        Channels of the latent.
    channels : sequence of int
        Of the three layers: `PAPER_LATENT` (6.2 M parameters on 1024 channels) or `LEAN_LATENT`
        (0.24 M).
    first_kernel : int
        Kernel of the first layer: 3 in the paper, 1 in the lean one.

    """

    def __init__(
        self, inputs: int, channels: Sequence[int] = PAPER_LATENT, first_kernel: int = 3
    ) -> None:
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(
            zip((inputs, *channels[:-1]), channels, strict=True)
        ):
            kernel = 3 if number else first_kernel
            layers += [nn.Conv2d(before, after, kernel, 1, kernel // 2), nn.LeakyReLU(SLOPE)]
            if number:
                layers += [nn.Dropout2d(0.6), nn.InstanceNorm2d(after)]
        super().__init__(*layers, nn.Conv2d(channels[-1], 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Judge latents; raise ShapeError if one is a single cell, which has no statistics."""
        if x.ndim != 4 or x.shape[2] * x.shape[3] < 2:
            raise ShapeError(
                f'expected a latent (B, C, h, w) of at least two cells, got {tuple(x.shape)}'
            )
        scores: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return scores


def build_discriminators(
    latent_channels: int, size: str, seed: int
) -> tuple[DepthDiscriminator, LatentDiscriminator]:
    """Build D_d and D_z of size ``paper`` or ``lean``, with seeded weights of N(0, 0.02)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if size == 'paper':
            both = DepthDiscriminator(), LatentDiscriminator(latent_channels)
        else:
            both = (
                DepthDiscriminator(LEAN_DEPTH),
                LatentDiscriminator(latent_channels, LEAN_LATENT, first_kernel=1),
            )
        for discriminator in both:
            discriminator.apply(_initialise)
    return both


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, std=DEVIATION)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
