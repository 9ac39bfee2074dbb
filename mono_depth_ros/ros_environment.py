# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The environment in which ROS nodes are started by the demo, the benchmark and the tests."""

from __future__ import annotations

from collections.abc import Mapping
import os
import random
import socket
import sys

# Above 101 the ports of DDS reach those that Linux hands out to outgoing connections.
DOMAIN_IDS = range(1, 102)
# DDS-RTPS: participant p of domain d listens on 7400 + 250 d + {10, 11} + 2 p.
FIRST_PORT, PORTS_PER_DOMAIN, PORTS_CHECKED = 7400, 250, range(10, 20)


def private_environment(
    base: Mapping[str, str] | None = None, domain_id: int | None = None
) -> dict[str, str]:
    """
    Return the environment for nodes that talk to each other on this machine and to nobody else.

    Big messages get a transport that delivers them (Fast DDS loses most of them by default).

    Parameters
    ----------
    base : mapping, optional
        What to start from; by default the environment of this process.
    domain_id : int, optional
        ROS domain; by default a free one.

    Returns
    -------
    dict of str
        For ``subprocess.Popen(env=...)``.

    """
    environment = dict(os.environ if base is None else base)
    environment['ROS_DOMAIN_ID'] = str(free_domain_id() if domain_id is None else domain_id)
    environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    if environment.get('ROS_DISTRO') == 'humble':
        environment['ROS_LOCALHOST_ONLY'] = '1'
    environment.setdefault('FASTDDS_BUILTIN_TRANSPORTS', 'LARGE_DATA')
    # Where the ROS wheels keep their index; a sourced ROS has said it already.
    environment.setdefault('AMENT_PREFIX_PATH', sys.prefix)
    environment['PYTHONUNBUFFERED'] = '1'
    return environment


def free_domain_id() -> int:
    """Return a random ROS domain in which nobody on this machine takes part."""
    # Not a matter of seeds: two runs at the same time must not meet.
    candidates = random.SystemRandom().sample(DOMAIN_IDS, len(DOMAIN_IDS))
    return next((domain for domain in candidates if _is_free(domain)), candidates[0])


def _is_free(domain: int) -> bool:
    for offset in PORTS_CHECKED:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            try:
                udp.bind(('', FIRST_PORT + PORTS_PER_DOMAIN * domain + offset))
            except OSError:
                return False
    return True
