# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Light on surfaces: linear colours of the samples of a batch of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mono_depth_ros.source import materials as m
from mono_depth_ros.source.casting import Geometry, to_device
from mono_depth_ros.source.scene import Scene
from mono_depth_ros.source.surface import HALF, Surface, look_up, shape_table, surface
from mono_depth_ros.source.textures import TEXTURE_SIZE, texture_groups
from mono_depth_ros.source.viewpoint import Viewpoint
from mono_depth_ros.source.visibility import visibility

_LIGHTS = 3
_CLOUDS = texture_groups()['cloud'][0]
_MIRRORED = texture_groups()['leaves'][0]
_CHUNK = 16384  # samples shaded at once on a CPU, to stay in its cache
_SHAPE = 18  # rows of the shape table


@dataclass(frozen=True)
class Illumination:
    """Lighting of every tile (T, ...) in camera frames."""

    place: Tensor  # (T, lights, 3), position or far away towards the sun
    colour: Tensor  # (T, lights, 3)
    distant: Tensor  # (T, lights), 1 for a sun
    radius: Tensor  # (T, lights)
    up: Tensor  # (T, 3)
    above: Tensor  # (T, 3)
    below: Tensor  # (T, 3)
    zenith: Tensor  # (T, 3)
    horizon: Tensor  # (T, 3)
    scalars: Tensor  # (T, 4): fog, clouds, occlusion radius, occlusion
    focal: Tensor  # (T,)


def illumination(scenes: Sequence[Scene], views: Sequence[Viewpoint], g: Geometry) -> Illumination:
    """Bring the lights of every scene into the frame of its camera."""
    rows: list[list[np.ndarray]] = []
    for scene, view in zip(scenes, views, strict=True):
        light, place = scene.lighting, np.zeros((_LIGHTS, 3))
        colour, distant, radius = np.zeros((_LIGHTS, 3)), np.zeros(_LIGHTS), np.zeros(_LIGHTS)
        for k, lamp in enumerate(light.lights[:_LIGHTS]):
            position = np.array(lamp.position)
            if lamp.distant:
                position = view.position + 300 * position / np.linalg.norm(position)
            place[k] = (position - view.position) @ view.rotation
            colour[k], distant[k], radius[k] = lamp.colour, lamp.distant, lamp.radius
        scalars = [light.fog, light.clouds, light.occlusion_radius, light.occlusion]
        rows.append([
            place, colour, distant, radius, view.rotation[2], np.array(light.above),
            np.array(light.below), np.array(light.zenith), np.array(light.horizon),
            np.array(scalars), np.array(view.focal),
        ])  # fmt: skip
    count = g.tiles[0] * g.tiles[1]
    fields = [np.repeat(np.stack(column), count, axis=0) for column in zip(*rows, strict=True)]
    return Illumination(*(to_device(array, g.turn.device) for array in fields))


def shade(
    scenes: Sequence[Scene],
    views: Sequence[Viewpoint],
    g: Geometry,
    depth: Tensor,
    prim: Tensor,
    rays: Tensor,
) -> Tensor:
    """
    Return the linear colour of every sample.

    Parameters
    ----------
    scenes, views, g
        The batch.
    depth, prim, rays : Tensor
        What `cast` returned.

    Returns
    -------
    Tensor, shape (3, T, S), float32
        Red, green, blue; 1 is a white surface under unit light.

    """
    device = depth.device
    light = illumination(scenes, views, g)
    casts = torch.from_numpy(np.concatenate([scene.casts for scene in scenes])).to(device)
    radius = light.scalars[:, 2]
    if any(scene.lighting.occlusion > 0 for scene in scenes):
        place, soft = light.place[:, 0], light.radius[:, 0]
        lit, free = visibility(g, depth, prim, rays, place, soft, casts, radius)
    else:
        lit = free = torch.ones_like(depth)
    rows = np.concatenate([scene.materials[scene.material] for scene in scenes])
    table = torch.cat([shape_table(g), to_device(rows.T, device)])
    free = 1 - light.scalars[:, 3:4] * (1 - free)
    step = max(1, _CHUNK // depth.shape[1]) if device.type == 'cpu' else len(depth)
    parts = [
        _shade_tiles(light, part, table, depth[part], prim[part], rays[part], lit[part], free[part])
        for part in (slice(k, k + step) for k in range(0, len(depth), step))
    ]
    return torch.cat(parts, 1)


def _shade_tiles(
    light: Illumination,
    part: slice,
    table: Tensor,
    depth: Tensor,
    prim: Tensor,
    rays: Tensor,
    lit: Tensor,
    free: Tensor,
) -> Tensor:
    sky = prim < 0
    depth = torch.where(sky, 500.0, depth)
    columns = table[:, prim.clamp(min=0)]
    shape, material = columns[:_SHAPE], columns[_SHAPE:]
    found = surface(shape, depth, rays)
    up = light.up[part]
    length = (found.point[0].square() + found.point[1].square() + depth.square()).sqrt()
    inverse = 1 / length
    view = tuple(-p * inverse for p in found.point)
    n = found.normal
    facing = (n[0] * view[0] + n[1] * view[1] + n[2] * view[2]).clamp(min=0.05)
    albedo = _albedo(found, shape, material, prim, depth / light.focal[part, None] / facing.sqrt())

    upward = n[0] * up[:, 0:1] + n[1] * up[:, 1:2] + n[2] * up[:, 2:3]
    share = 0.5 + 0.5 * upward
    below, above = light.below[part], light.above[part]
    colour = [
        (below[:, c : c + 1] + share * (above - below)[:, c : c + 1]) * free for c in range(3)
    ]
    gleam: list[Tensor] = [torch.zeros_like(depth) for _ in range(3)]
    for k in range(_LIGHTS):
        strength = light.colour[part, k]
        if not bool(strength.any()):
            continue
        to = [light.place[part, k, c : c + 1] - found.point[c] for c in range(3)]
        square = to[0].square() + to[1].square() + to[2].square()
        scale = square.rsqrt()
        cosine = (to[0] * n[0] + to[1] * n[1] + to[2] * n[2]).mul_(scale).clamp_(min=0)
        falloff = 1 / (0.4 + square) if not bool(light.distant[part, k].any()) else 1.0
        reach = cosine * falloff
        if k == 0:
            reach = reach * lit
        middle = [to[c] * scale + view[c] for c in range(3)]
        size = (middle[0].square() + middle[1].square() + middle[2].square()).clamp(min=1e-6)
        highlight = (middle[0] * n[0] + middle[1] * n[1] + middle[2] * n[2]).clamp_(min=0)
        highlight = (highlight * size.rsqrt()).pow(material[m.GLOSS])
        highlight = highlight * reach.clamp(max=1.5) * material[m.SPECULAR]
        for c in range(3):
            colour[c].addcmul_(reach, strength[:, c : c + 1])
            gleam[c].addcmul_(highlight, strength[:, c : c + 1])
    mirror = _reflection(light, part, n, view, up)
    fresnel = material[m.REFLECTION] * (0.35 + 0.65 * (1 - facing).pow(3))
    emission = material[m.EMISSION]
    fog = 1 - torch.exp(-length * light.scalars[part, 0:1])
    heaven = _sky(light, part, rays, inverse * depth, up) if bool(sky.any()) else albedo
    out = []
    for c in range(3):
        value = albedo[c] * (colour[c] + emission) * (1 - 0.6 * fresnel) + gleam[c]
        value = value + fresnel * mirror[c] * free
        value = torch.lerp(value, light.horizon[part, c : c + 1].expand_as(value), fog)
        out.append(torch.where(sky, heaven[c], value))
    return torch.stack(out)


def _albedo(
    found: Surface, shape: Tensor, material: Tensor, prim: Tensor, pixel: Tensor
) -> list[Tensor]:
    """Return red, green, blue of the surfaces; `pixel` is the size of a pixel there in metres."""
    p, n, half = found.local, found.local_normal, shape[HALF]
    size = [c.abs() for c in n]
    first = (size[0] >= size[1]) & (size[0] >= size[2])
    last = ~first & (size[2] > size[1])
    u, width = torch.where(first, p[1], p[0]), torch.where(first, half[1], half[0])
    v, height = torch.where(last, p[1], -p[2]), torch.where(last, half[1], half[2])
    fit = material[m.FIT] > 0
    per_u = torch.where(fit, 0.5 / width, material[m.SCALE_U])
    per_v = torch.where(fit, 0.5 / height, material[m.SCALE_V])
    shift = torch.where(fit, 0.5, prim * 0.37 + 0.21 * first)
    u, v = u * per_u, v * per_v
    cosine, sine = material[m.COSINE], material[m.SINE]
    s = cosine * u - sine * v + material[m.SHIFT_U] + shift
    t = sine * u + cosine * v + material[m.SHIFT_V] + torch.where(fit, 0.5, 0.0)
    texels = pixel * torch.maximum(per_u, per_v) * TEXTURE_SIZE
    r, g, b = look_up(material[m.TEXTURE], s, t, texels)
    dirt = look_up(torch.full_like(u, _CLOUDS), s * 0.31 + 5, t * 0.31 + 5, texels * 0.31, smooth=False)
    dark = 1 - material[m.DIRT] * dirt[0]
    out = []
    for c in range(3):
        value = material[m.OFFSET][c].addcmul(material[3 * c], r)
        value = value.addcmul(material[3 * c + 1], g).addcmul(material[3 * c + 2], b)
        out.append(value.clamp(0.01, 1.0) * dark)
    return out


def _reflection(
    light: Illumination, part: slice, n: Sequence[Tensor], view: Sequence[Tensor], up: Tensor
) -> list[Tensor]:
    """Return what a mirror shows: a made-up surrounding, bright above and blotchy."""
    twice = 2 * (n[0] * view[0] + n[1] * view[1] + n[2] * view[2])
    r = [twice * n[c] - view[c] for c in range(3)]
    share = 0.5 + 0.5 * (r[0] * up[:, 0:1] + r[1] * up[:, 1:2] + r[2] * up[:, 2:3])
    blotch = look_up(
        torch.full_like(share, _MIRRORED), r[0] + 5, r[2] + 5, torch.full_like(share, 12.0), smooth=False
    )
    above, below = light.above[part], light.below[part]
    return [
        (below[:, c : c + 1] + share * (1.5 * above - below)[:, c : c + 1]) * (0.4 + blotch[c])
        for c in range(3)
    ]


def _sky(
    light: Illumination, part: slice, rays: Tensor, z: Tensor, up: Tensor
) -> list[Tensor]:
    """Return the colour of the sky along the rays, z their direction's third component."""
    x, y = rays[:, 0] * z, rays[:, 1] * z
    rise = (x * up[:, 0:1] + y * up[:, 1:2] + z * up[:, 2:3]).clamp(min=0.02)
    u, v = x / rise * 0.08 + 9, z / rise * 0.08 + 9
    cloud = look_up(torch.full_like(u, _CLOUDS + 1), u, v, torch.full_like(u, 2.0))[0]
    cloud = ((cloud - 0.45) * 4).clamp(0, 1) * light.scalars[part, 1:2] * (rise * 4).clamp(max=1)
    out = []
    for c in range(3):
        horizon, zenith = light.horizon[part, c : c + 1], light.zenith[part, c : c + 1]
        blue = zenith + (horizon - zenith) * (1 - rise).pow(4)
        out.append(torch.lerp(blue, 1.1 * horizon.amax().expand_as(blue), cloud))
    return out
