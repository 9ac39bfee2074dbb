# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A double of pycuda; see the README beside it."""

VERSION = (2026, 1)
VERSION_TEXT = '2026.1'
