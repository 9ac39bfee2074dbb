# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plans are built once, in another process, and what goes wrong there is told here."""

import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
import time

from mono_depth_ros.engine import plan_build
from mono_depth_ros.engine.plan_build import PlanBuild
from mono_depth_ros.engine.plans import BuildOptions, PlanFolder
from mono_depth_ros.engine.select import load_engine
from mono_depth_ros.errors import BackendUnavailableError, EngineError, StoreError
import numpy as np
import onnx
import pytest


def engines() -> Path:
    return Path(os.environ['ROS_HOME']) / 'mono_depth' / 'engines'


def test_progress_grows_to_the_end_of_the_build(gpu, write_tiny):
    heard = []

    plan = PlanBuild(write_tiny()).run(lambda phase, fraction: heard.append((phase, fraction)))

    fractions = [fraction for _, fraction in heard]
    assert plan.built and plan.path.is_file()
    assert {phase for phase, _ in heard} == {'Building the engine'}
    assert fractions == sorted(fractions) and fractions[-1] == 1.0


def test_a_plan_that_is_there_is_not_built_again_unless_forced(gpu, write_tiny):
    path = write_tiny()
    first = PlanBuild(path).run()

    assert not PlanBuild(path).run().built
    assert PlanBuild(path, force=True).run().key == first.key


def test_a_plan_is_built_again_with_other_options_only_if_they_are_asked_for(gpu, write_tiny):
    path = write_tiny()
    quick = BuildOptions(optimization_level=0)
    first = PlanBuild(path, options=quick).run()

    assert not PlanBuild(path).run().built
    assert not PlanBuild(path, options=quick).run().built
    again = PlanBuild(path, options=BuildOptions(optimization_level=5)).run()

    assert again.built and again.key == first.key
    assert PlanFolder(engines()).record(again.path)['options']['optimization_level'] == 5


def test_every_precision_and_size_has_a_plan_of_its_own(gpu, write_tiny):
    path = write_tiny()

    keys = {
        PlanBuild(path, size, precision).run().key
        for size in ((32, 64), (64, 64))
        for precision in ('fp16', 'fp32')
    }

    assert len(keys) == 4
    assert len(list(engines().glob('*.plan'))) == 4


def test_auto_is_fp16(gpu, write_tiny):
    path = write_tiny()

    assert PlanBuild(path, None, 'auto').run().key == PlanBuild(path, None, 'fp16').run().key


def test_float32_is_not_multiplied_with_ten_bits(gpu, write_tiny):
    path = write_tiny()

    header = [
        json.loads(PlanBuild(path, None, name).run().path.read_bytes().split(b'\n')[1])
        for name in ('fp32', 'fp16')
    ]

    assert header[0]['flags'] == []
    assert header[1]['flags'] == ['BuilderFlag.TF32']


@pytest.mark.parametrize('version', ['10.0.1', '10.16.0', '11.0.0', '11.4.1'])
def test_it_builds_and_runs_with_what_old_and_new_versions_share(gpu, write_tiny, version):
    gpu(tensorrt=version)
    path = write_tiny()

    assert PlanBuild(path).run().tensorrt == version
    engine = load_engine(path, 'tensorrt')
    assert engine.backend == 'tensorrt'
    engine.close()


def test_a_second_network_builds_faster_with_the_timings_of_the_first(gpu, write_tiny):
    gpu(step_s=0.1)
    first = PlanBuild(write_tiny()).run()
    adapted = PlanBuild(write_tiny(name='adapted.onnx', seed=5)).run()

    assert adapted.key != first.key
    assert adapted.seconds < first.seconds - 0.5


@pytest.mark.parametrize('content', [b'{"machine": "another"}', b'\x00garbage'])
def test_timings_of_another_machine_are_left_aside(gpu, write_tiny, content):
    path = write_tiny()
    PlanBuild(path).run()
    (engines() / 'timing.cache').write_bytes(content)

    assert PlanBuild(path, force=True).run().built
    assert b'Pretended Orin' in (engines() / 'timing.cache').read_bytes()


def test_a_refused_timing_cache_does_not_explain_a_failing_build(gpu, write_tiny):
    path = write_tiny()
    PlanBuild(path).run()
    (engines() / 'timing.cache').write_bytes(b'{"machine": "another"}')
    gpu(build_error='Could not find any implementation for node conv: insufficient workspace')

    with pytest.raises(EngineError, match='found no kernel.*--workspace') as error:
        PlanBuild(path, force=True).run()

    assert 'timing' not in str(error.value)


def test_what_tensorrt_says_becomes_a_message_with_what_to_do(gpu, write_tiny):
    gpu(build_error='Cuda Runtime (out of memory)')

    with pytest.raises(EngineError, match=r'out of memory.*smaller --workspace'):
        PlanBuild(write_tiny()).run()

    assert not list(engines().glob('*.plan'))


def test_a_network_that_tensorrt_cannot_read_names_the_operator(gpu, write_tiny):
    gpu(unsupported='ReduceMean')

    with pytest.raises(EngineError, match='ReduceMean: No importer.*onnxruntime or torch'):
        PlanBuild(write_tiny()).run()


def test_a_builder_that_crashes_is_told_and_harms_nobody(gpu, write_tiny):
    gpu(crash=True)

    with pytest.raises(EngineError, match=r'the TensorRT builder crashed \(SIGSEGV\)'):
        PlanBuild(write_tiny()).run()

    gpu(crash=False)
    assert PlanBuild(write_tiny()).run().built


def test_a_builder_without_tensorrt_names_the_extra(monkeypatch, write_tiny):
    monkeypatch.setenv('PYTHONPATH', '')

    with pytest.raises(BackendUnavailableError, match='pip install tensorrt pycuda'):
        PlanBuild(write_tiny()).run()


def test_a_bad_model_is_told_as_everywhere(gpu, tmp_path):
    with pytest.raises(EngineError, match='no model at .*nothing.onnx'):
        PlanBuild(tmp_path / 'nothing.onnx').run()


def test_a_build_is_cancelled_between_two_steps_and_leaves_nothing(gpu, write_tiny):
    gpu(steps=200, step_s=0.1)
    build = PlanBuild(write_tiny())
    started = time.monotonic()

    def report(phase, fraction):
        if fraction > 0:
            build.cancel()

    with pytest.raises(EngineError, match='was cancelled'):
        build.run(report)

    assert time.monotonic() - started < 15
    assert not list(engines().glob('*.plan')) and not list(engines().glob('.tmp*'))


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_builder_itself(gpu, write_tiny, number, monkeypatch):
    gpu(steps=300, step_s=0.1)
    # Libraries have threads of their own, which take signals as well.
    monkeypatch.setenv('OMP_NUM_THREADS', '4')
    request = json.dumps({'model': str(write_tiny())})
    process = subprocess.Popen(
        [sys.executable, '-m', plan_build.MODULE, request], stdout=subprocess.PIPE, text=True
    )
    assert 'progress' in process.stdout.readline()

    process.send_signal(number)
    output, _ = process.communicate(timeout=30)

    assert process.returncode == 130
    assert json.loads(output.splitlines()[-1]) == {'event': 'error', 'message': 'cancelled'}


def test_a_killed_builder_leaves_no_plan_and_the_next_one_cleans_up(gpu, write_tiny):
    gpu(steps=100, step_s=0.2)
    path = write_tiny()
    build = PlanBuild(path)
    with pytest.raises(EngineError, match='SIGKILL.*is there enough memory'):
        build.run(lambda phase, fraction: build._process.kill())
    (engines() / '.tmp-1-half.plan').write_bytes(b'half a plan')

    gpu(steps=2, step_s=0.0)
    assert PlanBuild(path).run().built

    assert not list(engines().glob('.tmp*'))


def test_two_builders_of_one_plan_build_it_once(gpu, write_tiny):
    gpu(step_s=0.2)
    path = write_tiny()
    outcomes = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(PlanBuild(path).run().built))
        for _ in range(2)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == [False, True]


def test_a_folder_that_cannot_be_made_says_so(gpu, write_tiny, tmp_path):
    (tmp_path / 'file').touch()

    with pytest.raises(EngineError, match='a file is in the way of a folder'):
        PlanBuild(write_tiny(), engines_path=tmp_path / 'file' / 'engines').run()


def test_old_plans_are_pruned(tmp_path):
    folder = PlanFolder(tmp_path / 'engines')
    with folder.building('test'):
        for index in range(12):
            folder.write(folder.plan_path(f'{index:02d}'), b'plan', {})
            os.utime(folder.plan_path(f'{index:02d}'), (index, index))
        folder.prune(keep=3)

    assert sorted(path.stem for path in folder.path.glob('*.plan')) == ['09', '10', '11']
    assert len(list(folder.path.glob('*.json'))) == 3


def test_one_builder_waits_for_another_and_says_for_whom(tmp_path):
    folder = PlanFolder(tmp_path)

    with folder.building('building red'), pytest.raises(StoreError, match='building red'):
        folder.building('another', wait_s=0.1).__enter__()


def test_options_reach_the_builder_and_the_record(gpu, write_tiny):
    plan = PlanBuild(write_tiny(), options=BuildOptions(workspace_mb=64)).run()

    record = PlanFolder(engines()).record(plan.path)
    assert record['options']['workspace_mb'] == 64
    assert record['key']['gpu'] == 'Pretended Orin'


def test_the_image_is_cast_before_anything_else_reads_it(gpu, write_tiny, tmp_path):
    model = onnx.load(write_tiny())
    swap = onnx.helper.make_node('Gather', ['image', 'order'], ['bgr'], axis=3)
    model.graph.node.insert(0, swap)
    model.graph.node[1].input[0] = 'bgr'
    order = onnx.numpy_helper.from_array(np.array([2, 1, 0]), 'order')
    model.graph.initializer.append(order)
    onnx.save(model, tmp_path / 'bgr.onnx')

    assert PlanBuild(tmp_path / 'bgr.onnx').run().built
