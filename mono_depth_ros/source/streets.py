# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Outdoor scenes: a street with pavements, buildings, vehicles, trees and people."""

from __future__ import annotations

from dataclasses import dataclass
import math

from mono_depth_ros.source.clutter import strew
from mono_depth_ros.source.draw import Draw
from mono_depth_ros.source.furniture import person
from mono_depth_ros.source.scene import Builder, Light, Lighting, Scene, WorldConfig
from mono_depth_ros.source.semantics import Semantic

WALL, FLOOR, VEHICLE = Semantic.WALL, Semantic.FLOOR, Semantic.FURNITURE
GREEN, OTHER = Semantic.VEGETATION, Semantic.OTHER
_BACK, _AHEAD = -40.0, 130.0  # the street along x, metres


def car(b: Builder) -> None:
    """Add a car or van that heads along +x; far from the cameras without its small parts."""
    far = b.frame()[0] > 45
    van = b.draw.chance(0.25)
    length, w = b.draw.uniform(3.6, 5.2), b.draw.uniform(1.65, 1.95)
    h = b.draw.uniform(1.9, 2.6) if van else b.draw.uniform(1.38, 1.75)
    paint, glass = b.materials.new('car_paint'), b.materials.new('glass', dim=0.5)
    rubber, lamp = b.materials.new('rubber'), b.materials.new('light', 'metal')
    waist = 0.55 * h if not van else 0.62 * h
    b.box((0, 0, 0.22), (length, w, waist - 0.22), paint)
    b.ellipsoid((length / 2 - 0.25, 0, 0.3), (0.7, w, waist - 0.32), paint, VEHICLE)
    b.ellipsoid((0.25 - length / 2, 0, 0.3), (0.7, w, waist - 0.32), paint, VEHICLE)
    cabin = length * (0.8 if van else b.draw.uniform(0.48, 0.62))
    shift = -length * (0.08 if van else b.draw.uniform(0.02, 0.1))
    b.frustum((shift, 0, waist), (1.25 * cabin, 1.12 * w, h - waist), glass, VEHICLE, taper=0.3)
    b.box((shift, 0, waist), (0.72 * cabin, w * 0.94, h - waist - 0.05), glass)
    b.box((shift, 0, h - 0.1), (0.75 * cabin, w * 0.9, 0.1), paint)
    for end in (-0.36, 0.36):
        b.box((shift + end * cabin, 0, waist), (0.08, w * 0.96, h - waist - 0.05), paint)
    b.box((shift, 0, waist), (0.07, w * 0.96, h - waist - 0.05), paint)
    d = b.draw.uniform(0.58, 0.72)
    hub = b.materials.new('metal')
    for sx in (-0.31, 0.31):
        for sy in (-1, 1):
            place = (sx * length, sy * (w / 2 - 0.1), d / 2 - 0.1)
            b.frustum(place, (d, d, 0.22), rubber, VEHICLE, roll=math.pi / 2)
            if far:
                continue
            place = (sx * length, sy * (w / 2 + 0.005), d / 2 - 0.01)
            b.frustum(place, (0.6 * d, 0.6 * d, 0.03), hub, VEHICLE, roll=math.pi / 2)
    if far:
        return
    for y in (-0.35 * w, 0.35 * w):
        b.box((length / 2 + 0.05, y, 0.6), (0.1, 0.3, 0.14), lamp)
        b.box((-length / 2 - 0.05, y, 0.65), (0.1, 0.25, 0.16), b.materials.new('lacquer'))
    b.box((length / 2 + 0.09, 0, 0.35), (0.06, 0.52, 0.12), b.materials.new('paper'))
    b.box((-length / 2 - 0.09, 0, 0.45), (0.06, 0.52, 0.12), b.materials.new('paper'))


def truck(b: Builder) -> None:
    """Add a lorry or bus that heads along +x."""
    length, h = b.draw.uniform(6, 11), b.draw.uniform(2.6, 3.6)
    body, paint = b.materials.new('poster', 'car_paint', 'metal'), b.materials.new('car_paint')
    b.box((-0.8, 0, 0.9), (length - 2.0, 2.4, h - 0.9), body)
    b.box((length / 2 - 0.8, 0, 0.5), (1.7, 2.3, 2.1), paint)
    b.box((length / 2 + 0.04, 0, 1.5), (0.1, 2.1, 0.8), b.materials.new('glass', dim=0.5))
    rubber = b.materials.new('rubber')
    for x in (-0.35, -0.22, 0.36):
        for sy in (-1, 1):
            b.frustum((x * length, sy * 1.05, 0.35), (0.95, 0.95, 0.3), rubber, VEHICLE,
                      roll=math.pi / 2)  # fmt: skip


def tree(b: Builder) -> None:
    """Add a tree: leafy, a conifer, bare, or young and tied to stakes."""
    kind = b.draw.random()
    if kind < 0.15:
        _conifer(b)
        return
    young = kind > 0.8
    h = b.draw.uniform(2.5, 5.5) if young else b.draw.log_uniform(3, 14)
    bark, leaf = b.materials.new('bark'), b.materials.new('foliage')
    d = b.draw.uniform(0.04, 0.1) if young else 0.03 * h + b.draw.uniform(0.02, 0.15)
    trunk = h * b.draw.uniform(0.2, 0.5)
    b.frustum((0, 0, 0), (d, d, trunk + 0.2 * h), bark, GREEN, taper=0.4)
    for _ in range(b.draw.integer(2, 6)):
        b.frustum((0, 0, trunk), (0.4 * d, 0.4 * d, 0.4 * h), bark, GREEN, taper=0.6,
                  yaw=b.draw.uniform(0, 6.3), pitch=b.draw.normal(0.4))  # fmt: skip
    if young:
        _stakes(b)
    if kind < 0.22:  # bare
        for _ in range(b.draw.integer(8, 20)):
            b.frustum((0, 0, b.draw.uniform(0.3, 0.75) * h), (0.02, 0.02, 0.35 * h), bark, GREEN,
                      taper=0.8, yaw=b.draw.uniform(0, 6.3), pitch=b.draw.normal(0.7))  # fmt: skip
        return
    far = b.frame()[0] > 45
    spread = h * (b.draw.uniform(0.12, 0.25) if young else b.draw.uniform(0.2, 0.4))
    # The surface has few leaves and the inside many, so that the outline is ragged.
    holes = b.draw.uniform(0.7, 0.99)
    wide, tall = 2 * spread * b.draw.uniform(0.8, 1.2), (h - trunk) * b.draw.uniform(0.9, 1.3)
    b.foliage((0, 0, 0.9 * trunk), (wide, wide, tall), leaf, holes=holes)
    for _ in range(b.draw.integer(2, 5) if far else b.draw.integer(3, 14)):
        a, r = b.draw.uniform(0, 6.3), spread * math.sqrt(b.draw.random())
        size = spread * b.draw.log_uniform(0.4, 1.3)
        place = (r * math.cos(a), r * math.sin(a), trunk + b.draw.uniform(-0.1, 0.7) * tall)
        b.foliage(place, (size * 1.3, size, size * b.draw.uniform(0.4, 0.9)), leaf, holes=holes,
                  yaw=a, pitch=b.draw.normal(0.4))  # fmt: skip


def _conifer(b: Builder) -> None:
    h, leaf = b.draw.log_uniform(2, 14), b.materials.new('foliage')
    w, tiers = h * b.draw.uniform(0.25, 0.5), b.draw.integer(3, 8)
    b.frustum((0, 0, 0), (0.04 * h, 0.04 * h, h), b.materials.new('bark'), GREEN, taper=0.9)
    holes = b.draw.uniform(0.4, 0.95)
    for k in range(tiers):
        share = k / tiers
        wide = w * (1.1 - share)
        b.foliage((0, 0, h * (0.05 + 0.9 * share)), (wide, wide, 1.8 * h / tiers), leaf,
                  holes=holes, yaw=b.draw.uniform(0, 6.3))  # fmt: skip


def _stakes(b: Builder) -> None:
    wood, h, foot = b.materials.new('wood'), b.draw.uniform(1.2, 2.0), b.draw.uniform(0.25, 0.5)
    for k in range(b.draw.integer(1, 3)):
        a = 2.1 * k
        b.frustum((foot * math.cos(a), foot * math.sin(a), 0), (0.07, 0.07, h), wood, OTHER)


def bush(b: Builder) -> None:
    """Add a bush or a piece of hedge."""
    leaf = b.materials.new('foliage')
    if b.draw.chance(0.4):
        long, h = b.draw.uniform(1.5, 8), b.draw.uniform(0.7, 2.0)
        b.box((0, 0, 0), (long, b.draw.uniform(0.5, 1.0), h), leaf, GREEN)
        return
    holes = b.draw.uniform(0.2, 0.9)
    for _ in range(b.draw.integer(2, 9)):
        size = b.draw.log_uniform(0.4, 2.2)
        place = (b.draw.normal(0.8), b.draw.normal(0.4), -0.1 * size)
        b.foliage(place, (size, size, size * b.draw.uniform(0.6, 1.2)), leaf, holes=holes)


def thing(b: Builder) -> None:
    """Add what stands about on a pavement: a bin, a bench, a board, a bicycle, a cabinet."""
    kind = b.draw.integer(0, 5)
    metal = b.materials.new('metal', 'plastic', 'lacquer')
    if kind == 0:
        b.frustum((0, 0, 0), (0.5, 0.5, b.draw.uniform(0.7, 1.2)), metal, taper=-0.1)
    elif kind == 1:
        h = b.draw.uniform(0.9, 1.8)
        b.box((0, 0, 0), (b.draw.uniform(0.5, 1.6), 0.4, h), metal, OTHER)
    elif kind == 2:
        wood = b.materials.new('wood', 'metal')
        b.box((0, 0, 0.42), (1.7, 0.45, 0.06), wood, OTHER)
        b.box((0, 0.2, 0.5), (1.7, 0.05, 0.4), wood, OTHER)
        for x in (-0.7, 0.7):
            b.box((x, 0, 0), (0.08, 0.4, 0.42), metal, OTHER)
    elif kind == 3:  # a board on two legs
        w, h, foot = b.draw.uniform(1, 4), b.draw.uniform(0.8, 2.5), b.draw.uniform(0.6, 2.2)
        board = b.materials.new('poster', 'paper', 'lacquer')
        b.box((0, 0, foot), (w, 0.06, h), board, OTHER)
        for x in (-0.35 * w, 0.35 * w):
            b.box((x, 0, 0), (0.1, 0.1, foot + h), metal, OTHER)
    elif kind == 4:
        rubber = b.materials.new('rubber')
        for x in (-0.5, 0.5):
            b.frustum((x, 0, 0.3), (0.66, 0.66, 0.05), rubber, VEHICLE, roll=math.pi / 2)
        b.box((0, 0, 0.75), (0.9, 0.05, 0.06), metal, VEHICLE, pitch=0.3)
        b.box((0.35, 0, 0.4), (0.05, 0.05, 0.65), metal, VEHICLE)
        b.box((0.35, 0, 1.05), (0.05, 0.55, 0.05), metal, VEHICLE)
    else:
        for k in range(b.draw.integer(1, 5)):
            cone = b.materials.new('lacquer', 'plastic')
            b.frustum((1.5 * k, 0, 0), (0.3, 0.3, b.draw.uniform(0.4, 1.0)), cone, taper=0.8)


def scaffold(b: Builder, w: float, h: float) -> None:
    """Add a scaffold before a front along x at y = 0."""
    metal, wood = b.materials.new('metal'), b.materials.new('wood')
    posts = max(2, round(w / 2.5))
    for k in range(posts + 1):
        for y in (-0.4, -1.2):
            b.box((w * (k / posts - 0.5), y, 0), (0.07, 0.07, h), metal, OTHER)
    for level in range(1, int(h / 2)):
        b.box((0, -0.8, 2 * level), (w, 0.7, 0.06), wood, OTHER)
        for rail in (0.5, 1.0):
            b.box((0, -1.2, 2 * level + rail), (w, 0.05, 0.05), metal, OTHER)


def pole(b: Builder) -> None:
    """Add a street lamp, sign, traffic light or bollard; the street lies towards -y."""
    metal, kind = b.materials.new('metal', 'lacquer', 'concrete'), b.draw.random()
    d = b.draw.uniform(0.06, 0.2)
    if kind < 0.4:
        h = b.draw.uniform(4, 9)
        b.frustum((0, 0, 0), (d, d, h), metal, taper=0.4)
        reach = b.draw.uniform(0.5, 2.5)
        b.box((0, -reach / 2, h - 0.1), (0.08, reach, 0.08), metal, OTHER)
        b.box((0, -reach, h - 0.16), (0.25, 0.6, 0.1), b.materials.new('plastic'), OTHER)
    elif kind < 0.75:
        h = b.draw.uniform(1.8, 3.2)
        b.frustum((0, 0, 0), (0.07, 0.07, h), metal)
        size, sign = b.draw.uniform(0.4, 0.9), b.materials.new('poster', 'lacquer')
        if b.draw.chance(0.5):
            b.frustum((0.05, 0, h - size), (size, size, 0.03), sign, pitch=math.pi / 2)
        else:
            b.box((0.05, 0, h - size), (0.03, size, size), sign, OTHER)
    elif kind < 0.88:
        b.frustum((0, 0, 0), (0.12, 0.12, 3.0), metal)
        b.box((0.1, 0, 2.2), (0.25, 0.3, 0.85), b.materials.new('rubber'), OTHER)
        for k in range(3):
            b.ellipsoid((0.22, 0, 2.27 + 0.26 * k), (0.1, 0.2, 0.2), b.materials.new('lacquer'))
    else:
        b.frustum((0, 0, 0), (d, d, b.draw.uniform(0.6, 1.1)), metal)


def building(b: Builder, w: float, d: float, h: float) -> None:
    """Add a house with its front along x at y = 0, reaching back to +y."""
    front = b.materials.new('facade', 'facade', 'facade', 'facade', 'brick', 'concrete', 'glass')
    b.box((0, d / 2, 0), (w, d, h), front, WALL)
    if b.draw.chance(0.5):
        shop = b.materials.new('glass', 'stone', 'poster', 'wallpaper', 'concrete')
        b.box((0, -0.03, 0), (w * 0.98, 0.1, b.draw.uniform(2.6, 3.8)), shop, WALL)
    if b.draw.chance(0.6):
        b.box((0, d / 2, h), (w + 0.5, d + 0.6, 0.3), b.materials.new('concrete', 'paint'), WALL)
    if b.draw.chance(0.4):
        roof = b.materials.new('brick', 'tile', 'concrete')
        b.box((0, d / 2, h - 0.35 * d), (w, 0.71 * d, 0.71 * d), roof, WALL, roll=math.pi / 4)
    material = b.materials.new('metal', 'concrete', 'paint')
    if b.draw.chance(0.4):
        for k in range(b.draw.integer(1, 5)):
            place = (b.draw.uniform(-0.4, 0.4) * w, -0.5, 3.0 * (1 + k % 3))
            b.box(place, (b.draw.uniform(1, 3), 1.0, b.draw.choice((0.15, 1.0))), material, WALL)
    door = b.materials.new('door')
    b.box((b.draw.uniform(-0.4, 0.4) * w, -0.05, 0.1), (1.1, 0.12, 2.2), door, WALL)
    if b.draw.chance(0.1) and b.frame()[0] < 60:
        scaffold(b, w, h)
    if b.draw.chance(0.4):
        awning = b.materials.new('fabric', 'poster')
        place = (b.draw.uniform(-0.2, 0.2) * w, -0.7, 2.6)
        b.box(place, (b.draw.uniform(2, 5), 1.5, 0.06), awning, OTHER, roll=0.3)


def _light_street(b: Builder) -> Lighting:
    sun_yaw, rise = b.draw.uniform(0, 6.3), b.draw.uniform(0.15, 1.3)
    direction = (
        math.cos(sun_yaw) * math.cos(rise),
        math.sin(sun_yaw) * math.cos(rise),
        math.sin(rise),
    )
    if not b.config.lighting:
        sun = Light((0.3, 0.4, 0.85), (1.0, 1.0, 1.0), distant=True)
        return Lighting((sun,), (0.6,) * 3, (0.3,) * 3, occlusion=0.0)
    overcast = b.draw.chance(0.4)
    power = b.draw.uniform(0.8, 3.0)
    if overcast:
        power *= b.draw.choice((0.0, 0.2))
    warm = 0.3 * (1 - rise) * b.draw.random()
    blue = b.draw.uniform(0.0, 0.1) if overcast else b.draw.uniform(0.05, 0.5)
    # To a grey camera, or one with a polariser, a clear sky is darker than a white wall.
    bright = b.draw.uniform(0.6, 1.6) if overcast else b.draw.log_uniform(0.15, 1.6)
    sky = (bright * (1 - blue), bright * (1 - 0.5 * blue), bright)
    haze = bright * b.draw.uniform(1.0, 2.0)
    ambient = b.draw.uniform(0.4, 1.0) if overcast else b.draw.uniform(0.15, 0.9)
    return Lighting(
        lights=(
            Light(direction, (power * (1 + warm), power, power * (1 - warm)), True,
                  b.draw.log_uniform(0.5, 20)),
        ),
        above=(ambient * sky[0] / bright, ambient * sky[1] / bright, ambient),
        below=(0.35 * ambient,) * 3,
        occlusion_radius=b.draw.uniform(0.2, 1.0),
        occlusion=b.draw.uniform(0.2, 0.9),
        fog=b.draw.log_uniform(0.0005, 0.02) if b.draw.chance(0.3) else 0.0,
        zenith=sky,
        horizon=(haze * (1 - 0.2 * blue), haze * (1 - 0.1 * blue), haze),
        clouds=b.draw.uniform(0, 1) if b.draw.chance(0.5) else 0.0,
    )  # fmt: skip


@dataclass(frozen=True)
class _Side:
    """One side of a street: where the kerb, the pavement and the houses are, |y| [m]."""

    sign: int  # +1 is the left of +x
    kerb: float
    walk: tuple[float, float]
    line: float

    @staticmethod
    def drawn(draw: Draw, sign: int, kerb: float) -> _Side:
        """Draw the width of verge, pavement and front garden."""
        start = kerb + (draw.log_uniform(1, 14) if draw.chance(0.4) else 0.0)
        end = start + draw.uniform(1.5, 5.0)
        return _Side(sign, kerb, (start, end), end + draw.choice((0.0, 0.0, draw.uniform(1, 20))))

    def ground(self, b: Builder) -> None:
        """Lay kerb, verge and pavement."""
        edge, tall = b.materials.new('concrete'), b.draw.uniform(0.02, 0.18)
        strips = [(self.kerb, self.kerb + 0.16, edge, tall + 0.01)]
        if self.walk[0] > self.kerb:
            strips.append((self.kerb, self.walk[0], b.materials.new('grass'), tall - 0.005))
        side = b.materials.new('paving', 'asphalt', 'grass')
        strips.append((*self.walk, side, tall))
        for near, far, material, height in strips:
            place = (45, self.sign * (near + far) / 2, -1)
            b.box(place, (500, far - near, 1 + height), material, FLOOR, casts=False)

    def at(self, b: Builder, x: float, y: float, yaw: float = 0.0) -> None:
        """Move the object frame to |y| of this side; yaw 0 fronts the street."""
        b.at(x, self.sign * y, 0.1, yaw + (0.0 if self.sign > 0 else math.pi))


def _houses(b: Builder, side: _Side) -> None:
    """Line the street with houses, gardens and trees."""
    style = int(3 * b.draw.random())  # town, mixed, country
    x, storeys = _BACK, b.draw.integer(1, 6)
    while x < _AHEAD and len(b) < 420:
        w = b.draw.uniform(6, 22)
        middle = x + w / 2
        if b.draw.chance((0.92, 0.65, 0.2)[style]):
            side.at(b, middle, side.line + b.draw.choice((0.0, 0.0, b.draw.uniform(0, 8))))
            h = 3.0 * max(1, storeys + b.draw.integer(-1, 1)) + b.draw.uniform(0.3, 2.0)
            building(b, w * b.draw.uniform(0.85, 1.0), b.draw.uniform(8, 16), h)
        elif b.config.clutter:
            for _ in range(b.draw.integer(0, 4)):
                place = middle + b.draw.uniform(-0.5, 0.5) * w
                side.at(b, place, side.line + b.draw.uniform(0.5, 14))
                b.draw.choice((tree, tree, bush))(b)
            if b.draw.chance(0.4):
                side.at(b, middle, side.line)
                fence = b.materials.new('wood', 'brick', 'concrete', 'metal', 'foliage')
                b.box((0, 0, 0), (w, 0.15, b.draw.uniform(0.8, 2.2)), fence, WALL)
        if side.line > side.walk[1] and b.config.clutter:
            _garden(b, side, middle, w)
        x += w + (b.draw.uniform(0, 10) if b.draw.chance(0.2) else 0.0)


def _garden(b: Builder, side: _Side, x: float, w: float) -> None:
    """Fill what lies between the pavement and a house."""
    if b.draw.chance(0.5):
        side.at(b, x, side.walk[1] + 0.2)
        fence = b.materials.new('wood', 'brick', 'concrete', 'foliage', 'foliage', 'metal')
        b.box((0, 0, 0), (w, b.draw.uniform(0.1, 0.7), b.draw.uniform(0.4, 1.8)), fence, WALL)
    for _ in range(b.draw.integer(0, 3)):
        place = x + b.draw.uniform(-0.5, 0.5) * w
        side.at(b, place, b.draw.uniform(side.walk[1] + 0.5, side.line), b.draw.uniform(0, 6.3))
        b.draw.choice((tree, bush, bush))(b)


def _along(b: Builder, side: _Side) -> None:
    """Park cars and set trees, poles, things and people along one side."""
    if not b.config.clutter:
        return
    draw = b.draw
    parked, near = draw.random() * draw.chance(0.75), draw.uniform(-25, 0)
    x = near
    while x < 70 and len(b) < 560:
        if draw.chance(parked):
            b.at(x, side.sign * (side.kerb - 1.1 + draw.normal(0.1)), 0, draw.choice((0, math.pi)))
            car(b) if draw.chance(0.93) else truck(b)
        x += draw.uniform(5.5, 9)
    spacing, x = draw.uniform(4, 18), near
    trees, deep = draw.choice((0.0, 0.5, 0.8)), max(side.walk[0] - side.kerb - 0.5, 0.5)
    while x < 90 and len(b) < 700:
        side.at(b, x, side.kerb + 0.5 + draw.uniform(0, deep))
        tree(b) if draw.chance(trees) else pole(b)
        x += spacing * draw.uniform(0.6, 1.4)
    for _ in range(draw.integer(0, 6)):
        side.at(b, draw.uniform(-10, 50), draw.uniform(*side.walk), draw.uniform(0, 6.3))
        person(b)
    for _ in range(draw.integer(0, 6)):
        side.at(b, draw.uniform(-10, 45), draw.uniform(side.kerb + 0.4, side.walk[1]),
                draw.choice((0.0, 0.0, math.pi / 2)))  # fmt: skip
        thing(b)
    for _ in range(draw.integer(0, 3)):
        side.at(b, draw.uniform(-10, 40), side.walk[1] - 0.5)
        strew(b, (-1, 1), (-0.3, 0.3), 0.0, 1)


def street(draw: Draw, config: WorldConfig) -> Scene:
    """Return a street along x with both its sides, under a sky."""
    b = Builder(draw, config)
    kerb = 1.7 * draw.choice((1, 2, 2, 2, 3, 4)) + draw.choice((0.0, 2.2))
    sides = [_Side.drawn(draw, sign, kerb) for sign in (-1, 1)]
    b.at(0, 0)
    land = b.materials.new('grass', 'grass', 'concrete', 'paving')
    b.box((45, 0, -2.0), (1000, 1000, 1.98), land, FLOOR, casts=False)
    b.box((45, 0, -1.0), (500, 2 * kerb, 1.0), b.materials.new('asphalt'), FLOOR, casts=False)
    _markings(b, kerb)
    for side in sides:
        b.at(0, 0)
        side.ground(b)
        _houses(b, side)
        _along(b, side)
    for _ in range(draw.choice((0, 1, 1, 2, 3, 4)) if config.clutter else 0):
        lane = draw.choice((-1, 1))
        b.at(draw.uniform(-30, 70), lane * 0.45 * kerb, 0, 0.0 if lane < 0 else math.pi)
        car(b) if draw.chance(0.85) else truck(b)
    b.at(0, 0)
    if draw.chance(0.7):  # what closes the view at the end of the street
        end = b.materials.new('foliage', 'facade', 'brick')
        b.box((_AHEAD + draw.uniform(5, 60), 0, 0), (8, 120, draw.uniform(4, 18)), end,
              Semantic.VEGETATION if draw.chance(0.5) else WALL)  # fmt: skip
    right, left = (side.walk[1] - 0.3 for side in sides)
    return b.build(_light_street(b), (-10.0, -right, 30.0, left), (-0.7 * kerb, 0.7 * kerb))


def _markings(b: Builder, kerb: float) -> None:
    """Paint a middle line and a crossing."""
    paint = b.materials.new('paper', fit=False)
    if b.draw.chance(0.8):
        dash, gap = b.draw.choice(((3.0, 6.0), (2.0, 3.0), (60.0, 1.0)))
        x = -20.0
        while x < 80:
            b.box((x + dash / 2, 0, 0), (dash, 0.14, 0.004), paint, FLOOR, casts=False)
            x += dash + gap
    if b.draw.chance(0.25):
        x = b.draw.uniform(2, 30)
        for k in range(int(2 * kerb)):
            b.box((x, k + 0.5 - kerb, 0), (3.0, 0.5, 0.004), paint, FLOOR, casts=False)
