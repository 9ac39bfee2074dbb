# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The labelled source domain: a seeded procedural world, RGB-D folders and the source pack."""
