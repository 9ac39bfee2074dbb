# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Diagnostics of the adaptation node: what it does, what it holds, how the last cycle ended."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from mono_depth_ros.adaptation.outcome import FAILED, Outcome, REJECTED
from mono_depth_ros.nodes.adaptation_loop import AdaptationLoop, describe_progress
from mono_depth_ros.nodes.network_in_use import ROLLED_BACK


def adaptation_status(
    name: str, loop: AdaptationLoop | None, version: str, inactive: str
) -> DiagnosticStatus:
    """
    Describe the adaptation node.

    Parameters
    ----------
    name : str
        Name of the status, unique in the system.
    loop : AdaptationLoop or None
        What the node runs; None if it is not active.
    version : str
        Version in use in the store.
    inactive : str
        State of a node that is not active.

    """
    status = DiagnosticStatus(level=DiagnosticStatus.OK, name=name, message=inactive)
    values = {'state': inactive, 'version': version}
    if loop is not None:
        status.level, status.message = _headline(loop)
        values |= _values(loop)
    status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    return status


def _headline(loop: AdaptationLoop) -> tuple[bytes, str]:
    problem = loop.problem or loop.collector.problem or loop.collector.references.problem
    if problem:
        return DiagnosticStatus.WARN, problem
    if loop.buffer.problem:
        return DiagnosticStatus.WARN, f'images are not kept on disk: {loop.buffer.problem}'
    outcome = loop.outcome
    if loop.runner.active:
        return DiagnosticStatus.OK, f'{loop.state}: {describe_progress(loop.runner.progress)}'
    if outcome is not None and outcome.state in (REJECTED, FAILED, ROLLED_BACK):
        message = f'{loop.state}; the last cycle was {outcome.state}: {outcome.reason}'
        return DiagnosticStatus.WARN, message
    return DiagnosticStatus.OK, loop.state


def _values(loop: AdaptationLoop) -> dict[str, str]:
    collector, schedule, progress = loop.collector, loop.schedule, loop.runner.progress
    frames = loop.buffer.snapshot()
    drift, feature = collector.statistics.drift()
    return {
        'state': loop.state,
        'candidate': loop.candidate,
        'depth node runs': loop.hand_over.running,
        'stage': str(progress.get('stage', '')),
        'step': str(progress.get('step', '')),
        'steps': str(progress.get('steps', '')),
        'eta [s]': f'{progress["eta_s"]:.0f}' if 'eta_s' in progress else '',
        'frames': str(len(frames)),
        'frames held out': str(sum(frame.held_out for frame in frames)),
        'frames with shape': str(sum(len(frame.structure) > 0 for frame in frames)),
        'frames with metric points': str(sum(len(frame.points) > 0 for frame in frames)),
        'images received': str(collector.received),
        'images looked at': str(collector.taken),
        'images nobody had time for': str(collector.lost),
        **{
            f'refused: {reason}': str(count)
            for reason, count in loop.buffer.counts.items()
            if reason != 'kept'
        },
        **{f'used: {topic}': str(n) for topic, n in collector.references.counts.items()},
        'drift': f'{drift:.2f} {feature}'.strip(),
        'next cycle': schedule.describe(),
        'back-off [s]': f'{schedule.wait_s:.0f}',
        'rejections in a row': str(schedule.rejections),
        **describe_outcome(loop.outcome),
    }


def describe_outcome(outcome: Outcome | None) -> dict[str, str]:
    """Return how a cycle ended, with every number of its verdict."""
    if outcome is None:
        return {'last outcome': 'none yet'}
    values = {
        'last outcome': outcome.state,
        'last reason': outcome.reason,
        'last version': outcome.version,
    }
    for name in ('mode', 'baseline', 'steps', 'frames', 'points', 'drift', 'seconds'):
        if name in outcome.details:
            values[f'last cycle: {name}'] = str(outcome.details[name])
    for check in outcome.verdict.get('checks', ()):
        value = 'none' if check['value'] is None else f'{check["value"]:.4g}'
        limit = f'{check["relation"]} {check["threshold"]:.4g}'
        judged = 'ok' if check['passed'] else 'failed' if check['required'] else 'told'
        values[f'verdict: {check["name"]}'] = f'{value} {limit} {judged}'
    return values
