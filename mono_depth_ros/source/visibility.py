# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shadows of the first light and darkening near contacts, at half resolution."""

from __future__ import annotations

from collections.abc import Iterator
import itertools

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

from mono_depth_ros.source.casting import TILE, Geometry, Pairs, interval
from mono_depth_ros.source.scene import BOX, ELLIPSOID, FRUSTUM
from mono_depth_ros.source.surface import Surface, shape_table, surface

_COARSE = TILE // 2
_SHADOW_REACH = 60.0  # metres; a tile farther off spans too much of a scene
_CPU_PAIRS, _GPU_PAIRS = 2048, 1 << 19


def _coarse_samples(device: torch.device) -> Tensor:
    step = torch.arange(0, TILE, 2, device=device)
    return (step[:, None] * TILE + step).flatten()


def _masks(
    g: Geometry, centre: Tensor, radius: Tensor, *, light: Tensor | None, margin: Tensor, keep: Tensor
) -> Pairs:
    """
    List the primitives near a tile or between it and a light (T, 3).

    centre (T, 3) and radius (T,) bound the points of a tile, margin (T,) is added to it.
    """
    masks, lists = [], []
    per_image = len(centre) // len(g.focal)
    for image, (start, end) in enumerate(itertools.pairwise(g.first)):
        tiles = slice(image * per_image, (image + 1) * per_image)
        prims = start + torch.nonzero(keep[start:end])[:, 0]
        turn, origin = g.turn[prims], g.origin[prims].T[:, None]  # (n, 3, 3), (3, 1, n)
        reach = g.half[prims].T[:, None] + (radius + margin)[tiles][:, None]  # (3, t, n)
        local = _rotated(turn, centre[tiles]) + origin
        if light is None:
            masks.append((local.abs() <= reach).all(0))
        else:
            inverse = (_rotated(turn, light[tiles] - centre[tiles]) + 1e-9).reciprocal()
            middle, half = -local * inverse, (reach * inverse).abs()
            enter, leave = (middle - half).amax(0), (middle + half).amin(0)
            masks.append((enter < leave) & (leave > 0) & (enter < 1))
        lists.append(prims)
    return Pairs.of(masks, lists)


def _rotated(turn: Tensor, vectors: Tensor) -> Tensor:
    """Return turn @ vectors of every pair as (3, t, n), of (n, 3, 3) and (t, 3)."""
    x, y, z = (vectors[:, c, None] for c in range(3))
    return torch.stack([turn[:, k, 0] * x + turn[:, k, 1] * y + turn[:, k, 2] * z for k in range(3)])


def _turned(turn: Tensor, vectors: Tensor) -> Tensor:
    """Return turn @ vectors, (m, 3, 3) and (m, 3, k), written out: exact in any batch."""
    out = turn[:, :, 0:1] * vectors[:, 0:1]
    out.addcmul_(turn[:, :, 1:2], vectors[:, 1:2])
    return out.addcmul_(turn[:, :, 2:3], vectors[:, 2:3])


def _chunks(chosen: Tensor, device: torch.device) -> Iterator[Tensor]:
    """Cut a list of pairs into pieces whose temporaries stay in the cache of a CPU."""
    return iter(chosen.split(_CPU_PAIRS if device.type == 'cpu' else _GPU_PAIRS))


def _lit(g: Geometry, points: Tensor, to_light: Tensor, pairs: Pairs) -> Tensor:
    """Return 1 where nothing of `pairs` stands between points and light (T, 3, k), else 0."""
    device = points.device
    hits = torch.zeros(points[:, 0].shape, device=device)
    kinds = torch.from_numpy(g.kind).to(device)[pairs.prim]
    tile = torch.repeat_interleave(pairs.count)
    for kind in (BOX, ELLIPSOID, FRUSTUM):
        for chosen in _chunks(torch.nonzero(kinds == kind)[:, 0], device):
            t, n = tile[chosen], pairs.prim[chosen]
            turn = g.turn[n]
            o = _turned(turn, points[t]).add_(g.origin[n][:, :, None])
            d = _turned(turn, to_light[t])
            enter, leave = interval(kind, o, d, g.half[n], g.taper[n])
            hits.index_add_(0, t, ((enter < leave) & (leave > 1e-4) & (enter < 1.0)).float())
    return (hits == 0).float()


def _openness(g: Geometry, points: Tensor, radius: Tensor, pairs: Pairs) -> Tensor:
    """
    Return how free the points `radius` above a surface are, 0..1.

    A point at r above a lone plane is r from everything; nearer things leave less.
    """
    device = points.device
    free = radius[:, None].expand(points[:, 0].shape).clone()
    kinds = torch.from_numpy(g.kind).to(device)[pairs.prim]
    tile = torch.repeat_interleave(pairs.count)
    for chosen in _chunks(torch.arange(len(tile), device=device), device):
        t, n = tile[chosen], pairs.prim[chosen]
        p = _turned(g.turn[n], points[t]).add_(g.origin[n][:, :, None])
        half = g.half[n][:, :, None]
        gap = (p.abs() - half).clamp_(min=0).square_().sum(1).sqrt_()
        curved = torch.nonzero(kinds[chosen] == ELLIPSOID)[:, 0]
        if len(curved):
            size = half[curved]
            ball = ((p[curved] / size).square().sum(1).sqrt() - 1) * size.amin(1)
            gap[curved] = ball.clamp(min=0)
        free.scatter_reduce_(0, t[:, None].expand_as(gap), gap, 'amin')
    return free / radius[:, None]


def _spread(g: Geometry, coarse: Tensor, samples: int) -> Tensor:
    """Blur coarse values (B T, 16) over the image and return them for all samples (B T, S)."""
    rows, columns = g.tiles
    n = _COARSE
    image = coarse.view(-1, rows, columns, n, n).transpose(2, 3).reshape(-1, 1, rows * n, columns * n)
    # The jitter repeats every 4 x 4 samples: half taps at both ends average it out exactly.
    image = avg_pool2d(pad(image, (2, 2, 2, 2), mode='replicate'), 4, stride=1)
    image = avg_pool2d(image, 2, stride=1)
    image = interpolate(image, scale_factor=2, mode='bilinear', align_corners=False)
    fine = image.view(-1, rows, TILE, columns, TILE).transpose(2, 3).reshape(-1, TILE * TILE)
    return fine.repeat(1, samples // (TILE * TILE))


def visibility(
    g: Geometry,
    depth: Tensor,
    prim: Tensor,
    rays: Tensor,
    light: Tensor,
    jitter: Tensor,
    casts: Tensor,
    radius: Tensor,
) -> tuple[Tensor, Tensor]:
    """
    Return how much of the first light and of the ambient light reaches every sample.

    Parameters
    ----------
    g : Geometry
        Primitives.
    depth, prim, rays : Tensor
        What `cast` returned.
    light : Tensor, shape (T, 3)
        The first light in the camera frame of every tile.
    jitter : Tensor, shape (T,)
        Radius of that light: shadows get a soft border.
    casts : Tensor, shape (N,)
        Which primitives throw shadows.
    radius : Tensor, shape (T,)
        Reach of the darkening near contacts in metres.

    Returns
    -------
    lit, open : Tensor, shape (T, S)
        0 is dark, 1 is free.

    """
    coarse = _coarse_samples(depth.device)
    prim, rays = prim[:, coarse], rays[:, :, coarse]
    distance = depth[:, coarse]
    some = distance < _SHADOW_REACH
    distance = torch.where(some, distance, 1e3)
    found: Surface = surface(
        shape_table(g)[:, prim.clamp(min=0)], distance, rays.transpose(0, 1)
    )
    points = found.point.transpose(0, 1).contiguous()  # (T, 3, 16)
    normals = found.normal.transpose(0, 1)
    weight = some.float()[:, None]
    centre = (points * weight).sum(2) / weight.sum(2).clamp(min=1)
    spread = ((points - centre[:, :, None]) * weight).square().sum(1).amax(1).sqrt()
    spread = torch.where(some.any(1), spread, -1e6)

    generator = torch.Generator().manual_seed(5)
    noise = torch.randn(3, points.shape[2], generator=generator).to(points.device)
    lifted = points + normals * 0.01 - points * 2e-3
    to_light = light[:, :, None] + noise * jitter[:, None, None] - lifted
    pairs = _masks(g, centre, spread, light=light, margin=0.5 * jitter, keep=casts)
    lit = _lit(g, lifted, to_light, pairs)
    above = points + normals * radius[:, None, None]
    pairs = _masks(g, centre, spread, light=None, margin=2 * radius, keep=torch.ones_like(casts))
    open_ = _openness(g, above, radius, pairs)
    samples = depth.shape[1]
    return _spread(g, lit, samples), _spread(g, open_, samples)
