# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The core works without ROS, and the depth node without torch."""

import ast
from pathlib import Path
import subprocess
import sys

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / 'mono_depth_ros'
ROS = (
    'ament_',
    'builtin_interfaces',
    'cv_bridge',
    'diagnostic_msgs',
    'geometry_msgs',
    'launch',
    'lifecycle_msgs',
    'nav_msgs',
    'rcl_interfaces',
    'rclpy',
    'rosgraph_msgs',
    'sensor_msgs',
    'std_msgs',
    'std_srvs',
    'tf2_',
)
# Modules of rclpy that Humble has, too, of those that are imported from; Jazzy has more.
HUMBLE = {
    'callback_groups',
    'clock',
    'context',
    'duration',
    'exceptions',
    'executors',
    'lifecycle',
    'logging',
    'node',
    'parameter',
    'publisher',
    'qos',
    'qos_overriding_options',
    'serialization',
    'service',
    'signals',
    'subscription',
    'task',
    'time',
}
CORE = sorted(path for path in PACKAGE.rglob('*.py') if path.parent.name != 'nodes')


def imported_modules(path: Path) -> set[str]:
    """Return the top-level names of everything a file imports, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split('.')[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split('.')[0])
            if node.module.startswith('mono_depth_ros.nodes'):
                names.add('rclpy')
    return names


@pytest.mark.parametrize('path', CORE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_nodes_import_ros(path):
    ros = {name for name in imported_modules(path) if name.startswith(ROS)}

    assert not ros


def test_nodes_import_only_what_rclpy_of_humble_has():
    imported = set()
    for path in [*PACKAGE.rglob('*.py'), *Path(__file__).parent.rglob('*.py')]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or '').startswith('rclpy.'):
                imported.add(node.module.split('.')[1])

    assert 'node' in imported
    assert imported <= HUMBLE


def modules_after(statement: str) -> set[str]:
    """Return what a fresh interpreter has loaded after a statement."""
    code = f'{statement}; import sys; print(*sys.modules)'
    process = subprocess.run(
        [sys.executable, '-c', code], check=True, capture_output=True, text=True, timeout=120
    )
    return set(process.stdout.split())


@pytest.mark.ros
@pytest.mark.parametrize('node', ['depth_node', 'adaptation_node'])
def test_a_node_never_imports_torch(node):
    pytest.importorskip('rclpy', reason='rclpy is not installed')

    modules = modules_after(f'import mono_depth_ros.nodes.{node}')

    assert 'rclpy' in modules
    assert 'torch' not in modules


def test_the_command_line_starts_without_what_is_heavy():
    modules = modules_after('import mono_depth_ros.cli.main')

    assert not modules & {'torch', 'cv2', 'numpy', 'onnx', 'openvino', 'onnxruntime', 'rclpy'}
