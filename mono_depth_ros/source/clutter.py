# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small things: what stands and lies on tables, shelves and floors."""

import math

from mono_depth_ros.source.scene import Builder
from mono_depth_ros.source.semantics import Semantic

OTHER = Semantic.OTHER


def _mug(b: Builder, x: float, y: float, z: float) -> None:
    r, h = b.draw.uniform(0.03, 0.055), b.draw.uniform(0.07, 0.14)
    body = b.materials.new('plastic', 'lacquer', 'poster')
    b.frustum((x, y, z), (2 * r, 2 * r, h), body, taper=b.draw.uniform(-0.3, 0.2))
    b.frustum((x, y, z + h), (1.7 * r, 1.7 * r, 0.002), b.materials.new('plastic', dim=0.4))
    b.box((x + r * 1.2, y, z + 0.2 * h), (0.5 * r, 0.012, 0.6 * h), body, OTHER)


def _bottle(b: Builder, x: float, y: float, z: float) -> None:
    r, h = b.draw.uniform(0.025, 0.05), b.draw.uniform(0.12, 0.26)
    body = b.materials.new('plastic', 'glass', 'poster')
    b.frustum((x, y, z), (2 * r, 2 * r, h), body)
    b.frustum((x, y, z + h), (2 * r, 2 * r, 0.04), body, taper=0.6)
    b.frustum((x, y, z + h + 0.04), (0.8 * r, 0.8 * r, 0.03), b.materials.new('plastic'))


def _carton(b: Builder, x: float, y: float, z: float) -> None:
    size = (b.draw.log_uniform(0.04, 0.3), b.draw.log_uniform(0.05, 0.3))
    material = b.materials.new('poster', 'cardboard', 'plastic', 'cupboard')
    yaw = b.draw.uniform(0, math.pi)
    b.box((x, y, z), (*size, b.draw.log_uniform(0.04, 0.35)), material, OTHER, yaw=yaw)


def _papers(b: Builder, x: float, y: float, z: float) -> None:
    for k in range(b.draw.integer(1, 5)):
        a, c = b.draw.choice(((0.21, 0.3), (0.15, 0.21), (0.2, 0.26), (0.07, 0.15)))
        thick = b.draw.choice((0.002, 0.002, 0.006, 0.02, 0.035))
        place = (x + b.draw.normal(0.09 * (k > 0)), y + b.draw.normal(0.09 * (k > 0)), z)
        material = b.materials.new('paper', 'poster', 'plastic')
        b.box(place, (a, c, thick), material, OTHER, yaw=b.draw.uniform(0, math.pi))
        z += thick * b.draw.chance(0.7)


def _plate(b: Builder, x: float, y: float, z: float) -> None:
    d = b.draw.uniform(0.12, 0.34)
    material = b.materials.new('plastic', 'lacquer', 'metal')
    b.frustum((x, y, z), (d, d, b.draw.uniform(0.01, 0.09)), material, taper=-0.4)
    for _ in range(b.draw.integer(0, 4)):
        r = b.draw.uniform(0.03, 0.08)
        place = (x + b.draw.normal(0.05), y + b.draw.normal(0.05), z + 0.01)
        b.ellipsoid(place, (r, r, r), b.materials.new('plastic', 'foliage'))


def _laptop(b: Builder, x: float, y: float, z: float) -> None:
    w, d = b.draw.uniform(0.28, 0.4), b.draw.uniform(0.2, 0.27)
    yaw, open_ = b.draw.uniform(-0.6, 0.6), b.draw.uniform(0.1, 0.5)
    shell = b.materials.new('plastic', 'metal')
    b.box((x, y, z), (w, d, 0.015), shell, OTHER, yaw=yaw)
    b.box((x, y, z + 0.015), (w * 0.9, d * 0.8, 0.001), b.materials.new('keys'), OTHER, yaw=yaw)
    c, s = math.cos(yaw), math.sin(yaw)
    back = d / 2 + 0.5 * d * math.sin(open_)
    place = (x - s * back, y + c * back, z + 0.015)
    b.box(place, (w, 0.008, d), shell, OTHER, yaw=yaw, roll=-open_)
    place = (x - s * (back - 0.006), y + c * (back - 0.006), z + 0.02)
    screen = b.materials.new('screen')
    b.box(place, (w * 0.94, 0.002, d * 0.9), screen, OTHER, yaw=yaw, roll=-open_)


def monitor(b: Builder, x: float, y: float, z: float, yaw: float = 0.0) -> None:
    """Add a screen on a foot, facing -y."""
    w = b.draw.uniform(0.4, 0.8)
    h = w * b.draw.uniform(0.5, 0.7)
    shell = b.materials.new('plastic', dim=0.6)
    b.box((x, y, z), (0.2, 0.18, 0.015), shell, OTHER, yaw=yaw)
    b.box((x, y, z), (0.05, 0.04, 0.25), shell, OTHER, yaw=yaw)
    b.box((x, y, z + 0.1), (w, 0.04, h), shell, OTHER, yaw=yaw)
    c, s = math.cos(yaw), math.sin(yaw)
    place = (x + 0.021 * s, y - 0.021 * c, z + 0.115)
    b.box(place, (w * 0.95, 0.004, h * 0.93), b.materials.new('screen'), OTHER, yaw=yaw)


def _lamp(b: Builder, x: float, y: float, z: float) -> None:
    h, d = b.draw.uniform(0.2, 0.45), b.draw.uniform(0.12, 0.3)
    b.frustum((x, y, z), (0.12, 0.12, 0.02), b.materials.new('metal', 'plastic'))
    b.frustum((x, y, z), (0.02, 0.02, h), b.materials.new('metal', 'plastic'))
    shade = b.materials.new('light', 'fabric')
    b.frustum((x, y, z + h), (d, d, 0.7 * d), shade, taper=b.draw.uniform(0, 0.6))


def plant(b: Builder, x: float, y: float, z: float, size: float = 0.3) -> None:
    """Add a pot with leaves; `size` is the height of the pot's plant in metres."""
    pot = b.materials.new('plastic', 'stone', 'brick')
    w = size * b.draw.uniform(0.35, 0.6)
    b.frustum((x, y, z), (w, w, 0.4 * size), pot, taper=-0.3)
    leaf = b.materials.new('foliage')
    for _ in range(b.draw.integer(3, 9)):
        a, r = b.draw.uniform(0, 2 * math.pi), b.draw.uniform(0.0, 0.35) * size
        long = size * b.draw.uniform(0.3, 0.7)
        b.ellipsoid(
            (x + r * math.cos(a), y + r * math.sin(a), z + size * b.draw.uniform(0.35, 0.8)),
            (long, 0.35 * long, 0.15 * long if b.draw.chance(0.6) else 0.7 * long),
            leaf,
            Semantic.VEGETATION,
            yaw=a,
            pitch=b.draw.uniform(-1.2, 0.3),
        )


def _plant(b: Builder, x: float, y: float, z: float) -> None:
    plant(b, x, y, z, b.draw.uniform(0.15, 0.4))


def _ball(b: Builder, x: float, y: float, z: float) -> None:
    d = b.draw.log_uniform(0.04, 0.25)
    b.ellipsoid((x, y, z), (d, d, d), b.materials.new('plastic', 'lacquer', 'poster', 'fabric'))


def _tin(b: Builder, x: float, y: float, z: float) -> None:
    d, h = b.draw.log_uniform(0.04, 0.25), b.draw.log_uniform(0.05, 0.35)
    material = b.materials.new('metal', 'plastic', 'poster')
    b.frustum((x, y, z), (d, d, h), material, taper=b.draw.uniform(-0.3, 0.5))


def _standing(b: Builder, x: float, y: float, z: float) -> None:
    """Add a frame, tablet or leaflet leaning back."""
    w, h = b.draw.uniform(0.1, 0.3), b.draw.uniform(0.12, 0.35)
    yaw, lean = b.draw.uniform(-0.7, 0.7), b.draw.uniform(0.05, 0.4)
    b.box((x, y, z), (w, 0.015, h), b.materials.new('poster', 'paper'), OTHER, yaw=yaw, roll=-lean)


def _jumble(b: Builder, x: float, y: float, z: float) -> None:
    """Add a heap of shapes without a name."""
    for _ in range(b.draw.integer(2, 5)):
        place = (x + b.draw.normal(0.06), y + b.draw.normal(0.06), z)
        size = (
            b.draw.log_uniform(0.02, 0.2),
            b.draw.log_uniform(0.02, 0.2),
            b.draw.uniform(0.02, 0.15),
        )
        material = b.materials.new('plastic', 'metal', 'fabric', 'wood')
        shape = b.draw.choice((b.box, b.ellipsoid, b.frustum))
        shape(place, size, material, OTHER, yaw=b.draw.uniform(0, 3), pitch=b.draw.normal(0.2))


def _row(b: Builder, x: float, y: float, z: float) -> None:
    """Add jars, cans or packets of one kind side by side."""
    size = (b.draw.uniform(0.03, 0.1), b.draw.uniform(0.03, 0.1), b.draw.uniform(0.05, 0.22))
    yaw, step = b.draw.uniform(-0.5, 0.5), 1.15 * size[0]
    upright = b.draw.chance(0.5)
    for k in range(b.draw.integer(2, 5)):
        if k == 0 or b.draw.chance(0.4):
            material = b.materials.new('plastic', 'poster', 'metal', 'glass', 'cardboard')
        place = (x + k * step * math.cos(yaw), y + k * step * math.sin(yaw), z)
        if upright:
            b.box(place, size, material, OTHER, yaw=yaw)
        else:
            b.frustum(place, size, material, OTHER, yaw=yaw)


def _sticks(b: Builder, x: float, y: float, z: float) -> None:
    """Add pens, spoons or tools: a few in a cup, or lying about."""
    material = b.materials.new('metal', 'plastic', 'wood')
    thick, long = b.draw.uniform(0.006, 0.02), b.draw.uniform(0.12, 0.28)
    cup = b.draw.chance(0.5)
    if cup:
        b.frustum((x, y, z), (0.09, 0.09, 0.1), b.materials.new('plastic', 'metal', 'lacquer'))
    for _ in range(b.draw.integer(2, 5)):
        if cup:
            place = (x + b.draw.normal(0.015), y + b.draw.normal(0.015), z + 0.02)
            size = (thick, thick, long)
            lean = (b.draw.normal(0.2), b.draw.normal(0.2))
            b.box(place, size, material, OTHER, pitch=lean[0], roll=lean[1])
        else:
            place = (x + b.draw.normal(0.06), y + b.draw.normal(0.06), z)
            b.box(place, (long, thick, thick), material, OTHER, yaw=b.draw.uniform(0, math.pi))


SMALL = (
    _mug, _mug, _bottle, _bottle, _carton, _carton, _papers, _papers, _plate, _laptop,
    _lamp, _plant, _ball, _tin, _tin, _standing, _jumble, _row, _row, _sticks,
)  # fmt: skip


def strew(
    b: Builder,
    x: tuple[float, float],
    y: tuple[float, float],
    z: float,
    count: int,
    *,
    headroom: float = 9.0,
) -> None:
    """Put `count` small things on the rectangle x, y of the object frame at height z."""
    if not b.config.clutter:
        return
    for _ in range(count):
        things = SMALL if headroom > 0.4 else (_mug, _papers, _tin, _plate, _ball)
        place = (b.draw.uniform(*x), b.draw.uniform(*y), z)
        b.draw.choice(things)(b, *place)
    if count and b.draw.chance(0.5):
        b.target(b.draw.uniform(*x), b.draw.uniform(*y), z + 0.05)


def books(b: Builder, x: tuple[float, float], y: float, z: float, height: float) -> None:
    """Fill a shelf board with upright books between x[0] and x[1]; backs face -y."""
    u = x[0]
    while u < x[1] - 0.08:
        if not b.config.clutter:
            return
        if b.draw.chance(0.3):  # a row of books as one block with painted backs
            width = min(b.draw.uniform(0.1, 0.5), x[1] - u)
            size = (width, b.draw.uniform(0.12, 0.22), height * b.draw.uniform(0.55, 0.9))
            b.box((u + width / 2, y, z), size, b.materials.new('books'), OTHER)
            u += width
        elif b.draw.chance(0.5):
            for _ in range(b.draw.integer(1, 4)):
                w = b.draw.uniform(0.015, 0.06)
                size = (w, b.draw.uniform(0.12, 0.22), height * b.draw.uniform(0.5, 0.92))
                b.box((u + w / 2, y, z), size, b.materials.new('plastic', 'poster'), OTHER)
                u += w
        elif b.draw.chance(0.6):
            b.draw.choice((_tin, _carton, _mug, _ball, _bottle))(b, u + 0.08, y, z)
            u += 0.2
        else:
            u += b.draw.uniform(0.05, 0.4)
