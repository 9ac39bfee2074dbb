# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Light on surfaces: linear colours of the samples of a batch of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mono_depth_ros.source import materials as m
from mono_depth_ros.source.casting import fineness, Geometry, to_device, waves
from mono_depth_ros.source.scene import FOLIAGE, Scene
from mono_depth_ros.source.surface import (
    dot,
    HALF,
    KIND,
    look_up,
    SHAPE_ROWS,
    shape_table,
    Surface,
    surface,
)
from mono_depth_ros.source.textures import texture_groups, TEXTURE_SIZE
from mono_depth_ros.source.viewpoint import Viewpoint
from mono_depth_ros.source.visibility import visibility
import numpy as np
import torch
from torch import Tensor

_LIGHTS = 3
_CLOUDS = texture_groups()['cloud'][0]
_MIRRORED = texture_groups()['leaves'][0]
_CHUNK = 16384  # samples shaded at once on a CPU, to stay in its cache
_SUN = 300.0  # metres to what stands for the sun
_FAR = 500.0  # metres at which the sky is shaded


@dataclass(frozen=True)
class Illumination:
    """Lighting of every image (B, ...) in camera frames."""

    place: Tensor  # (B, lights, 3), position or far away towards the sun
    colour: Tensor  # (B, lights, 3)
    distant: Tensor  # (B, lights), 1 for a sun
    radius: Tensor  # (B, lights)
    up: Tensor  # (B, 3)
    above: Tensor  # (B, 3)
    below: Tensor  # (B, 3)
    zenith: Tensor  # (B, 3)
    horizon: Tensor  # (B, 3)
    scalars: Tensor  # (B, 4): fog, clouds, occlusion radius, occlusion
    focal: Tensor  # (B,)

    def of(self, image: Tensor) -> Illumination:
        """Return the lighting with the image axis last: (..., P) per point, or (..., 1)."""
        fields = (getattr(self, name) for name in self.__dataclass_fields__)
        if len(self.focal) == 1:
            return Illumination(*(value.movedim(0, -1) for value in fields))
        return Illumination(*(value.movedim(0, -1)[..., image] for value in fields))


def illumination(
    scenes: Sequence[Scene], views: Sequence[Viewpoint], device: torch.device
) -> Illumination:
    """Bring the lights of every scene into the frame of its camera."""
    rows: list[list[np.ndarray]] = []
    for scene, view in zip(scenes, views, strict=True):
        light, place = scene.lighting, np.zeros((_LIGHTS, 3))
        colour, distant, radius = np.zeros((_LIGHTS, 3)), np.zeros(_LIGHTS), np.zeros(_LIGHTS)
        for k, lamp in enumerate(light.lights[:_LIGHTS]):
            position = np.array(lamp.position)
            if lamp.distant:
                position = view.position + _SUN * position / np.linalg.norm(position)
            place[k] = (position - view.position) @ view.rotation
            colour[k], distant[k], radius[k] = lamp.colour, lamp.distant, lamp.radius
        scalars = [light.fog, light.clouds, light.occlusion_radius, light.occlusion]
        rows.append([
            place, colour, distant, radius, view.rotation[2], np.array(light.above),
            np.array(light.below), np.array(light.zenith), np.array(light.horizon),
            np.array(scalars), np.array(view.focal),
        ])  # fmt: skip
    return Illumination(
        *(to_device(np.stack(column), device) for column in zip(*rows, strict=True))
    )


def shade(
    scenes: Sequence[Scene],
    views: Sequence[Viewpoint],
    g: Geometry,
    depth: Tensor,
    prim: Tensor,
    rays: Tensor,
    chosen: Tensor,
) -> Tensor:
    """
    Return the linear colour of samples.

    Parameters
    ----------
    scenes, views, g
        The batch.
    depth, prim, rays : Tensor
        What `cast` returned.
    chosen : Tensor, shape (P,)
        Which samples of the flattened (B T, S) are wanted.

    Returns
    -------
    Tensor, shape (3, P), float32
        Red, green, blue; 1 is a white surface under unit light.

    """
    device = depth.device
    light = illumination(scenes, views, device)
    if any(scene.lighting.occlusion > 0 for scene in scenes):
        casts = torch.from_numpy(np.concatenate([scene.casts for scene in scenes])).to(device)
        lit, free = visibility(
            g,
            depth,
            prim,
            rays,
            light.place[:, 0],
            light.radius[:, 0],
            casts,
            light.scalars[:, 2],
            shadows=any(any(scene.lighting.lights[0].colour) for scene in scenes),
        )
    else:
        lit = free = torch.ones_like(depth)
    rows = np.concatenate([scene.materials[scene.material] for scene in scenes])
    table = torch.cat([shape_table(g), to_device(rows.T, device)])
    pieces = []
    for part in torch.split(chosen, _CHUNK if device.type == 'cpu' else len(chosen)):
        tile, sample = part // depth.shape[1], part % depth.shape[1]
        hit = prim.flatten().index_select(0, part)
        here = light.of(tile // (g.tiles[0] * g.tiles[1]))
        ray = rays[tile, :, sample].T.contiguous()
        at = [value.flatten().index_select(0, part) for value in (depth, lit, free)]
        pieces.append(_shade_points(here, table, at[0], hit, ray, at[1], at[2]))
    return torch.cat(pieces, 1)


def _shade_points(
    light: Illumination,
    table: Tensor,
    depth: Tensor,
    prim: Tensor,
    rays: Tensor,
    lit: Tensor,
    free: Tensor,
) -> Tensor:
    """Return the colours (3, P) of points; every argument is (..., P)."""
    fog, _, _, occlusion = light.scalars
    free = 1 - occlusion * (1 - free)
    sky = prim < 0
    depth = torch.where(sky, _FAR, depth)
    columns = table.index_select(1, prim.clamp(min=0))
    shape, material = columns[:SHAPE_ROWS], columns[SHAPE_ROWS:]
    found = surface(shape, depth, rays)
    point, n = found.point, found.normal
    length = dot(point, point).sqrt()
    inverse = 1 / length
    view = -point * inverse
    facing = dot(n, view).clamp(min=0.05)
    albedo = _albedo(found, shape, material, prim, depth / light.focal / facing.sqrt())

    share = 0.5 + 0.5 * dot(n, light.up)
    colour = torch.lerp(light.below, light.above, share) * free
    gleam = torch.zeros_like(colour)
    for k in range(_LIGHTS):
        strength = light.colour[k]
        if not bool(strength.any()):
            continue
        to = light.place[k] - point
        square = dot(to, to)
        to = to * square.rsqrt()
        cosine = dot(to, n).clamp_(min=0)
        reach = cosine * torch.where(light.distant[k] > 0, 1.0, 1 / (0.4 + square))
        if k == 0:
            reach = reach * lit
        colour.addcmul_(strength, reach)
        middle = to + view
        highlight = dot(middle, n).clamp_(min=0) * dot(middle, middle).clamp(min=1e-6).rsqrt()
        highlight = highlight.pow(material[m.GLOSS]) * reach.clamp(max=1.5)
        gleam.addcmul_(strength, highlight * material[m.SPECULAR])
    fresnel = material[m.REFLECTION] * (0.35 + 0.65 * (1 - facing).pow(3))
    mirror = _reflection(light, n, view) * (fresnel * free)
    value = albedo * (colour + material[m.EMISSION]) * (1 - 0.6 * fresnel) + gleam + mirror
    if bool(fog.any()):
        value = torch.lerp(value, light.horizon.expand_as(value), 1 - torch.exp(-length * fog))
    if bool(sky.any()):
        value = torch.where(sky, _sky(light, -view), value)
    return value


def _albedo(
    found: Surface, shape: Tensor, material: Tensor, prim: Tensor, pixel: Tensor
) -> Tensor:
    """Return the colours (3, P) of surfaces; `pixel` is the size of a pixel there in metres."""
    p, n, half = found.local, found.local_normal, shape[HALF]
    size = n.abs()
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
    s = cosine * u - sine * v + (material[m.SHIFT_U] + shift)
    t = sine * u + cosine * v + (material[m.SHIFT_V] + 0.5)
    texels = pixel * torch.maximum(per_u, per_v) * TEXTURE_SIZE
    tone = look_up(material[m.TEXTURE], s, t, texels)
    cloud = torch.full_like(u, _CLOUDS)
    dirt = look_up(cloud, s * 0.31 + 5, t * 0.31 + 5, texels * 0.31, smooth=False)[0]
    matrix = material[m.MATRIX].view(3, 3, -1)
    value = torch.addcmul(material[m.OFFSET], matrix[:, 0], tone[0])
    value.addcmul_(matrix[:, 1], tone[1]).addcmul_(matrix[:, 2], tone[2])
    leaf = torch.nonzero(shape[KIND] == FOLIAGE)[:, 0]
    if len(leaf):
        value[:, leaf] *= _leaves(p[:, leaf], half[:, leaf])
    return value.clamp_(0.01, 1.0).mul_(1 - material[m.DIRT] * dirt)


def _leaves(p: Tensor, half: Tensor) -> Tensor:
    """Return how bright leaves are, (P,): some face the light, others do not."""
    place = (p / half * fineness(half, 0)).T[:, :, None]
    return torch.exp(0.4 * waves(-place)[:, 0])


def _reflection(light: Illumination, n: Tensor, view: Tensor) -> Tensor:
    """Return what a mirror shows: a made-up surrounding, bright above and blotchy."""
    r = 2 * dot(n, view) * n - view
    share = 0.5 + 0.5 * dot(r, light.up)
    picture, coarse = torch.full_like(share, _MIRRORED), torch.full_like(share, 12.0)
    blotch = look_up(picture, r[0] + 5, r[2] + 5, coarse, smooth=False)
    return torch.lerp(light.below, 1.5 * light.above, share) * (0.4 + blotch)


def _sky(light: Illumination, direction: Tensor) -> Tensor:
    """Return the colour of the sky along unit vectors."""
    rise = dot(direction, light.up).clamp(min=0.02)
    u, v = direction[0] / rise * 0.08 + 9, direction[2] / rise * 0.08 + 9
    cloud = look_up(torch.full_like(u, _CLOUDS + 1), u, v, torch.full_like(u, 2.0))[0]
    cloud = ((cloud - 0.45) * 4).clamp(0, 1) * light.scalars[1] * (rise * 4).clamp(max=1)
    blue = torch.lerp(light.zenith, light.horizon, (1 - rise).pow(4))
    return torch.lerp(blue, (1.1 * light.horizon.amax(0)).expand_as(blue), cloud)
