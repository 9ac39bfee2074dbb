# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The procedural world: endless labelled images and sequences from a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.errors import ConfigError
from mono_depth_ros.source.draw import Draw
from mono_depth_ros.source.imaging import draw_sensor, Sensor, take
from mono_depth_ros.source.renderer import render
from mono_depth_ros.source.rooms import indoor
from mono_depth_ros.source.scene import Scene, WorldConfig
from mono_depth_ros.source.streets import street
from mono_depth_ros.source.trajectory import walk
from mono_depth_ros.source.viewpoint import choose_viewpoint, Viewpoint
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

DOMAINS = ('indoor', 'street', 'mixed')
_CPU_RAYS = 60_000  # pixels rendered at once on a CPU
_GPU_RAYS = 4_000_000
_MAX_SIDE = 8192


@dataclass(frozen=True)
class Batch:
    """Labelled images of the procedural world."""

    rgb: Tensor  # (B, h, w, 3) uint8
    depth: Tensor  # (B, h, w) float32, metres along the optical axis, inf for the sky
    semantics: Tensor  # (B, h, w) uint8, Semantic
    focal: Tensor  # (B,) float32, pixels; the principal point is the middle of the image
    camera_height: Tensor  # (B,) float32, metres over the floor or road


@dataclass(frozen=True)
class _Sample:
    scene: Scene
    view: Viewpoint
    sensor: Sensor
    seed: int


def _check(size: tuple[int, int], domain: str) -> None:
    if domain not in DOMAINS:
        raise ConfigError(f'domain must be one of {DOMAINS}, got {domain!r}')
    if min(size) < 8 or max(size) > _MAX_SIDE:
        raise ConfigError(f'size must be (height, width) of 8 to {_MAX_SIDE} pixels, got {size}')


def _build(draw: Draw, domain: str, config: WorldConfig) -> tuple[Scene, bool]:
    outdoor = domain == 'street' or (domain == 'mixed' and draw.chance(0.5))
    make: Callable[[Draw, WorldConfig], Scene] = street if outdoor else indoor
    return make(draw, config), outdoor


def _sensor(draw: Draw, size: tuple[int, int], config: WorldConfig, *, outdoor: bool) -> Sensor:
    # Daylight lets a camera expose for half as long, and close its aperture.
    width = size[1] // 2 if outdoor else size[1]
    return draw_sensor(draw, width) if config.imaging else Sensor()


def _sample(
    seed: int, index: int, size: tuple[int, int], domain: str, config: WorldConfig
) -> _Sample:
    draw = Draw(seed, index, DOMAINS.index(domain))
    scene, outdoor = _build(draw, domain, config)
    view = choose_viewpoint(draw, scene, size, config, outdoor=outdoor)
    sensor = _sensor(draw, size, config, outdoor=outdoor)
    return _Sample(scene, view, sensor, draw.integer(0, 2**62))


def render_batch(
    seed: int,
    batch: int,
    size: tuple[int, int],
    *,
    domain: str = 'indoor',
    device: str | torch.device = 'cpu',
    config: WorldConfig | None = None,
) -> Batch:
    """
    Render labelled images, every one of another scene seen by another camera.

    Parameters
    ----------
    seed : int
        Sample i depends on (seed, i) alone: same seed, same pixels on the same device.
    batch : int
        How many images, B.
    size : tuple of int
        Height and width in pixels.
    domain : str
        'indoor', 'street' or 'mixed' (half and half).
    device : str or torch.device
        Where the pixels are computed and stay.
    config : WorldConfig, optional
        What varies; everything by default.

    Returns
    -------
    Batch
        Images, depth, classes, focal lengths and camera heights.

    Raises
    ------
    ConfigError
        If the domain is unknown or the size out of range.

    """
    _check(size, domain)
    config, device = config or WorldConfig(), torch.device(device)
    rays = _CPU_RAYS if device.type == 'cpu' else _GPU_RAYS
    # On a CPU one image at a time fits the cache, and vector kernels whose last digit depends
    # on the length of a batch cannot make a sample depend on its neighbours.
    step = 1 if device.type == 'cpu' else max(1, rays // (size[0] * size[1]))
    parts, views = [], []
    for start in range(0, batch, step):
        samples = [
            _sample(seed, k, size, domain, config) for k in range(start, min(start + step, batch))
        ]
        parts.append(_pixels(samples, device, config))
        views += [sample.view for sample in samples]
    rgb, depth, semantics = (torch.cat(column) for column in zip(*parts, strict=True))
    focal = [view.focal for view in views]
    height = [float(view.position[2]) for view in views]
    return Batch(
        rgb=rgb,
        depth=depth,
        semantics=semantics,
        focal=torch.tensor(focal, dtype=torch.float32, device=device),
        camera_height=torch.tensor(height, dtype=torch.float32, device=device),
    )


def _pixels(
    samples: list[_Sample], device: torch.device, config: WorldConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """Return rgb (B, h, w, 3), depth and semantics (B, h, w)."""
    linear, depth, semantics = render(
        [s.scene for s in samples],
        [s.view for s in samples],
        device,
        antialias=config.antialias,
    )
    rgb = take(linear, [s.sensor for s in samples], [s.seed for s in samples])
    return rgb.permute(0, 2, 3, 1).contiguous(), depth, semantics


@dataclass(frozen=True)
class SequenceFrame:
    """One frame of a sequence through a static scene."""

    rgb: NDArray[np.uint8]  # (h, w, 3)
    depth: NDArray[np.float32]  # (h, w), metres, inf for the sky
    semantics: NDArray[np.uint8]  # (h, w)
    world_from_camera: NDArray[np.float64]  # (4, 4), optical frame of REP 103
    camera: PinholeCamera


def render_sequence(
    seed: int,
    frames: int,
    size: tuple[int, int],
    *,
    domain: str = 'indoor',
    rate: float = 10.0,
) -> Iterator[SequenceFrame]:
    """
    Render what one camera sees on a smooth way through one scene.

    Parameters
    ----------
    seed : int
        Scene, way and camera.
    frames : int
        How many frames.
    size : tuple of int
        Height and width in pixels.
    domain : str
        'indoor', 'street' or 'mixed'.
    rate : float
        Frames a second; a robot walks at 0.3 to 0.8 m/s, a car drives at 4 to 10 m/s.

    Yields
    ------
    SequenceFrame
        Image, depth, classes, pose and camera.

    Raises
    ------
    ConfigError
        If the domain is unknown, the size out of range or the rate not positive.

    """
    _check(size, domain)
    if not rate > 0:
        raise ConfigError(f'rate must be positive, got {rate}')
    config = WorldConfig()
    draw = Draw(seed, 0, DOMAINS.index(domain), 1)
    scene, outdoor = _build(draw, domain, config)
    start = choose_viewpoint(draw, scene, size, config, outdoor=outdoor)
    sensor = _sensor(draw, size, config, outdoor=outdoor)
    noise = draw.integer(0, 2**60)
    camera = PinholeCamera(
        fx=start.focal,
        fy=start.focal,
        cx=(size[1] - 1) / 2,
        cy=(size[0] - 1) / 2,
        width=size[1],
        height=size[0],
    )
    for k, view in enumerate(walk(draw, scene, start, frames, rate, outdoor=outdoor)):
        sample = _Sample(scene, view, sensor, noise + k)
        rgb, depth, semantics = _pixels([sample], torch.device('cpu'), config)
        yield SequenceFrame(
            rgb[0].numpy(),
            depth[0].numpy(),
            semantics[0].numpy(),
            view.world_from_camera,
            camera,
        )
