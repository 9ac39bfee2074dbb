# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Nodes of the demo and the tests meet each other and nobody else."""

import socket

from mono_depth_ros import ros_environment
from mono_depth_ros.ros_environment import free_domain_id, private_environment


def test_nodes_stay_on_this_machine_and_deliver_big_messages():
    environment = private_environment({'HOME': '/home/robot'}, domain_id=42)

    assert environment['HOME'] == '/home/robot'
    assert environment['ROS_DOMAIN_ID'] == '42'
    assert environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    assert environment['FASTDDS_BUILTIN_TRANSPORTS'] == 'LARGE_DATA'


def test_what_the_user_chose_is_kept():
    chosen = {'FASTDDS_BUILTIN_TRANSPORTS': 'UDPv4', 'AMENT_PREFIX_PATH': '/opt/ros/jazzy'}

    environment = private_environment(chosen, domain_id=1)

    assert chosen.items() <= environment.items()


def test_humble_is_told_in_its_own_way():
    assert private_environment({'ROS_DISTRO': 'humble'}, 1)['ROS_LOCALHOST_ONLY'] == '1'
    assert 'ROS_LOCALHOST_ONLY' not in private_environment({'ROS_DISTRO': 'jazzy'}, 1)


def test_a_domain_in_use_is_not_chosen(monkeypatch):
    monkeypatch.setattr(ros_environment, 'DOMAIN_IDS', range(60, 62))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant:
        participant.bind(('', 7400 + 250 * 60 + 10))

        assert {free_domain_id() for _ in range(10)} == {61}
