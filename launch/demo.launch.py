# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The depth node on a played camera: ``depth.launch.py`` with its arguments, and a camera player.

``ros2 launch mono_depth_ros demo.launch.py source:=FOLDER rviz:=true``
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node, SetParameter
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

ARGUMENTS = [
    DeclareLaunchArgument(
        'source',
        default_value='procedural',
        description='What to play: a folder of images, an RGB-D folder, a video, a rosbag2 or '
        'rosbag1, or procedural, which renders rooms and needs torch',
    ),
    DeclareLaunchArgument('rate', default_value='30.0', description='Images per second'),
    DeclareLaunchArgument(
        'loop',
        default_value='true',
        choices=['true', 'false', 'True', 'False'],
        description='Begin anew at the end; false ends the launch there',
    ),
    DeclareLaunchArgument(
        'use_sim_time',
        default_value='false',
        choices=['true', 'false', 'True', 'False'],
        description='Run on a simulated clock, which the player publishes on /clock',
    ),
]

# Camera drivers are heard best effort, and then a busy machine loses big images on the way. The
# player offers reliable delivery, so take it.
RELIABLE = SetParameter(
    name=[
        'qos_overrides.',
        PathJoinSubstitution(
            [
                '/',
                LaunchConfiguration('namespace', default=''),
                LaunchConfiguration('image_topic', default='image_rect'),
            ]
        ),
        '.subscription.reliability',
    ],
    value='reliable',
)

PLAYER = Node(
    package='mono_depth_ros',
    executable='camera_player',
    name='camera_player',
    namespace=LaunchConfiguration('namespace'),
    parameters=[
        {
            'source': ParameterValue(LaunchConfiguration('source'), value_type=str),
            'rate': ParameterValue(LaunchConfiguration('rate'), value_type=float),
            'loop': ParameterValue(LaunchConfiguration('loop'), value_type=bool),
            'publish_clock': ParameterValue(LaunchConfiguration('use_sim_time'), value_type=bool),
        }
    ],
    remappings=[
        ('image_rect', LaunchConfiguration('image_topic')),
        ('image_rect/compressed', [LaunchConfiguration('image_topic'), '/compressed']),
        ('camera_info', LaunchConfiguration('camera_info_topic')),
    ],
    additional_env={  # as of the depth node
        'FASTDDS_BUILTIN_TRANSPORTS': EnvironmentVariable(
            'FASTDDS_BUILTIN_TRANSPORTS', default_value='LARGE_DATA'
        )
    },
    ros_arguments=['--log-level', LaunchConfiguration('log_level')],
    output='screen',
    on_exit=Shutdown(reason='the camera player ended'),
)


def generate_launch_description() -> LaunchDescription:
    """Include the depth node, then start the player in the same namespace."""
    depth = PathJoinSubstitution([FindPackageShare('mono_depth_ros'), 'launch', 'depth.launch.py'])
    return LaunchDescription(
        [
            *ARGUMENTS,
            RELIABLE,
            IncludeLaunchDescription(PythonLaunchDescriptionSource(depth)),
            PLAYER,
        ]
    )
