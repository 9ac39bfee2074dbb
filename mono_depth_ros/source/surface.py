# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a ray found: normals and texture coordinates of the points hit."""

from __future__ import annotations

from dataclasses import dataclass
import functools

from mono_depth_ros.source.casting import Geometry
from mono_depth_ros.source.scene import BOX, FRUSTUM
from mono_depth_ros.source.textures import texture_bank, TEXTURE_COUNT, TEXTURE_SIZE
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

_LEVELS = 7
# Rows of a primitive's column in the table that points look up.
TURN, ORIGIN, HALF, TAPER, KIND = slice(0, 9), slice(9, 12), slice(12, 15), 15, 16
SHAPE_ROWS = 17


@dataclass(frozen=True)
class Surface:
    """Points hit, each field (3, ...)."""

    local: Tensor  # in the primitive's frame, metres
    local_normal: Tensor
    point: Tensor  # in the camera frame, metres
    normal: Tensor  # in the camera frame, towards the camera


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the dot product over the first axis of three."""
    return torch.addcmul(a[0] * b[0], a[1], b[1]).addcmul_(a[2], b[2])


def halfway(image: Tensor) -> Tensor:
    """Return the means of all 2 x 2 neighbours of (..., h, w), (..., h - 1, w - 1)."""
    rows = image[..., :-1, :] + image[..., 1:, :]
    return (rows[..., :-1] + rows[..., 1:]).mul_(0.25)


def shape_table(g: Geometry) -> Tensor:
    """Return the primitives as columns, (17, N), so that a lookup yields contiguous rows."""
    kind = torch.from_numpy(g.kind.astype(np.float32)).to(g.turn.device)
    rest = torch.stack([g.taper, kind], 1)
    return torch.cat([g.turn.flatten(1), g.origin, g.half, rest], 1).T.contiguous()


def surface(shape: Tensor, depth: Tensor, rays: Tensor) -> Surface:
    """
    Return points and normals.

    Parameters
    ----------
    shape : Tensor, shape (17, ...)
        Looked-up columns of `shape_table`.
    depth : Tensor, shape (...)
        Finite depth.
    rays : Tensor, shape (2, ...)
        x / z and y / z.

    """
    point = torch.stack([rays[0] * depth, rays[1] * depth, depth])
    turn = shape[TURN].view(3, 3, *depth.shape)  # (local, camera, ...)
    p = torch.addcmul(shape[ORIGIN], turn[:, 0], point[0])
    p.addcmul_(turn[:, 1], point[1]).addcmul_(turn[:, 2], point[2])
    half = shape[HALF]
    q = p / half
    size = q.abs()
    on_x = (size[0] >= size[1]) & (size[0] >= size[2])
    on_y = ~on_x & (size[1] >= size[2])
    sign = q.sign()
    n = torch.stack([sign[0] * on_x, sign[1] * on_y, sign[2] * ~(on_x | on_y)])
    curved = torch.nonzero(shape[KIND].flatten() != BOX)[:, 0]
    if len(curved):
        flat = n.view(3, -1)
        part, scale = q.view(3, -1)[:, curved], half.reshape(3, -1)[:, curved]
        taper = shape[TAPER].flatten()[curved]
        slope = part / scale
        radius = 1 - taper / 2 * (part[2] + 1)
        rim = torch.stack([slope[0], slope[1], radius * taper / 2 / scale[2]])
        cap = torch.zeros_like(rim)
        cap[2] = part[2].sign()
        reach = (part[0].square() + part[1].square()).sqrt()
        on_cap = 1 - part[2].abs() < (radius - reach).abs()
        frustum = torch.where(on_cap, cap, rim)
        is_frustum = shape[KIND].flatten()[curved] == FRUSTUM
        normal = torch.where(is_frustum, frustum, slope)
        flat[:, curved] = normal / normal.norm(dim=0).clamp(min=1e-9)
    camera = torch.addcmul(turn[0] * n[0], turn[1], n[1]).addcmul_(turn[2], n[2])
    camera.mul_(1 - 2 * (dot(camera, point) > 0).float())
    return Surface(p, n, point, camera)


@functools.cache
def _packed_bank(device: torch.device) -> Tensor:
    """Return all textures with their mip levels as packed 0xBBGGRR int32, one flat tensor."""
    images = torch.from_numpy(texture_bank()).permute(0, 3, 1, 2).float()
    levels = []
    for _ in range(_LEVELS):
        rgb = images.round().to(torch.int32)
        levels.append((rgb[:, 0] | rgb[:, 1] << 8 | rgb[:, 2] << 16).flatten())
        images = avg_pool2d(images, 2)
    return torch.cat(levels).to(device)


def _level_starts() -> list[int]:
    starts, start = [], 0
    for level in range(_LEVELS):
        starts.append(start)
        start += TEXTURE_COUNT * (TEXTURE_SIZE >> level) ** 2
    return starts


def look_up(
    texture: Tensor, u: Tensor, v: Tensor, texels: Tensor, *, smooth: bool = True
) -> Tensor:
    """
    Sample textures at (u, v), which wrap at 0 and 1.

    Parameters
    ----------
    texture : Tensor
        Index of the texture, float.
    u, v : Tensor
        Texture coordinates.
    texels : Tensor
        How many texels of the finest level a pixel covers; picks the mip level.
    smooth : bool
        Interpolate between four texels.

    Returns
    -------
    Tensor, shape (3, ...)
        Red, green and blue in 0..1.

    """
    bank = _packed_bank(u.device)
    level = (texels.clamp(min=1e-6).log2() + 0.3).clamp(0, _LEVELS - 1).to(torch.int32)
    shift = (TEXTURE_SIZE.bit_length() - 1) - level
    size = torch.ones_like(shift) << shift
    starts = torch.tensor(_level_starts(), dtype=torch.int32, device=u.device)
    base = starts.index_select(0, level) + (texture.to(torch.int32) << (2 * shift))
    mask = size - 1
    x, y = u * size, v * size
    if not smooth:
        index = base + ((y.to(torch.int32) & mask) << shift) + (x.to(torch.int32) & mask)
        packed = bank.index_select(0, index)
        return torch.stack([_byte(packed, bits) for bits in (0, 8, 16)]).mul_(1 / 255)
    x, y = x - 0.5, y - 0.5
    left, top = x.floor(), y.floor()
    fx, fy = x - left, y - top
    x0, y0 = left.to(torch.int32) & mask, top.to(torch.int32) & mask
    x1, row0, row1 = (x0 + 1) & mask, base + (y0 << shift), base + (((y0 + 1) & mask) << shift)
    places = (row0 + x0, row0 + x1, row1 + x0, row1 + x1)
    a, b, c, d = (bank.index_select(0, place) for place in places)
    channels = []
    for bits in (0, 8, 16):
        upper = torch.lerp(_byte(a, bits), _byte(b, bits), fx)
        lower = torch.lerp(_byte(c, bits), _byte(d, bits), fx)
        channels.append(torch.lerp(upper, lower, fy))
    return torch.stack(channels).mul_(1 / 255)


def _byte(packed: Tensor, bits: int) -> Tensor:
    return ((packed >> bits) & 255).float()
