# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Indoor scenes: rooms, kitchens, offices, corridors, warehouses."""

from collections.abc import Callable
import math

from mono_depth_ros.source import furniture
from mono_depth_ros.source.clutter import plant, strew
from mono_depth_ros.source.draw import Draw
from mono_depth_ros.source.scene import Builder, Light, Lighting, Scene, WorldConfig
from mono_depth_ros.source.semantics import Semantic

WALL, FLOOR, CEILING, OTHER = Semantic.WALL, Semantic.FLOOR, Semantic.CEILING, Semantic.OTHER
Colour = tuple[float, float, float]


def _shell(b: Builder, w: float, d: float, h: float, *, bare: bool) -> None:
    """Add floor, ceiling and four walls of a room of inner size w x d x h about the origin."""
    b.at(0, 0)
    if bare:
        floor = b.materials.new('concrete', 'concrete', 'asphalt', 'tile')
    else:
        floor = b.materials.new(
            'floorboards', 'floorboards', 'carpet', 'carpet', 'tile', 'stone', 'wood', 'lacquer'
        )
    ceiling = b.materials.new('paint', 'paint', 'concrete', 'tile')
    b.box((0, 0, -0.5), (w + 2, d + 2, 0.5), floor, FLOOR, casts=False)
    b.box((0, 0, h), (w + 2, d + 2, 0.5), ceiling, CEILING, casts=False)
    families = ('paint', 'paint', 'paint', 'wallpaper', 'brick', 'tile', 'concrete', 'wood')
    common = b.materials.new(*families)
    for k in range(4):
        across, along = (d, w) if k % 2 == 0 else (w, d)
        b.at(0, 0, 0, k * math.pi / 2)
        material = common if b.draw.chance(0.75) else b.materials.new(*families)
        b.box((0, across / 2 + 0.5, 0), (along + 2, 1.0, h), material, WALL, casts=False)
        if k == 0:
            skirting = b.materials.new('paint', 'wood', 'lacquer')
            tall = b.draw.choice((0.0, 0.06, 0.1, 0.15))
            shade, rail = b.materials.new(*families), b.draw.uniform(0.7, 1.2)
            dado = b.draw.chance(0.12)
        if tall:
            b.box((0, across / 2 - 0.01, 0), (along, 0.02, tall), skirting, WALL, casts=False)
        if dado:
            b.box((0, across / 2 - 0.005, 0), (along, 0.01, rail), shade, WALL, casts=False)


def _door(b: Builder, x: float, h: float) -> None:
    w, tall = b.draw.uniform(0.7, 1.1), min(h - 0.05, b.draw.uniform(1.95, 2.2))
    frame, leaf = b.materials.new('paint', 'wood'), b.materials.new('door', 'door', 'glass')
    if b.draw.chance(0.25):
        leaf = b.materials.new('paint', dim=0.1)  # an open door to a dark room
    b.box((x, -0.01, 0), (w, 0.03, tall), leaf, WALL)
    for sx in (-1, 1):
        b.box((x + sx * (w / 2 + 0.03), -0.015, 0), (0.07, 0.06, tall), frame, WALL)
    b.box((x, -0.015, tall), (w + 0.13, 0.06, 0.07), frame, WALL)
    b.box((x + 0.4 * w, -0.06, 1.0), (0.1, 0.03, 0.03), b.materials.new('metal'), WALL)
    if b.draw.chance(0.2):
        b.box((x - w / 2, -w / 2, 0), (0.04, w, tall), leaf, WALL, yaw=b.draw.normal(0.3))


def _window(b: Builder, x: float, h: float) -> None:
    w, tall = b.draw.uniform(0.6, 2.2), b.draw.uniform(0.6, 1.6)
    z = min(b.draw.uniform(0.3, 1.1), h - tall - 0.1)
    frame, pane = b.materials.new('paint', 'plastic', 'wood'), b.materials.new('outside')
    b.box((x, -0.005, z), (w, 0.01, tall), pane, WALL)
    bars = b.draw.integer(1, 3)
    for k in range(bars + 1):
        b.box((x + w * (k / bars - 0.5), -0.02, z), (0.06, 0.05, tall), frame, WALL)
    for edge in (z - 0.03, z + tall - 0.03):
        b.box((x, -0.02, edge), (w + 0.06, 0.05, 0.06), frame, WALL)
    b.box((x, -0.08, z - 0.06), (w + 0.15, 0.2, 0.03), frame, WALL)
    if b.draw.chance(0.4):
        cloth = b.materials.new('fabric', 'carpet')
        for sx in (-1, 1):
            for k in range(3):
                place = (x + sx * (w / 2 + 0.12 * k - 0.05), -0.1, max(0.02, z - 0.6))
                b.frustum(place, (0.14, 0.1, tall + 0.7), cloth, WALL)
    if b.draw.chance(0.3):
        b.box((x, -0.08, 0.12), (w * 0.8, 0.1, 0.5), b.materials.new('metal', 'paint'), OTHER)
    strew(b, (x - 0.4 * w, x + 0.4 * w), (-0.12, -0.1), z - 0.03, b.draw.choice((0, 0, 1, 2)))


def _pictures(b: Builder, x: float, h: float) -> None:
    rows, columns = b.draw.choice(((1, 1), (1, 1), (1, 3), (2, 3), (1, 2), (2, 2)))
    w, tall = b.draw.log_uniform(0.15, 1.1), b.draw.log_uniform(0.2, 0.9)
    z0, frame = b.draw.uniform(0.9, 1.5), b.materials.new('wood', 'plastic', 'metal')
    framed = b.draw.chance(0.5)
    for i in range(columns):
        for j in range(rows):
            u, z = x + (i - columns / 2) * (w + 0.1), z0 + j * (tall + 0.08)
            if z + tall > h:
                continue
            if framed:
                b.box((u, -0.01, z - 0.03), (w + 0.06, 0.03, tall + 0.06), frame, WALL)
            picture = b.materials.new('poster', 'poster', 'paper', 'screen')
            b.box((u, -0.015, z), (w, 0.03, tall), picture, WALL)


def _wall_shelf(b: Builder, x: float, h: float) -> None:
    w = b.draw.uniform(0.5, 1.6)
    material = b.materials.new('wood', 'lacquer')
    for k in range(b.draw.integer(1, 3)):
        z = b.draw.uniform(1.0, 1.3) + 0.38 * k
        b.box((x, -0.12, z), (w, 0.24, 0.025), material)
        strew(b, (x - 0.45 * w, x + 0.45 * w), (-0.18, -0.08), z + 0.025, b.draw.integer(1, 5),
              headroom=0.35)  # fmt: skip
    b.target(x, 0, 1.2)


def _whiteboard(b: Builder, x: float, h: float) -> None:
    w, tall = b.draw.uniform(0.8, 2.4), b.draw.uniform(0.6, 1.2)
    b.box((x, -0.015, 0.85), (w + 0.06, 0.03, tall + 0.06), b.materials.new('metal', 'wood'), WALL)
    board = b.materials.new('paper', 'plastic', 'screen', 'lacquer', 'glass')
    b.box((x, -0.02, 0.88), (w, 0.03, tall), board, WALL)


def _fixtures(b: Builder, x: float, h: float) -> None:
    """Add sockets, switches, cable ducts, pipes."""
    plastic = b.materials.new('plastic', 'metal')
    for z in (0.3, 1.1):
        if b.draw.chance(0.6):
            b.box((x + b.draw.normal(0.3), -0.005, z), (0.08, 0.01, 0.08), plastic, WALL)
    if b.draw.chance(0.3):
        r = b.draw.uniform(0.02, 0.12)
        b.frustum((x, -r, 0), (r, r, h), b.materials.new('metal', 'paint'), WALL)
    if b.draw.chance(0.3):
        b.box((x, -0.03, b.draw.uniform(0.4, 1.0)), (2.0, 0.06, 0.1), plastic, WALL)


_DECOR: tuple[Callable[[Builder, float, float], None], ...] = (
    _door, _window, _window, _pictures, _pictures, _wall_shelf, _whiteboard, _fixtures,
)  # fmt: skip


def _walls(b: Builder, w: float, d: float, h: float, pieces: tuple[str, ...]) -> None:
    """Furnish the four walls from left to right; `pieces` are what may stand there."""
    for k in range(4):
        across, along = (d, w) if k % 2 == 0 else (w, d)
        yaw = k * math.pi / 2
        frame = (-math.sin(yaw) * across / 2, math.cos(yaw) * across / 2, 0.0, yaw)
        u = -along / 2 + b.draw.uniform(0.1, 0.8)
        while u < along / 2 - 0.5 and len(b) < 260:
            b.at(*frame)
            if b.draw.chance(0.45):
                x = u + b.draw.uniform(0.3, 0.8)
                b.draw.choice(_DECOR)(b, min(x, along / 2 - 0.6), h)
                u = x + b.draw.uniform(0.5, 1.2)
                continue
            if b.draw.chance(0.2):
                u += b.draw.uniform(0.3, 1.5)
                continue
            u += _stand(b, frame, u, along, h, b.draw.choice(pieces))


def _stand(
    b: Builder,
    frame: tuple[float, float, float, float],
    u: float,
    along: float,
    h: float,
    name: str,
) -> float:
    """Put one piece against a wall at u and return the length it takes."""
    room = along / 2 - u
    if name == 'counter':
        w = min(b.draw.uniform(1.2, 4.5), room - 0.05)
        if w < 0.8:
            return room
    else:
        w = {'sofa': 2.0, 'bed': 1.7, 'desk': 1.7, 'shelf': 1.5, 'cupboard': 1.3}.get(name, 0.7)
    x, y, _ = b.world(u + w / 2, -0.01)
    middle = b.world(u + w / 2, -0.4)
    if not b.take(middle[0], middle[1], 0.5 * w):
        return 0.5
    b.at(x, y, 0, frame[3] + (b.draw.normal(0.03) if name != 'counter' else 0.0))
    if name == 'counter':
        furniture.counter(b, w)
    elif name == 'plant':
        b.at(*b.world(0, -0.3)[:2])
        plant(b, 0, 0, 0, b.draw.uniform(0.5, 1.6))
    elif name == 'boxes':
        b.at(*b.world(0, -0.4)[:2], 0, frame[3])
        furniture.boxes(b)
    elif name == 'bin_':
        b.at(*b.world(0, -0.3)[:2])
        furniture.bin_(b)
    else:
        getattr(furniture, name)(b)
    if name in ('shelf', 'cupboard', 'desk') and b.draw.chance(0.3):
        b.at(*frame)
        _pictures(b, u + w / 2, h)
    return w + b.draw.uniform(0.02, 0.5)


_RADIUS = {'table': 0.9, 'sofa': 1.1, 'stairs': 1.6, 'person': 0.3, 'pallet': 0.8}


def _middle(b: Builder, w: float, d: float, h: float, pieces: tuple[str, ...], count: int) -> None:
    """Furnish the middle of a room."""
    for _ in range(count):
        x, y = b.draw.uniform(-0.36, 0.36) * w, b.draw.uniform(-0.36, 0.36) * d
        name = b.draw.choice(pieces)
        if len(b) > 300 or not b.take(x, y, _RADIUS.get(name, 0.5)):
            continue
        square = b.draw.integer(0, 3) * math.pi / 2
        yaw = square + b.draw.normal(0.1) if b.draw.chance(0.7) else b.draw.uniform(0, 6.3)
        b.at(x, y, 0, yaw)
        if name == 'plant':
            plant(b, 0, 0, 0, b.draw.uniform(0.5, 1.6))
        elif name == 'column':
            furniture.column(b, h)
        else:
            getattr(furniture, name)(b)


def _rugs(b: Builder, w: float, d: float) -> None:
    b.at(0, 0)
    for _ in range(b.draw.choice((0, 0, 1, 1, 2))):
        place = (b.draw.uniform(-0.3, 0.3) * w, b.draw.uniform(-0.3, 0.3) * d, 0)
        size = (b.draw.uniform(0.5, 2.6), b.draw.uniform(0.5, 1.8), 0.008)
        rug = b.materials.new('carpet', 'carpet', 'poster')
        if b.draw.chance(0.2):
            b.frustum(place, (size[1], size[1], 0.008), rug, FLOOR)
        else:
            yaw = b.draw.choice((0, math.pi / 2, b.draw.uniform(0, 3)))
            b.box(place, size, rug, FLOOR, yaw=yaw)


def _tint(warmth: float, power: float) -> Colour:
    """Return light of some power, warm above 0 and cold below."""
    return power * (1 + warmth), power, power * (1 - warmth)


def _light_room(b: Builder, w: float, d: float, h: float) -> Lighting:
    """Hang lamps under the ceiling and return the light of the room."""
    lights = []
    b.at(0, 0)
    if not b.config.lighting:
        return Lighting((Light((0.0, 0.0, h - 0.3), (3.0, 3.0, 3.0)),), (0.5,) * 3, (0.35,) * 3,
                        occlusion=0.0)  # fmt: skip
    for _ in range(b.draw.integer(1, 3)):
        x, y = b.draw.uniform(-0.35, 0.35) * w, b.draw.uniform(-0.35, 0.35) * d
        power = b.draw.log_uniform(0.5, 3.0) * max(1.0, h * h / 6)
        colour = _tint(b.draw.normal(0.12), power)
        drop = 0.02 if b.draw.chance(0.6) else b.draw.uniform(0.2, 0.5) * max(h - 2.0, 0.1)
        lamp = b.materials.new('light')
        if b.draw.chance(0.5):
            panel = (b.draw.uniform(0.2, 1.3), b.draw.uniform(0.1, 0.6), 0.04)
            b.box((x, y, h - drop), panel, lamp, CEILING, casts=False)
        else:
            b.frustum((x, y, h - drop - 0.1), (0.35, 0.35, 0.12), lamp, CEILING, taper=0.3)
        size = b.draw.log_uniform(0.03, 0.5)
        lights.append(Light((x, y, h - drop - 0.2), colour, radius=size))
    if b.draw.chance(0.5):  # daylight from the side
        a = b.draw.uniform(0, 2 * math.pi)
        colour = _tint(b.draw.normal(0.12), b.draw.log_uniform(0.5, 3.0))
        z = b.draw.uniform(1.2, 0.9 * h + 0.3)
        place = (0.45 * w * math.cos(a), 0.45 * d * math.sin(a), z)
        day = Light(place, colour, radius=0.4)
        lights.insert(0 if b.draw.chance(0.4) else 1, day)
    strength, tint = b.draw.log_uniform(0.15, 0.9), b.draw.normal(0.08)
    return Lighting(
        lights=tuple(lights[:3]),
        above=_tint(tint, strength),
        below=_tint(tint + 0.05, strength * b.draw.uniform(0.4, 1.0)),
        occlusion_radius=b.draw.uniform(0.08, 0.4),
        occlusion=b.draw.uniform(0.2, 0.9),
    )


def _partitions(b: Builder, w: float, d: float, h: float) -> None:
    """Add a wall that juts into the room, so that rooms are not all rectangles."""
    side = b.draw.choice((-1, 1))
    material = b.materials.new('paint', 'wallpaper', 'brick', 'glass')
    long, thick = b.draw.uniform(0.4, 1.6), b.draw.uniform(0.1, 1.2)
    x = b.draw.uniform(-0.4, 0.4) * w
    b.at(0, 0)
    y = side * (d / 2 - long / 2)
    tall = h if b.draw.chance(0.75) else b.draw.uniform(0.9, 1.6)
    b.box((x, y, 0), (thick, long, tall), material, WALL)
    b.take(x, y, 0.5 * max(long, thick), force=True)


_HOME = ('shelf', 'cupboard', 'sofa', 'bed', 'desk', 'plant', 'floor_lamp', 'boxes', 'bin_')
_KITCHEN = ('counter', 'counter', 'counter', 'cupboard', 'shelf', 'bin_')
_OFFICE = ('desk', 'desk', 'shelf', 'cupboard', 'plant', 'bin_', 'boxes')
_STORE = ('shelf', 'boxes', 'boxes', 'cupboard', 'bin_')


def room(draw: Draw, config: WorldConfig) -> Scene:
    """Return a furnished room: living room, kitchen, office or store."""
    b = Builder(draw, config)
    w, d, h = draw.log_uniform(2.4, 8.0), draw.log_uniform(2.4, 7.0), draw.uniform(2.2, 3.3)
    _shell(b, w, d, h, bare=draw.chance(0.1))
    lighting = _light_room(b, w, d, h)
    if draw.chance(0.3):
        _partitions(b, w, d, h)
    wall, middle = draw.choice((
        (_HOME, ('table', 'table', 'sofa', 'chair', 'plant', 'boxes', 'person')),
        (_KITCHEN, ('table', 'table', 'table', 'chair', 'person')),
        (_KITCHEN, ('table', 'table', 'table', 'chair', 'chair')),
        (_OFFICE, ('table', 'chair', 'chair', 'person', 'bin_', 'column')),
        (_STORE, ('boxes', 'table', 'pallet', 'person', 'column', 'stairs')),
    ))  # fmt: skip
    _rugs(b, w, d)
    if min(w, d) > 2.8 and draw.chance(0.85):
        _middle(b, w, d, h, middle, draw.choice((1, 1, 2, 2, 3)))
    _walls(b, w, d, h, wall)
    _middle(b, w, d, h, middle, draw.integer(0, 2) if config.clutter else 0)
    b.at(0, 0)
    strew(b, (-0.45 * w, 0.45 * w), (-0.45 * d, 0.45 * d), 0.0, draw.choice((0, 0, 0, 2, 5, 8)))
    return b.build(lighting, (-w / 2, -d / 2, w / 2, d / 2))


def corridor(draw: Draw, config: WorldConfig) -> Scene:
    """Return a corridor along x with doors, pictures and a few things along the walls."""
    b = Builder(draw, config)
    w, d, h = draw.uniform(5, 22), draw.uniform(1.1, 2.8), draw.uniform(2.2, 3.2)
    _shell(b, w, d, h, bare=draw.chance(0.3))
    lighting = _light_room(b, w, d, h)
    lamp = b.materials.new('light')
    for k in range(round(w / 3)):
        b.box((3 * k - w / 2 + 1, 0, h - 0.03), (0.9, 0.25, 0.03), lamp, CEILING, casts=False)
    for side in (-1, 1):
        u = -w / 2 + draw.uniform(0.5, 2)
        while u < w / 2 - 0.6:
            b.at(0, side * d / 2, 0, 0 if side > 0 else math.pi)
            if draw.chance(0.6):
                _door(b, u, h)
            else:
                draw.choice((_pictures, _fixtures, _whiteboard, _window))(b, u, h)
            if draw.chance(0.2):
                b.at(u + 1, side * (d / 2 - 0.25), 0)
                draw.choice((furniture.boxes, furniture.bin_, furniture.chair))(b)
            u += draw.uniform(1.2, 3.5)
    _middle(b, w, 0.6 * d, h, ('person', 'boxes', 'chair'), draw.integer(0, 3))
    return b.build(lighting, (-w / 2, -d / 2, w / 2, d / 2))


def warehouse(draw: Draw, config: WorldConfig) -> Scene:
    """Return a hall with racks, pallets, columns and people."""
    b = Builder(draw, config)
    w, d, h = draw.uniform(10, 32), draw.uniform(8, 22), draw.uniform(4, 8)
    _shell(b, w, d, h, bare=True)
    lighting = _light_room(b, w, d, h)
    lamp = b.materials.new('light')
    for k in range(8):
        place = (
            w * ((k % 4 + 0.5) / 4 - 0.5),
            d * (k // 4 - 0.5) / 2,
            h - draw.uniform(0.05, 0.6),
        )
        b.box(place, (1.3, 0.3, 0.06), lamp, CEILING, casts=False)
    aisle = draw.uniform(2.2, 3.8)
    y = -d / 2 + draw.uniform(0.6, 2.0)
    while y < d / 2 - 0.6 and len(b) < 260:
        b.at(draw.normal(0.5), y)
        if draw.chance(0.75):
            furniture.rack(b, draw.uniform(0.4, 0.8) * w, draw.uniform(0.4, 0.8) * h)
            for k in range(5):
                b.take(w * (0.2 * k - 0.4), y, 0.9, force=True)
        y += aisle + 1.0
    pieces = ('pallet', 'pallet', 'boxes', 'person', 'column', 'bin_', 'stairs', 'table')
    _middle(b, w, d, h, pieces, draw.integer(2, 10))
    return b.build(lighting, (-w / 2, -d / 2, w / 2, d / 2))


def indoor(draw: Draw, config: WorldConfig) -> Scene:
    """Return a room, corridor or warehouse."""
    kind = draw.random()
    if kind < 0.78:
        return room(draw, config)
    return corridor(draw, config) if kind < 0.89 else warehouse(draw, config)
