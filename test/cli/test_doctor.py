# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The doctor says what works, what does not, and what to do."""

import json
import os
from pathlib import Path
import signal
import subprocess
import sys

from mono_depth_ros.cli import doctor as command
from mono_depth_ros.cli import findings
from mono_depth_ros.cli.findings import (
    look_at_backends,
    look_at_ros,
    look_at_store,
    look_at_transport,
    NOTE,
    OK,
    PROBLEM,
    WARNING,
)
from mono_depth_ros.cli.main import main
from mono_depth_ros.engine.store import VersionStore
from mono_depth_ros.manifest import Manifest, METADATA_KEY
import onnx
from onnx import helper, TensorProto
import pytest


@pytest.fixture
def network(tmp_path):
    """Write a network that returns the mean of the channels, and return its path."""
    graph = helper.make_graph(
        [
            helper.make_node('Cast', ['image'], ['x'], to=TensorProto.FLOAT),
            helper.make_node('ReduceMean', ['x'], ['depth'], axes=[3], keepdims=0),
        ],
        'mean',
        [helper.make_tensor_value_info('image', TensorProto.UINT8, [1, 32, 32, 3])],
        [helper.make_tensor_value_info('depth', TensorProto.FLOAT, [1, 32, 32])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    manifest = Manifest('mean', input_size=(32, 32))
    helper.set_model_props(model, {METADATA_KEY: manifest.to_json()})
    onnx.save(model, tmp_path / 'mean.onnx')
    return tmp_path / 'mean.onnx'


def run(*arguments):
    """Run the command line and return its status."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


def by_name(report):
    return {finding.name: finding for finding in report}


def test_a_working_installation_has_status_0_and_a_report(tmp_path, network, capsys):
    pytest.importorskip('onnxruntime')
    report = tmp_path / 'report.json'

    status = run('doctor', '--model', network, '--store', tmp_path / 'store', '--json', report)

    assert status == 0
    values = json.loads(report.read_text())
    assert values['inference_works'] is True
    states = {finding['name']: finding['state'] for finding in values['findings']}
    assert states['onnxruntime'] == states['Python'] == states['Store'] == OK
    assert 'ms a frame' in json.dumps(values)
    assert 'onnxruntime' in capsys.readouterr().out


def test_without_a_network_the_status_is_1_and_the_reason_is_told(tmp_path, capsys):
    status = run('doctor', '--model', tmp_path / 'none.onnx', '--store', tmp_path / 'store')

    assert status == 1
    out = capsys.readouterr().out
    assert 'no model at' in out
    assert 'No backend runs a network.' in out


def test_without_onnx_that_is_the_problem(tmp_path, network, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'onnx', None)

    status = run('doctor', '--model', network, '--store', tmp_path / 'store')

    assert status == 1
    out = capsys.readouterr().out
    assert 'no network can be read' in out
    assert 'pip install onnx' in out


def test_a_backend_that_fails_is_a_problem_with_its_message(tmp_path, network, monkeypatch):
    monkeypatch.setattr(
        findings, 'PROBE', 'raise RuntimeError("libcuda.so.1: cannot open shared object file")'
    )

    finding = findings.probe('openvino', '1.0', network)

    assert (finding.state, finding.value) == (PROBLEM, '1.0 fails')
    assert finding.remedy == 'libcuda.so.1: cannot open shared object file'


def test_a_backend_that_crashes_does_not_take_the_doctor_with_it(network, monkeypatch):
    monkeypatch.setattr(findings, 'PROBE', 'import os; os.kill(os.getpid(), 4)')

    finding = findings.probe('openvino', '1.0', network)

    assert finding.state == PROBLEM
    assert finding.value == f'1.0 crashed ({signal.Signals.SIGILL.name})'
    assert 'does not fit this CPU' in finding.remedy


def test_a_backend_that_hangs_is_given_up(network, monkeypatch):
    monkeypatch.setattr(findings, 'PROBE', 'import time; time.sleep(60)')
    monkeypatch.setattr(findings, 'PROBE_TIMEOUT_S', 0.2)

    assert 'did not load within' in findings.probe('openvino', '1.0', network).value


def test_backends_that_are_missing_are_named_with_how_to_install_them(network, monkeypatch):
    monkeypatch.setattr(findings, 'version_of', lambda *names: '')
    monkeypatch.setattr(findings.util, 'find_spec', lambda name: None)

    report = by_name(look_at_backends(network))

    assert report['openvino'].state == NOTE
    assert 'pip install openvino' in report['openvino'].remedy
    assert 'pip install torch safetensors' in report['Adaptation'].remedy


def ros(monkeypatch, environment, *, rclpy=True, wheel=''):
    """Report on a pretended ROS."""
    monkeypatch.setattr(
        findings.util, 'find_spec', lambda name: object() if name == 'rclpy' and rclpy else None
    )
    monkeypatch.setattr(
        findings,
        'version_of',
        lambda *names: {'ros-rclpy': wheel, 'numpy': '2.1'}.get(names[0], ''),
    )
    return by_name(look_at_ros(environment))


def test_no_ros_at_all(monkeypatch):
    report = ros(monkeypatch, {}, rclpy=False)

    assert report['ROS'].state == WARNING
    assert '`make venv`' in report['ROS'].remedy


def test_ros_from_wheels(monkeypatch):
    report = ros(monkeypatch, {}, wheel='9.1.2')

    assert (report['ROS'].state, report['ROS'].value) == (OK, 'wheels, rclpy 9.1.2')


def test_a_sourced_ros_of_another_python(monkeypatch):
    report = ros(monkeypatch, {'ROS_DISTRO': 'jazzy'}, rclpy=False)

    assert report['ROS'].state == PROBLEM
    assert '--system-site-packages' in report['ROS'].remedy


def test_a_sourced_ros_with_numpy_2(monkeypatch):
    report = ros(monkeypatch, {'ROS_DISTRO': 'jazzy'})

    assert report['ROS'].value == 'jazzy (sourced)'
    assert report['numpy'].remedy == "pip install 'numpy<2'"
    assert report['cv_bridge'].remedy.startswith('apt install ros-jazzy-cv-bridge')


def test_a_ros_that_was_never_tried(monkeypatch):
    assert ros(monkeypatch, {'ROS_DISTRO': 'foxy'})['ROS'].state == WARNING


@pytest.fixture
def small_buffer(tmp_path):
    (tmp_path / 'rmem_max').write_text('212992\n')
    return tmp_path / 'rmem_max'


LARGE = {'FASTDDS_BUILTIN_TRANSPORTS': 'LARGE_DATA'}
CYCLONE = {'RMW_IMPLEMENTATION': 'rmw_cyclonedds_cpp'}


@pytest.mark.parametrize(
    ('environment', 'states', 'word'),
    [
        ({}, {'Transport': WARNING, 'Socket buffer': WARNING}, 'every terminal'),
        (LARGE, {'Transport': OK, 'Socket buffer': OK, 'Discovery': OK}, ''),
        ({'ROS_DISTRO': 'humble'}, {'Transport': WARNING}, 'rmw_cyclonedds_cpp'),
        (
            {**LARGE, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'},
            {'Transport': OK, 'Discovery': WARNING},
            'Fast DDS then ignores',
        ),
        ({**LARGE, 'ROS_LOCALHOST_ONLY': '1'}, {'Discovery': WARNING}, 'SUBNET'),
        ({**LARGE, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'OFF'}, {'Discovery': WARNING}, 'unset'),
        ({**LARGE, 'ROS_DOMAIN_ID': 'seven'}, {'Discovery': PROBLEM}, 'a number from 0 to 101'),
        (CYCLONE, {'Middleware': OK, 'Socket buffer': WARNING}, 'sysctl -w net.core.rmem_max'),
        ({**CYCLONE, 'ROS_LOCALHOST_ONLY': '1'}, {'Discovery': OK}, ''),
        ({'FASTDDS_DEFAULT_PROFILES_FILE': '/p.xml'}, {'Transport': OK, 'Discovery': OK}, ''),
    ],
)
def test_what_makes_big_messages_get_lost(small_buffer, environment, states, word):
    report = by_name(look_at_transport(environment, small_buffer))

    assert {name: report[name].state for name in states} == states
    assert word in ' '.join(finding.remedy for finding in report.values())


def test_a_damaged_store_is_told(tmp_path, network):
    store = VersionStore(tmp_path / 'store')
    version = store.promote(store.add(network))
    version.onnx_path.write_bytes(b'')

    report = by_name(look_at_store(store))

    assert report['Version in use'].state == PROBLEM
    assert 'using the shipped network' in report['Version in use'].value
    assert report[f'Version {version.name}'].value == 'has a damaged model.onnx'


def test_a_store_that_does_not_exist_yet_is_fine(tmp_path):
    (finding,) = look_at_store(VersionStore(tmp_path / 'a' / 'b'))

    assert finding.state == OK
    assert 'the shipped network in use' in finding.value


def test_a_store_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(os, 'access', lambda path, mode: False)

    (finding,) = look_at_store(VersionStore(tmp_path))

    assert finding.state == WARNING
    assert 'chown it, or set store' in finding.remedy


def test_a_report_that_cannot_be_written_is_an_error(tmp_path, network, monkeypatch, capsys):
    monkeypatch.setattr(command, 'examine', lambda *arguments: [])

    assert run('doctor', '--json', tmp_path / 'no' / 'such' / 'folder.json') == 1
    assert 'cannot write' in capsys.readouterr().err


def test_the_doctor_imports_neither_ros_nor_a_backend():
    code = (
        'import sys, mono_depth_ros.cli.doctor; '
        'print(sorted({"rclpy", "torch", "openvino", "onnxruntime"} & set(sys.modules)))'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )

    assert done.stdout.strip() == '[]'
