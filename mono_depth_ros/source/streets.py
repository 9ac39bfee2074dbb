# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Outdoor scenes: a street with pavements, buildings, vehicles, trees and people."""

from __future__ import annotations

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
    """Add a tree: leafy, conical, or bare."""
    h = b.draw.log_uniform(3, 14)
    bark, leaf = b.materials.new('bark'), b.materials.new('foliage')
    d = 0.03 * h + b.draw.uniform(0.02, 0.15)
    trunk = h * b.draw.uniform(0.2, 0.5)
    b.frustum((0, 0, 0), (d, d, trunk + 0.2 * h), bark, GREEN, taper=0.4)
    if b.draw.chance(0.2):
        b.frustum((0, 0, 0.1 * h), (0.45 * h, 0.45 * h, 0.9 * h), leaf, GREEN, taper=1.0)
        return
    spread = h * b.draw.uniform(0.2, 0.4)
    for _ in range(b.draw.integer(4, 12)):
        a, r = b.draw.uniform(0, 6.3), spread * math.sqrt(b.draw.random()) * 0.8
        size = spread * b.draw.uniform(0.5, 1.1)
        place = (r * math.cos(a), r * math.sin(a), trunk + b.draw.uniform(-0.1, 0.45) * h)
        b.ellipsoid(place, (size * 1.2, size, size * b.draw.uniform(0.6, 1.0)), leaf, GREEN, yaw=a,
                    pitch=b.draw.normal(0.3))  # fmt: skip
    for _ in range(b.draw.integer(0, 4)):
        b.frustum((0, 0, trunk), (0.4 * d, 0.4 * d, 0.4 * h), bark, GREEN, taper=0.5,
                  yaw=b.draw.uniform(0, 6.3), pitch=b.draw.normal(0.4))  # fmt: skip


def bush(b: Builder) -> None:
    """Add a bush or a piece of hedge."""
    leaf = b.materials.new('foliage')
    if b.draw.chance(0.4):
        long, h = b.draw.uniform(1.5, 8), b.draw.uniform(0.7, 2.0)
        b.box((0, 0, 0), (long, b.draw.uniform(0.5, 1.0), h), leaf, GREEN)
        return
    for _ in range(b.draw.integer(1, 4)):
        size = b.draw.uniform(0.6, 2.2)
        place = (b.draw.normal(0.6), b.draw.normal(0.3), -0.1 * size)
        b.ellipsoid(place, (size, size, size * b.draw.uniform(0.6, 1.1)), leaf, GREEN)


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
    bright = b.draw.uniform(0.6, 1.6)
    sky = (bright * (1 - blue), bright * (1 - 0.5 * blue), bright)
    ambient = b.draw.uniform(0.4, 1.0)
    return Lighting(
        lights=(
            Light(direction, (power * (1 + warm), power, power * (1 - warm)), True,
                  b.draw.log_uniform(0.5, 20)),
        ),
        above=(ambient * sky[0] / bright, ambient * sky[1] / bright, ambient),
        below=(0.35 * ambient,) * 3,
        occlusion_radius=b.draw.uniform(0.2, 1.0),
        occlusion=b.draw.uniform(0.2, 0.9),
        fog=b.draw.log_uniform(0.0005, 0.02) if b.draw.chance(0.5) else 0.0,
        zenith=sky,
        horizon=(bright * (1 - 0.2 * blue), bright * (1 - 0.1 * blue), bright),
        clouds=b.draw.uniform(0, 1) if b.draw.chance(0.7) else 0.0,
    )  # fmt: skip


def _side(b: Builder, sign: int, kerb: float, walk: float) -> None:
    """Line one side of the street; sign +1 is the left of +x."""
    line = kerb + walk
    style = b.draw.random()  # town, mixed, country
    x = _BACK
    storeys = b.draw.integer(1, 6)
    while x < _AHEAD and len(b) < 240:
        w = b.draw.uniform(6, 22)
        middle = x + w / 2
        b.at(middle, sign * (line + b.draw.choice((0.0, 0.0, b.draw.uniform(0, 8)))), 0,
             0.0 if sign > 0 else math.pi)  # fmt: skip
        if b.draw.chance((0.92, 0.65, 0.2)[int(3 * style)]):
            h = 3.0 * max(1, storeys + b.draw.integer(-1, 1)) + b.draw.uniform(0.3, 2.0)
            building(b, w * b.draw.uniform(0.85, 1.0), b.draw.uniform(8, 16), h)
        elif b.config.clutter:
            for _ in range(b.draw.integer(0, 3)):
                place = middle + b.draw.uniform(-0.5, 0.5) * w
                b.at(place, sign * (line + b.draw.uniform(0.5, 14)))
                b.draw.choice((tree, tree, bush))(b)
            if b.draw.chance(0.4):
                b.at(middle, sign * line)
                fence = b.materials.new('wood', 'brick', 'concrete', 'metal', 'foliage')
                b.box((0, 0, 0), (w, 0.15, b.draw.uniform(0.8, 2.2)), fence, WALL)
        x += w + (b.draw.uniform(0, 10) if b.draw.chance(0.2) else 0.0)


def _along(b: Builder, sign: int, kerb: float, walk: float) -> None:
    """Park cars and set trees, poles and people along one side."""
    parked, near = b.draw.random(), b.draw.uniform(-25, 0)
    x = near
    while x < 70 and b.config.clutter and len(b) < 400:
        if b.draw.chance(parked):
            b.at(x, sign * (kerb - 1.1 + b.draw.normal(0.1)), 0, b.draw.choice((0, math.pi)))
            car(b) if b.draw.chance(0.93) else truck(b)
        x += b.draw.uniform(5.5, 9)
    yaw = 0.0 if sign > 0 else math.pi
    spacing, x = b.draw.uniform(5, 18), near
    trees = b.draw.chance(0.6)
    while x < 90 and b.config.clutter and len(b) < 460:
        b.at(x, sign * (kerb + 0.5 + b.draw.uniform(0, 0.5)), 0.1, yaw)
        tree(b) if trees and b.draw.chance(0.5) else pole(b)
        x += spacing * b.draw.uniform(0.6, 1.4)
    for _ in range(b.draw.integer(0, 6) if b.config.clutter else 0):
        b.at(b.draw.uniform(-10, 50), sign * (kerb + b.draw.uniform(0.5, walk)), 0.12,
             b.draw.uniform(0, 6.3))  # fmt: skip
        person(b)
    for _ in range(b.draw.integer(0, 3)):
        b.at(b.draw.uniform(-10, 40), sign * (kerb + walk - 0.5), 0.12)
        strew(b, (-1, 1), (-0.3, 0.3), 0.0, 1)


def street(draw: Draw, config: WorldConfig) -> Scene:
    """Return a street along x with both its sides, under a sky."""
    b = Builder(draw, config)
    lanes = draw.choice((1, 2, 2, 2, 3, 4))
    kerb = 1.7 * lanes + draw.choice((0.0, 2.2))
    walk = draw.uniform(1.5, 5.0)
    b.at(0, 0)
    land = b.materials.new('grass', 'grass', 'concrete', 'paving')
    b.box((45, 0, -2.0), (1000, 1000, 1.98), land, FLOOR, casts=False)
    b.box((45, 0, -1.0), (500, 2 * kerb, 1.0), b.materials.new('asphalt'), FLOOR, casts=False)
    side, edge = b.materials.new('paving', 'asphalt', 'grass'), b.materials.new('concrete')
    tall = draw.uniform(0.02, 0.18)
    for sign in (-1, 1):
        b.box((45, sign * (kerb + walk / 2), -1), (500, walk, 1 + tall), side, FLOOR, casts=False)
        b.box((45, sign * (kerb + 0.08), -1), (500, 0.16, 1.01 + tall), edge, FLOOR, casts=False)
    paint = b.materials.new('paper', fit=False)
    if draw.chance(0.8):
        dash, gap = draw.choice(((3.0, 6.0), (2.0, 3.0), (60.0, 1.0)))
        x = -20.0
        while x < 80:
            b.box((x + dash / 2, 0, 0), (dash, 0.14, 0.004), paint, FLOOR, casts=False)
            x += dash + gap
    if draw.chance(0.25):
        x = draw.uniform(2, 30)
        for k in range(int(2 * kerb)):
            b.box((x, k + 0.5 - kerb, 0), (3.0, 0.5, 0.004), paint, FLOOR, casts=False)
    for sign in (-1, 1):
        _side(b, sign, kerb, walk)
        _along(b, sign, kerb, walk)
    for _ in range(draw.choice((0, 1, 1, 2, 3, 4)) if config.clutter else 0):
        lane = draw.choice((-1, 1))
        b.at(draw.uniform(-30, 70), lane * 0.45 * kerb, 0, 0.0 if lane < 0 else math.pi)
        car(b) if draw.chance(0.85) else truck(b)
    b.at(0, 0)
    if draw.chance(0.7):  # what closes the view at the end of the street
        end = b.materials.new('foliage', 'facade', 'brick')
        b.box((_AHEAD + draw.uniform(5, 60), 0, 0), (8, 120, draw.uniform(4, 18)), end,
              Semantic.VEGETATION if draw.chance(0.5) else WALL)  # fmt: skip
    return b.build(_light_street(b), (-10.0, 0.3 - kerb - walk, 30.0, kerb + walk - 0.3))
