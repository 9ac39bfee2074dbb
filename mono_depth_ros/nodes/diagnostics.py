# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Diagnostics of the depth node: one status a second, in words and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from mono_depth_ros.nodes.camera_input import TRANSPORT_REMEDY
from mono_depth_ros.nodes.engine_slot import EngineSlot
from mono_depth_ros.statistics import Report

if TYPE_CHECKING:
    from mono_depth_ros.nodes.scale_source import ScaleSource


def depth_status(
    name: str,
    state: str,
    slot: EngineSlot | None,
    report: Report,
    problem: str,
    scale: ScaleSource | None,
) -> DiagnosticStatus:
    """
    Describe the depth node.

    Parameters
    ----------
    name : str
        Name of the status, unique in the system.
    state : str
        What the node is doing: idle, waiting, running, loading.
    slot : EngineSlot or None
        The engine in use.
    report : Report
        Counts of the last second.
    problem : str
        Why the last image was dropped, empty if nothing is wrong.
    scale : ScaleSource or None
        What corrects the metres.

    """
    if scale is not None:
        problem = problem or scale.problem
    building = slot.building if slot is not None else ''
    level, message = DiagnosticStatus.OK, f'{state}, {building}' if building else state
    if report.loses_images:
        level, message = DiagnosticStatus.WARN, f'images are lost on the way: {TRANSPORT_REMEDY}'
    if problem:
        failed = report.dropped_now and report.fps_out == 0
        level = DiagnosticStatus.ERROR if failed else DiagnosticStatus.WARN
        message = problem
    values = {
        'state': state,
        'fps in': f'{report.fps_in:.1f}',
        'fps out': f'{report.fps_out:.1f}',
        'latency p50 [ms]': f'{report.latency_p50_ms:.1f}',
        'latency p99 [ms]': f'{report.latency_p99_ms:.1f}',
        'load [%]': f'{100 * report.busy:.0f}',
        'lost on the way': str(report.missing),
        **{f'dropped: {reason}': str(count) for reason, count in report.dropped.items()},
    }
    if slot is not None:
        values |= _describe(slot)
    if scale is not None:
        values |= scale.describe()
    return DiagnosticStatus(
        level=level,
        name=name,
        message=message,
        hardware_id=slot.engine.device if slot is not None else '',
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )


def _describe(slot: EngineSlot) -> dict[str, str]:
    """Tell which engine is in use, and what happened and happens to it."""
    engine = slot.engine
    height, width = engine.input_size
    values = {
        'backend': engine.backend,
        'device': engine.device,
        'precision': engine.precision,
        'model': engine.manifest.name,
        'model version': engine.manifest.version,
        'network input': f'{height}x{width}',
        'TensorRT plan': slot.building,
        'health watch': slot.watched,
        'taken back': slot.taken_back,
    }
    return {key: value for key, value in values.items() if value}
