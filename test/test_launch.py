# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Launch files: read everywhere, and really launched where ROS has launch.

A real launch starts a probe in place of the nodes: a bare node that writes down what reached it,
after rcl has applied namespaces, remappings and parameter files as it does for every node.
"""

import ast
from importlib.util import find_spec
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import cv2
from mono_depth_ros.config import (
    BACKENDS,
    DepthNodeConfig,
    EngineConfig,
    IMAGE_TRANSPORTS,
    OutputConfig,
)
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
DEPTH, DEMO = (ROOT / 'launch' / f'{name}.launch.py' for name in ('depth', 'demo'))
ARGUMENTS = {
    *('image_topic', 'camera_info_topic', 'namespace', 'params_file', 'backend', 'model'),
    *('image_transport', 'use_sim_time', 'log_level', 'autostart', 'rviz', 'adaptation'),
    *(f'reference_{name}_topic' for name in ('points', 'depth', 'odometry')),
}
NODES = ('depth_node', 'camera_player', 'adaptation_node')

needs_launch = pytest.mark.skipif(
    find_spec('launch_ros') is None, reason='launch_ros is not installed, it comes with ROS'
)

PROBE = """#!{python}
import json, os, sys
import rclpy
rclpy.init()
node = rclpy.create_node('probe', automatically_declare_parameters_from_overrides=True)
references = tuple('reference/' + name for name in ('points', 'depth', 'odometry'))
topics = ('image_rect', 'image_rect/compressed', 'camera_info', 'points', *references)
seen = {{
    'node': node.get_fully_qualified_name(),
    'parameters': {{name: node.get_parameter(name).value for name in node._parameters}},
    'topics': {{topic: node.resolve_topic_name(topic) for topic in topics}},
    'transports': os.environ.get('FASTDDS_BUILTIN_TRANSPORTS'),
    'arguments': sys.argv,
}}
with open(os.path.join({folder!r}, os.path.basename(sys.argv[0]) + '.json'), 'w') as file:
    json.dump(seen, file)
"""

PARENT = """
from launch import LaunchDescription
from launch.actions import ExecuteProcess, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
def generate_launch_description():
    depth = IncludeLaunchDescription(PythonLaunchDescriptionSource({depth!r}))
    return LaunchDescription([depth, ExecuteProcess(cmd=[{program!r}])])
"""

LAUNCH = """
import sys
from launch import LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
service = LaunchService()
service.include_launch_description(IncludeLaunchDescription(
    PythonLaunchDescriptionSource(sys.argv[1]),
    launch_arguments=[tuple(argument.split(':=')) for argument in sys.argv[2:]],
))
sys.exit(service.run())
"""


# Everywhere: the files as text.


def declared_arguments(path):
    """Return the keywords of each DeclareLaunchArgument in a file, by argument name."""
    tree = ast.parse(path.read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {
        call.args[0].value: {keyword.arg: keyword.value for keyword in call.keywords}
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == 'DeclareLaunchArgument'
    }


@pytest.mark.parametrize('path', [DEPTH, DEMO], ids=lambda path: path.name)
def test_a_launch_file_compiles_and_describes_each_argument(path):
    compile(path.read_text(), path, 'exec')

    arguments = declared_arguments(path)

    assert arguments
    for name, keywords in arguments.items():
        assert 'default_value' in keywords, f'{name} has no default'
        description = keywords.get('description')
        assert description is not None and len(ast.literal_eval(description)) > 10, name


def test_the_depth_launch_has_all_its_arguments():
    assert set(declared_arguments(DEPTH)) == ARGUMENTS


def test_the_demo_launch_adds_what_is_played():
    assert {'source', 'rate'} <= set(declared_arguments(DEMO))


@pytest.mark.parametrize(
    ('argument', 'values'), [('backend', BACKENDS), ('image_transport', IMAGE_TRANSPORTS)]
)
def test_a_launch_argument_takes_what_the_node_takes(argument, values):
    choices = ast.literal_eval(declared_arguments(DEPTH)[argument]['choices'])

    assert choices == ['', *values]


# With launch: real processes.


@pytest.fixture
def prefix(tmp_path):
    """Return a place where ROS finds this package, with probes as its executables."""
    index = tmp_path / 'share' / 'ament_index' / 'resource_index' / 'packages'
    share, programs = (tmp_path / kind / 'mono_depth_ros' for kind in ('share', 'lib'))
    for folder in (index, share, programs):
        folder.mkdir(parents=True)
    (index / 'mono_depth_ros').touch()
    for name in ('launch', 'config'):
        (share / name).symlink_to(ROOT / name)
    (index / 'rviz2').touch()
    (tmp_path / 'lib' / 'rviz2').mkdir()
    for program in (*(programs / name for name in NODES), tmp_path / 'lib' / 'rviz2' / 'rviz2'):
        write_program(program, PROBE.format(python=sys.executable, folder=str(tmp_path)))
    return tmp_path


def write_program(path, text):
    path.write_text(text)
    path.chmod(0o755)


def start(prefix, path, *arguments, **environment):
    """Start a launch file in a process group of its own."""
    paths = [str(prefix), *filter(None, [os.environ.get('AMENT_PREFIX_PATH')])]
    return subprocess.Popen(
        [sys.executable, '-c', LAUNCH, str(path), *arguments],
        env={**os.environ, 'AMENT_PREFIX_PATH': os.pathsep.join(paths), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def process_group_is_empty(group):
    """Say whether no process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def probe(prefix, path, *arguments, node='depth_node', **environment):
    """Launch, and return what the probe of one node saw."""
    output, _ = start(prefix, path, *arguments, **environment).communicate(timeout=60)
    report = prefix / f'{node}.json'
    assert report.exists(), output
    return json.loads(report.read_text())


@needs_launch
def test_without_arguments_the_node_runs_on_its_defaults(prefix):
    seen = probe(prefix, DEPTH)

    defaults = {**vars(DepthNodeConfig()), **vars(EngineConfig()), **vars(OutputConfig())}
    assert seen['node'] == '/depth_node'
    assert defaults.items() <= seen['parameters'].items()
    assert seen['topics']['image_rect'] == '/image_rect'
    assert not (prefix / 'adaptation_node.json').exists()


@needs_launch
@pytest.mark.parametrize('scope', ['depth_node', '/**', '/**/depth_node'])
def test_arguments_win_over_the_file_and_the_file_over_defaults(prefix, scope):
    file = prefix / 'mine.yaml'
    file.write_text(
        f'{scope}: {{ros__parameters: {{backend: torch, autostart: false, model: street}}}}'
    )

    seen = probe(prefix, DEPTH, f'params_file:={file}', 'model:=17', 'use_sim_time:=True')

    assert seen['parameters']['backend'] == 'torch'
    assert seen['parameters']['autostart'] is False
    assert seen['parameters']['model'] == '17'
    assert seen['parameters']['use_sim_time'] is True


@needs_launch
def test_topics_go_where_the_camera_is(prefix):
    seen = probe(
        prefix,
        DEPTH,
        'namespace:=front',
        'image_topic:=/camera/color/image_rect_color',
        'camera_info_topic:=/camera/color/camera_info',
        'image_transport:=compressed',
    )

    assert seen['node'] == '/front/depth_node'
    assert seen['parameters']['image_transport'] == 'compressed'
    assert seen['topics'] == {
        'image_rect': '/camera/color/image_rect_color',
        'image_rect/compressed': '/camera/color/image_rect_color/compressed',
        'camera_info': '/camera/color/camera_info',
        'points': '/front/points',
        'reference/points': '/front/reference/points',
        'reference/depth': '/front/reference/depth',
        'reference/odometry': '/front/reference/odometry',
    }


@needs_launch
@pytest.mark.parametrize('node', ['depth_node', 'adaptation_node'])
def test_references_come_from_the_sensors_of_the_robot(prefix, node):
    topics = {
        'reference/points': '/lidar/points',
        'reference/depth': '/tof/depth',
        'reference/odometry': '/odom',
    }
    arguments = [f'{name.replace("/", "_")}_topic:={topic}' for name, topic in topics.items()]

    seen = probe(prefix, DEPTH, 'adaptation:=true', *arguments, node=node)

    assert topics.items() <= seen['topics'].items()


@needs_launch
@pytest.mark.parametrize(('chosen', 'used'), [(None, 'LARGE_DATA'), ('UDPv4', 'UDPv4')])
def test_big_messages_get_through_unless_the_user_chose_otherwise(
    prefix, monkeypatch, chosen, used
):
    monkeypatch.delenv('FASTDDS_BUILTIN_TRANSPORTS', raising=False)
    environment = {'FASTDDS_BUILTIN_TRANSPORTS': chosen} if chosen else {}

    assert probe(prefix, DEPTH, **environment)['transports'] == used


@needs_launch
def test_what_else_is_launched_keeps_its_transports(prefix, monkeypatch):
    monkeypatch.delenv('FASTDDS_BUILTIN_TRANSPORTS', raising=False)
    parent = prefix / 'parent.launch.py'
    parent.write_text(PARENT.format(depth=str(DEPTH), program=str(prefix / 'lib' / 'driver')))
    write_program(
        prefix / 'lib' / 'driver', PROBE.format(python=sys.executable, folder=str(prefix))
    )

    assert probe(prefix, parent, node='driver')['transports'] is None


@needs_launch
def test_the_adaptation_node_runs_on_the_same_camera_and_parameters(prefix):
    seen = probe(
        prefix, DEPTH, 'adaptation:=true', 'image_topic:=/rgb', 'model:=x', node='adaptation_node'
    )

    assert seen['node'] == '/adaptation_node'
    assert seen['topics']['image_rect'] == '/rgb'
    assert seen['parameters']['model'] == 'x'


@needs_launch
@pytest.mark.parametrize(
    ('program', 'argument', 'complaint'),
    [
        ('mono_depth_ros/adaptation_node', 'adaptation:=true', "'adaptation_node' not found"),
        ('rviz2/rviz2', 'rviz:=true', "'rviz2' not found"),
    ],
)
def test_what_is_not_installed_is_named_and_nothing_is_left_running(
    prefix, program, argument, complaint
):
    (prefix / 'lib' / program).unlink()

    process = start(prefix, DEPTH, argument)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 1
    assert complaint in output
    assert process_group_is_empty(process.pid), output


@needs_launch
def test_rviz_shows_the_same_camera(prefix):
    seen = probe(prefix, DEPTH, 'rviz:=true', 'namespace:=n', 'image_topic:=/rgb', node='rviz2')

    config = Path(seen['arguments'][seen['arguments'].index('-d') + 1])
    assert config.name == 'mono_depth.rviz' and config.is_file()
    assert seen['topics']['image_rect'] == '/rgb'
    assert seen['topics']['points'] == '/n/points'


@needs_launch
@pytest.mark.parametrize(
    ('argument', 'complaint'),
    [
        ('backend:=cuda', '"backend" provided value "cuda" is not valid'),
        ('rviz:=perhaps', '"rviz" provided value "perhaps" is not valid'),
        ('params_file:=/no/such.yaml', 'not a file: /no/such.yaml'),
    ],
)
def test_a_bad_argument_is_named(prefix, argument, complaint):
    output, _ = start(prefix, DEPTH, argument).communicate(timeout=60)

    assert complaint in output


@needs_launch
def test_the_demo_plays_into_the_topics_of_the_depth_node(prefix, monkeypatch):
    monkeypatch.delenv('FASTDDS_BUILTIN_TRANSPORTS', raising=False)
    arguments = ['namespace:=n', 'image_topic:=rgb', 'source:=/a b', 'rate:=7', 'loop:=false']
    # The first to end would end the launch before the other one has started.
    for name in ('depth_node', 'camera_player'):
        program = prefix / 'lib' / 'mono_depth_ros' / name
        write_program(program, program.read_text() + 'import time\ntime.sleep(3)\n')

    player = probe(prefix, DEMO, *arguments, 'use_sim_time:=true', node='camera_player')
    depth = json.loads((prefix / 'depth_node.json').read_text())

    assert player['node'] == '/n/camera_player'
    wanted = {'source': '/a b', 'rate': 7.0, 'loop': False, 'publish_clock': True}
    assert wanted.items() <= player['parameters'].items()
    assert player['parameters']['use_sim_time'] is False
    assert depth['parameters']['use_sim_time'] is True
    assert player['topics'] == depth['topics']
    assert player['transports'] == depth['transports'] == 'LARGE_DATA'
    assert player['topics']['image_rect/compressed'] == '/n/rgb/compressed'
    assert depth['parameters']['qos_overrides./n/rgb.subscription.reliability'] == 'reliable'


@needs_launch
@pytest.mark.ros
def test_the_demo_gives_depth_and_ends_with_ctrl_c(prefix, red_network):
    (prefix / 'images').mkdir()
    ramp = np.tile(np.arange(128, dtype=np.uint8)[:, None], (96, 1, 3))
    cv2.imwrite(str(prefix / 'images' / '0.png'), ramp)
    for name in ('depth_node', 'camera_player'):
        script = f'#!/bin/sh\nexec {sys.executable} -m mono_depth_ros.nodes.{name} "$@"\n'
        write_program(prefix / 'lib' / 'mono_depth_ros' / name, script)

    process = start(prefix, DEMO, f'source:={prefix}/images', f'model:={red_network}', 'rate:=10')
    try:
        depth = hear_depth_image()
    finally:
        # As a terminal does: to all processes; launch adds a signal of its own.
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)

    assert depth is not None, output
    assert depth.header.frame_id == 'camera_optical_frame'
    # The network answers 1 m plus 1 cm per level of red.
    assert np.frombuffer(depth.data, np.float32).max() > 2.0
    assert process.returncode == 0
    assert output.count('process has finished cleanly') == 2, output


def hear_depth_image(timeout_s=60.0):
    """Return the first depth image published in the ROS domain of this run, None if none came."""
    import rclpy
    from sensor_msgs.msg import Image

    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('ear', context=context)
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)
    images = []
    node.create_subscription(Image, 'depth/image_rect', images.append, 1)
    until = time.monotonic() + timeout_s
    while not images and time.monotonic() < until:
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    node.destroy_node()
    context.try_shutdown()
    return images[0] if images else None
