# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What all tests share.

Runs are isolated: a ROS domain and a ROS_HOME of their own, and as few threads as a machine with
two cores wants.
"""

import os
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')

from mono_depth_ros.ros_environment import private_environment
import pytest

SHARED_DATA = Path(__file__).resolve().parent.parent.parent / 'shared' / 'data'

# Before rclpy is imported anywhere: nodes of this run meet no others, and children inherit it.
os.environ.update(private_environment())


@pytest.fixture(scope='session', autouse=True)
def ros_home(tmp_path_factory):
    """Keep logs and the store of this run away from those of the user."""
    home = tmp_path_factory.mktemp('ros_home')
    os.environ['ROS_HOME'] = str(home)
    return home


@pytest.fixture(scope='session')
def kitchen():
    """Return the folder of real images with depth and poses, where it is present."""
    folder = SHARED_DATA / 'kitchen'
    if not folder.is_dir():
        pytest.skip(f'real images are not in {folder}')
    return folder
