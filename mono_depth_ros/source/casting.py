# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Ray casting of convex primitives, tile by tile, in torch.

Every image is cut into tiles of 8 x 8 pixels. A primitive is tested only in the tiles that its
projected outline touches; tiles go through their lists front to back and drop out once a nearer
surface is known. So an image costs a few tests a pixel, not one per primitive, and no temporary
is larger than (tiles, 3, samples).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import itertools
import math

from mono_depth_ros.source.scene import BOX, ELLIPSOID, FOLIAGE, FRUSTUM, Scene
from mono_depth_ros.source.viewpoint import Viewpoint
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

TILE = 8
NEAR = 0.02  # metres
_ROUNDS = 6
_CPU_PAIRS, _GPU_PAIRS = 256, 1 << 14
_SPECK = 0.5  # pixels; what is smaller in both directions is left out
_EDGES = np.array([
    (a, b)
    for a, b in itertools.combinations(range(8), 2)
    if bin(a ^ b).count('1') == 1
])  # fmt: skip
# Direction times frequency, and phase, of the waves that part leaves from gaps: no two have a
# common period.
_WAVES = torch.tensor([
    [5.1, 1.3, -2.2, 0.3], [-2.9, 5.7, 1.9, 1.7], [1.7, -3.3, 6.1, 4.1],
    [7.9, 4.3, 3.7, 2.9], [-4.7, 6.3, -6.9, 5.3], [3.1, -8.9, -5.9, 0.9],
])  # fmt: skip
_LAYERS = 6  # places along a ray through a crown that are searched for leaves
_TWIG, _FINEST = 0.15, 8.0  # radius over frequency of the fine waves in metres, and its limit
_CORE = 2.0  # standard deviations by which the middle of a crown is denser than its surface
_CORNERS = np.array(list(itertools.product((-1.0, 1.0), repeat=3)))


@dataclass(frozen=True)
class Geometry:
    """
    Primitives of a batch of images of one size, one after another, in their camera frames.

    A point p of the camera frame is ``turn @ p + origin`` in the frame of a primitive, where a box
    is |p| <= half; ellipsoids and frustums are tested in the frame that is scaled to the unit
    sphere or cylinder.
    """

    turn: Tensor  # (N, 3, 3), local from camera
    origin: Tensor  # (N, 3), the camera's centre in the local frame
    half: Tensor  # (N, 3)
    taper: Tensor  # (N,)
    kind: NDArray[np.uint8]  # (N,)
    rect: NDArray[np.float64]  # (N, 4), u0 v0 u1 v1 of the outline in pixels
    near: NDArray[np.float64]  # (N,), least depth; inf where out of view
    first: tuple[int, ...]  # (B + 1,), where the primitives of every image start
    focal: tuple[float, ...]  # (B,), pixels
    height: int
    width: int

    @property
    def tiles(self) -> tuple[int, int]:
        """Rows and columns of tiles of one image."""
        return -(-self.height // TILE), -(-self.width // TILE)


def outline(
    corners: NDArray[np.float64], focal: float, height: int, width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Return the image rectangle and least depth of boxes.

    Parameters
    ----------
    corners : np.ndarray, shape (N, 8, 3)
        Corners in the camera frame, in the order of itertools.product.
    focal, height, width
        The camera.

    Returns
    -------
    rect : np.ndarray, shape (N, 4)
        u0, v0, u1, v1 in pixels.
    near : np.ndarray, shape (N,)
        Least depth in metres, inf where the box is out of view or a speck.

    """
    ends = corners[:, _EDGES]  # (N, 12, 2, 3)
    z = ends[..., 2]
    low, high = z.min(2), z.max(2)
    length = z[..., ::-1] - z
    share = np.clip((NEAR - z) / np.where(np.abs(length) < 1e-12, 1.0, length), 0, 1)
    clipped = ends + np.where(z < NEAR, share, 0.0)[..., None] * (ends[:, :, ::-1] - ends)
    valid = np.broadcast_to((high > NEAR)[..., None], z.shape)
    scale = focal / np.maximum(clipped[..., 2], NEAR)
    u = clipped[..., 0] * scale + (width - 1) / 2
    v = clipped[..., 1] * scale + (height - 1) / 2
    big = 1e9
    rect = np.stack([
        np.where(valid, u, big).min((1, 2)), np.where(valid, v, big).min((1, 2)),
        np.where(valid, u, -big).max((1, 2)), np.where(valid, v, -big).max((1, 2)),
    ], axis=1)  # fmt: skip
    seen = (rect[:, 0] < width) & (rect[:, 1] < height) & (rect[:, 2] > -1) & (rect[:, 3] > -1)
    seen &= (rect[:, 2:] - rect[:, :2]).max(1) > _SPECK
    near = np.where(seen & (high.max(1) > NEAR), np.maximum(low.min(1), NEAR), np.inf)
    return rect, near


def geometry(
    scenes: Sequence[Scene], views: Sequence[Viewpoint], device: torch.device
) -> Geometry:
    """Bring every scene into the frame of its camera; all images have one size."""
    parts = []
    for scene, view in zip(scenes, views, strict=True):
        local = scene.rotation.transpose(0, 2, 1)
        turn = local @ view.rotation
        origin = np.einsum('nij,nj->ni', local, view.position - scene.centre)
        corners = _CORNERS[None] * scene.half[:, None]
        corners = np.einsum('nji,nkj->nki', turn, corners - origin[:, None])
        rect, near = outline(corners, view.focal, view.height, view.width)
        parts.append((turn, origin, scene.half, scene.taper, scene.kind, rect, near))
    turn, origin, half, taper, kind, rect, near = (
        np.concatenate(arrays) for arrays in zip(*parts, strict=True)
    )
    return Geometry(
        turn=to_device(turn, device),
        origin=to_device(origin, device),
        half=to_device(half, device),
        taper=to_device(taper, device),
        kind=kind,
        rect=rect,
        near=near,
        first=tuple(np.cumsum([0, *(len(part[0]) for part in parts)]).tolist()),
        focal=tuple(view.focal for view in views),
        height=views[0].height,
        width=views[0].width,
    )


def to_device(array: NDArray[np.generic], device: torch.device) -> Tensor:
    """Return a float32 tensor of an array."""
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).to(device)


def box_interval(o: Tensor, d: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
    """Return where rays enter and leave |p| <= half; o, d (n, 3, k), half (n, 3, 1)."""
    inverse = d.add(1e-9).reciprocal_()
    middle = o.mul(inverse)
    reach = inverse.mul_(half).abs_()
    near = torch.add(middle, reach).neg_().amax(1)
    far = reach.sub_(middle).amin(1)
    return near, far


def ellipsoid_interval(o: Tensor, d: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
    """Return where rays enter and leave the ellipsoid of radii half; empty where near > far."""
    o, d = o / half, d / half
    a = d.square().sum(1)
    b = (o * d).sum(1)
    nearest = o - d * (b / a)[:, None]  # keeps the digits that b^2 - a c would cancel
    gap = 1.0 - nearest.square().sum(1)
    root = (gap.clamp(min=0.0) / a).sqrt()
    middle = -b / a
    return torch.where(gap > 0, middle - root, torch.inf), middle + root


def frustum_interval(o: Tensor, d: Tensor, half: Tensor, taper: Tensor) -> tuple[Tensor, Tensor]:
    """Return where rays enter and leave frustums of base radii half[:, :2]; taper (n, 1)."""
    o, d = o / half, d / half
    (ox, oy, oz), (dx, dy, dz) = o.unbind(1), (d + 1e-9).unbind(1)
    slope = taper / 2
    radius, change = 1 - slope - slope * oz, -slope * dz  # of the cone, along the ray
    a = dx * dx + dy * dy - change * change
    a = torch.where(a.abs() < 1e-9, 1e-9, a)
    b = ox * dx + oy * dy - radius * change
    c = ox * ox + oy * oy - radius * radius
    gap = b * b - a * c
    root = gap.clamp(min=0.0).sqrt()
    first, last = (-b - root) / a, (-b + root) / a
    low, high = torch.minimum(first, last), torch.maximum(first, last)
    # Steeper than the cone, a ray is inside before or after both crossings of the double cone.
    narrowing = change < 0
    side_near = torch.where(a > 0, low, torch.where(narrowing, -torch.inf, high))
    side_far = torch.where(a > 0, high, torch.where(narrowing, low, torch.inf))
    inverse = 1 / dz
    cap_near, cap_far = -oz * inverse - inverse.abs(), -oz * inverse + inverse.abs()
    near, far = torch.maximum(side_near, cap_near), torch.minimum(side_far, cap_far)
    return torch.where((gap > 0) | (a < 0), near, torch.inf), far


def interval(
    kind: int, o: Tensor, d: Tensor, half: Tensor, taper: Tensor
) -> tuple[Tensor, Tensor]:
    """Return where rays enter and leave the primitives of one kind; half (n, 3), taper (n,)."""
    half = half[:, :, None]
    if kind == BOX:
        return box_interval(o, d, half)
    if kind in (ELLIPSOID, FOLIAGE):
        return ellipsoid_interval(o, d, half)
    return frustum_interval(o, d, half, taper[:, None])


@dataclass(frozen=True)
class Pairs:
    """Tiles and the primitives to test in them: `start[t]` to `start[t] + count[t]` of prims."""

    prim: Tensor  # (P,) int64
    start: Tensor  # (T,)
    count: Tensor  # (T,)
    longest: int

    @staticmethod
    def of(masks: Sequence[Tensor], prims: Sequence[Tensor]) -> Pairs:
        """Make the lists from (T, K) masks over the primitives (K,) of every image, in order."""
        count = torch.cat([mask.sum(1) for mask in masks])
        prim = torch.cat([
            listed[torch.nonzero(mask)[:, 1]] for mask, listed in zip(masks, prims, strict=True)
        ])  # fmt: skip
        return Pairs(prim, torch.cumsum(count, 0) - count, count, int(count.max()))


def _tile_mask(g: Geometry, prims: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which tiles of an image the outlines of `prims` touch, (T, K)."""
    rows, columns = g.tiles
    left, top = np.arange(columns) * TILE, np.arange(rows) * TILE
    u0, v0, u1, v1 = g.rect[prims].T
    in_u = (left[:, None] - 1 <= u1) & (left[:, None] + TILE >= u0)  # (columns, K)
    in_v = (top[:, None] - 1 <= v1) & (top[:, None] + TILE >= v0)  # (rows, K)
    touched: NDArray[np.bool_] = (in_v[:, None] & in_u[None]).reshape(rows * columns, -1)
    return touched


def sample_offsets(antialias: bool) -> NDArray[np.float32]:
    """Return the (S, 2) offsets (u, v) of a tile's samples: pixel centres, then pixel corners."""
    v, u = np.meshgrid(np.arange(TILE), np.arange(TILE), indexing='ij')
    centres = np.stack([u.ravel(), v.ravel()], 1).astype(np.float32)
    return np.concatenate([centres, centres + 0.5]) if antialias else centres


def cast(g: Geometry, *, antialias: bool) -> tuple[Tensor, Tensor, Tensor]:
    """
    Cast the rays of a batch of images.

    Parameters
    ----------
    g : Geometry
        Primitives in the camera frame.
    antialias : bool
        Also cast a ray through the lower right corner of every pixel (a quincunx).

    Returns
    -------
    depth : Tensor, shape (B T, S), float32
        Depth along the optical axis in metres, inf for the sky. T tiles an image, row by row.
    prim : Tensor, shape (B T, S), int64
        The primitive hit, -1 for none.
    rays : Tensor, shape (B T, 2, S), float32
        x / z and y / z of every ray.

    """
    device = g.turn.device
    rays = tile_rays(g, antialias=antialias)
    depth = torch.full((rays.shape[0], rays.shape[2]), torch.inf, device=device)
    prim = torch.full(depth.shape, -1, dtype=torch.int64, device=device)
    near = to_device(g.near, device)
    for kind in (BOX, FRUSTUM, ELLIPSOID, FOLIAGE):
        masks, lists = [], []
        for start, end in itertools.pairwise(g.first):
            mine = (g.kind[start:end] == kind) & np.isfinite(g.near[start:end])
            chosen = start + np.nonzero(mine)[0]
            chosen = chosen[np.argsort(g.near[chosen], kind='stable')]
            masks.append(torch.from_numpy(_tile_mask(g, chosen)).to(device))
            lists.append(torch.from_numpy(chosen).to(device))
        _cast_kind(g, kind, Pairs.of(masks, lists), near, rays, depth, prim)
    return depth, prim, rays


def tile_rays(g: Geometry, *, antialias: bool) -> Tensor:
    """Return x / z and y / z of the rays of all tiles, (B T, 2, S)."""
    rows, columns = g.tiles
    v0, u0 = np.meshgrid(np.arange(rows) * TILE, np.arange(columns) * TILE, indexing='ij')
    corner = np.stack([u0.ravel() - (g.width - 1) / 2, v0.ravel() - (g.height - 1) / 2], 1)
    pixels = corner[:, :, None] + sample_offsets(antialias).T[None]  # (T, 2, S)
    return to_device(np.concatenate([pixels / focal for focal in g.focal]), g.turn.device)


def _enter(g: Geometry, kind: int, n: Tensor, rays: Tensor) -> Tensor:
    """Return the depth (m, S) at which rays (m, 2, S) enter the primitives n (m,), else inf."""
    turn = g.turn[n]
    d = torch.addcmul(turn[:, :, 2:3], turn[:, :, 0:1], rays[:, 0:1])
    d.addcmul_(turn[:, :, 1:2], rays[:, 1:2])  # (m, 3, S)
    enter, leave = interval(kind, g.origin[n][:, :, None], d, g.half[n], g.taper[n])
    if kind == FOLIAGE:
        return _first_leaf(g.origin[n], d, g.half[n], g.taper[n], (enter, leave))
    return torch.where((enter < leave) & (enter > NEAR), enter, torch.inf)


def _first_leaf(
    o: Tensor, d: Tensor, half: Tensor, holes: Tensor, crossings: tuple[Tensor, Tensor]
) -> Tensor:
    """Return the depth (m, S) at which rays first meet a leaf between two crossings, else inf."""
    enter, leave = (depth.nan_to_num(posinf=0.0) for depth in crossings)
    fine = fineness(half, 1)
    first = torch.full_like(enter, torch.inf)
    for layer in reversed(range(_LAYERS)):
        depth = torch.lerp(enter, leave, layer / (_LAYERS - 1))
        place = (o[:, :, None] + d * depth[:, None]) / half[:, :, None]
        leaf = (depth > NEAR) & is_leaf(place, holes[:, None], fine[:, None])
        first = torch.where(leaf & (crossings[0] < crossings[1]), depth, first)
    return first


def fineness(half: Tensor, axis: int) -> Tensor:
    """Return the frequency of the fine waves, relative to the coarse; radii lie along ``axis``."""
    return (half.amax(axis) / _TWIG).clamp(1.0, _FINEST)


def is_leaf(place: Tensor, holes: Tensor, fine: Tensor) -> Tensor:
    """
    Say where crowns that fill the unit sphere have leaves.

    Parameters
    ----------
    place : Tensor, shape (m, 3, S)
        Points in the unit sphere.
    holes : Tensor, shape (m, 1)
        Share of the surface without leaves; the crown is denser inside.
    fine : Tensor, shape (m, 1)
        Frequency of the fine waves relative to the coarse ones.

    """
    total = waves(place) + waves(place * fine[:, None])
    # The sum of so many sines is nearly normal, with this deviation.
    spread = math.sqrt(len(_WAVES))
    bare = math.sqrt(2) * torch.erfinv((2 * holes - 1).clamp(max=0.999))
    return total > spread * (bare - _CORE * (1 - place.square().sum(1)))


def waves(place: Tensor) -> Tensor:
    """Return the sum (m, S) of waves at points (m, 3, S)."""
    total = torch.zeros_like(place[:, 0])
    for x, y, z, shift in _WAVES.to(place.device).unbind(0):
        total += torch.sin(x * place[:, 0] + y * place[:, 1] + z * place[:, 2] + shift)
    return total


def _cast_kind(
    g: Geometry, kind: int, pairs: Pairs, near: Tensor, rays: Tensor, depth: Tensor, prim: Tensor
) -> None:
    """
    Test every tile against its list.

    The nearest entries of all tiles go one at a time, since they hide what is behind; the long
    tails of a few tiles go as one flat list.
    """
    farthest = depth.amax(1)
    tiles = torch.nonzero(pairs.count > 0)[:, 0]
    for k in range(min(pairs.longest, _ROUNDS)):
        tiles = tiles[pairs.count[tiles] > k]
        n = pairs.prim[pairs.start[tiles] + k]
        open_ = near[n] < farthest[tiles]
        active, n = tiles[open_], n[open_]
        if not len(active):
            continue
        enter, old = _enter(g, kind, n, rays[active]), depth[active]
        best = torch.minimum(enter, old)
        depth[active] = best
        prim[active] = torch.where(enter < old, n[:, None], prim[active])
        farthest[active] = best.amax(1)
    tile = torch.repeat_interleave(pairs.count)
    place = torch.arange(len(tile), device=depth.device) - pairs.start[tile]
    tail = (place >= _ROUNDS) & (near[pairs.prim] < farthest[tile])
    size = _CPU_PAIRS if depth.device.type == 'cpu' else _GPU_PAIRS
    for some in torch.split(torch.nonzero(tail)[:, 0], size):
        t, n = tile[some], pairs.prim[some]
        rows, row = torch.unique(t, return_inverse=True)
        row = row[:, None].expand(-1, depth.shape[1])
        enter, old = _enter(g, kind, n, rays[t]), depth[rows]
        best = old.scatter_reduce(0, row, enter, 'amin')
        won = (enter == best.gather(0, row)) & (enter < torch.inf)
        winner = torch.full_like(prim[rows], -1)
        winner.scatter_reduce_(0, row, torch.where(won, n[:, None], -1), 'amax')
        prim[rows] = torch.where(best < old, winner, prim[rows])
        depth[rows] = best
