# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Materials: how a texture of the bank is coloured, scaled and lit."""

import colorsys
import math

from mono_depth_ros.source.draw import Draw
from mono_depth_ros.source.textures import texture_groups

# Columns of a material's row.
MATRIX = slice(0, 9)  # colour = MATRIX @ texture + OFFSET, row-major
OFFSET = slice(9, 12)
SPECULAR, GLOSS, REFLECTION, EMISSION, DIRT, TEXTURE, FIT = range(12, 19)
SCALE_U, SCALE_V, COSINE, SINE, SHIFT_U, SHIFT_V = range(19, 25)
MATERIAL_WIDTH = 25

Colour = tuple[float, float, float]
_GROUPS = texture_groups()
_COLOURED = frozenset({'page', 'poster', 'leaves', 'photo', 'books', 'facade', 'screen'})
_FITTED = frozenset({'page', 'poster', 'cupboard', 'books', 'screen', 'keys', 'door'})

# family: (texture groups, hue range, saturation range, value range, contrast range,
#          period range [m], specular range, reflection range)
_Range = tuple[float, float]
_Family = tuple[tuple[str, ...], _Range, _Range, _Range, _Range, _Range, _Range, _Range]
_ANY: _Range = (0.0, 1.0)
_WARM: _Range = (0.02, 0.16)
# fmt: off
FAMILIES: dict[str, _Family] = {
    'paint': (
        ('flat', 'plaster', 'plaster', 'cloud'),
        _ANY, (0.0, 0.25), (0.45, 0.95), (0.0, 0.3), (0.5, 4), (0.0, 0.15), (0, 0.03),
    ),
    'wallpaper': (
        ('stripes', 'weave', 'leaves', 'marble', 'tiles', 'photo'),
        _ANY, (0.0, 0.5), (0.3, 0.9), (0.1, 0.6), (0.2, 1.5), (0.0, 0.1), (0, 0.02),
    ),
    'wood': (
        ('wood', 'wood', 'wood', 'planks'),
        (0.03, 0.12), (0.2, 0.75), (0.15, 0.8), (0.1, 0.6), (0.3, 1.5), (0.0, 0.5), (0, 0.15),
    ),
    'floorboards': (
        ('planks',),
        (0.03, 0.12), (0.1, 0.7), (0.2, 0.8), (0.2, 0.8), (0.8, 2.0), (0.0, 0.6), (0, 0.25),
    ),
    'plastic': (
        ('flat', 'flat', 'plaster'),
        _ANY, (0.0, 0.9), (0.05, 0.95), (0.0, 0.15), (0.2, 1), (0.1, 0.9), (0, 0.12),
    ),
    'metal': (
        ('flat', 'plaster', 'wood', 'speckle'),
        _ANY, (0.0, 0.1), (0.3, 0.9), (0.0, 0.25), (0.1, 1), (0.4, 1.2), (0.1, 0.6),
    ),
    'lacquer': (
        ('flat', 'flat', 'plaster', 'speckle'),
        _ANY, (0.0, 0.95), (0.1, 0.95), (0.0, 0.12), (0.2, 1), (0.1, 0.8), (0, 0.25),
    ),
    'cupboard': (
        ('cupboard',),
        _ANY, (0.0, 0.8), (0.15, 0.95), (0.5, 1.0), (1, 1), (0.0, 0.6), (0, 0.15),
    ),
    'fabric': (
        ('weave', 'speckle', 'flat', 'plaster', 'stripes', 'cloud'),
        _ANY, (0.0, 0.8), (0.05, 0.9), (0.0, 0.5), (0.1, 0.8), (0.0, 0.02), (0, 0),
    ),
    'carpet': (
        ('stripes', 'stripes', 'speckle', 'weave', 'plaster', 'photo', 'leaves'),
        _ANY, (0.0, 0.5), (0.1, 0.7), (0.1, 0.8), (0.3, 2.0), (0.0, 0.0), (0, 0),
    ),
    'stone': (
        ('speckle', 'marble', 'cloud', 'flat', 'plaster'),
        _ANY, (0.0, 0.2), (0.05, 0.9), (0.1, 0.7), (0.2, 1.5), (0.1, 0.9), (0, 0.3),
    ),
    'tile': (
        ('tiles', 'tiles', 'tiles', 'checker'),
        _ANY, (0.0, 0.4), (0.3, 0.95), (0.2, 0.9), (0.3, 1.6), (0.1, 0.8), (0, 0.3),
    ),
    'brick': (
        ('bricks',),
        (0.0, 0.1), (0.0, 0.7), (0.3, 0.8), (0.3, 0.9), (0.5, 1.5), (0.0, 0.05), (0, 0),
    ),
    'concrete': (
        ('plaster', 'cloud', 'speckle', 'corrugated'),
        _ANY, (0.0, 0.12), (0.25, 0.75), (0.05, 0.4), (0.5, 4), (0.0, 0.2), (0, 0.08),
    ),
    'asphalt': (
        ('speckle', 'cloud', 'plaster'),
        _ANY, (0.0, 0.08), (0.2, 0.6), (0.05, 0.35), (1.0, 8), (0.0, 0.1), (0, 0.03),
    ),
    'paving': (
        ('tiles', 'bricks', 'tiles', 'speckle'),
        _WARM, (0.0, 0.2), (0.3, 0.8), (0.1, 0.5), (0.6, 2.5), (0.0, 0.1), (0, 0),
    ),
    'paper': (
        ('page',),
        _ANY, (0.0, 0.1), (0.8, 1.0), (0.7, 1.0), (1, 1), (0.0, 0.3), (0, 0.02),
    ),
    'poster': (
        ('poster', 'poster', 'photo', 'leaves', 'page'),
        _ANY, (0.0, 1.0), (0.5, 1.0), (0.5, 1.0), (1, 1), (0.0, 0.4), (0, 0.1),
    ),
    'books': (('books',), _ANY, (0.2, 0.9), (0.5, 1.0), (0.5, 1.0), (1, 1), (0.0, 0.2), (0, 0)),
    'screen': (
        ('screen', 'flat', 'flat'),
        _ANY, (0.0, 0.8), (0.02, 0.9), (0.4, 1.0), (1, 1), (0.3, 1.0), (0.02, 0.3),
    ),
    'keys': (('keys',), _ANY, (0.0, 0.1), (0.1, 0.9), (0.5, 1.0), (1, 1), (0, 0.2), (0, 0)),
    'door': (
        ('door', 'door', 'flat', 'wood', 'cupboard'),
        (0.03, 0.12), (0.0, 0.6), (0.2, 0.95), (0.4, 1.0), (1, 1), (0.0, 0.4), (0, 0.1),
    ),
    'glass': (
        ('flat', 'photo', 'cloud'),
        (0.4, 0.65), (0.0, 0.3), (0.05, 0.5), (0.1, 0.5), (0.5, 3), (0.6, 1.5), (0.3, 0.8),
    ),
    'outside': (
        ('flat', 'photo', 'leaves', 'cloud', 'foliage'),
        (0.3, 0.65), (0.0, 0.4), (0.6, 1.0), (0.2, 0.8), (0.5, 3), (0.2, 0.6), (0, 0.2),
    ),
    'facade': (
        ('facade',),
        _WARM, (0.0, 0.5), (0.4, 1.0), (0.6, 1.0), (4, 9), (0.0, 0.2), (0, 0.05),
    ),
    'car_paint': (
        ('flat',),
        _ANY, (0.0, 0.9), (0.03, 0.95), (0.0, 0.05), (1, 2), (0.3, 1.2), (0.1, 0.45),
    ),
    'rubber': (
        ('flat', 'plaster'),
        _ANY, (0.0, 0.05), (0.02, 0.15), (0.0, 0.2), (0.3, 1), (0.0, 0.2), (0, 0.02),
    ),
    'foliage': (
        ('foliage', 'foliage', 'leaves', 'speckle'),
        (0.16, 0.4), (0.2, 0.8), (0.15, 0.7), (0.4, 1.0), (0.3, 2.0), (0.0, 0.1), (0, 0),
    ),
    'grass': (
        ('speckle', 'foliage', 'plaster'),
        (0.14, 0.35), (0.2, 0.7), (0.2, 0.7), (0.3, 0.8), (0.5, 3.0), (0.0, 0.0), (0, 0),
    ),
    'bark': (
        ('wood', 'stripes', 'cloud'),
        _WARM, (0.1, 0.5), (0.1, 0.5), (0.3, 0.9), (0.3, 1.0), (0.0, 0.0), (0, 0),
    ),
    'skin': (('flat',), (0.02, 0.1), (0.2, 0.6), (0.2, 0.95), (0, 0.05), (1, 2), (0, 0.2), (0, 0)),
    'hair': (('wood',), _WARM, (0.0, 0.6), (0.02, 0.6), (0.2, 0.6), (0.2, 1), (0, 0.2), (0, 0)),
    'cardboard': (
        ('plaster', 'corrugated', 'flat'),
        (0.05, 0.1), (0.3, 0.6), (0.35, 0.75), (0.05, 0.3), (0.3, 1), (0.0, 0.05), (0, 0),
    ),
    'light': (('flat',), _WARM, (0.0, 0.2), (0.9, 1.0), (0, 0), (1, 1), (0, 0), (0, 0)),
}
# fmt: on
_EMISSION: dict[str, _Range] = {'light': (2, 6), 'outside': (0.3, 2.5), 'screen': (0.0, 1.2)}
_NEVER_SWAPPED = frozenset({'light', 'outside'})
_SWAPPED_FOR = ('paint', 'wallpaper', 'wood', 'fabric', 'stone', 'tile', 'poster')


def _hue_turn(angle: float, saturation: float) -> list[float]:
    """Return the 3x3 matrix that turns hue about the grey axis and scales saturation."""
    c, s = math.cos(angle), math.sin(angle) / math.sqrt(3)
    third = (1 - c) / 3
    turn = [c + third, third - s, third + s, third + s, c + third, third - s]
    turn += [third - s, third + s, c + third]
    return [saturation * value + (1 - saturation) / 3 for value in turn]


class Materials:
    """
    The materials of one scene; every call of `new` draws another one of a family.

    Parameters
    ----------
    draw : Draw
        Source of randomness.
    texture : bool
        False leaves every surface in one flat colour.
    wildness : float
        Probability that a material is swapped for one of any family.

    """

    def __init__(self, draw: Draw, *, texture: bool = True, wildness: float = 0.0) -> None:
        self.rows: list[list[float]] = []
        self._draw, self._texture, self._wildness = draw, texture, wildness

    def new(self, *families: str, fit: bool | None = None, dim: float = 1.0) -> int:
        """Draw a material of one of `families` and return its index."""
        draw = self._draw
        family = draw.choice(families)
        if family not in _NEVER_SWAPPED and draw.chance(self._wildness):
            family = draw.choice(_SWAPPED_FOR)
        groups, hues, saturations, values, contrasts, periods, speculars, reflections = FAMILIES[
            family
        ]
        group = draw.choice(groups)
        hue, value = draw.uniform(*hues), draw.uniform(*values) * dim
        saturation = draw.uniform(*saturations)
        if draw.chance(0.35):
            saturation *= 0.3
        contrast = draw.uniform(*contrasts)
        row = [0.0] * MATERIAL_WIDTH
        if group in _COLOURED:
            turn = _hue_turn(2 * math.pi * draw.random() * (group != 'facade'), saturation)
            tint = colorsys.hsv_to_rgb(hue, 0.3 * saturation, value)
            for k in range(9):
                row[k] = contrast * turn[k] * tint[k // 3]
            row[OFFSET] = [(1 - contrast) * 0.5 * channel for channel in tint]
        else:
            middle = colorsys.hsv_to_rgb(hue, saturation, value)
            hue += draw.normal(0.05) + 0.5 * draw.chance(0.05)
            second = colorsys.hsv_to_rgb(
                hue % 1.0, min(1.0, saturation * draw.uniform(0.6, 1.4)), value
            )
            sign = contrast if draw.chance(0.8) else -contrast
            for k in range(9):
                row[k] = sign * second[k // 3] * 0.9 / 3
            row[OFFSET] = [a - 0.45 * sign * b for a, b in zip(middle, second, strict=True)]
        row[SPECULAR], row[REFLECTION] = draw.uniform(*speculars), draw.uniform(*reflections)
        row[GLOSS] = draw.log_uniform(6, 150)
        row[EMISSION] = draw.uniform(*_EMISSION.get(family, (0.0, 0.0)))
        row[DIRT] = draw.uniform(0, 0.5) if draw.chance(0.5) and self._texture else 0.0
        row[TEXTURE] = draw.choice(_GROUPS[group]) if self._texture else 0.0
        fitted = group in _FITTED if fit is None else fit
        row[FIT] = float(fitted)
        period = draw.log_uniform(*periods) if periods[1] > periods[0] else periods[0]
        row[SCALE_U] = 1 / period
        row[SCALE_V] = row[SCALE_U] * (1 if draw.chance(0.7) else draw.log_uniform(0.7, 1.5))
        upright = fitted or group == 'facade'
        angle = 0.0 if upright else draw.integer(0, 3) * math.pi / 2
        if not upright and draw.chance(0.1):
            angle = draw.uniform(0, math.pi)
        row[COSINE], row[SINE] = math.cos(angle), math.sin(angle)
        if not fitted:
            row[SHIFT_U], row[SHIFT_V] = draw.random(), draw.random()
        self.rows.append(row)
        return len(self.rows) - 1
