# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The environment in which ROS nodes are started by the demo, the benchmark and the tests."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
import os
from pathlib import Path
import random
import socket
import sys

# Fast DDS on the loopback only, with room for several images in shared memory.
PROFILE = Path(__file__).with_name('fastdds_this_machine.xml')
# Above 101 the ports of DDS reach those that Linux hands out to outgoing connections.
DOMAIN_IDS = range(1, 102)
# DDS-RTPS: participant p of domain d listens on 7400 + 250 d + {10, 11} + 2 p.
FIRST_PORT, PORTS_PER_DOMAIN, PORTS_CHECKED = 7400, 250, range(10, 20)


def private_environment(
    base: Mapping[str, str] | None = None, domain_id: int | None = None
) -> dict[str, str]:
    """
    Return the environment for nodes that talk to each other on this machine and to nobody else.

    With ``ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST`` rmw_fastrtps sets up transports of its own
    and leaves ``FASTDDS_BUILTIN_TRANSPORTS`` aside: a best-effort 0.9 MB image at 30 Hz then
    arrives 5 times of 130. A profile of Fast DDS that listens on the loopback only, with shared
    memory for several images, delivers all of them.

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
    if 'fastrtps' in environment.get('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp'):
        environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'SUBNET'
        environment.pop('ROS_LOCALHOST_ONLY', None)
        environment[_profile_variable(environment)] = str(PROFILE)
    else:
        environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
        if environment.get('ROS_DISTRO') == 'humble':
            environment['ROS_LOCALHOST_ONLY'] = '1'
    # Where the ROS wheels keep their index; a sourced ROS has said it already.
    environment.setdefault('AMENT_PREFIX_PATH', sys.prefix)
    environment['PYTHONUNBUFFERED'] = '1'
    return environment


def _profile_variable(environment: Mapping[str, str]) -> str:
    """Name the variable that this Fast DDS reads; it was renamed in 3.0, with Kilted."""
    distro = environment.get('ROS_DISTRO')
    if distro is None:
        try:
            before_kilted = int(metadata.version('ros-rclpy').split('.')[0]) < 9
        except metadata.PackageNotFoundError:
            before_kilted = False
    else:
        before_kilted = distro in ('humble', 'iron', 'jazzy')
    return f'{"FASTRTPS" if before_kilted else "FASTDDS"}_DEFAULT_PROFILES_FILE'


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
