# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Many reloads under load.

20 by default; ``RELOADS=200 make test ARGS=test/nodes/test_reloads.py`` does more, and
``mono_depth benchmark --reloads 200`` does it with the shipped network.
"""

import os

import pytest

pytestmark = pytest.mark.ros
rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')
from mono_depth_ros.cli.measuring import Setup
from mono_depth_ros.cli.reload_benchmark import measure_reloads, reload_summary
from mono_depth_ros.nodes.reload_probe import cpu_times, Sent, share_lost, share_stolen

RELOADS = int(os.environ.get('RELOADS', '20'))
TRIES = 3
# Share of the images that a machine may lose without any reload and still tell of reloads.
QUIET = 0.02


def test_reloads_at_30_hz_lose_no_image_but_the_one_in_progress(red_network, capsys):
    # A machine with other work loses images anyway, so the quietest try counts for those. One that
    # loses many can show that reloads lose none, but not that they lose some.
    quiet = []
    for _ in range(TRIES):
        report = measure_reloads(Setup('', red_network, 'auto', 0.0), RELOADS)

        with capsys.disabled():
            print(f'\n{reload_summary(report)}')
        assert report['of neither network'] == 0
        assert report['of the other network after a swap'] == 0
        assert report['sent'] > 3 * RELOADS
        # Two engines are loaded at the same time, never more.
        assert report['memory']['growth of peaks'] < 0.1 * RELOADS + 10
        idle = report['lost without reloads'], report['lost without reloads afterwards']
        allowed = float(RELOADS)
        if max(idle) <= QUIET:
            allowed += 2 * report['lost without reloads'] * report['sent']
            quiet.append((report['lost'], allowed))
        if report['lost'] <= allowed:
            return
    if not quiet:
        pytest.skip(f'this machine loses {100 * max(idle):.0f} % of the images without reloads')
    lost, allowed = quiet[-1]
    assert lost <= allowed


def test_images_that_the_machine_lost_are_told_apart(tmp_path):
    stat = tmp_path / 'stat'
    stat.write_text('cpu  10 0 5 80 1 0 1 3 2 0\ncpu0 10 0 5 80 1 0 1 3 2 0\n')
    before = cpu_times(stat)
    stat.write_text('cpu  20 0 9 150 2 0 2 17 9 0\ncpu0 20 0 9 150 2 0 2 17 9 0\n')

    assert share_stolen(before, cpu_times(stat)) == pytest.approx(0.14)
    assert share_stolen(before, cpu_times(tmp_path / 'none')) is None
    answered, lost = Sent(0, 'a', 'a'), Sent(1, 'a')
    assert share_lost([answered, lost, answered, lost]) == 0.5
    assert share_lost([]) == 0


@pytest.mark.parametrize(('stolen', 'said'), [(0.125, '12.5 %'), (None, 'unknown')])
def test_the_summary_says_what_the_machine_lost(stolen, said):
    report = {
        'reloads': 60, 'seconds': 200.0, 'seconds a reload': {'p50': 2.8, 'max': 7.7},
        'sent': 5370, 'never sent': 630, 'lost': 29, 'lost in a row': 2,
        'lost without reloads': 0.0, 'lost without reloads afterwards': 0.25, 'stolen': stolen,
        'of neither network': 0, 'of the other network after a swap': 0,
        'memory': {'highest': 337.0, 'growth of peaks': 7.9},
    }  # fmt: skip

    summary = reload_summary(report)

    assert '630 ticks of the camera never came' in summary
    assert '25.0 % afterwards' in summary
    assert f'{said} of CPU time stolen' in summary
