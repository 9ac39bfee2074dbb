# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Monocular metric depth for ROS 2: inference on a robot and on-board adaptation."""

__version__ = '0.1.0'
