# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Adaptation without labels: collect frames, adapt, judge, hand over, and be able to go back."""
