# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a camera does to light: exposure, colour, vignetting, blur, noise and JPEG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import functools
import math

from mono_depth_ros.source.draw import Draw
from mono_depth_ros.source.surface import halfway
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, interpolate, pad

_BLUR = 7  # side of the blur kernels in pixels
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Sensor:
    """How one image is taken; the defaults are a plain good camera."""

    exposure: float = 0.25  # mean of the linear image after automatic exposure
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    vignetting: float = 0.0
    blur: float = 0.0  # sigma of the defocus in pixels
    motion: tuple[float, float] = (0.0, 0.0)  # smear in pixels, u and v
    gamma: float = 2.2
    contrast: float = 0.0
    lift: float = 0.0  # black level
    saturation: float = 1.0
    noise: float = 0.0
    grain: float = 0.0  # share of noise that neighbouring pixels have in common
    quality: float = 100.0  # of JPEG; 100 leaves it out


def draw_sensor(draw: Draw, width: int) -> Sensor:
    """Draw how an image `width` pixels wide is taken."""
    scale = width / 256
    motion = (0.0, 0.0)
    if draw.chance(0.25):
        length, angle = scale * draw.uniform(0.5, 5.0), draw.uniform(0, math.pi)
        motion = (length * math.cos(angle), length * math.sin(angle))
    warm = draw.normal(0.1)
    return Sensor(
        exposure=draw.log_uniform(0.12, 0.5),
        balance=(
            math.exp(warm + draw.normal(0.04)),
            math.exp(draw.normal(0.04)),
            math.exp(-warm + draw.normal(0.04)),
        ),
        vignetting=draw.uniform(0.0, 0.5) if draw.chance(0.5) else 0.0,
        blur=scale * draw.uniform(0.2, 1.3) if draw.chance(0.5) else 0.0,
        motion=motion,
        gamma=draw.uniform(1.7, 2.6),
        contrast=draw.uniform(-0.3, 0.7),
        lift=draw.uniform(0.0, 0.12) if draw.chance(0.4) else 0.0,
        saturation=0.0 if draw.chance(0.15) else draw.uniform(0.4, 1.4),
        noise=draw.log_uniform(0.002, 0.03),
        grain=draw.uniform(0.0, 0.8),
        quality=draw.uniform(25, 95) if draw.chance(0.6) else 100.0,
    )


def _column(values: Sequence[float], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device)[:, None, None, None]


def luma(rgb: Tensor) -> Tensor:
    """Return the brightness (B, 1, h, w) of (B, 3, h, w)."""
    return _LUMA[0] * rgb[:, 0:1] + _LUMA[1] * rgb[:, 1:2] + _LUMA[2] * rgb[:, 2:3]


def _kernel(sensor: Sensor) -> NDArray[np.float32]:
    """Return the point spread of defocus and motion, (7, 7), sum 1."""
    v, u = np.mgrid[:_BLUR, :_BLUR] - _BLUR // 2
    sigma = max(sensor.blur, 0.05)
    total = np.zeros((_BLUR, _BLUR))
    for share in np.linspace(-0.5, 0.5, 9):
        du, dv = u - share * sensor.motion[0], v - share * sensor.motion[1]
        width = math.sqrt(sigma**2 + 0.1)
        total += np.exp(-(du**2 + dv**2) / (2 * width**2))
    spread: NDArray[np.float32] = (total / total.sum()).astype(np.float32)
    return spread


def _blur(rgb: Tensor, sensors: Sequence[Sensor]) -> Tensor:
    chosen = [k for k, s in enumerate(sensors) if s.blur > 0 or s.motion != (0.0, 0.0)]
    if not chosen:
        return rgb
    kernels = torch.from_numpy(np.stack([_kernel(sensors[k]) for k in chosen])).to(rgb.device)
    kernels = kernels.repeat_interleave(3, 0)[:, None]
    picked = rgb[chosen].flatten(0, 1)[None]
    border = (_BLUR // 2,) * 4
    blurred = conv2d(pad(picked, border, mode='replicate'), kernels, groups=len(chosen) * 3)
    rgb = rgb.clone()
    rgb[chosen] = blurred.view(-1, 3, *rgb.shape[2:])
    return rgb


def take(linear: Tensor, sensors: Sequence[Sensor], seeds: Sequence[int]) -> Tensor:
    """
    Turn linear light into images.

    Parameters
    ----------
    linear : Tensor, shape (B, 3, h, w), float32
        Linear colour.
    sensors : sequence of Sensor
        One camera an image.
    seeds : sequence of int
        One seed an image, of its noise.

    Returns
    -------
    Tensor, shape (B, 3, h, w), uint8
        RGB.

    """
    device = linear.device
    _, _, h, w = linear.shape

    def column(name: str) -> Tensor:
        return _column([getattr(s, name) for s in sensors], device)

    grey = luma(linear)
    brightness = grey.mean((1, 2, 3), keepdim=True)  # then without what outshines the rest
    brightness = torch.minimum(grey, 2 * brightness).mean((1, 2, 3), keepdim=True)
    balance = torch.tensor([s.balance for s in sensors], device=device)[:, :, None, None]
    gain = balance * (column('exposure') / brightness.clamp(min=1e-4))
    v = torch.linspace(-1, 1, h, device=device)[:, None]
    u = torch.linspace(-1, 1, w, device=device)
    shade = 1 - column('vignetting') * (0.5 * (u * u + v * v))
    rgb = _blur((linear * gain * shade).clamp(0, 1.6), sensors).clamp(0, 1)
    rgb = rgb.clamp(min=1e-5) ** (1 / column('gamma'))
    rgb = rgb + column('contrast') * (rgb * rgb * (3 - 2 * rgb) - rgb)
    rgb = torch.lerp(luma(rgb).expand_as(rgb), rgb, column('saturation'))
    lift = column('lift')
    rgb = _noise((1 - lift) * rgb + lift, sensors, seeds)
    compressed = [k for k, s in enumerate(sensors) if s.quality < 100]
    if compressed:
        rgb[compressed] = jpeg(rgb[compressed], [sensors[k].quality for k in compressed])
    return rgb.mul(255).round_().clamp_(0, 255).to(torch.uint8)


def _noise(rgb: Tensor, sensors: Sequence[Sensor], seeds: Sequence[int]) -> Tensor:
    """Add noise that grows in the dark, partly shared by neighbouring pixels."""
    if not any(s.noise for s in sensors):
        return rgb
    device = rgb.device
    fields = []
    for seed in seeds:
        generator = torch.Generator(device).manual_seed(seed)
        fields.append(torch.randn(rgb.shape[1:], generator=generator, device=device))
    white = torch.stack(fields)
    smooth = 2.7 * halfway(halfway(pad(white, (1, 1, 1, 1), mode='reflect')))
    grain = _column([s.grain for s in sensors], device)
    sigma = _column([s.noise for s in sensors], device)
    sigma = torch.where(_column([s.saturation for s in sensors], device) > 0, sigma, 0.6 * sigma)
    field = torch.lerp(white, smooth, grain)
    grey = _column([float(s.saturation == 0) for s in sensors], device)
    field = torch.lerp(field, field[:, :1].expand_as(field), grey)
    return rgb + sigma * (1.3 - 0.6 * rgb) * field


@functools.cache
def _cosines(device: torch.device) -> Tensor:
    """Return the orthonormal 8-point DCT-II matrix."""
    k, n = np.mgrid[:8, :8]
    matrix = np.cos(np.pi * (2 * n + 1) * k / 16) * np.where(k == 0, math.sqrt(1 / 8), 0.5)
    return torch.from_numpy(matrix.astype(np.float32)).to(device)


def _steps(base: float, slope: float, quality: Sequence[float], device: torch.device) -> Tensor:
    """Return quantisation steps (B, 1, 1, 1, 8, 8), growing with frequency, libjpeg's scaling."""
    k, n = np.mgrid[:8, :8]
    table = base + slope * (k + n) ** 1.5
    scale = [50 / q if q < 50 else 2 - q / 50 for q in quality]
    steps = np.maximum(np.array(scale)[:, None, None] * table, 1.0) / 255
    return torch.from_numpy(steps.astype(np.float32)).to(device)[:, None, None, None]


def _quantise(channels: Tensor, steps: Tensor) -> Tensor:
    """Round the DCT coefficients of the 8 x 8 blocks of (B, C, h, w) to multiples of steps."""
    b, c, h, w = channels.shape
    cosines = _cosines(channels.device)
    padded = pad(channels, (0, -w % 8, 0, -h % 8), mode='replicate')
    rows, columns = padded.shape[2] // 8, padded.shape[3] // 8
    blocks = padded.view(b, c, rows, 8, columns, 8).transpose(3, 4)
    # One side at a time from the right: a product with one matrix is fast, with many is not.
    spectrum = (blocks @ cosines.T).transpose(4, 5) @ cosines.T  # transposed, as steps may be
    spectrum = (spectrum / steps).round_().mul_(steps)
    blocks = (spectrum @ cosines).transpose(4, 5) @ cosines
    return blocks.transpose(3, 4).reshape(b, c, rows * 8, columns * 8)[..., :h, :w]


def jpeg(rgb: Tensor, quality: Sequence[float]) -> Tensor:
    """
    Give (B, 3, h, w) images in 0..1 the losses of JPEG: YCbCr, halved chroma, rounded DCT.

    The quantisation tables are a smooth fit to the usual ones; nothing is entropy coded, so it
    runs on any device.
    """
    y = luma(rgb)
    blue, red = (rgb[:, 2:3] - y) * 0.564, (rgb[:, 0:1] - y) * 0.713
    chroma = torch.cat([blue, red], 1)
    size = (y.shape[2], y.shape[3])
    small = avg_pool2d(chroma, 2, ceil_mode=True)
    y = _quantise(y - 0.5, _steps(10, 2.4, quality, rgb.device)) + 0.5
    small = _quantise(small, _steps(17, 8.0, quality, rgb.device))
    chroma = interpolate(small, scale_factor=2, mode='nearest')[..., : size[0], : size[1]]
    blue, red = chroma[:, 0:1], chroma[:, 1:2]
    r, b = y + red / 0.713, y + blue / 0.564
    g = (y - _LUMA[0] * r - _LUMA[2] * b) / _LUMA[1]
    return torch.cat([r, g, b], 1)
