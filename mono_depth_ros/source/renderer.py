# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images, depth and classes of scenes: ray casting, shading, resolving the samples."""

from __future__ import annotations

from collections.abc import Sequence

from mono_depth_ros.source.casting import cast, Geometry, geometry, TILE
from mono_depth_ros.source.scene import Scene
from mono_depth_ros.source.semantics import SKY
from mono_depth_ros.source.shading import shade
from mono_depth_ros.source.surface import halfway
from mono_depth_ros.source.viewpoint import Viewpoint
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

_BRIGHTEST = 8.0


def _image(g: Geometry, tiles: Tensor) -> Tensor:
    """Return (C, B T, 64) values of the tiles as (B, C, height, width)."""
    rows, columns = g.tiles
    channels = tiles.shape[0]
    image = tiles.reshape(channels, -1, rows, columns, TILE, TILE).permute(1, 0, 2, 4, 3, 5)
    return image.reshape(-1, channels, rows * TILE, columns * TILE)[..., : g.height, : g.width]


def render(
    scenes: Sequence[Scene],
    views: Sequence[Viewpoint],
    device: torch.device,
    *,
    antialias: bool = True,
    colour: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """
    Render every scene from its view; all views have one image size.

    Parameters
    ----------
    scenes, views : sequences
        The batch.
    device : torch.device
        Where to compute.
    antialias : bool
        Cast a second ray a pixel, through its corner, and mix half of each (a quincunx).
    colour : bool
        False leaves the colours black, which saves the shading.

    Returns
    -------
    rgb : Tensor, shape (B, 3, height, width), float32
        Linear colour.
    depth : Tensor, shape (B, height, width), float32
        Metres along the optical axis through pixel centres, inf for the sky.
    semantics : Tensor, shape (B, height, width), uint8
        `Semantic` classes.

    """
    g = geometry(scenes, views, device)
    antialias = antialias and colour
    depth, prim, rays = cast(g, antialias=antialias)
    classes = torch.from_numpy(np.concatenate([*(s.semantic for s in scenes), [np.uint8(SKY)]]))
    centre = TILE * TILE
    semantics = _image(g, classes.to(device)[prim[None, :, :centre]])[:, 0]
    metres = _image(g, depth[None, :, :centre])[:, 0]
    if not colour:
        return torch.zeros(len(scenes), 3, g.height, g.width, device=device), metres, semantics
    rgb = _colours(scenes, views, g, depth, prim, rays)
    return rgb, metres.contiguous(), semantics.contiguous()


def _colours(
    scenes: Sequence[Scene],
    views: Sequence[Viewpoint],
    g: Geometry,
    depth: Tensor,
    prim: Tensor,
    rays: Tensor,
) -> Tensor:
    """Shade pixel centres, and corners where they see another thing than the pixels around."""
    samples, centre = depth.shape[1], TILE * TILE
    index = torch.arange(depth.numel(), device=depth.device).view(depth.shape)
    wanted = index[:, :centre].flatten()
    if samples == centre:
        return _image(g, shade(scenes, views, g, depth, prim, rays, wanted).clamp_(0, _BRIGHTEST))
    seen, corner = _image(g, prim[None, :, :centre]), _image(g, prim[None, :, centre:])
    seen = torch.cat([seen, seen[:, :, -1:]], 2)
    seen = torch.cat([seen, seen[:, :, :, -1:]], 3)
    edge = torch.zeros_like(corner, dtype=torch.bool)
    height, width = g.height, g.width
    for v in (0, 1):
        for u in (0, 1):
            edge |= corner != seen[:, :, v : v + height, u : u + width]
    places = torch.nonzero(edge.flatten())[:, 0]
    extra = _image(g, index[None, :, centre:]).flatten()[places]
    colours = shade(scenes, views, g, depth, prim, rays, torch.cat([wanted, extra]))
    colours.clamp_(0, _BRIGHTEST)
    rgb = _image(g, colours[:, : len(wanted)])
    around = pad(rgb, (0, 1, 0, 1), mode='replicate')
    corners = halfway(around).transpose(0, 1).flatten(1)
    corners[:, places] = colours[:, len(wanted) :]
    corners = corners.view(3, len(scenes), height, width).transpose(0, 1)
    return 0.5 * rgb + 0.5 * halfway(pad(corners, (1, 0, 1, 0), mode='replicate'))
