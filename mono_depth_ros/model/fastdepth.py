# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""FastDepth: a MobileNet-v1 encoder with a depthwise decoder (Wofk et al., ICRA 2019)."""

from __future__ import annotations

import math
from typing import Any

from mono_depth_ros.errors import ShapeError
import torch
from torch import nn, Tensor
import torch.nn.functional as F

STRIDE = 32
# Output channels and stride of conv1..conv13 of MobileNet-v1 (Howard et al., 2017, table 1).
ENCODER = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
)
# Output channels of decode_conv1..5, before each upsampling.
DECODER = (512, 256, 128, 64, 32)
# Encoder block whose output the coordinates are added to; it is at stride 4.
POSITION_BLOCK = 2
# Encoder block whose output is added after each of the first four decoder stages.
SKIPS = (11, 5, 3, 1)


class Separable(nn.Sequential):
    """
    Depthwise convolution, then pointwise convolution, each with batch norm and ReLU.

    A linear block leaves the second ReLU out. A residual one adds its input where the shapes
    allow.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        *,
        linear: bool = False,
        residual: bool = False,
    ) -> None:
        super().__init__(
            nn.Conv2d(inputs, inputs, kernel, stride, kernel // 2, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.Identity() if linear else nn.ReLU(inplace=True),
        )
        self.residual = residual and inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """Return the features (B, outputs, H / stride, W / stride)."""
        y: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return x + y if self.residual else y


class Position(nn.Sequential):
    """Embedding of the ray slopes (B, 2, h, w) that is added to the features of one block."""

    def __init__(self, outputs: int, hidden: int = 32) -> None:
        super().__init__(nn.Conv2d(2, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, outputs, 1))


def ray_slopes(height: int, width: int, focal: float, like: Tensor, step: int = 1) -> Tensor:
    """
    Return the slopes (x, y) of the rays through the centres of cells of ``step`` pixels a side.

    The principal point is the middle of the image of (height, width) pixels.

    Returns
    -------
    Tensor, shape (1, 2, height / step, width / step)
        ``((u - (width - 1) / 2) / focal, (v - (height - 1) / 2) / focal)``.

    """
    u, v = (
        torch.arange(size // step, device=like.device, dtype=like.dtype) * step
        + (step - 1) / 2
        - (size - 1) / 2
        for size in (width, height)
    )
    y, x = torch.meshgrid(v / focal, u / focal, indexing='ij')
    return torch.stack([x, y])[None]


class FastDepth(nn.Module):
    """
    Metric depth from one RGB image.

    The structure is FastDepth's (MobileNet-v1 encoder, NNConv5 decoder, additive skips) with
    four differences that make it faster or better at the same size: the head is sub-pixel, a 1x1
    convolution at stride 2 that gives the log depth of all four pixels of its cell (Shi et al.,
    CVPR 2016); a skip at stride 16 joins the three of the paper; the image coordinates enter at
    stride 4 through two 1x1 convolutions, which an engine folds to a constant for a fixed size;
    and `residual` lets it train from random weights.

    Parameters
    ----------
    width : float
        Factor on every channel count; the paper's network is 1.0.
    min_depth, max_depth : float
        Limits of the output in metres.
    focal : float
        Focal length in pixels of the input that the output metres refer to. Depth for a camera
        of focal length f is the output times ``f / focal``.
    coordinates : bool
        Feed the ray slopes ``((u - (w - 1) / 2) / focal, (v - (h - 1) / 2) / focal)``.
    stem_kernel, decoder_kernel : int
        Kernel size of the first convolution and of the decoder's depthwise convolutions.
    high_resolution : float
        Further factor on the channels at stride 2, which take most of the time.
    residual : bool
        Add the input of an encoder block to its output where the shapes are the same, and end
        decoder blocks without ReLU. The paper's encoder has neither and starts from ImageNet;
        from random weights this one fits its training images about three times as fast.

    """

    def __init__(
        self,
        width: float = 0.5,
        *,
        min_depth: float = 0.1,
        max_depth: float = 10.0,
        focal: float = 220.0,
        coordinates: bool = True,
        stem_kernel: int = 3,
        decoder_kernel: int = 5,
        high_resolution: float = 1.0,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.architecture: dict[str, Any] = {
            'width': width,
            'min_depth': min_depth,
            'max_depth': max_depth,
            'focal': focal,
            'coordinates': coordinates,
            'stem_kernel': stem_kernel,
            'decoder_kernel': decoder_kernel,
            'high_resolution': high_resolution,
            'residual': residual,
        }
        self.min_depth, self.max_depth, self.focal = min_depth, max_depth, focal

        def channels(count: float) -> int:
            return max(8, round(count * width / 8) * 8)

        stem = channels(32 * high_resolution)
        encoder = [channels(count) for count, _ in ENCODER]
        encoder[0] = channels(ENCODER[0][0] * high_resolution)
        decoder = [*(encoder[skip - 1] for skip in SKIPS), channels(DECODER[4] * high_resolution)]
        self.stem = nn.Sequential(
            nn.Conv2d(3, stem, stem_kernel, 2, stem_kernel // 2, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(inplace=True),
        )
        self.position = Position(encoder[POSITION_BLOCK - 1]) if coordinates else None
        self.encoder = nn.ModuleList(
            Separable(inputs, outputs, 3, stride, residual=residual)
            for inputs, outputs, (_, stride) in zip(
                [stem, *encoder[:-1]], encoder, ENCODER, strict=True
            )
        )
        self.decoder = nn.ModuleList(
            Separable(inputs, outputs, decoder_kernel, linear=residual)
            for inputs, outputs in zip([encoder[-1], *decoder[:-1]], decoder, strict=True)
        )
        self.head = nn.Conv2d(decoder[-1], 4, 1)
        self.latent_channels = encoder[-1]
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
                deviation = math.sqrt(2.0 * module.groups / fan_out)
                nn.init.normal_(module.weight, std=deviation)
        nn.init.normal_(self.head.weight, std=0.01)
        assert self.head.bias is not None
        nn.init.constant_(self.head.bias, 0.5 * math.log(self.min_depth * self.max_depth) + 0.5)

    def log_depth(self, rgb: Tensor, focal: float | None = None) -> tuple[Tensor, Tensor]:
        """
        Predict the natural logarithm of depth, not limited to [min_depth, max_depth].

        Parameters
        ----------
        rgb : Tensor, shape (B, 3, H, W)
            Colours in [0, 1]; H and W are multiples of 32.
        focal : float, optional
            Reference focal length in pixels of this input, when it is not the network's own: half
            of it for an input of half the size.

        Returns
        -------
        log_depth : Tensor, shape (B, H, W)
            ln of metres at the reference focal length.
        latent : Tensor, shape (B, C, H / 32, W / 32)
            Output of conv13.

        Raises
        ------
        ShapeError
            If the input is not (B, 3, H, W) with multiples of 32.

        """
        if rgb.ndim != 4 or rgb.shape[1] != 3 or rgb.shape[2] % STRIDE or rgb.shape[3] % STRIDE:
            raise ShapeError(
                f'expected an input of shape (B, 3, H, W) with H and W multiples of {STRIDE}, '
                f'got {tuple(rgb.shape)}'
            )
        x = self.stem(rgb)  # (B, C, H / 2, W / 2)
        skips = {}
        for number, block in enumerate(self.encoder, start=1):
            x = block(x)
            if number == POSITION_BLOCK and self.position is not None:
                height, width = rgb.shape[2:]
                x = x + self.position(ray_slopes(height, width, focal or self.focal, x, step=4))
            if number in SKIPS:
                skips[number] = x
        latent = x
        for block, skip in zip(self.decoder[:-1], SKIPS, strict=True):
            x = F.interpolate(block(x), scale_factor=2.0, mode='nearest') + skips[skip]
        x = self.head(self.decoder[-1](x))  # (B, 4, H / 2, W / 2)
        return F.pixel_shuffle(x.float(), 2)[:, 0], latent

    def forward(self, rgb: Tensor, focal: float | None = None) -> tuple[Tensor, Tensor]:
        """Predict depth in [min_depth, max_depth] metres (B, H, W) and the latent (B, C, h, w)."""
        log_depth, latent = self.log_depth(rgb, focal)
        return log_depth.exp().clamp(self.min_depth, self.max_depth), latent
