# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Smooth ways of a camera through a scene."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
import math

from mono_depth_ros.source.draw import Draw
from mono_depth_ros.source.scene import Scene
from mono_depth_ros.source.viewpoint import Array, clearance, Viewpoint
import numpy as np

_STEER = np.linspace(-1.2, 1.2, 13)  # headings tried against the one wanted, rad


def _free_heading(
    scene: Scene, place: Array, heading: float, reach: float, room: float
) -> float | None:
    """Return the heading nearest to the wanted one that is clear for `reach` metres."""
    order = heading + _STEER[np.argsort(np.abs(_STEER), kind='stable')]
    steps = np.array([0.35, 0.7, 1.0]) * reach
    direction = np.stack([np.cos(order), np.sin(order), np.zeros_like(order)], 1)
    points = place + direction[:, None] * steps[:, None]  # (13, 3, 3)
    free = clearance(scene, points.reshape(-1, 3)).reshape(points.shape[:2]).min(1) > room
    x0, y0, x1, y1 = scene.ground
    flat = points[..., :2]
    within = ((flat > [x0 + 0.1, y0 + 0.1]) & (flat < [x1 - 0.1, y1 - 0.1])).all((1, 2))
    good = np.nonzero(free & within)[0]
    return float(order[good[0]]) if len(good) else None


def walk(
    draw: Draw, scene: Scene, start: Viewpoint, frames: int, rate: float, *, outdoor: bool
) -> Iterator[Viewpoint]:
    """
    Yield the views of a robot that goes where it looks and turns away from things.

    Parameters
    ----------
    draw : Draw
        Source of randomness.
    scene : Scene
        What stands in the way.
    start : Viewpoint
        First view; height, focal length and mean pitch stay.
    frames : int
        How many.
    rate : float
        Frames a second.
    outdoor : bool
        True drives at the speed of a car.

    """
    speed = draw.uniform(4.0, 10.0) if outdoor else draw.uniform(0.3, 0.8)
    room = 0.8 if outdoor else min(0.15, 0.4 * float(start.position[2]))
    reach = 8.0 if outdoor else 0.6
    position = start.position.copy()
    heading = math.atan2(start.rotation[1, 2], start.rotation[0, 2])
    turn, pace = 0.0, 1.0  # rad/s, share of the speed
    phases = [draw.uniform(0, 2 * math.pi) for _ in range(3)]
    rotation = start.rotation
    for k in range(frames):
        time = k / rate
        sway = 0.02 * math.sin(2.1 * time + phases[0]), 0.015 * math.sin(1.3 * time + phases[1])
        c, s = math.cos(sway[0]), math.sin(sway[0])
        pitch = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
        c, s = math.cos(sway[1]), math.sin(sway[1])
        roll = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        yield replace(start, position=position.copy(), rotation=rotation @ pitch @ roll)
        wander = 0.0 if outdoor else 0.3 * math.sin(0.4 * time + phases[2])
        free = _free_heading(scene, position, heading + wander / rate, reach, room)
        wanted = 0.0 if free is None else max(-0.8, min(0.8, 2.0 * (free - heading)))
        turn += (wanted if free is not None else 0.6) * 0.3 - 0.3 * turn
        pace += (float(free is not None) - pace) * (0.3 if free is not None else 0.6)
        step = turn / rate
        c, s = math.cos(step), math.sin(step)
        rotation = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ rotation
        heading += step
        forward = np.array([math.cos(heading), math.sin(heading), 0])
        ahead = position + pace * speed / rate * forward
        if clearance(scene, ahead[None])[0] > 0.6 * room:
            position = ahead
