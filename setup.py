# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Build with colcon (ament_python) or with pip; both read this file."""

from glob import glob
import os
from pathlib import Path
import re

from setuptools import find_packages, setup

NAME = 'mono_depth_ros'
HERE = Path(__file__).parent
VERSION = re.search(r"__version__ = '(.+)'", (HERE / NAME / '__init__.py').read_text())[1]

# A sourced ROS brings OpenCV, and message classes compiled for NumPy 1: pip must put neither
# another cv2 nor NumPy 2 in front of them.
VISION = ['numpy<2'] if os.environ.get('ROS_DISTRO') else ['numpy', 'opencv-python-headless']

EXTRAS = {
    # Where the network runs; one is enough.
    'openvino': ['openvino>=2024.0'],
    'onnxruntime': ['onnxruntime>=1.16'],
    'torch': ['torch>=2.3', 'safetensors'],
    'tensorrt': ['tensorrt>=10.0', 'pycuda'],
    # Bags without ROS.
    'bag': ['rosbags>=0.10'],
    # ROS 2 without ROS: real rclpy and Fast DDS as wheels, for Linux on x86-64.
    'ros': ['ros-rclpy[fastrtps]==9.1.2', 'ros-common-interfaces==5.5.1'],
    'ros-jazzy': ['ros-rclpy[fastrtps]==7.1.6', 'ros-common-interfaces==5.3.6'],
    'test': ['pytest>=8.2', 'pytest-xdist', 'hypothesis', 'mcap', 'psutil'],
    'lint': ['ruff', 'mypy', 'types-PyYAML'],
}

setup(
    name=NAME,
    version=VERSION,
    description='Metric depth and point clouds from one camera, for ROS 2',
    long_description=(HERE / 'README.md').read_text() if (HERE / 'README.md').exists() else '',
    long_description_content_type='text/markdown',
    author='The mono_depth_ros authors',
    maintainer='The mono_depth_ros authors',
    maintainer_email='mono_depth_ros@users.noreply.github.com',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={NAME: ['py.typed', '*.xml', 'weights/*.*', 'weights/*/*']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
        (f'share/{NAME}/launch', sorted(glob('launch/*.launch.py'))),
        (f'share/{NAME}/config', sorted(glob('config/*'))),
    ],
    install_requires=[*VISION, 'onnx', 'pyyaml', 'typer>=0.12', 'rich>=12.0'],
    extras_require=EXTRAS,
    zip_safe=False,
    entry_points={
        'console_scripts': [
            f'mono_depth = {NAME}.cli:run',
            f'depth_node = {NAME}.nodes.depth_node:main',
            f'adaptation_node = {NAME}.nodes.adaptation_node:main',
            f'camera_player = {NAME}.nodes.camera_player:main',
        ],
    },
    # Puts the executables where `ros2 run` looks, without a setup.cfg. Only colcon runs these
    # two commands; pip makes its own scripts, in bin/.
    options={
        'develop': {'script_dir': f'$base/lib/{NAME}'},
        'install': {'install_scripts': f'$base/lib/{NAME}'},
    },
)
