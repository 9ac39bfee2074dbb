# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Shadows of the first light and darkening near contacts, at half resolution.

Every second pixel of every second row is a point. Primitives are first listed for blocks of
8 x 8 points, then for quads of 2 x 2 of them, and only then tested against the points.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import itertools

from mono_depth_ros.source.casting import box_interval, Geometry, interval, TILE
from mono_depth_ros.source.scene import BOX, ELLIPSOID, FOLIAGE, FRUSTUM
from mono_depth_ros.source.surface import halfway, shape_table, surface
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

_BLOCK = 8  # points along the side of a block
_QUADS = 16  # of a block
_REACH = 60.0  # metres; points farther off get no shadow
_SMALLEST = 0.012  # what looks smaller than this (radius over distance) throws no shadow
_CPU_PAIRS, _GPU_PAIRS = 1024, 1 << 18


@dataclass(frozen=True)
class _Points:
    """Points by quads, (Q, 3, 4); 16 quads in a row make a block."""

    place: Tensor
    normal: Tensor
    known: Tensor  # (Q, 4)
    shape: tuple[int, int, int]  # images, rows and columns of blocks

    def image_of(self) -> Tensor:
        """Return the image of every quad, (Q,)."""
        images, rows, columns = self.shape
        index = torch.arange(images, device=self.place.device)
        return index.repeat_interleave(rows * columns * _QUADS)


def _points(g: Geometry, depth: Tensor, prim: Tensor, rays: Tensor) -> _Points:
    """Pick every second pixel of the tiles that `cast` filled."""
    rows, columns = g.tiles
    half = TILE // 2

    def picked(value: Tensor) -> Tensor:  # (B T, S) -> (Q, 4)
        image = value[:, : TILE * TILE].view(-1, rows, columns, TILE, TILE)[..., ::2, ::2]
        image = image.transpose(2, 3).reshape(-1, rows * half, columns * half)
        margin = (0, -image.shape[2] % _BLOCK, 0, -image.shape[1] % _BLOCK)
        image = pad(image[:, None].float(), margin, mode='replicate')[:, 0]
        high, wide = image.shape[1] // _BLOCK, image.shape[2] // _BLOCK
        blocks = image.view(-1, high, 4, 2, wide, 4, 2).permute(0, 1, 4, 2, 5, 3, 6)
        return torch.reshape(blocks, (-1, 4))

    distance, hit = picked(depth), picked(prim).long()
    known = distance < _REACH
    distance = torch.where(known, distance, 1e3)
    ray = torch.stack([picked(rays[:, 0]), picked(rays[:, 1])])
    shapes = shape_table(g).index_select(1, hit.flatten().clamp(min=0))
    found = surface(shapes.view(-1, *hit.shape), distance, ray)
    high, wide = -(-rows * half // _BLOCK), -(-columns * half // _BLOCK)
    return _Points(
        found.point.transpose(0, 1).contiguous(),
        found.normal.transpose(0, 1).contiguous(),
        known,
        (len(g.focal), high, wide),
    )


def _rotated(turn: Tensor, vectors: Tensor) -> Tensor:
    """Return turn @ vectors of every pair as (3, t, n), of (n, 3, 3) and (t, 3)."""
    x, y, z = (vectors[:, c, None] for c in range(3))
    rows = (turn[:, k] for k in range(3))
    return torch.stack([row[:, 0] * x + row[:, 1] * y + row[:, 2] * z for row in rows])


def _turned(turn: Tensor, vectors: Tensor) -> Tensor:
    """Return turn @ vectors, (m, 3, 3) and (m, 3, k), written out: exact in any batch."""
    out = turn[:, :, 0:1] * vectors[:, 0:1]
    out.addcmul_(turn[:, :, 1:2], vectors[:, 1:2])
    return out.addcmul_(turn[:, :, 2:3], vectors[:, 2:3])


def _touched(centre: Tensor, extent: Tensor, way: Tensor | None) -> Tensor:
    """Return whether |p| <= extent holds for centre, or on the way from there; axis 1 is xyz."""
    if way is None:
        return (centre.abs() <= extent).all(1)
    enter, leave = box_interval(centre, way, extent)
    return (enter < leave) & (leave > 0) & (enter < 1)


def _bounds(places: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Return middle and half-size (Q, 3) of boxes around wanted points, < 0 where none is."""
    low = torch.where(wanted[:, None], places, 1e6).amin(2)
    high = torch.where(wanted[:, None], places, -1e6).amax(2)
    return (low + high) / 2, (high - low) / 2


def _candidates(
    g: Geometry, centre: Tensor, extent: Tensor, way: Tensor | None, keep: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """
    Yield pairs (quad, primitive) of what may touch the boxes of quads, or the way from there.

    centre, extent and way are (Q, 3); keep (N,) says which primitives count.
    """
    filled = (extent >= 0).all(1).view(-1, _QUADS)
    low = torch.where(filled[..., None], (centre - extent).view(-1, _QUADS, 3), 1e6).amin(1)
    high = torch.where(filled[..., None], (centre + extent).view(-1, _QUADS, 3), -1e6).amax(1)
    middle, reach = (low + high) / 2, (high - low) / 2
    block_way = None
    if way is not None:
        block_way = (way + centre)[::_QUADS] - middle  # all ways of an image end at its light
    quads = [value.view(-1, _QUADS, 3).transpose(1, 2).contiguous() for value in (centre, extent)]
    ways = None if way is None else way.view(-1, _QUADS, 3).transpose(1, 2).contiguous()
    per_image = len(middle) // len(g.focal)
    size = _CPU_PAIRS if middle.device.type == 'cpu' else _GPU_PAIRS
    for image, (start, end) in enumerate(itertools.pairwise(g.first)):
        blocks = slice(image * per_image, (image + 1) * per_image)
        prims = start + torch.nonzero(keep[start:end])[:, 0]
        turn = g.turn[prims]
        at = _rotated(turn, middle[blocks]) + g.origin[prims].T[:, None]
        wide = _rotated(turn.abs(), reach[blocks]) + g.half[prims].T[:, None]
        along = None if block_way is None else _rotated(turn, block_way[blocks]).transpose(0, 1)
        block, column = torch.nonzero(_touched(at.transpose(0, 1), wide.transpose(0, 1), along)).T
        for some in torch.split(torch.arange(len(block), device=block.device), size):
            t, n = block[some] + blocks.start, prims[column[some]]
            turn = g.turn[n]
            o = _turned(turn, quads[0][t]).add_(g.origin[n][:, :, None])
            e = _turned(turn.abs(), quads[1][t]).add_(g.half[n][:, :, None])
            w = None if ways is None else _turned(turn, ways[t])
            pair, quad = torch.nonzero(_touched(o, e, w) & filled[t]).T
            yield _QUADS * t[pair] + quad, n[pair]


def _lit(g: Geometry, points: _Points, light: Tensor, radius: Tensor, keep: Tensor) -> Tensor:
    """Return 1 where nothing stands between points and lights (Q, 3) of radius (Q,), else 0."""
    device = light.device
    # The jitter repeats in every quad, and blurring it away leaves a soft border.
    corners = torch.tensor([[1.0, -1, -1, 1], [1, -1, 1, -1], [1, 1, -1, -1]], device=device)
    start = points.place * 0.998 + points.normal * 0.01
    way = light[:, :, None] + 0.6 * corners * radius[:, None, None] - start
    facing = (points.normal * way).sum(1) > 0
    wanted = facing & points.known
    centre, extent = _bounds(points.place, wanted)
    # Jitter widens the bundle of rays; a sun stands far behind whatever is in its way.
    penumbra = radius * (5.0 / light.norm(dim=1)).clamp(max=0.5)
    extent = torch.where(extent < 0, extent, extent + penumbra[:, None])
    hits = torch.zeros(wanted.shape, device=device)
    kinds = torch.from_numpy(g.kind).to(device)
    distance = (g.turn.transpose(1, 2) @ g.origin[:, :, None]).norm(dim=1)[:, 0]
    keep = keep & (g.half.norm(dim=1) > _SMALLEST * distance)
    for rows, prims in _candidates(g, centre, extent, light - centre, keep):
        for kind in (BOX, ELLIPSOID, FRUSTUM, FOLIAGE):
            mine = torch.nonzero(kinds[prims] == kind)[:, 0]
            if not len(mine):
                continue
            r, n = rows[mine], prims[mine]
            o = _turned(g.turn[n], start[r]).add_(g.origin[n][:, :, None])
            d = _turned(g.turn[n], way[r])
            enter, leave = interval(kind, o, d, g.half[n], g.taper[n])
            hits.index_add_(0, r, ((enter < leave) & (leave > 1e-4) & (enter < 1.0)).float())
    return (hits == 0).float()


def _openness(g: Geometry, points: _Points, radius: Tensor) -> Tensor:
    """
    Return how free the points `radius` (Q,) above the surface are, 0..1.

    A point at r above a lone plane is r from everything; nearer things leave less.
    """
    above = points.place + points.normal * radius[:, None, None]
    free = radius[:, None].expand(points.known.shape).clone()
    centre, extent = _bounds(above, points.known)
    # A little less than the radius leaves out the surface itself, which takes nothing away.
    extent = torch.where(extent < 0, extent, extent + 0.97 * radius[:, None])
    round_ = torch.from_numpy(np.isin(g.kind, (ELLIPSOID, FOLIAGE))).to(radius.device)
    keep = torch.ones_like(round_)
    for r, n in _candidates(g, centre, extent, None, keep):
        p = _turned(g.turn[n], above[r]).add_(g.origin[n][:, :, None])
        half = g.half[n][:, :, None]
        gap = (p.abs() - half).clamp_(min=0).square_().sum(1).sqrt_()
        curved = torch.nonzero(round_[n])[:, 0]
        if len(curved):
            size = half[curved]
            ball = ((p[curved] / size).square().sum(1).sqrt() - 1) * size.amin(1)
            gap[curved] = ball.clamp(min=0)
        free.scatter_reduce_(0, r[:, None].expand_as(gap), gap, 'amin')
    return free / radius[:, None]


def _spread(g: Geometry, points: _Points, values: Tensor, samples: int) -> Tensor:
    """Blur values of the points (Q, 4) over the image; return them for all samples (B T, S)."""
    rows, columns = g.tiles
    images, high, wide = points.shape
    blocks = values.view(images, high, wide, 4, 4, 2, 2).permute(0, 1, 3, 5, 2, 4, 6)
    image = blocks.reshape(images, 1, high * _BLOCK, wide * _BLOCK)
    image = image[..., : rows * TILE // 2, : columns * TILE // 2]
    image = halfway(halfway(pad(image, (1, 1, 1, 1), mode='replicate')))
    image = interpolate(image, scale_factor=2, mode='bilinear', align_corners=False)
    fine = image.view(-1, rows, TILE, columns, TILE).transpose(2, 3).reshape(-1, TILE * TILE)
    return fine.repeat(1, samples // (TILE * TILE))


def visibility(
    g: Geometry,
    depth: Tensor,
    prim: Tensor,
    rays: Tensor,
    light: Tensor,
    size: Tensor,
    casts: Tensor,
    radius: Tensor,
    *,
    shadows: bool,
) -> tuple[Tensor, Tensor]:
    """
    Return how much of the first light and of the ambient light reaches every sample.

    Parameters
    ----------
    g : Geometry
        Primitives.
    depth, prim, rays : Tensor
        What `cast` returned.
    light : Tensor, shape (B, 3)
        The first light of every image in its camera frame.
    size : Tensor, shape (B,)
        Radius of that light: shadows get a soft border.
    casts : Tensor, shape (N,)
        Which primitives throw shadows.
    radius : Tensor, shape (B,)
        Reach of the darkening near contacts in metres.
    shadows : bool
        False leaves everything lit.

    Returns
    -------
    lit, open : Tensor, shape (B T, S)
        0 is dark, 1 is free.

    """
    points = _points(g, depth, prim, rays)
    image, samples = points.image_of(), depth.shape[1]
    free = _spread(g, points, _openness(g, points, radius[image]), samples)
    if not shadows:
        return torch.ones_like(depth), free
    lit = _lit(g, points, light[image], size[image], casts)
    return _spread(g, points, lit, samples), free
