# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""FastDepth: a MobileNet encoder with a depthwise decoder (Wofk et al., ICRA 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math
from typing import Any

from mono_depth_ros.errors import ModelError, ShapeError
from mono_depth_ros.model.blocks import InvertedResidual, Separable
import torch
from torch import nn, Tensor
import torch.nn.functional as F

STRIDE = 32
# Output channels and stride of conv1..conv13 of MobileNet-v1 (Howard et al., 2017, table 1).
MOBILENET_V1 = (
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
# The same of the bottlenecks of MobileNet-v2 (Sandler et al., 2018, table 2) but the last one,
# whose 320 channels only serve the classifier.
MOBILENET_V2 = (
    (16, 1),
    (24, 2),
    (24, 1),
    *((32, 2), (32, 1), (32, 1)),
    *((64, 2), (64, 1), (64, 1), (64, 1)),
    *((96, 1), (96, 1), (96, 1)),
    *((160, 2), (160, 1), (160, 1)),
)
REFINE_EXPANSION = 3
# The parts of the network that `FastDepth.encode` runs.
ENCODER_PARTS = ('stem', 'encoder', 'position')
Features = tuple[Tensor, ...]


@dataclass(frozen=True)
class EncoderSpec:
    """
    What differs between the encoders.

    Attributes
    ----------
    blocks : tuple of (int, int)
        Output channels and stride of each block behind the stem.
    inverted : bool
        The blocks are inverted residuals with ReLU6, as in MobileNet-v2.
    stem : int
        Output channels of the first convolution, which is at stride 2.
    skips : tuple of int
        Number of the block, from 1, whose output is added after each of the first four decoder
        stages.
    decoder : tuple of int
        Output channels of the decoder's stages, before each upsampling; 0 takes those of the
        skip, which is then added as it is.
    refined : int
        The first so many stages of the decoder begin with an inverted residual.
    position : int
        Number of the block whose output the coordinates are added to.
    position_stride : int
        Its stride.

    """

    blocks: tuple[tuple[int, int], ...]
    inverted: bool
    stem: int
    skips: tuple[int, int, int, int]
    decoder: tuple[int, int, int, int, int]
    refined: int
    position: int
    position_stride: int


ENCODERS = {
    'mobilenet_v1': EncoderSpec(
        MOBILENET_V1,
        inverted=False,
        stem=32,
        skips=(11, 5, 3, 1),
        decoder=(0, 0, 0, 0, 32),
        refined=0,
        position=2,
        position_stride=4,
    ),
    'mobilenet_v2': EncoderSpec(
        MOBILENET_V2,
        inverted=True,
        stem=32,
        skips=(13, 6, 3, 1),
        decoder=(160, 96, 64, 32, 32),
        refined=3,
        position=7,
        position_stride=16,
    ),
}


class Position(nn.Sequential):
    """Embedding of the ray slopes (B, 2, h, w) that is added to the features of one block."""

    def __init__(self, outputs: int) -> None:
        super().__init__(nn.Conv2d(2, 32, 1), nn.ReLU(), nn.Conv2d(32, outputs, 1))


def scaled(count: float, factor: float) -> int:
    """Return a channel count times a factor, rounded to eights."""
    return max(8, round(count * factor / 8) * 8)


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


def in_full_precision(module: nn.Module, x: Tensor, features: Tensor) -> Tensor:
    """
    Apply a module in the precision of its weights, though autocast made ``features`` half.

    A few thousandths in the log depth are as many in metres, of the same sign all over the image.
    """
    kind = next(module.parameters()).dtype
    if features.dtype == kind:
        return module(x)  # type: ignore[no-any-return]
    with torch.autocast(x.device.type, enabled=False):
        return module(x.to(kind))  # type: ignore[no-any-return]


class FastDepth(nn.Module):
    """
    Metric depth from one RGB image.

    The structure is FastDepth's (MobileNet-v1 encoder, NNConv5 decoder, additive skips) with
    five differences that make it faster or better at the same size: the head is sub-pixel, a 1x1
    convolution at stride 2 that gives the log depth of all four pixels of its cell (Shi et al.,
    CVPR 2016); a skip at stride 16 joins the three of the paper; the image coordinates enter
    through two 1x1 convolutions, which an engine folds to a constant for a fixed size; `residual`
    lets it train from random weights; and the encoder may be MobileNet-v2, whose skips are
    brought to the channels of the decoder by 1x1 convolutions (Lin et al., CVPR 2017).

    Parameters
    ----------
    width : float
        Factor on every channel count; the paper's network is 1.0.
    encoder : str
        ``mobilenet_v1`` or ``mobilenet_v2``.
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
        Further factor on the channels of MobileNet-v1 at stride 2, which take most of the time.
    residual : bool
        Add the input of an encoder block to its output where the shapes are the same, and end
        decoder blocks without ReLU. The paper's encoder has neither and starts from ImageNet;
        from random weights this one fits its training images about three times as fast.
        MobileNet-v2 has both in any case.

    Raises
    ------
    ModelError
        If the encoder is not known.

    """

    def __init__(
        self,
        width: float = 0.5,
        *,
        encoder: str = 'mobilenet_v1',
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
        if encoder not in ENCODERS:
            raise ModelError(f'encoder must be one of {sorted(ENCODERS)}, got {encoder!r}')
        self.architecture: dict[str, Any] = {
            'width': width,
            'encoder': encoder,
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
        self.spec = ENCODERS[encoder]
        high = 1.0 if self.spec.inverted else high_resolution
        counts = [scaled(count, width) for count, _ in self.spec.blocks]
        counts[0] = scaled(self.spec.blocks[0][0] * high, width)
        self._build_encoder(scaled(self.spec.stem * high, width), counts)
        self._build_decoder(counts, width, scaled(self.spec.decoder[-1] * high, width))
        self.latent_channels = counts[-1]
        self._initialise()

    def _build_encoder(self, stem: int, counts: Sequence[int]) -> None:
        """Make the parts of `encode`, for the output channels of the stem and of the blocks."""
        spec, kernel = self.spec, self.architecture['stem_kernel']
        self.stem = nn.Sequential(
            nn.Conv2d(3, stem, kernel, 2, kernel // 2, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU6(inplace=True) if spec.inverted else nn.ReLU(inplace=True),
        )
        coordinates = self.architecture['coordinates']
        self.position = Position(counts[spec.position - 1]) if coordinates else None
        shapes = zip([stem, *counts[:-1]], counts, spec.blocks, strict=True)
        residual = self.architecture['residual']
        self.encoder = nn.ModuleList(
            InvertedResidual(inputs, outputs, 3, stride, expansion=6 if number else 1)
            if spec.inverted
            else Separable(inputs, outputs, 3, stride, residual=residual)
            for number, (inputs, outputs, (_, stride)) in enumerate(shapes)
        )

    def _build_decoder(self, counts: Sequence[int], width: float, last: int) -> None:
        """Make the parts of `decode`, which ends in ``last`` channels before the head."""
        spec, kernel = self.spec, self.architecture['decoder_kernel']
        skips = [counts[skip - 1] for skip in spec.skips]
        stages = [
            scaled(count, width) if count else skip
            for count, skip in zip(spec.decoder[:-1], skips, strict=True)
        ]
        self.lateral = nn.ModuleList(
            nn.Conv2d(skip, stage, 1) if count else nn.Identity()
            for skip, stage, count in zip(skips, stages, spec.decoder[:-1], strict=True)
        )
        before = [counts[-1], *stages]
        self.refine = nn.ModuleList(
            InvertedResidual(inputs, inputs, kernel, expansion=REFINE_EXPANSION)
            if stage < spec.refined
            else nn.Identity()
            for stage, inputs in enumerate(before)
        )
        linear = self.architecture['residual'] or spec.inverted
        self.decoder = nn.ModuleList(
            Separable(inputs, outputs, kernel, linear=linear)
            for inputs, outputs in zip(before, [*stages, last], strict=True)
        )
        self.head = nn.Conv2d(last, 4, 1)

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
            Output of the encoder's last block.

        Raises
        ------
        ShapeError
            If the input is not (B, 3, H, W) with multiples of 32.

        """
        features = self.encode(rgb, focal)
        return self.decode(features), features[0]

    def encode(self, rgb: Tensor, focal: float | None = None) -> Features:
        """
        Run the encoder; arguments and errors are those of `log_depth`.

        Returns
        -------
        tuple of Tensor
            The latent at stride 32, then the skips at strides 16, 8, 4 and 2.

        """
        if rgb.ndim != 4 or rgb.shape[1] != 3 or rgb.shape[2] % STRIDE or rgb.shape[3] % STRIDE:
            raise ShapeError(
                f'expected an input of shape (B, 3, H, W) with H and W multiples of {STRIDE}, '
                f'got {tuple(rgb.shape)}'
            )
        spec = self.spec
        x = self.stem(rgb)  # (B, C, H / 2, W / 2)
        skips = {}
        for number, block in enumerate(self.encoder, start=1):
            x = block(x)
            if number == spec.position and self.position is not None:
                height, width = rgb.shape[2:]
                slopes = ray_slopes(
                    height, width, focal or self.focal, rgb, step=spec.position_stride
                )
                x = x + in_full_precision(self.position, slopes, x)
            if number in spec.skips:
                skips[number] = x
        return (x, *(skips[number] for number in spec.skips))

    def decode(self, features: Features) -> Tensor:
        """Return the log depth (B, H, W) of what `encode` gave."""
        x, *skips = features
        stages = [nn.Sequential(*parts) for parts in zip(self.refine, self.decoder, strict=True)]
        for stage, lateral, skip in zip(stages[:-1], self.lateral, skips, strict=True):
            x = F.interpolate(stage(x), scale_factor=2.0, mode='nearest') + lateral(skip)
        x = stages[-1](x)
        x = in_full_precision(self.head, x, x)  # (B, 4, H / 2, W / 2)
        return F.pixel_shuffle(x.float(), 2)[:, 0]

    def forward(self, rgb: Tensor, focal: float | None = None) -> tuple[Tensor, Tensor]:
        """Predict depth in [min_depth, max_depth] metres (B, H, W) and the latent (B, C, h, w)."""
        log_depth, latent = self.log_depth(rgb, focal)
        return log_depth.exp().clamp(self.min_depth, self.max_depth), latent
