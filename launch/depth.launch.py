# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Metric depth and points from one camera.

``ros2 launch mono_depth_ros depth.launch.py --show-args`` lists the arguments. One that is empty
is left to ``params_file``; one that is given wins over the file.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare('mono_depth_ros')
BOOLEANS = ['true', 'false', 'True', 'False']

ARGUMENTS = [
    DeclareLaunchArgument(
        'image_topic',
        default_value='image_rect',
        description='Rectified image to read; without a leading / it is in the namespace',
    ),
    DeclareLaunchArgument(
        'camera_info_topic',
        default_value='camera_info',
        description='camera_info of that image, from the same camera driver',
    ),
    DeclareLaunchArgument(
        'reference_points_topic',
        default_value='reference/points',
        description='Points of a lidar or ToF camera, for scale_source and adaptation',
    ),
    DeclareLaunchArgument(
        'reference_depth_topic',
        default_value='reference/depth',
        description='Depth image registered to the camera, for scale_source and adaptation',
    ),
    DeclareLaunchArgument(
        'reference_odometry_topic',
        default_value='reference/odometry',
        description='Odometry of the robot, for adaptation',
    ),
    DeclareLaunchArgument(
        'namespace',
        default_value='',
        description='Namespace of the nodes and of all relative topics, e.g. that of the camera',
    ),
    DeclareLaunchArgument(
        'params_file',
        default_value=PathJoinSubstitution([SHARE, 'config', 'depth.yaml']),
        description='YAML file with the parameters; copy the default one, which explains each',
    ),
    DeclareLaunchArgument(
        'backend',
        default_value='',
        choices=['', 'auto', 'tensorrt', 'openvino', 'onnxruntime', 'torch'],
        description='Where the network runs; auto takes the first of them that works, empty '
        'leaves it to params_file',
    ),
    DeclareLaunchArgument(
        'model',
        default_value='',
        description='Network to run: a shipped one (indoor, street) or the path of an imported '
        'ONNX file; empty leaves it to params_file',
    ),
    DeclareLaunchArgument(
        'image_transport',
        default_value='',
        choices=['', 'raw', 'compressed'],
        description='raw reads image_topic, compressed reads image_topic/compressed; empty '
        'leaves it to params_file',
    ),
    DeclareLaunchArgument(
        'use_sim_time',
        default_value='',
        choices=['', *BOOLEANS],
        description='Take the time from /clock, for simulators and played bags; empty leaves it '
        'to params_file',
    ),
    DeclareLaunchArgument(
        'log_level',
        default_value='info',
        choices=['debug', 'info', 'warn', 'error', 'fatal'],
        description='Least severe message that is logged',
    ),
    DeclareLaunchArgument(
        'autostart',
        default_value='',
        choices=['', *BOOLEANS],
        description='Configure and activate at start; false waits for a lifecycle manager, empty '
        'leaves it to params_file',
    ),
    DeclareLaunchArgument(
        'rviz',
        default_value='false',
        choices=BOOLEANS,
        description='Start RViz with image, depth and cloud; needs the package rviz2',
    ),
    DeclareLaunchArgument(
        'adaptation',
        default_value='false',
        choices=BOOLEANS,
        description='Start the adaptation node too, which adapts the network to this place',
    ),
]

# Arguments that are parameters of the nodes.
PARAMETERS = {
    'backend': str,
    'model': str,
    'image_transport': str,
    'use_sim_time': bool,
    'autostart': bool,
}

REMAPPINGS = [
    ('image_rect', LaunchConfiguration('image_topic')),
    ('image_rect/compressed', [LaunchConfiguration('image_topic'), '/compressed']),
    ('camera_info', LaunchConfiguration('camera_info_topic')),
    ('reference/points', LaunchConfiguration('reference_points_topic')),
    ('reference/depth', LaunchConfiguration('reference_depth_topic')),
    ('reference/odometry', LaunchConfiguration('reference_odometry_topic')),
]

# By default Fast DDS loses most best-effort messages of the size of an image. Of each node alone:
# what else is launched keeps its own.
TRANSPORTS = {
    'FASTDDS_BUILTIN_TRANSPORTS': EnvironmentVariable(
        'FASTDDS_BUILTIN_TRANSPORTS', default_value='LARGE_DATA'
    )
}


def start_nodes(context: LaunchContext) -> list[Node]:
    """Describe the nodes, with the parameters of the file and over them the arguments given."""
    given = {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, kind in PARAMETERS.items()
        if LaunchConfiguration(name).perform(context)
    }
    common = {
        'namespace': LaunchConfiguration('namespace'),
        'remappings': REMAPPINGS,
        'additional_env': TRANSPORTS,
        'ros_arguments': ['--log-level', LaunchConfiguration('log_level')],
        'output': 'screen',
    }
    parameters = [LaunchConfiguration('params_file'), *([given] if given else [])]
    sim_time = {name: value for name, value in given.items() if name == 'use_sim_time'}
    # What may not be installed comes first: launch leaves running what it started before.
    return [
        Node(
            package='rviz2',
            executable='rviz2',
            name='rviz2',
            arguments=['-d', PathJoinSubstitution([SHARE, 'config', 'mono_depth.rviz'])],
            parameters=[sim_time] if sim_time else [],
            condition=IfCondition(LaunchConfiguration('rviz')),
            **common,
        ),
        Node(
            package='mono_depth_ros',
            executable='adaptation_node',
            name='adaptation_node',
            parameters=parameters,
            condition=IfCondition(LaunchConfiguration('adaptation')),
            **common,
        ),
        Node(
            package='mono_depth_ros',
            executable='depth_node',
            name='depth_node',
            parameters=parameters,
            **common,
        ),
    ]


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and start the nodes."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start_nodes)])
