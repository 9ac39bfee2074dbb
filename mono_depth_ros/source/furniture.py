# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Furniture and people; fronts face -y of the object frame, backs stand at y = 0 or about it."""

import math

from mono_depth_ros.source.clutter import books, monitor, strew
from mono_depth_ros.source.scene import Builder
from mono_depth_ros.source.semantics import Semantic

OTHER, PERSON = Semantic.OTHER, Semantic.PERSON


def _load(b: Builder) -> int:
    """Return how many things stand on a surface: none, some, many, too many."""
    return b.draw.choice((0, 1, 2, 3, 4, 6, 9, 13, 18)) if len(b) < 240 else 2


def _legs(b: Builder, w: float, d: float, h: float, thick: float, material: int) -> None:
    round_ = b.draw.chance(0.3)
    for sx in (-1, 1):
        for sy in (-1, 1):
            place = (sx * (w / 2 - thick), sy * (d / 2 - thick), 0.0)
            if round_:
                b.frustum(place, (thick, thick, h), material, Semantic.FURNITURE)
            else:
                b.box(place, (thick, thick, h), material)


def table(b: Builder) -> None:
    """Add a dining, coffee or side table with what stands on it, and chairs around it."""
    w, d = b.draw.uniform(0.5, 2.2), b.draw.uniform(0.5, 1.1)
    h = b.draw.choice((0.4, 0.72, 0.75, 0.75, 0.9)) + b.draw.normal(0.03)
    top = b.materials.new('wood', 'wood', 'lacquer', 'stone', 'plastic', 'glass')
    leg = top if b.draw.chance(0.5) else b.materials.new('metal', 'wood', 'lacquer')
    thick = b.draw.uniform(0.018, 0.06)
    round_ = b.draw.chance(0.2)
    if round_:
        w = d = b.draw.uniform(0.5, 1.3)
        b.frustum((0, 0, h - thick), (w, w, thick), top, Semantic.FURNITURE)
        b.frustum((0, 0, 0), (0.1, 0.1, h - thick), leg, Semantic.FURNITURE)
        b.frustum((0, 0, 0), (0.5 * w, 0.5 * w, 0.03), leg, Semantic.FURNITURE)
    else:
        b.box((0, 0, h - thick), (w, d, thick), top)
        _legs(b, w, d, h - thick, b.draw.uniform(0.03, 0.1), leg)
        if b.draw.chance(0.4):
            b.box((0, 0, h - thick - 0.08), (0.9 * w, 0.9 * d, 0.08), leg)
    reach = 0.33 if round_ else 0.45
    strew(b, (-reach * w, reach * w), (-reach * d, reach * d), h, _load(b))
    b.target(b.draw.uniform(-0.4, 0.4) * w, b.draw.uniform(-0.4, 0.4) * d, h)
    if h < 0.6 or not b.config.clutter:
        return
    frame, kind = b.frame(), ChairLook(b)
    for _ in range(b.draw.integer(0, 5)):
        side = b.draw.integer(0, 3)
        along = b.draw.uniform(-0.4, 0.4) * (w if side % 2 == 0 else d)
        out = (d if side % 2 == 0 else w) / 2 + b.draw.uniform(-0.2, 0.5)
        angle = side * math.pi / 2 + math.pi
        c, s = math.cos(angle), math.sin(angle)
        x, y, _ = b.world(c * along + s * out, s * along - c * out)
        b.at(x, y, frame[2], frame[3] + angle + b.draw.normal(0.3) + math.pi)
        chair(b, kind)
        b.at(*frame)


class ChairLook:
    """Materials and measures that the chairs around one table share."""

    def __init__(self, b: Builder) -> None:
        self.wood = b.materials.new('wood', 'wood', 'plastic', 'metal', 'lacquer')
        self.seat = self.wood if b.draw.chance(0.5) else b.materials.new('fabric', 'plastic')
        self.w, self.h = b.draw.uniform(0.38, 0.52), b.draw.uniform(0.4, 0.48)
        self.back = b.draw.uniform(0.35, 0.6)
        self.slats = b.draw.choice((0, 0, 2, 3, 4))
        self.thick = b.draw.uniform(0.025, 0.05)
        self.swivel = b.draw.chance(0.25)


def chair(b: Builder, look: ChairLook | None = None) -> None:
    """Add a chair whose back is at +y."""
    look = look or ChairLook(b)
    w, h, t = look.w, look.h, look.thick
    b.box((0, 0, h - 0.04), (w, w, b.draw.uniform(0.03, 0.08)), look.seat)
    lean = b.draw.uniform(-0.2, 0.0)
    if look.swivel:
        b.frustum((0, 0, 0.08), (0.05, 0.05, h - 0.1), look.wood, Semantic.FURNITURE)
        for k in range(3):
            b.box((0, 0, 0.05), (0.62, 0.05, 0.05), look.wood, yaw=k * math.pi / 3)
        b.box((0, w / 2, h + 0.1), (w, 0.06, look.back), look.seat, roll=lean)
        if b.draw.chance(0.5):
            for sx in (-1, 1):
                b.box((sx * w * 0.55, 0, h + 0.15), (0.06, 0.3, 0.03), look.wood)
        return
    _legs(b, w, w, h - 0.04, t, look.wood)
    y = w / 2 - t / 2 + 0.5 * look.back * math.sin(-lean)
    if look.slats:
        for sx in (-1, 1):
            b.box((sx * (w - t) / 2, y, h), (t, t, look.back), look.wood, roll=lean)
        for k in range(look.slats):
            z = look.back * (k + 0.6) / look.slats
            shift = (z - look.back / 2) * math.sin(-lean)
            b.box((0, y + shift, h + z - 0.04), (w - t, 0.02, 0.07), look.wood, roll=lean)
    else:
        b.box((0, y, h + 0.02), (w, 0.03, look.back), look.seat, roll=lean)


def desk(b: Builder) -> None:
    """Add a desk against a wall, with a monitor and a chair."""
    w, d, h = b.draw.uniform(0.9, 1.9), b.draw.uniform(0.55, 0.85), b.draw.uniform(0.68, 0.78)
    top = b.materials.new('wood', 'lacquer', 'plastic')
    b.box((0, -d / 2, h - 0.03), (w, d, 0.03), top)
    frame = b.frame()
    b.at(*b.world(0, -d / 2)[:2], frame[2], frame[3])
    _legs(b, w, d, h - 0.03, 0.05, b.materials.new('metal', 'wood'))
    b.at(*frame)
    if b.draw.chance(0.5):
        b.box((w / 2 - 0.25, -d / 2, 0.05), (0.42, 0.5, h - 0.1), b.materials.new('cupboard'))
    if b.config.clutter:
        for _ in range(b.draw.integer(0, 2)):
            monitor(b, b.draw.uniform(-0.3, 0.3) * w, -0.25, h, b.draw.normal(0.3))
        if b.draw.chance(0.6):
            keys = b.materials.new('keys')
            b.box((b.draw.normal(0.1), -0.55, h), (0.44, 0.14, 0.02), keys, OTHER)
    strew(b, (-0.45 * w, 0.45 * w), (-0.9 * d, -0.1 * d), h, _load(b))
    b.target(b.draw.uniform(-0.3, 0.3) * w, -d / 2, h)
    if b.draw.chance(0.7):
        x, y, z = b.world(b.draw.normal(0.2), -d - b.draw.uniform(-0.1, 0.4))
        b.at(x, y, z, frame[3] + math.pi + b.draw.normal(0.5))
        chair(b)
        b.at(*frame)


def shelf(b: Builder) -> None:
    """Add a bookcase against a wall."""
    w, d, h = b.draw.uniform(0.5, 1.8), b.draw.uniform(0.25, 0.45), b.draw.uniform(0.7, 2.3)
    wood = b.materials.new('wood', 'lacquer', 'metal')
    for sx in (-1, 1):
        b.box((sx * w / 2, -d / 2, 0), (0.025, d, h), wood)
    if b.draw.chance(0.6):
        b.box((0, -0.01, 0), (w, 0.01, h), wood)
    boards = max(2, round(h / b.draw.uniform(0.28, 0.45)))
    for k in range(boards + 1):
        z = 0.05 + (h - 0.07) * k / boards
        b.box((0, -d / 2, z), (w, d, 0.022), wood)
        if k < boards:
            books(b, (-w / 2 + 0.02, w / 2), -d / 2 - 0.02, z + 0.022, (h - 0.07) / boards - 0.03)
    strew(b, (-0.4 * w, 0.4 * w), (-0.8 * d, -0.2 * d), h, b.draw.integer(0, 3))
    b.target(0, -d, b.draw.uniform(0.2, 0.9) * h)


def cupboard(b: Builder) -> None:
    """Add a wardrobe, chest of drawers or fridge against a wall."""
    w, d, h = b.draw.uniform(0.4, 1.6), b.draw.uniform(0.35, 0.65), b.draw.uniform(0.6, 2.2)
    body = b.materials.new('wood', 'lacquer', 'metal', 'plastic')
    b.box((0, -d / 2, 0), (w, d, h), body)
    if b.draw.chance(0.7):
        front = b.materials.new('cupboard')
        b.box((0, -d - 0.009, 0.06), (w - 0.02, 0.018, h - 0.08), front)
    if h < 1.5:
        strew(b, (-0.4 * w, 0.4 * w), (-0.8 * d, -0.2 * d), h, _load(b))
        b.target(0, -d, h)


def counter(b: Builder, w: float) -> None:
    """Add a kitchen run of length w against a wall: units, worktop, splash-back, wall units."""
    d, h = b.draw.uniform(0.55, 0.68), b.draw.uniform(0.84, 0.95)
    front = b.materials.new('lacquer', 'wood', 'plastic', 'cupboard')
    body = front if b.draw.chance(0.5) else b.materials.new('lacquer', 'plastic')
    metal = b.materials.new('metal', 'plastic')
    b.box((0, -d / 2 + 0.03, 0), (w, d - 0.08, 0.1), b.materials.new('plastic', 'metal', 'wood'))
    b.box((0, -d / 2, 0.1), (w, d - 0.02, h - 0.14), body)
    units = max(1, round(w / b.draw.uniform(0.4, 0.65)))
    step = w / units
    upright = b.draw.chance(0.3)
    for k in range(units):
        x = (k + 0.5) * step - w / 2
        b.box((x, -d, 0.11), (step - 0.006, 0.02, h - 0.16), front)
        if upright:
            b.box((x + 0.4 * step, -d - 0.025, h - 0.3), (0.015, 0.02, 0.18), metal)
        else:
            b.box((x, -d - 0.025, h - 0.12), (0.4 * step, 0.02, 0.015), metal)
    top = b.materials.new('stone', 'stone', 'wood', 'plastic')
    b.box((0, -d / 2 - 0.02, h - 0.04), (w + 0.03, d + 0.04, 0.04), top)
    if b.draw.chance(0.6):
        b.box((0, -0.005, h), (w, 0.01, 0.55), b.materials.new('tile', 'lacquer'), Semantic.WALL)
    if b.draw.chance(0.4):
        x = b.draw.uniform(-0.3, 0.3) * w
        b.box((x, -d / 2, h), (0.5, 0.4, 0.004), metal)
        b.frustum((x, -0.12, h), (0.03, 0.03, 0.25), metal)
        b.box((x, -0.2, h + 0.25), (0.03, 0.2, 0.03), metal)
    if b.draw.chance(0.4):
        x = b.draw.uniform(-0.3, 0.3) * w
        b.box((x, -d / 2, h), (0.58, 0.5, 0.008), b.materials.new('rubber', 'glass'))
    strew(b, (-0.45 * w, 0.45 * w), (-0.75 * d, -0.15 * d), h, _load(b) + b.draw.integer(0, 3))
    for _ in range(2):
        b.target(b.draw.uniform(-0.4, 0.4) * w, -d / 2, b.draw.uniform(0.6, 1.1) * h)
    if b.draw.chance(0.6):
        z, hung = b.draw.uniform(1.35, 1.55), b.draw.uniform(0.5, 0.8)
        for k in range(units):
            if b.draw.chance(0.85):
                x = (k + 0.5) * step - w / 2
                b.box((x, -0.17, z), (step - 0.005, 0.33, hung), front)
                b.box((x + 0.4 * step, -0.35, z + 0.03), (0.015, 0.02, 0.12), metal)


def sofa(b: Builder) -> None:
    """Add a sofa or armchair, its back at y = 0."""
    w, d, h = b.draw.uniform(0.8, 2.4), b.draw.uniform(0.8, 1.0), b.draw.uniform(0.38, 0.46)
    cloth = b.materials.new('fabric', 'fabric', 'lacquer')
    b.box((0, -d / 2, 0.05), (w, d, h - 0.15), cloth)
    b.box((0, -0.12, 0.1), (w, 0.24, b.draw.uniform(0.55, 0.85)), cloth, roll=-0.1)
    for sx in (-1, 1):
        b.box((sx * (w / 2 - 0.09), -d / 2, 0.05), (0.18, d, b.draw.uniform(0.5, 0.62)), cloth)
    seats = max(1, round((w - 0.36) / 0.65))
    step = (w - 0.36) / seats
    for k in range(seats):
        x = (k + 0.5) * step - (w - 0.36) / 2
        b.box((x, -d / 2 - 0.1, h - 0.1), (step - 0.01, d - 0.2, 0.14), cloth)
        if b.draw.chance(0.5) and b.config.clutter:
            pillow = b.materials.new('fabric', 'carpet')
            b.ellipsoid((x, -0.35, h + 0.03), (0.45, 0.18, 0.42), pillow, roll=-0.3)
    b.target(0, -d / 2, h)


def bed(b: Builder) -> None:
    """Add a bed, its head at y = 0."""
    w, d, h = b.draw.uniform(0.9, 1.9), b.draw.uniform(1.9, 2.1), b.draw.uniform(0.35, 0.6)
    frame = b.materials.new('wood', 'fabric', 'lacquer')
    cloth = b.materials.new('fabric', 'carpet')
    b.box((0, -d / 2, 0.1), (w, d, h - 0.3), frame)
    b.box((0, -d / 2, h - 0.2), (w - 0.04, d - 0.04, 0.2), b.materials.new('fabric'))
    b.box((0, -d / 2 - 0.25, h - 0.15), (w + 0.03, d - 0.5, 0.18), cloth)
    b.box((0, -0.03, 0), (w, 0.06, b.draw.uniform(0.6, 1.2)), frame)
    pillow = b.materials.new('fabric')
    for sx in (-0.24, 0.24):
        b.ellipsoid((sx * w, -0.35, h - 0.02), (0.42 * w, 0.4, 0.18), pillow)
    b.target(0, -d / 2, h)


def stairs(b: Builder) -> None:
    """Add a straight flight of stairs that climbs towards +y."""
    n, rise, tread = b.draw.integer(3, 14), b.draw.uniform(0.15, 0.2), b.draw.uniform(0.24, 0.32)
    w = b.draw.uniform(0.8, 1.4)
    material = b.materials.new('wood', 'stone', 'concrete', 'carpet')
    for k in range(n):
        b.box((0, (k - n / 2) * tread, 0), (w, tread, (k + 1) * rise), material, Semantic.FLOOR)
    b.target(0, 0, n * rise / 2)


def person(b: Builder) -> None:
    """Add a standing or walking figure."""
    h = b.draw.uniform(1.1, 1.95)
    top, legs = b.materials.new('fabric'), b.materials.new('fabric')
    skin, stride = b.materials.new('skin'), b.draw.normal(0.2)
    for sx in (-1, 1):
        b.frustum(
            (sx * 0.05 * h, 0.25 * h * math.sin(sx * stride), 0), (0.085 * h, 0.09 * h, 0.5 * h),
            legs, PERSON, taper=-0.3, roll=sx * stride,
        )  # fmt: skip
        b.box((sx * 0.05 * h, 0.5 * h * math.sin(sx * stride) - 0.03, 0), (0.09, 0.26, 0.07),
              b.materials.new('rubber'), PERSON)  # fmt: skip
        swing = -sx * stride * 1.5
        b.frustum(
            (sx * 0.13 * h, 0.17 * h * math.sin(-swing), 0.47 * h), (0.05 * h, 0.05 * h, 0.34 * h),
            top, PERSON, taper=-0.3, roll=swing,
        )  # fmt: skip
    b.ellipsoid((0, 0, 0.44 * h), (0.24 * h, 0.15 * h, 0.42 * h), top, PERSON)
    b.frustum((0, 0, 0.8 * h), (0.06 * h, 0.06 * h, 0.08 * h), skin, PERSON)
    b.ellipsoid((0, 0, 0.86 * h), (0.1 * h, 0.12 * h, 0.14 * h), skin, PERSON)
    hair = b.materials.new('hair', 'fabric')
    b.ellipsoid((0, 0.015 * h, 0.9 * h), (0.105 * h, 0.12 * h, 0.105 * h), hair, PERSON)
    b.target(0, 0, 0.6 * h)


def column(b: Builder, height: float) -> None:
    """Add a floor-to-ceiling column."""
    d = b.draw.uniform(0.15, 0.6)
    material = b.materials.new('concrete', 'paint', 'metal', 'tile', 'brick')
    if b.draw.chance(0.5):
        b.frustum((0, 0, 0), (d, d, height), material, Semantic.WALL)
    else:
        b.box((0, 0, 0), (d, d, height), material, Semantic.WALL)


def floor_lamp(b: Builder) -> None:
    """Add a standing lamp."""
    h, metal = b.draw.uniform(1.2, 1.8), b.materials.new('metal', 'plastic', 'wood')
    b.frustum((0, 0, 0), (0.3, 0.3, 0.03), metal)
    b.frustum((0, 0, 0), (0.03, 0.03, h), metal)
    shade = b.materials.new('light', 'fabric')
    b.frustum((0, 0, h), (0.4, 0.4, 0.3), shade, taper=b.draw.uniform(0, 0.6))


def boxes(b: Builder) -> None:
    """Add a stack of cartons or crates."""
    material = b.materials.new('cardboard', 'plastic', 'wood')
    z = 0.0
    for _ in range(b.draw.integer(1, 4)):
        if b.draw.chance(0.3):
            material = b.materials.new('cardboard', 'plastic', 'poster', 'metal')
        w, d, h = (b.draw.uniform(0.2, 0.7) for _ in range(3))
        b.box((b.draw.normal(0.05), b.draw.normal(0.05), z), (w, d, h), material, OTHER,
              yaw=b.draw.normal(0.3))  # fmt: skip
        z += h
    b.target(0, 0, z / 2)


def bin_(b: Builder) -> None:
    """Add a waste bin or bucket."""
    d, h = b.draw.uniform(0.2, 0.45), b.draw.uniform(0.25, 0.9)
    b.frustum((0, 0, 0), (d, d, h), b.materials.new('plastic', 'metal'), taper=-0.25)
    b.frustum((0, 0, h), (1.1 * d, 1.1 * d, 0.01), b.materials.new('rubber', 'plastic'))


def pallet(b: Builder) -> None:
    """Add a pallet with a load."""
    wood = b.materials.new('wood', 'wood', 'plastic')
    for y in (-0.35, 0.0, 0.35):
        b.box((0, y, 0), (1.2, 0.1, 0.1), wood)
    b.box((0, 0, 0.1), (1.2, 0.8, 0.03), wood)
    load = b.materials.new('cardboard', 'plastic', 'fabric', 'poster')
    layers = b.draw.integer(0, 4)
    size = b.draw.choice(((0.6, 0.4), (0.4, 0.4), (1.2, 0.8), (0.3, 0.4)))
    h = b.draw.uniform(0.2, 0.45)
    for k in range(layers):
        for i in range(round(1.2 / size[0])):
            for j in range(round(0.8 / size[1])):
                if k + 1 == layers and b.draw.chance(0.3):
                    continue
                place = ((i + 0.5) * size[0] - 0.6, (j + 0.5) * size[1] - 0.4, 0.13 + k * h)
                b.box(place, (size[0] - 0.01, size[1] - 0.01, h - 0.005), load, OTHER)
    b.target(0, 0, 0.5)


def rack(b: Builder, w: float, h: float) -> None:
    """Add a warehouse rack of length w along x, open on both sides."""
    post, beam = b.materials.new('metal', 'lacquer'), b.materials.new('lacquer')
    d, bays = b.draw.uniform(0.6, 1.1), max(1, round(w / b.draw.uniform(1.8, 2.8)))
    levels = max(1, round(h / b.draw.uniform(1.0, 1.7)))
    for k in range(bays + 1):
        for y in (-d / 2, d / 2):
            b.box((w * (k / bays - 0.5), y, 0), (0.09, 0.06, h), post)
    loads = [b.materials.new('cardboard', 'plastic', 'poster', 'wood') for _ in range(4)]
    for level in range(levels):
        z = h * level / levels
        if level:
            for y in (-d / 2, d / 2):
                b.box((0, y, z), (w, 0.05, 0.1), beam)
            b.box((0, 0, z + 0.08), (w, d, 0.02), b.materials.new('wood', 'metal'))
        for k in range(bays):
            x0 = w * (k / bays - 0.5) + 0.1
            u = 0.0
            while u < w / bays - 0.4 and b.config.clutter and len(b) < 330:
                size = b.draw.uniform(0.3, 1.1), b.draw.uniform(0.4, 0.9) * d
                tall = b.draw.uniform(0.2, 0.85) * h / levels
                if b.draw.chance(0.8):
                    b.box((x0 + u + size[0] / 2, 0, z + 0.1), (*size, tall), b.draw.choice(loads),
                          OTHER)  # fmt: skip
                u += size[0] + b.draw.uniform(0.01, 0.3)
    b.target(0, 0, min(h / 2, 1.5))
