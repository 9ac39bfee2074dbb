# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bank of procedural textures: small tileable pictures that materials are coloured from."""

from collections.abc import Callable
import functools

import numpy as np
from numpy.typing import NDArray

TEXTURE_SIZE = 256
Image = NDArray[np.float32]
Rng = np.random.Generator
_S = TEXTURE_SIZE
_V, _U = np.meshgrid(np.arange(_S) / _S, np.arange(_S) / _S, indexing='ij')


def _noise(rng: Rng, slope: float = 1.4, stretch: float = 1.0, low: float = 1.0) -> Image:
    """Tileable 1/f^slope noise in 0..1, drawn out along u, without frequencies below `low`."""
    fy, fx = np.meshgrid(np.fft.fftfreq(_S) * _S, np.fft.rfftfreq(_S) * _S, indexing='ij')
    frequency = np.hypot(fy, fx * stretch)
    gain = np.where(frequency >= low, np.maximum(frequency, 1e-6) ** -slope, 0.0)
    field = np.fft.irfft2(gain * np.exp(2j * np.pi * rng.random(gain.shape)), s=(_S, _S))
    noise: Image = np.clip(0.5 + 0.2 * field / field.std(), 0, 1).astype(np.float32)
    return noise


def _grey(pattern: NDArray[np.floating]) -> Image:
    return np.repeat(np.clip(pattern, 0, 1).astype(np.float32)[..., None], 3, axis=2)


def _flat(rng: Rng) -> Image:
    return _grey(np.full((_S, _S), 0.5))


def _plaster(rng: Rng) -> Image:
    return _grey(0.5 + (_noise(rng, rng.uniform(0.3, 1.8)) - 0.5) * rng.uniform(0.15, 0.6))


def _cloud(rng: Rng) -> Image:
    return _grey(_noise(rng, rng.uniform(1.2, 2.0)))


def _marble(rng: Rng) -> Image:
    phase = rng.integers(2, 7) * (_U + rng.integers(0, 2) * _V) + rng.uniform(0.5, 2) * (
        _noise(rng, 1.7) * 4
    )
    return _grey(np.abs(np.sin(np.pi * phase)) ** rng.uniform(0.3, 1))


def _speckle(rng: Rng) -> Image:
    noise = _noise(rng, rng.uniform(-0.4, 0.4), low=rng.uniform(4, 30))
    return _grey(np.clip((noise - 0.5) * rng.uniform(1, 3) + 0.5, 0, 1))


def _wood(rng: Rng) -> Image:
    grain = _noise(rng, rng.uniform(0.7, 1.2), stretch=rng.uniform(8, 30))
    rings = 0.5 + 0.5 * np.sin(
        2 * np.pi * (rng.integers(4, 14) * _V + 3 * _noise(rng, 1.9, stretch=5))
    )
    mix = rng.uniform(0.1, 0.5)
    return _grey((1 - mix) * grain + mix * rings)


def _cells(rng: Rng, rows: int, columns: int, shift: float, gap: float) -> tuple[Image, Image]:
    """Return (random tone per cell, 1 inside a cell and 0 in the joint) of a wall of cells."""
    row = np.floor(_V * rows).astype(int)
    u = _U * columns + shift * row
    column = np.floor(u).astype(int) % columns
    tone = rng.random((rows, columns))[row % rows, column]
    edge_u = np.minimum(u % 1, 1 - u % 1) / columns
    edge_v = np.minimum(_V * rows % 1, 1 - _V * rows % 1) / rows
    inside = np.clip((np.minimum(edge_u, edge_v) - gap) * _S + 0.5, 0, 1)
    return tone.astype(np.float32), inside.astype(np.float32)


def _bricks(rng: Rng) -> Image:
    rows = 2 * int(rng.integers(3, 8))
    tone, inside = _cells(rng, rows, max(rows // 2, 1), 0.5, rng.uniform(0.004, 0.012))
    body = 0.3 + 0.4 * tone + 0.4 * (_noise(rng, 0.8) - 0.5)
    return _grey(inside * body + (1 - inside) * rng.choice([0.0, 0.9]))


def _tiles(rng: Rng) -> Image:
    n = int(rng.integers(1, 9))
    tone, inside = _cells(rng, n, n, 0.0, rng.uniform(0.002, 0.012))
    body = 0.55 + rng.uniform(0, 0.5) * (tone - 0.5) + rng.uniform(0, 0.6) * (_noise(rng) - 0.5)
    return _grey(inside * body + (1 - inside) * rng.choice([0.0, 0.1, 1.0]))


def _planks(rng: Rng) -> Image:
    rows = int(rng.integers(4, 13))
    tone, inside = _cells(rng, rows, int(rng.integers(1, 3)), rng.uniform(0.2, 0.8), 0.002)
    grain = _noise(rng, 0.9, stretch=rng.uniform(8, 20))
    return _grey(inside * (0.5 + rng.uniform(0.1, 0.6) * (tone - 0.5) + 0.5 * (grain - 0.5)))


def _checker(rng: Rng) -> Image:
    n = 2 * int(rng.integers(1, 5))
    return _grey((np.floor(_U * n) + np.floor(_V * n)) % 2 * 0.8 + 0.1 + 0.2 * (_noise(rng) - 0.5))


def _stripes(rng: Rng) -> Image:
    tones = rng.random(int(rng.choice([8, 16, 32, 64, 128])))
    lines = tones[(np.floor(_V * len(tones)) % len(tones)).astype(int)]
    streak = _noise(rng, 0.5, stretch=rng.uniform(5, 40))
    mix = rng.uniform(0, 0.7)
    return _grey((1 - mix) * lines + mix * streak)


def _weave(rng: Rng) -> Image:
    n = int(rng.choice([8, 16, 32]))
    wave = np.sin(2 * np.pi * n * _U) * np.sin(2 * np.pi * n * _V)
    return _grey(0.5 + 0.25 * wave + 0.5 * (_noise(rng, 0.4) - 0.5))


def _corrugated(rng: Rng) -> Image:
    wave = 0.5 + 0.4 * np.sin(2 * np.pi * rng.integers(6, 24) * _U)
    return _grey(wave + 0.2 * (_noise(rng, 1.5) - 0.5))


def _rectangle(image: Image, box: NDArray[np.floating], colour: NDArray[np.floating]) -> None:
    u0, v0, u1, v1 = np.clip(np.rint(box * _S), 0, _S).astype(int)
    image[v0:v1, u0:u1] = colour


def _text(rng: Rng, image: Image, box: NDArray[np.floating], line: float, ink: Image) -> None:
    """Fill a box with lines of dark word-like dashes."""
    v = box[1]
    while v + line < box[3]:
        u = box[0]
        end = box[2] - rng.uniform(0, 0.4) * (box[2] - box[0]) * (rng.random() < 0.3)
        while u < end:
            word = rng.uniform(0.5, 4) * line
            _rectangle(image, np.array([u, v, min(u + word, end), v + line * 0.5]), ink)
            u += word + line * 0.5
        v += line


def _page(rng: Rng) -> Image:
    image = np.full((_S, _S, 3), rng.uniform(0.8, 1), np.float32)
    ink = np.full(3, rng.uniform(0, 0.5), np.float32)
    columns = int(rng.integers(1, 4))
    for column in range(columns):
        u0, u1 = 0.08 + 0.86 * column / columns, 0.02 + 0.9 * (column + 1) / columns
        split = rng.uniform(0.1, 0.9)
        _text(rng, image, np.array([u0, 0.08, u1, split]), rng.uniform(0.015, 0.06), ink)
        if rng.random() < 0.5:
            _rectangle(image, np.array([u0, split, u1, 0.92]), rng.random(3))
        else:
            _text(rng, image, np.array([u0, split, u1, 0.92]), rng.uniform(0.015, 0.05), ink)
    return image


def _poster(rng: Rng) -> Image:
    image = np.empty((_S, _S, 3), np.float32)
    image[:] = rng.random(3) + 0.3 * (_noise(rng)[..., None] - 0.5)
    for _ in range(rng.integers(1, 9)):
        centre, radius = rng.random(2), rng.uniform(0.05, 0.4, 2)
        box = np.concatenate([centre - radius, centre + radius])
        if rng.random() < 0.5:
            _rectangle(image, box, rng.random(3))
        else:
            disc = ((_U - centre[0]) / radius[0]) ** 2 + ((_V - centre[1]) / radius[1]) ** 2 < 1
            image[disc] = rng.random(3)
    for _ in range(rng.integers(1, 4)):
        corner = rng.uniform(0.02, 0.7, 2)
        box = np.concatenate([corner, corner + rng.uniform(0.1, 0.5, 2)])
        _text(rng, image, box, rng.uniform(0.03, 0.2), rng.random(3).astype(np.float32))
    return np.clip(image, 0, 1)


def _blob(
    image: Image,
    rng: Rng,
    radius: float,
    aspect: float,
    colour: NDArray[np.floating],
    *,
    square: bool = False,
) -> None:
    """Paint a disc or a box at a random place, wrapped around the borders."""
    du = np.arange(-int(radius * _S), int(radius * _S) + 1)
    dv = np.arange(-int(radius * aspect * _S), int(radius * aspect * _S) + 1)
    v, u = np.ix_((dv + rng.integers(_S)) % _S, (du + rng.integers(_S)) % _S)
    if square:
        image[v, u] = colour
        return
    inside = (du / (radius * _S)) ** 2 + (dv[:, None] / (radius * aspect * _S)) ** 2 < 1
    image[v, u] = np.where(inside[..., None], colour, image[v, u])


def _leaves(rng: Rng) -> Image:
    """Dead leaves: occluding discs and boxes with a 1/r^3 size law, as in natural images."""
    image = np.empty((_S, _S, 3), np.float32)
    image[:] = rng.random(3)
    base, spread = rng.random(3), rng.uniform(0.15, 0.6)
    for radius in np.sort(0.02 * rng.pareto(1.5, 220) + 0.012)[::-1].clip(0, 0.4):
        colour = base + spread * (rng.random(3) - 0.5) * 2
        _blob(image, rng, radius, rng.uniform(0.4, 1), colour, square=rng.random() < 0.4)
    return np.clip(image + 0.15 * (_noise(rng, 0.8)[..., None] - 0.5), 0, 1)


def _photo(rng: Rng) -> Image:
    common, slope = _noise(rng, rng.uniform(1.0, 1.6)), rng.uniform(1.0, 1.6)
    return np.stack([0.7 * common + 0.3 * _noise(rng, slope) for _ in range(3)], axis=2)


def _foliage(rng: Rng) -> Image:
    image = np.full((_S, _S, 3), 0.1, np.float32)
    for _ in range(420):
        _blob(image, rng, rng.uniform(0.01, 0.05), rng.uniform(0.5, 2), np.full(3, rng.random()))
    return image


def _cupboard(rng: Rng) -> Image:
    image = np.full((_S, _S), rng.uniform(0.5, 0.8)) + 0.15 * (
        _noise(rng, 1.0, stretch=rng.choice([1.0, 12.0])) - 0.5
    )
    rows, columns = int(rng.integers(1, 5)), int(rng.integers(1, 3))
    _, inside = _cells(rng, rows, columns, 0, 0.006)
    _, panel = _cells(rng, rows, columns, 0, 0.04 * (rng.random() < 0.5))
    image = image * (0.15 + 0.85 * inside) * (0.8 + 0.2 * panel)
    tone = rng.choice([0.0, 0.2, 1.0])
    v, u = _V * rows % 1, _U * columns % 1
    handle = (np.abs(v - 0.12) < 0.02 * rows) & (np.abs(u - 0.5) < 0.15)
    image[handle] = tone
    return _grey(image)


def _books(rng: Rng) -> Image:
    image = np.zeros((_S, _S, 3), np.float32)
    rows = int(rng.integers(1, 5))
    for row in range(rows):
        u = 0.0
        while u < 1:
            width, height = rng.uniform(0.015, 0.06), rng.uniform(0.55, 0.93)
            top, bottom = (row + 1 - height) / rows, (row + 0.97) / rows
            _rectangle(image, np.array([u, top, u + width, bottom]), rng.random(3))
            band = np.array([u, top + 0.1 / rows, u + width, top + 0.25 / rows])
            _rectangle(image, band, rng.random(3))
            u += width + (0.15 * rng.random() if rng.random() < 0.1 else 0.003)
    return image


def _facade(rng: Rng) -> Image:
    image = _grey(0.65 + 0.3 * (_noise(rng, 0.8) - 0.5))
    if rng.random() < 0.4:
        image *= 0.6 + 0.4 * _bricks(rng)
    rows, columns = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    width, height = rng.uniform(0.25, 0.9), rng.uniform(0.35, 0.8)
    u, v = np.abs(_U * columns % 1 - 0.5) * 2, np.abs(_V * rows % 1 - 0.5) * 2
    image[(u < width + 0.1) & (v < height + 0.1)] = rng.uniform(0.6, 1)
    glass = 0.1 + 0.5 * rng.random((rows, columns, 3)) * rng.uniform(0.2, 1)
    pane = (u < width) & (v < height) & ((u > 0.06) | (rng.random() < 0.4))
    cell = glass[(_V * rows).astype(int) % rows, (_U * columns).astype(int) % columns]
    image[pane] = (cell + 0.3 * (_noise(rng)[..., None] - 0.5))[pane]
    return np.clip(image, 0, 1)


def _screen(rng: Rng) -> Image:
    image = np.empty((_S, _S, 3), np.float32)
    image[:] = rng.random(3) * rng.uniform(0.1, 1)
    for _ in range(rng.integers(2, 7)):
        corner = rng.uniform(0, 0.8, 2)
        box = np.concatenate([corner, corner + rng.uniform(0.1, 0.6, 2)])
        _rectangle(image, box, rng.random(3))
        _text(rng, image, box, rng.uniform(0.02, 0.06), rng.random(3).astype(np.float32))
    return image


def _keys(rng: Rng) -> Image:
    tone, inside = _cells(rng, int(rng.integers(4, 8)), int(rng.integers(8, 16)), 0.3, 0.01)
    return _grey(inside * (0.4 + 0.3 * tone))


def _door(rng: Rng) -> Image:
    image = 0.6 + 0.3 * (_noise(rng, 0.9, stretch=1.0).T - 0.5)
    for v0, v1 in ((0.06, 0.45), (0.55, 0.94)) if rng.random() < 0.6 else ((0.06, 0.5),):
        frame = (np.abs(_U - 0.5) < 0.36) & (v0 < _V) & (v1 > _V)
        inner = (np.abs(_U - 0.5) < 0.33) & (v0 + 0.02 < _V) & (v1 - 0.02 > _V)
        image[frame & ~inner] *= rng.uniform(0.5, 0.8)
    image[(np.abs(_U - 0.9) < 0.05) & (np.abs(_V - 0.52) < 0.012)] = rng.choice([0.0, 1.0])
    return _grey(image)


_BANK: dict[str, tuple[Callable[[Rng], Image], int]] = {
    'flat': (_flat, 1),
    'plaster': (_plaster, 8),
    'cloud': (_cloud, 6),
    'marble': (_marble, 5),
    'speckle': (_speckle, 8),
    'wood': (_wood, 10),
    'planks': (_planks, 7),
    'bricks': (_bricks, 6),
    'tiles': (_tiles, 10),
    'checker': (_checker, 3),
    'stripes': (_stripes, 8),
    'weave': (_weave, 4),
    'corrugated': (_corrugated, 3),
    'page': (_page, 10),
    'poster': (_poster, 20),
    'leaves': (_leaves, 12),
    'photo': (_photo, 6),
    'foliage': (_foliage, 4),
    'cupboard': (_cupboard, 8),
    'books': (_books, 6),
    'facade': (_facade, 12),
    'screen': (_screen, 6),
    'keys': (_keys, 3),
    'door': (_door, 4),
}


def texture_groups() -> dict[str, range]:
    """Return the indices of the textures of every group in the bank."""
    groups, start = {}, 0
    for name, (_, count) in _BANK.items():
        groups[name] = range(start, start + count)
        start += count
    return groups


TEXTURE_COUNT = sum(count for _, count in _BANK.values())


@functools.cache
def texture_bank() -> NDArray[np.uint8]:
    """
    Return the textures, made once a process from a fixed seed.

    Returns
    -------
    np.ndarray, shape (TEXTURE_COUNT, 256, 256, 3), uint8
        Tileable pictures. Most are grey patterns, which a material maps between two colours.

    """
    images = [
        make(np.random.default_rng((7, group, variant)))
        for group, (make, count) in enumerate(_BANK.values())
        for variant in range(count)
    ]
    return np.rint(np.stack(images) * 255).astype(np.uint8)
