# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Nodes of the demo and the tests meet each other and nobody else."""

import socket
from xml.etree import ElementTree

from mono_depth_ros import ros_environment
from mono_depth_ros.ros_environment import free_domain_id, private_environment
import pytest


def test_nodes_stay_on_this_machine_and_deliver_big_messages():
    environment = private_environment({'HOME': '/home/robot', 'ROS_DISTRO': 'kilted'}, 42)

    assert environment['HOME'] == '/home/robot'
    assert environment['ROS_DOMAIN_ID'] == '42'
    # LOCALHOST would make rmw_fastrtps ignore the profile.
    assert environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'SUBNET'
    profile = ElementTree.parse(environment['FASTDDS_DEFAULT_PROFILES_FILE'])
    assert [address.text for address in profile.iter() if address.tag.endswith('address')] == [
        '127.0.0.1'
    ]


@pytest.mark.parametrize(
    ('distro', 'variable'),
    [
        ('humble', 'FASTRTPS_DEFAULT_PROFILES_FILE'),
        ('jazzy', 'FASTRTPS_DEFAULT_PROFILES_FILE'),
        ('kilted', 'FASTDDS_DEFAULT_PROFILES_FILE'),
    ],
)
def test_the_profile_is_given_in_the_variable_that_this_fast_dds_reads(distro, variable):
    assert variable in private_environment({'ROS_DISTRO': distro}, 1)


def test_what_the_user_sourced_is_kept():
    environment = private_environment({'AMENT_PREFIX_PATH': '/opt/ros/jazzy'}, 1)

    assert environment['AMENT_PREFIX_PATH'] == '/opt/ros/jazzy'


def test_other_middleware_is_told_in_its_own_way():
    other = {'RMW_IMPLEMENTATION': 'rmw_cyclonedds_cpp'}

    assert private_environment(other, 1)['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    assert private_environment({**other, 'ROS_DISTRO': 'humble'}, 1)['ROS_LOCALHOST_ONLY'] == '1'


def test_a_domain_in_use_is_not_chosen(monkeypatch):
    monkeypatch.setattr(ros_environment, 'DOMAIN_IDS', range(60, 62))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant:
        participant.bind(('', 7400 + 250 * 60 + 10))

        assert {free_domain_id() for _ in range(10)} == {61}
