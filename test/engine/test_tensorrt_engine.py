# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The TensorRT engine keeps to the contract of the libraries, and heals what can be healed."""

import gc
import logging
import os
from pathlib import Path
import shutil
import subprocess
import sys
import threading

from mono_depth_ros.engine.plan_build import PlanBuild
from mono_depth_ros.engine.select import load_engine
from mono_depth_ros.errors import (
    BackendUnavailableError,
    EngineError,
    PlanMissingError,
    ShapeError,
)
import numpy as np
import pytest


@pytest.fixture
def built(gpu, write_tiny):
    """Return a network whose plan is built."""
    path = write_tiny()
    PlanBuild(path).run()
    return path


def plans(folder: Path = Path()) -> list[Path]:
    """Return the plans in the default store."""
    return sorted(Path(os.environ['ROS_HOME']).glob('mono_depth/engines/*.plan'))


def live() -> dict[str, int]:
    from pycuda.machine import machine

    gc.collect()
    return {name: count for name, count in machine.live.items() if count}


def test_it_computes_the_graph_on_the_gpu(built, noise):
    engine = load_engine(built, 'tensorrt')
    rgb = noise(32, 64)

    depth = engine.infer(rgb)

    assert (engine.backend, engine.device, engine.precision) == (
        'tensorrt',
        'Pretended Orin',
        'fp16',
    )
    expected = load_engine(built, 'onnxruntime').infer(rgb)
    np.testing.assert_allclose(depth, expected, rtol=1e-2)
    engine.close()


def test_auto_prefers_it(built):
    engine = load_engine(built)

    assert engine.backend == 'tensorrt'
    engine.close()


def test_without_a_plan_the_error_has_the_command(gpu, write_tiny):
    path = write_tiny()

    with pytest.raises(PlanMissingError, match='no TensorRT plan of tiny.*not built yet') as error:
        load_engine(path, 'tensorrt')

    assert f'`mono_depth build --model {path} --input-size 32x64` builds it' in str(error.value)


def test_without_a_plan_auto_goes_on_and_says_so(gpu, write_tiny, caplog):
    with caplog.at_level(logging.WARNING):
        engine = load_engine(write_tiny())

    assert engine.backend in ('openvino', 'onnxruntime')
    assert 'passed over tensorrt: no TensorRT plan' in caplog.text


def test_whoever_takes_care_of_a_missing_plan_gets_a_stand_in(gpu, write_tiny):
    missing = []

    engine = load_engine(
        write_tiny(), 'tensorrt', precision='fp16', on_missing_plan=lambda e: missing.append(e)
    )

    assert engine.backend != 'tensorrt'
    assert missing[0].input_size == (32, 64)


def test_whoever_builds_a_missing_plan_gets_it_at_once(gpu, write_tiny):
    def build(missing):
        PlanBuild(Path(missing.model_path), missing.input_size, missing.precision).run()
        return True

    engine = load_engine(write_tiny(), on_missing_plan=build)

    assert engine.backend == 'tensorrt'
    engine.close()


def test_nothing_is_allocated_per_frame_and_all_is_freed(built, noise):
    engine = load_engine(built, 'tensorrt')
    before = live()

    outputs = {id(engine.infer(noise(32, 64))) for _ in range(20)}

    assert live() == before
    assert len(outputs) == 1
    engine.close()
    assert live() == {}


def test_the_last_output_outlives_the_engine(built, noise):
    engine = load_engine(built, 'tensorrt')
    depth = engine.infer(noise(32, 64))
    before = depth.copy()

    engine.close()

    np.testing.assert_array_equal(depth, before)


def test_a_hundred_reloads_leave_nothing_behind(built, noise):
    engine = load_engine(built, 'tensorrt')
    for _ in range(100):
        following = load_engine(built, 'tensorrt')
        np.testing.assert_array_equal(engine.infer(noise(32, 64)), following.infer(noise(32, 64)))
        engine.close()
        engine = following
    engine.close()

    assert live() == {}


def test_it_is_loaded_used_and_closed_in_three_threads(built, noise):
    results = []

    def in_a_thread(work):
        thread = threading.Thread(target=lambda: results.append(work()))
        thread.start()
        thread.join()
        return results[-1]

    engine = in_a_thread(lambda: load_engine(built, 'tensorrt'))
    depth = in_a_thread(lambda: engine.infer(noise(32, 64)))
    in_a_thread(engine.close)

    assert np.isfinite(depth).all()
    assert live() == {}


def test_a_wrong_image_is_refused_and_a_closed_engine_says_so(built, noise):
    engine = load_engine(built, 'tensorrt')

    with pytest.raises(ShapeError, match=r'must be \(32, 64, 3\) uint8'):
        engine.infer(np.zeros((32, 64, 3), np.float32))
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match='tensorrt engine is closed'):
        engine.infer(noise(32, 64))


def test_a_failing_frame_has_the_words_of_tensorrt_and_the_next_one_works(built, gpu, noise):
    engine = load_engine(built, 'tensorrt')
    gpu(frame_error='Cuda Runtime (an illegal memory access was encountered)')

    with pytest.raises(EngineError, match='failed on a frame: Cuda Runtime .an illegal memory'):
        engine.infer(noise(32, 64))

    gpu(frame_error='')
    assert np.isfinite(engine.infer(noise(32, 64))).all()
    engine.close()


def test_an_engine_is_closed_right_after_a_failing_frame(built, gpu, noise):
    engine = load_engine(built, 'tensorrt')
    gpu(frame_error='Cuda Runtime (an illegal memory access was encountered)')
    with pytest.raises(EngineError, match='failed on a frame: Cuda Runtime'):
        engine.infer(noise(32, 64))

    engine.close()

    assert live() == {}


def test_closing_on_a_gpu_that_is_gone_does_not_end_the_node(built, monkeypatch, caplog):
    from pycuda import driver

    engine = load_engine(built, 'tensorrt')
    engine.close()

    def lost(self):
        raise driver.LogicError('cuCtxPushCurrent failed: the GPU fell off the bus')

    monkeypatch.setattr(driver.Context, 'push', lost)
    engine.close()

    assert 'fell off the bus' in caplog.text


def test_a_plan_that_finds_no_memory_is_kept(built, gpu):
    gpu(load_error='Error Code 2: OutOfMemory (Requested size was 4096 bytes.)')

    with pytest.raises(EngineError, match='OutOfMemory.*end other programs') as error:
        load_engine(built, 'tensorrt')

    assert not isinstance(error.value, PlanMissingError)
    assert len(plans()) == 1


def test_a_full_gpu_is_an_error_with_what_to_do_and_nothing_stays_allocated(built, gpu):
    gpu(memory_mb=0)

    with pytest.raises(EngineError, match='out of memory: end other programs that use the GPU'):
        load_engine(built, 'tensorrt')

    assert live() == {}


def test_without_a_driver_it_says_what_to_check(gpu, write_tiny):
    gpu(no_driver=True)

    with pytest.raises(EngineError, match='no CUDA-capable device.*nvidia-smi'):
        load_engine(write_tiny(), 'tensorrt')


@pytest.mark.parametrize(
    'change', [{'tensorrt': '10.8.0'}, {'gpu': 'Pretended Thor'}, {'compute_capability': [11, 0]}]
)
def test_a_plan_of_another_machine_is_not_even_looked_at(built, gpu, change):
    import fake_gpu

    gpu(**change)
    fake_gpu.forget()

    with pytest.raises(PlanMissingError, match='not built yet'):
        load_engine(built, 'tensorrt')

    PlanBuild(built).run()
    assert len(plans()) == 2
    load_engine(built, 'tensorrt').close()


def damage(path):
    path.write_bytes(path.read_bytes()[:-7])


def swap_for_garbage(path):
    """Write a plan that is recorded, but that TensorRT refuses."""
    from mono_depth_ros.engine.plans import PlanFolder

    PlanFolder(path.parent).write(path, b'not a plan at all', {})


def lose_the_record(path):
    path.with_suffix('.json').unlink()


def open_to_all(path):
    path.chmod(0o644)


def put_a_link(path):
    shutil.move(path, path.with_name('elsewhere'))
    path.symlink_to(path.with_name('elsewhere'))


@pytest.mark.parametrize(
    ('spoil', 'why'),
    [
        (damage, 'it is damaged'),
        (swap_for_garbage, 'magic tag does not match: the plan is of another TensorRT'),
        (lose_the_record, 'its record is missing'),
        (open_to_all, 'others may read or write it'),
        (put_a_link, 'cannot be read'),
    ],
)
def test_a_plan_that_cannot_be_trusted_is_built_again(built, spoil, why):
    spoil(plans()[0])

    with pytest.raises(PlanMissingError, match=why):
        load_engine(built, 'tensorrt')

    assert PlanBuild(built).run().built
    load_engine(built, 'tensorrt').close()


def test_plans_in_a_folder_that_others_may_write_are_not_loaded(built):
    plans()[0].parent.chmod(0o777)

    with pytest.raises(EngineError, match='others may write to .*chmod 700'):
        load_engine(built, 'tensorrt')


def test_a_plan_and_its_folder_are_for_the_owner_only(built):
    (path,) = plans()

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_plan_of_another_network_is_refused_before_its_first_frame(built, write_tiny):
    from mono_depth_ros.engine.plans import PlanFolder
    from mono_depth_ros.manifest import Manifest

    wide = write_tiny(Manifest('tiny', input_size=(64, 96)), name='wide.onnx')
    PlanBuild(wide).run()
    mine = next(path for path in plans() if '32, 64' in str(PlanFolder(path.parent).record(path)))
    other = next(path for path in plans() if path != mine)
    PlanFolder(mine.parent).write(mine, other.read_bytes(), {})

    with pytest.raises(PlanMissingError, match=r'image of the plan is \(1, 64, 96, 3\)'):
        load_engine(built, 'tensorrt')


def test_networks_of_one_shape_with_other_weights_never_share_a_plan(built, write_tiny, noise):
    other = write_tiny(name='other.onnx', seed=5)

    with pytest.raises(PlanMissingError, match='no TensorRT plan of tiny .*: not built yet;'):
        load_engine(other, 'tensorrt')


def test_types_without_the_library_are_not_mistaken_for_it(gpu, tmp_path, write_tiny, monkeypatch):
    import fake_gpu

    (tmp_path / 'types' / 'tensorrt').mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path / 'types'))
    (tmp_path / 'types' / 'tensorrt' / '__init__.py').touch()
    fake_gpu.forget()

    with pytest.raises(BackendUnavailableError, match='only the types of tensorrt'):
        load_engine(write_tiny(), 'tensorrt')


def test_a_context_left_on_the_stack_of_a_thread_ends_the_process(gpu):
    """So would pycuda; the double must not be kinder."""
    code = (
        'import threading, pycuda.driver as c; c.init(); x = c.Device(0).retain_primary_context();'
        't = threading.Thread(target=x.push); t.start(); t.join()'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)

    assert done.returncode != 0
    assert 'context stack was not empty' in done.stderr
