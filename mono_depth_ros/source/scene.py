# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A scene: convex primitives in a world frame (z up, metres) and the lights over them."""

from dataclasses import dataclass, field
import math

from mono_depth_ros.source.draw import Draw
from mono_depth_ros.source.materials import Materials
from mono_depth_ros.source.semantics import Semantic
import numpy as np
from numpy.typing import NDArray

BOX, ELLIPSOID, FRUSTUM, FOLIAGE = range(4)
Array = NDArray[np.float64]


@dataclass(frozen=True)
class WorldConfig:
    """
    What the procedural world varies; every switch off is one ablation.

    With all of them off, flat-coloured rooms are seen by one camera under one light.
    """

    texture: bool = True
    lighting: bool = True
    camera: bool = True
    clutter: bool = True
    imaging: bool = True
    antialias: bool = True


@dataclass(frozen=True)
class Light:
    """A lamp at a point (metres), or the sun where `distant`: then `position` is a direction."""

    position: tuple[float, float, float]
    colour: tuple[float, float, float]
    distant: bool = False
    radius: float = 0.0


@dataclass(frozen=True)
class Lighting:
    """Lights (the first one casts shadows), ambient light from above and below, and the sky."""

    lights: tuple[Light, ...]
    above: tuple[float, float, float]
    below: tuple[float, float, float]
    occlusion_radius: float = 0.25
    occlusion: float = 0.6
    fog: float = 0.0  # 1/m
    zenith: tuple[float, float, float] = (0.5, 0.6, 0.9)
    horizon: tuple[float, float, float] = (0.8, 0.8, 0.85)
    clouds: float = 0.0


@dataclass(frozen=True)
class Scene:
    """
    N primitives; `half` is the half-size of a box, the radii of an ellipsoid or frustum.

    Foliage is leaves in an ellipsoid; the share of its surface without any stands in `taper`.
    """

    kind: NDArray[np.uint8]  # (N,)
    centre: Array  # (N, 3)
    rotation: Array  # (N, 3, 3), world from local
    half: Array  # (N, 3)
    taper: Array  # (N,), a frustum's top radius is (1 - taper) of its base radius
    semantic: NDArray[np.uint8]  # (N,)
    material: NDArray[np.int64]  # (N,)
    casts: NDArray[np.bool_]  # (N,), whether it throws a shadow
    materials: Array  # (M, MATERIAL_WIDTH)
    lighting: Lighting
    ground: tuple[float, float, float, float] = (-1.0, -1.0, 1.0, 1.0)  # x0 y0 x1 y1, walkable
    targets: Array = field(default_factory=lambda: np.zeros((0, 3)))  # (K, 3) worth looking at
    lanes: tuple[float, float] | None = None  # y0 y1 of a road along x


def rotation_matrices(angles: Array) -> Array:
    """Return Rz(yaw) Ry(pitch) Rx(roll), shape (N, 3, 3), of (N, 3) yaw, pitch, roll."""
    (cz, cy, cx), (sz, sy, sx) = np.cos(angles).T, np.sin(angles).T
    rows = [
        [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
        [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
        [-sy, cy * sx, cy * cx],
    ]
    return np.moveaxis(np.array(rows), 2, 0)


class Builder:
    """
    Collects the primitives of one scene.

    Objects are written in a frame of their own: `at` moves that frame. Every shape is given by
    the middle of its foot (x, y, z), so things stand on each other without sums.
    """

    def __init__(self, draw: Draw, config: WorldConfig) -> None:
        self.draw, self.config = draw, config
        wildness = draw.choice((0.0, 0.0, 0.05, 0.3)) if config.texture else 0.0
        self.materials = Materials(draw, texture=config.texture, wildness=wildness)
        self.targets: list[tuple[float, float, float]] = []
        self._rows: list[tuple[float, ...]] = []
        self._taken: list[tuple[float, float, float]] = []
        self._x = self._y = self._z = self._yaw = 0.0

    def __len__(self) -> int:
        return len(self._rows)

    def at(self, x: float, y: float, z: float = 0.0, yaw: float = 0.0) -> None:
        """Move the object frame; the world frame is `at(0, 0)`."""
        self._x, self._y, self._z, self._yaw = x, y, z, yaw

    def world(self, x: float, y: float, z: float = 0.0) -> tuple[float, float, float]:
        """Return a point of the object frame in the world frame."""
        c, s = math.cos(self._yaw), math.sin(self._yaw)
        return self._x + c * x - s * y, self._y + s * x + c * y, self._z + z

    def target(self, x: float, y: float, z: float) -> None:
        """Mark a point of the object frame as one that a camera looks at."""
        self.targets.append(self.world(x, y, z))

    def frame(self) -> tuple[float, float, float, float]:
        """Return the object frame, for a later `at(*frame)`."""
        return self._x, self._y, self._z, self._yaw

    def _add(
        self,
        kind: int,
        foot: tuple[float, float, float],
        half: tuple[float, float, float],
        material: int,
        semantic: Semantic,
        angles: tuple[float, float, float],
        taper: float = 0.0,
        casts: bool = True,
    ) -> None:
        x, y, z = self.world(*foot)
        half = (max(half[0], 5e-4), max(half[1], 5e-4), max(half[2], 5e-4))
        yaw = self._yaw + angles[0]
        self._rows.append(
            (kind, x, y, z + half[2], *half, taper, semantic, material, casts, yaw, *angles[1:])
        )

    def box(
        self,
        foot: tuple[float, float, float],
        size: tuple[float, float, float],
        material: int,
        semantic: Semantic = Semantic.FURNITURE,
        *,
        yaw: float = 0.0,
        pitch: float = 0.0,
        roll: float = 0.0,
        casts: bool = True,
    ) -> None:
        """Add a box of full `size`; pitch and roll turn it about its centre."""
        half = (size[0] / 2, size[1] / 2, size[2] / 2)
        self._add(BOX, foot, half, material, semantic, (yaw, pitch, roll), casts=casts)

    def ellipsoid(
        self,
        foot: tuple[float, float, float],
        size: tuple[float, float, float],
        material: int,
        semantic: Semantic = Semantic.OTHER,
        *,
        yaw: float = 0.0,
        pitch: float = 0.0,
        roll: float = 0.0,
    ) -> None:
        """Add an ellipsoid of full `size`."""
        half = (size[0] / 2, size[1] / 2, size[2] / 2)
        self._add(ELLIPSOID, foot, half, material, semantic, (yaw, pitch, roll))

    def foliage(
        self,
        foot: tuple[float, float, float],
        size: tuple[float, float, float],
        material: int,
        *,
        holes: float = 0.4,
        yaw: float = 0.0,
        pitch: float = 0.0,
    ) -> None:
        """Add leaves in an ellipsoid of full `size`, a share `holes` of whose surface has none."""
        half = (size[0] / 2, size[1] / 2, size[2] / 2)
        angles = (yaw, pitch, 0.0)
        self._add(FOLIAGE, foot, half, material, Semantic.VEGETATION, angles, holes)

    def frustum(
        self,
        foot: tuple[float, float, float],
        size: tuple[float, float, float],
        material: int,
        semantic: Semantic = Semantic.OTHER,
        *,
        taper: float = 0.0,
        yaw: float = 0.0,
        pitch: float = 0.0,
        roll: float = 0.0,
    ) -> None:
        """Add a cylinder (taper 0), a cone (1) or what is between; `size` is that of its base."""
        half = (size[0] / 2, size[1] / 2, size[2] / 2)
        self._add(FRUSTUM, foot, half, material, semantic, (yaw, pitch, roll), taper)

    def take(self, x: float, y: float, radius: float, *, force: bool = False) -> bool:
        """Reserve a disc of the floor for an object; False where another one stands."""
        if not force and any(
            math.hypot(x - a, y - b) < 0.85 * (radius + r) for a, b, r in self._taken
        ):
            return False
        self._taken.append((x, y, radius))
        return True

    def build(
        self,
        lighting: Lighting,
        ground: tuple[float, float, float, float],
        lanes: tuple[float, float] | None = None,
    ) -> Scene:
        """Return the scene collected so far."""
        rows = np.array(self._rows, dtype=np.float64)
        return Scene(
            kind=rows[:, 0].astype(np.uint8),
            centre=rows[:, 1:4],
            half=rows[:, 4:7],
            taper=rows[:, 7],
            semantic=rows[:, 8].astype(np.uint8),
            material=rows[:, 9].astype(np.int64),
            casts=rows[:, 10] > 0,
            rotation=rotation_matrices(rows[:, 11:14]),
            materials=np.array(self.materials.rows, dtype=np.float64),
            lighting=lighting,
            ground=ground,
            lanes=lanes,
            targets=np.array(self.targets, dtype=np.float64).reshape(-1, 3),
        )
