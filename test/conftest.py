# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What all tests share.

Runs are isolated: a ROS domain and a ROS_HOME of their own, and as few threads as a machine with
two cores wants.
"""

import gc
import json
import os
from pathlib import Path
import sys

from mono_depth_ros.ros_environment import private_environment
import pytest

SHARED_DATA = Path(__file__).resolve().parent.parent.parent / 'shared' / 'data'

# Helpers that several test files share are imported by name.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / 'nodes')]

# Libraries that count cores when they are imported are imported later.
os.environ.setdefault('OMP_NUM_THREADS', '1')
# Before rclpy is imported anywhere: nodes of this run meet no others, and children inherit it.
os.environ.update(private_environment())


@pytest.fixture(scope='session', autouse=True)
def ros_home(tmp_path_factory):
    """Keep logs and the store of this run away from those of the user."""
    home = tmp_path_factory.mktemp('ros_home')
    os.environ['ROS_HOME'] = str(home)
    return home


@pytest.fixture
def one_thread():
    """Let torch have one thread."""
    torch = pytest.importorskip('torch', reason='torch is not installed')
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope='session')
def kitchen():
    """Return the folder of real images with depth and poses, where it is present."""
    folder = SHARED_DATA / 'kitchen'
    if not folder.is_dir():
        pytest.skip(f'real images are not in {folder}')
    return folder


@pytest.fixture(scope='session')
def red_network(tmp_path_factory):
    """Return a network whose answer is known: depth is 1 m plus 1 cm per level of red."""
    onnx = pytest.importorskip('onnx', reason='onnx is not installed')
    from mono_depth_ros.manifest import Manifest, METADATA_KEY
    import numpy as np

    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    constants = {'red': np.int64(0), 'gain': np.float32(0.01), 'offset': np.float32(1.0)}
    nodes = [
        helper.make_node('Gather', ['image', 'red'], ['level'], axis=3),
        helper.make_node('Cast', ['level'], ['float'], to=floats),
        helper.make_node('Mul', ['float', 'gain'], ['scaled']),
        helper.make_node('Add', ['scaled', 'offset'], ['depth']),
    ]
    shape = ['height', 'width']
    graph = helper.make_graph(
        nodes,
        'red',
        [helper.make_tensor_value_info('image', onnx.TensorProto.UINT8, [1, *shape, 3])],
        [helper.make_tensor_value_info('depth', floats, [1, *shape])],
        [onnx.numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    manifest = Manifest('red', input_size=(96, 128), dynamic=True, stride=16, max_depth=10.0)
    helper.set_model_props(model, {METADATA_KEY: manifest.to_json()})
    path = tmp_path_factory.mktemp('networks') / 'red.onnx'
    onnx.save(model, path)
    return path


@pytest.fixture
def gpu(monkeypatch, tmp_path):
    """
    Pretend that there is a GPU with TensorRT; return a function that changes its settings.

    What is alive, leaked and pushed is checked in the end.
    """
    import fake_gpu

    pytest.importorskip('onnxruntime')
    monkeypatch.setenv('ROS_HOME', str(tmp_path / 'ros_home'))
    for name, value in fake_gpu.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(fake_gpu.DOUBLES))
    fake_gpu.forget()

    def change(**settings: object) -> None:
        before = json.loads(os.environ['FAKE_GPU'])
        monkeypatch.setenv('FAKE_GPU', json.dumps({**before, **settings}))

    yield change
    from pycuda.machine import machine

    gc.collect()
    fake_gpu.forget()
    assert not machine.leaked
    assert not machine.stack
    assert not any(machine.live.values()), machine.live
