# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A comparison as a picture: every run a dot, medians as bars, shorter is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

PANELS = (('abs_rel', 'abs_rel, metres as they are'), ('abs_rel_aligned', 'abs_rel, aligned'))
LABELS, PANEL, LINE, TOP = 230, 430, 26, 40
INK, GRID, BAR, CONTROL, DOT, REFUSED = (
    (40, 40, 40),
    (225, 225, 225),
    (120, 170, 220),
    (200, 200, 200),
    (30, 90, 160),
    (205, 90, 60),
)
Picture = NDArray[np.uint8]


def draw_comparison(rows: Sequence[Mapping[str, Any]]) -> Picture:
    """
    Draw the scores of runs and controls.

    Parameters
    ----------
    rows : sequence of Mapping
        ``name``, ``abs_rel``, ``abs_rel_aligned``, and of runs ``accepted`` by the gate.

    Returns
    -------
    np.ndarray, shape (H, W, 3), uint8
        Red dots are runs that the gate refused; the line is the network before adaptation.

    """
    names = list(dict.fromkeys(row['name'] for row in rows))
    height = TOP + LINE * len(names) + 20
    picture = np.full((height, LABELS + PANEL * len(PANELS), 3), 255, np.uint8)
    for line, name in enumerate(names):
        _write(picture, name, (8, TOP + LINE * line + 17))
    for number, (key, title) in enumerate(PANELS):
        left = LABELS + PANEL * number
        _write(picture, title, (left, 22))
        _panel(picture, rows, names, key, left)
    return picture


def _panel(
    picture: Picture, rows: Sequence[Mapping[str, Any]], names: list[str], key: str, left: int
) -> None:
    largest = max(float(row[key]) for row in rows) * 1.15
    width = PANEL - 60

    def column(value: float) -> int:
        return left + round(width * value / largest)

    bottom = TOP + LINE * len(names)
    for step in np.arange(0, largest, 0.1 if largest > 0.25 else 0.05):
        cv2.line(picture, (column(step), TOP), (column(step), bottom), GRID, 1)
        _write(picture, f'{step:.2g}', (column(step) - 8, bottom + 14), 0.35)
    for line, name in enumerate(names):
        own = [row for row in rows if row['name'] == name]
        median = float(np.median([row[key] for row in own]))
        top = TOP + LINE * line
        colour = BAR if 'accepted' in own[0] else CONTROL
        cv2.rectangle(picture, (left, top + 5), (column(median), top + LINE - 6), colour, -1)
        rightmost = column(max(float(row[key]) for row in own))
        _write(picture, f'{median:.3f}', (rightmost + 8, top + 17), 0.4)
        for row in own:
            shade = REFUSED if row.get('accepted') is False else DOT
            centre = (column(float(row[key])), top + LINE // 2)
            if 'accepted' in row:
                cv2.circle(picture, centre, 3, shade, -1, cv2.LINE_AA)
    before = [row for row in rows if row['name'] == 'none']
    if before:
        start = column(float(before[0][key]))
        cv2.line(picture, (start, TOP), (start, bottom), INK, 1)


def _write(picture: Picture, text: str, place: tuple[int, int], size: float = 0.45) -> None:
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(picture, text, place, font, size, INK, 1, cv2.LINE_AA)
