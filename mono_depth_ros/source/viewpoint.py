# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where a camera stands in a scene and where it looks."""

from dataclasses import dataclass
import math

from mono_depth_ros.source.draw import Draw
from mono_depth_ros.source.scene import Scene, WorldConfig
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_CANDIDATES = 14
_PROBE = (6, 8)  # rows, columns of the rays that judge a view


@dataclass(frozen=True)
class Viewpoint:
    """A camera in the world: optical frame of REP 103, focal length in pixels, centred."""

    position: Array  # (3,)
    rotation: Array  # (3, 3), world from camera
    focal: float
    height: int
    width: int

    @property
    def world_from_camera(self) -> Array:
        """Pose as a 4x4 matrix."""
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = self.rotation, self.position
        return pose


def look_rotation(yaw: float, down: float, roll: float) -> Array:
    """Return world from camera for a camera looking along yaw, pitched down, then rolled."""
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(down), math.sin(down)
    forward = np.array([cy * cp, sy * cp, -sp])
    right = np.array([sy, -cy, 0.0])
    below = np.array([-cy * sp, -sy * sp, -cp])
    c, s = math.cos(roll), math.sin(roll)
    return np.stack([c * right + s * below, c * below - s * right, forward], axis=1)


def clearance(scene: Scene, points: Array) -> Array:
    """Return the distance in metres of (K, 3) points to the nearest primitive, taken as a box."""
    local = np.einsum('nji,knj->kni', scene.rotation, points[:, None] - scene.centre)
    outside = np.maximum(np.abs(local) - scene.half, 0.0)
    nearest: Array = np.sqrt((outside**2).sum(-1)).min(1)
    return nearest


def probe(scene: Scene, position: Array, rotation: Array, tangent: Array) -> tuple[Array, int]:
    """Return depths of a few rays (inf: sky) and how many primitives, taken as boxes, they hit."""
    v, u = np.meshgrid(np.linspace(-0.9, 0.9, _PROBE[0]), np.linspace(-0.9, 0.9, _PROBE[1]))
    rays = np.stack([u * tangent[0], v * tangent[1], np.ones_like(u)]).reshape(3, -1)
    local = scene.rotation.transpose(0, 2, 1)
    origin = local @ (position - scene.centre)[..., None]  # (N, 3, 1)
    turn = (local @ rotation).reshape(-1, 3)
    inverse = 1.0 / ((turn @ rays).reshape(len(origin), 3, -1) + 1e-12)
    middle, reach = -origin * inverse, np.abs(scene.half[..., None] * inverse)
    near, far = (middle - reach).max(1), (middle + reach).min(1)  # (N, rays)
    depth = np.where((near < far) & (near > 0), near, np.inf)
    return depth.min(0), len(np.unique(depth.argmin(0)))


def _field_of_view(draw: Draw, config: WorldConfig) -> float:
    """Return a horizontal field of view in radians: 50 to 110 degrees, most near 65."""
    if not config.camera:
        return math.radians(62)
    if draw.chance(0.5):
        return math.radians(draw.uniform(52, 75))
    return math.radians(draw.uniform(50, 110))


def _pose_indoor(
    draw: Draw, scene: Scene, config: WorldConfig, kind: float
) -> tuple[Array, tuple[float, float, float], bool]:
    """Return a position, (yaw, down, roll) and whether it is close to things."""
    x0, y0, x1, y1 = scene.ground
    position = np.array([draw.uniform(x0 + 0.2, x1 - 0.2), draw.uniform(y0 + 0.2, y1 - 0.2), 1.2])
    yaw = draw.uniform(-math.pi, math.pi)
    if not config.camera:
        return position, (yaw, math.radians(10), 0.0), False
    if kind < 0.25:  # a robot near the floor
        position[2] = draw.uniform(0.1, 0.7)
        return position, (yaw, draw.normal(0.1), draw.normal(0.02)), False
    if kind < 0.4 or not len(scene.targets):  # any camera
        position[2] = draw.uniform(0.3, 2.0)
        return position, (yaw, 0.1 + draw.normal(0.22), draw.normal(0.05)), False
    target = scene.targets[draw.integer(0, len(scene.targets) - 1)]
    if kind < 0.65:
        return _pose_close(draw, target)
    # in the hand of a person who looks at a thing
    position[2] = draw.uniform(1.0, 1.75) if draw.chance(0.8) else draw.uniform(0.4, 1.2)
    if draw.chance(0.75):
        away = draw.log_uniform(0.6, 3.5)
        position[:2] = target[:2] + away * np.array([math.cos(yaw), math.sin(yaw)])
    to = target - position
    reach = math.hypot(to[0], to[1])
    yaw = math.atan2(to[1], to[0]) + draw.normal(0.25)
    down = math.atan2(-to[2], max(reach, 1e-3)) * draw.uniform(0.5, 1.1) + draw.normal(0.12)
    return position, (yaw, min(max(down, -0.4), 0.8), draw.normal(0.07)), False


def _pose_close(draw: Draw, target: Array) -> tuple[Array, tuple[float, float, float], bool]:
    """Return the pose of a camera held over a thing: on a table, in a shelf, on the floor."""
    away, yaw = draw.log_uniform(0.3, 1.5), draw.uniform(-math.pi, math.pi)
    above = math.radians(draw.uniform(5, 65))
    level = away * math.cos(above)
    position = target + np.array([
        level * math.cos(yaw), level * math.sin(yaw), away * math.sin(above),
    ])  # fmt: skip
    position[2] = min(max(position[2], 0.12), 2.0)
    down = math.atan2(position[2] - target[2], level) + draw.normal(0.12)
    return position, (yaw + math.pi + draw.normal(0.2), down, draw.normal(0.08)), True


def _pose_street(
    draw: Draw, scene: Scene, config: WorldConfig, kind: float
) -> tuple[Array, tuple[float, float, float], bool]:
    x0, y0, x1, y1 = scene.ground
    position = np.array([draw.uniform(x0, x1), draw.uniform(y0, y1), 1.5])
    yaw = draw.choice((0.0, math.pi)) + draw.normal(0.08)
    if not config.camera:
        return position, (yaw, 0.03, 0.0), False
    if kind < 0.6:  # on a car
        position[2] = draw.uniform(1.2, 2.2)
        if scene.lanes is not None:
            position[1] = draw.uniform(*scene.lanes)
        return position, (yaw, draw.normal(0.05), draw.normal(0.015)), False
    if kind < 0.75:  # a small robot
        position[2] = draw.uniform(0.2, 1.0)
        return position, (yaw + draw.normal(0.5), draw.normal(0.08), draw.normal(0.02)), False
    position[2] = draw.uniform(1.2, 1.9)
    yaw = draw.uniform(-math.pi, math.pi) if draw.chance(0.5) else yaw + draw.normal(0.4)
    return position, (yaw, 0.05 + draw.normal(0.15), draw.normal(0.05)), False


def choose_viewpoint(
    draw: Draw, scene: Scene, size: tuple[int, int], config: WorldConfig, *, outdoor: bool
) -> Viewpoint:
    """
    Draw cameras until one stands free and sees something; else return the best one drawn.

    Parameters
    ----------
    draw : Draw
        Source of randomness.
    scene : Scene
        Where to stand.
    size : tuple of int
        Height and width of the image.
    config : WorldConfig
        `camera` False fixes height, pitch and field of view.
    outdoor : bool
        True for a street.

    """
    height, width = size
    tangent_u = math.tan(_field_of_view(draw, config) / 2)
    tangent = np.array([tangent_u, tangent_u * height / width])
    if tangent[1] > 1.5:  # a tall image: keep the field of view of its long side
        tangent *= 1.5 / tangent[1]
    focal = 0.5 * width / float(tangent[0])
    free = 0.5 if outdoor else 0.18
    pose, kind = _pose_street if outdoor else _pose_indoor, draw.random()
    best: tuple[float, Array, Array] | None = None
    for _ in range(_CANDIDATES):
        position, (yaw, down, roll), close = pose(draw, scene, config, kind)
        x0, y0, x1, y1 = scene.ground
        inside = x0 + 0.1 < position[0] < x1 - 0.1 and y0 + 0.1 < position[1] < y1 - 0.1
        if not inside:
            continue
        distance = float(clearance(scene, position[None])[0])
        if distance < min(0.1 if close else free, 0.6 * position[2]):
            if best is None or best[0] < distance - 100:
                best = (distance - 100, position, look_rotation(yaw, down, roll))
            continue
        rotation = look_rotation(yaw, down, roll)
        depth, things = probe(scene, position, rotation, tangent)
        nearest, middle = (1.5, 3.0) if outdoor else (0.16, 0.25) if close else (0.45, 0.6)
        near = float((depth < nearest).mean())
        score = -near - (np.median(depth) < middle)
        spread = np.log(np.quantile(np.minimum(depth, 100), 0.9) / np.quantile(depth, 0.1))
        score += 0.2 * min(float(spread), 1.0) + 0.02 * min(things, 15)
        if best is None or score > best[0]:
            best = (score, position, rotation)
        wanted = draw.uniform(0.1, 0.4 if close else 0.8)
        if near < 0.15 and spread > wanted and things > draw.uniform(2, 16):
            break
    if best is None:
        x0, y0, x1, y1 = scene.ground
        position = np.array([(x0 + x1) / 2, (y0 + y1) / 2, 1.5])
        best = (0.0, position, look_rotation(0.0, 0.1, 0.0))
    return Viewpoint(best[1], best[2], focal, height, width)
