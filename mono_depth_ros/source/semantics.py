# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Semantic classes of the source domain."""

from enum import IntEnum


class Semantic(IntEnum):
    """Class of a pixel; seven groups that hold for rooms as well as for streets."""

    FLOOR = 0  # and road, pavement, rugs
    WALL = 1  # and doors, windows, pictures, buildings
    CEILING = 2  # and sky
    FURNITURE = 3  # and vehicles
    PERSON = 4
    VEGETATION = 5
    OTHER = 6  # small things, poles, signs, lamps


SKY = Semantic.CEILING
