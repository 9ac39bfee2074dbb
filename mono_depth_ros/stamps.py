# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When a ROS message was stamped."""

from __future__ import annotations

import struct
from typing import Any


def header_stamp(header: Any) -> int:
    """Return the stamp of a ``std_msgs/Header`` [ns]; one that was never set may be negative."""
    return _nanoseconds(header.stamp.sec, header.stamp.nanosec)


def serialized_stamp(raw: bytes) -> int:
    """Return the stamp of a serialized message that begins with a header [ns]."""
    order = '<' if raw[1] & 1 else '>'  # the second byte of CDR says which end comes first
    return _nanoseconds(*struct.unpack_from(f'{order}iI', raw, 4))


def _nanoseconds(seconds: Any, rest: Any) -> int:
    return int(seconds) * 1_000_000_000 + int(rest)
