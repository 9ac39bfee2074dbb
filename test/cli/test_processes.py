# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a command tells of the nodes that it started."""

from mono_depth_ros.cli.processes import last_words


def test_the_reason_of_an_end_is_the_first_error():
    log = (
        '[INFO] [1795228751.006] [depth_node]: hello\n'
        '[ERROR] [1795228751.007] [depth_node]: no model at /x\n'
        '[FATAL] [1795228751.008] [depth_node]: could not configure\n'
    )

    assert last_words(log) == 'no model at /x'


def test_without_an_error_it_is_the_last_line():
    assert last_words('Traceback\nTypeError: no\n') == 'TypeError: no'
    assert last_words('') == ''
