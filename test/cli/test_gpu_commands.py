# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`mono_depth build` and `mono_depth doctor --gpu`, on a pretended GPU."""

import json
import os
from pathlib import Path
import stat

from mono_depth_ros.cli import gpu_findings
from mono_depth_ros.cli.findings import probe
from mono_depth_ros.cli.gpu_findings import look_at_driver, look_at_libraries
from mono_depth_ros.engine.store import VersionStore
from mono_depth_ros.manifest import Manifest, METADATA_KEY
import onnx
from onnx import helper, TensorProto
import pytest

pytest.importorskip('onnxruntime')
DOUBLES = Path(__file__).parents[1] / 'doubles'


@pytest.fixture(autouse=True)
def gpu(monkeypatch, tmp_path):
    """Give processes a pretended GPU and a driver; return a function that changes it."""
    monkeypatch.setenv('ROS_HOME', str(tmp_path / 'ros_home'))
    path = os.pathsep.join(filter(None, (str(DOUBLES), os.environ.get('PYTHONPATH', ''))))
    monkeypatch.setenv('PYTHONPATH', path)
    smi = tmp_path / 'bin' / 'nvidia-smi'
    smi.parent.mkdir()
    smi.write_text('#!/bin/sh\necho "Pretended RTX, 560.35, 8192 MiB"\n')
    smi.chmod(smi.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv('PATH', f'{smi.parent}{os.pathsep}{os.environ["PATH"]}')

    def change(**settings):
        monkeypatch.setenv('FAKE_GPU', json.dumps(settings))

    change()
    return change


@pytest.fixture
def network(tmp_path):
    """Write a network that returns the mean of the channels, and return its path."""
    graph = helper.make_graph(
        [
            helper.make_node('Cast', ['image'], ['x'], to=TensorProto.FLOAT),
            helper.make_node('ReduceMean', ['x'], ['mean'], axes=[3], keepdims=0),
            helper.make_node('Add', ['mean', 'one'], ['depth']),
        ],
        'mean',
        [helper.make_tensor_value_info('image', TensorProto.UINT8, [1, 'height', 'width', 3])],
        [helper.make_tensor_value_info('depth', TensorProto.FLOAT, [1, 'height', 'width'])],
        [helper.make_tensor('one', TensorProto.FLOAT, [], [1.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    manifest = Manifest('mean', input_size=(32, 64), dynamic=True)
    helper.set_model_props(model, {METADATA_KEY: manifest.to_json()})
    onnx.save(model, tmp_path / 'mean.onnx')
    return tmp_path / 'mean.onnx'


def plans(folder):
    return list(Path(folder).glob('engines/*.plan'))


def test_build_writes_a_plan_once(run, network, tmp_path):
    words = ('build', '--model', network, '--store', tmp_path / 'store')

    status, first, _ = run(*words)
    again = run(*words)[1]

    assert status == 0
    assert 'built in' in first and 'fp16 for Pretended Orin, TensorRT 10.3.0' in first
    assert 'is there already' in again
    assert len(plans(tmp_path / 'store')) == 1


def test_build_takes_several_precisions_and_a_size(run, network, tmp_path):
    precisions = ('--precision', 'fp16', '--precision', 'fp32')

    status, *_ = run(
        'build',
        '--model',
        network,
        '--store',
        tmp_path / 's',
        '--input-size',
        '64x64',
        *precisions,
    )

    assert status == 0
    assert len(plans(tmp_path / 's')) == 2


def test_build_takes_a_version_of_the_store(run, network, tmp_path):
    version = VersionStore(tmp_path / 's').add(network)

    status, *_ = run('build', '--store', tmp_path / 's', '--version', 1)

    assert status == 0
    (plan,) = plans(tmp_path / 's')
    record = json.loads(plan.with_suffix('.json').read_text())
    assert record['key']['onnx'] == version.files['model.onnx']


def test_build_refits_a_plan_that_was_built_for_it(run, network, tmp_path):
    from mono_depth_ros.model.registry import shipped_models
    from onnx import numpy_helper

    shipped, adapted = shipped_models()['indoor'], tmp_path / 'adapted.onnx'
    model = onnx.load(shipped)
    weight = next(t for t in model.graph.initializer if len(t.dims) == 4)
    values = 1.01 * numpy_helper.to_array(weight)
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    onnx.save(model, adapted)
    words = ('build', '--store', tmp_path / 's', '--input-size', '96x128', '--model')

    status, built, _ = run(*words, shipped, '--refit')
    refitted = run(*words, adapted)[1]

    assert status == 0 and built.startswith('built in')
    assert refitted.startswith('refitted in')


def test_a_failing_build_is_one_line(run, network, gpu):
    gpu(build_error='Cuda Runtime (out of memory)')

    status, _, errors = run('build', '--model', network)

    assert status == 1
    assert 'out of memory' in errors and '--workspace' in errors


@pytest.mark.parametrize(
    ('words', 'reason'),
    [
        (('--precision', 'fp64'), "precision must be one of .*, got 'fp64'"),
        (('--calibration', 'images'), 'calibration is for int8'),
        (('--version', '9'), 'no version 9'),
        (('--input-size', '33x64'), 'multiples of 32'),
    ],
)
def test_a_wrong_option_says_what_is_right(run, network, words, reason):
    import re

    status, _, errors = run('build', '--model', network, *words)

    assert status == 1
    assert re.search(reason, errors)


def test_a_plan_that_is_not_built_yet_is_no_fault(network):
    finding = probe('tensorrt', '10.3.0', network)

    assert finding.state == 'warning'
    assert 'mono_depth build --model' in finding.remedy


def doctor(run, network, tmp_path):
    report = tmp_path / 'report.json'
    status, out, _ = run(
        'doctor', '--gpu', '--model', network, '--store', tmp_path / 's', '--json', report
    )
    return status, out, {f['name']: f for f in json.loads(report.read_text())['findings']}


def test_a_healthy_gpu_passes_with_numbers_for_a_bug_report(run, network, tmp_path):
    status, out, report = doctor(run, network, tmp_path)

    assert status == 0, out
    assert 'GPU: pass' in out
    checks = (
        'Driver',
        'GPU',
        'pycuda',
        'CUDA',
        'TensorRT',
        'Plans',
        'build fp16',
        'accuracy fp16',
    )
    assert {report[name]['state'] for name in checks} == {'ok'}
    assert (
        report['latency fp16']['numbers']['p99_ms'] >= report['latency fp16']['numbers']['p50_ms']
    )
    assert 'p50' in report['latency fp32']['value']
    assert report['build int8']['state'] == 'note'
    assert '--calibration IMAGES' in report['build int8']['remedy']


def test_a_gpu_that_computes_nonsense_fails(run, network, tmp_path, gpu):
    gpu(gain=1.05)

    status, out, report = doctor(run, network, tmp_path)

    assert status == 1
    assert 'GPU: fail' in out
    assert report['accuracy fp16']['state'] == 'problem'
    assert report['accuracy fp16']['numbers']['mean_difference'] == pytest.approx(0.05, rel=1e-3)


def test_a_build_that_fails_is_a_problem_with_its_reason(run, network, tmp_path, gpu):
    gpu(build_error='Cuda Runtime (out of memory)')

    status, _, report = doctor(run, network, tmp_path)

    assert status == 1
    assert 'smaller --workspace' in report['build fp16']['remedy']


def test_without_the_libraries_the_first_thing_to_do_is_told(run, network, tmp_path, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', '')

    status, _, report = doctor(run, network, tmp_path)

    assert status == 1
    assert report['TensorRT']['state'] == 'problem'
    assert 'pip install tensorrt pycuda' in report['TensorRT']['remedy']
    assert 'build fp16' not in report


def test_a_machine_without_a_driver(monkeypatch, tmp_path):
    monkeypatch.setenv('PATH', str(tmp_path))

    finding = look_at_driver()

    assert finding.state == 'problem'
    assert 'without --gpu' in finding.remedy


def test_a_jetson(monkeypatch, tmp_path):
    release = tmp_path / 'nv_tegra_release'
    release.write_text('# R36 (release), REVISION: 4.3, GCID: 1\n')
    monkeypatch.setattr(gpu_findings, 'JETSON', release)

    assert 'Jetson Linux: # R36' in look_at_driver().value


@pytest.mark.parametrize(
    ('change', 'name', 'state'),
    [
        ({'tensorrt': '8.6.1'}, 'TensorRT', 'problem'),
        ({'tensorrt': '12.0'}, 'TensorRT', 'warning'),
        ({'driver_cuda': '11.8'}, 'CUDA', 'problem'),
        ({}, 'TensorRT', 'ok'),
    ],
)
def test_versions_that_do_not_fit(change, name, state):
    found = {
        'tensorrt': '10.3.0',
        'pycuda': '2026.1',
        'driver_cuda': '12.6',
        'pycuda_cuda': '12.6',
        'gpu': 'Orin',
        'compute_capability': '8.7',
        'free_mb': 4000,
        **change,
    }

    assert {f.name: f.state for f in look_at_libraries(found)}[name] == state
