# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the depth node's loader does about networks that cannot be loaded, and what it tells."""

from concurrent.futures import Future
import errno
import os
import time

from mono_depth_ros.config import EngineConfig
from mono_depth_ros.engine import durable
from mono_depth_ros.errors import (
    EngineError,
    ModelError,
    MonoDepthError,
    PlanMissingError,
    StoreError,
)
from mono_depth_ros.nodes import engine_loader
from mono_depth_ros.nodes.engine_loader import EngineLoader
import pytest

pytest.importorskip('onnx', reason='onnx is not installed')
from networks import new_store, variant


@pytest.fixture
def store(red_network, tmp_path):
    """Return a store with version 1 in use."""
    return new_store(tmp_path / 'store', variant(red_network, tmp_path / '1.onnx', offset=1.01))


@pytest.fixture
def loader(store, red_network):
    made = EngineLoader(
        EngineConfig(model=str(red_network), store=str(store.root), backend='onnxruntime')
    )
    yield made
    made.close()


@pytest.fixture
def fail(monkeypatch):
    """Return an empty dict: versions that shall fail to load, and the errors."""
    failures, real = {}, engine_loader.load_estimator

    def load(config, store, *arguments, model, **options):
        if model.version in failures:
            raise failures[model.version]
        return real(config, store, *arguments, model=model, **options)

    monkeypatch.setattr(engine_loader, 'load_estimator', load)
    return failures


def reload(loader):
    done = Future()
    assert loader.reload(None, done.set_result, build=False)
    return done.result(60).result()


def test_a_network_that_is_no_good_is_marked_bad(loader, store, add, fail):
    candidate = add(offset=2.0)
    fail[candidate.name] = ModelError('it gives no finite depth')

    with pytest.raises(ModelError, match='no finite depth'):
        reload(loader)

    assert store.find(candidate).bad == 'it was refused: it gives no finite depth'
    assert store.candidate() is None


@pytest.mark.parametrize(
    'error',
    [
        EngineError('no installed backend runs it: out of memory'),
        MonoDepthError('building the TensorRT plan: try again when it is done'),
        StoreError('cannot write the plan: the disk is full'),
        MemoryError(),
    ],
)
def test_a_network_that_cannot_be_loaded_now_is_not(loader, store, add, fail, error):
    candidate = add(offset=2.0)
    fail[candidate.name] = error

    with pytest.raises(type(error)):
        reload(loader)

    assert store.candidate() == candidate


def test_a_candidate_that_cannot_be_read_now_is_not_damaged(loader, store, add, monkeypatch):
    candidate = add(offset=2.0)

    def stale(path):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    with monkeypatch.context() as patch:
        patch.setattr(durable, 'sha256', stale)
        with pytest.raises(StoreError, match=f'cannot read version {candidate.name} in .*Stale'):
            reload(loader)

    assert store.candidate() == candidate


@pytest.mark.parametrize(
    ('error', 'bad'),
    [
        (ModelError('it gives no finite depth'), 'it was refused: it gives no finite depth'),
        (EngineError('out of memory'), ''),
    ],
)
def test_a_start_falls_back_to_what_runs(loader, store, add, fail, error, bad):
    second, third = store.promote(add(offset=2.0)), store.promote(add(offset=3.0))
    fail |= {second.name: error, third.name: error}

    loaded = loader.load()
    loaded.estimator.engine.close()

    assert loaded.estimator.model.version == store.find(1).name
    assert loaded.passed_over == {third.name: str(error), second.name: str(error)}
    assert [store.find(number).bad for number in (1, 2, 3)] == ['', bad, bad]


def test_the_next_reload_tries_again_what_only_lacked_memory(loader, store, add, fail):
    second = store.promote(add(offset=2.0))
    fail[second.name] = EngineError('out of memory')
    loader.load().estimator.engine.close()
    fail.clear()

    loaded = reload(loader)
    loaded.estimator.engine.close()

    assert loaded.estimator.model.version == second.name
    assert loaded.passed_over == {}


def test_a_candidate_that_failed_is_not_loaded_for_images_of_another_size(
    loader, store, add, fail
):
    candidate = add(offset=2.0)
    before = loader.load()
    before.estimator.engine.close()
    fail[candidate.name] = EngineError('out of memory')
    with pytest.raises(EngineError, match='out of memory'):
        reload(loader)
    fail.clear()

    done = Future()
    assert loader.load_again(before, (48, 128), done.set_result, beside=False)
    loaded = done.result(60).result()
    loaded.estimator.engine.close()

    assert loaded.estimator.model.version == store.find(1).name
    assert loaded.estimator.engine.input_size != before.estimator.engine.input_size


@pytest.mark.parametrize(
    ('input_size', 'image_size', 'built'),
    [('auto', None, False), ('auto', (48, 64), True), ('48x64', None, True)],
)
def test_a_plan_is_built_only_where_its_size_is_known(
    store, red_network, monkeypatch, input_size, image_size, built
):
    settings = {'model': str(red_network), 'store': str(store.root), 'backend': 'onnxruntime'}
    loader = EngineLoader(EngineConfig(input_size=input_size, **settings))
    real, builds, done = engine_loader.load_estimator, [], Future()

    def load(*arguments, on_missing_plan, **options):
        on_missing_plan(PlanMissingError('no plan'))
        return real(*arguments, **options)

    monkeypatch.setattr(engine_loader, 'load_estimator', load)
    monkeypatch.setattr(loader.plans, 'build', builds.append)
    assert loader.reload(image_size, done.set_result, build=True)
    error = done.result(60).exception()
    loader.close()

    assert bool(builds) is built
    assert (error is None) is built
    assert built or 'nobody knows for which size to build' in str(error)
    assert store.find(1).bad == ''


def test_what_no_version_can_mend_ends_the_start(store, red_network):
    loader = EngineLoader(
        EngineConfig(model=str(red_network), store=str(store.root), input_size='100x100')
    )

    with pytest.raises(MonoDepthError, match='100x100'):
        loader.load()

    assert store.find(1).bad == ''
    loader.close()


def test_where_the_store_cannot_be_written_a_refusal_is_remembered(loader, store, add, fail):
    candidate = add(offset=2.0)
    fail[candidate.name] = ModelError('it gives no finite depth')
    (store.root / 'lock').unlink()
    (store.root / 'lock').mkdir()

    with pytest.raises(ModelError, match='no finite depth'):
        reload(loader)
    loaded = reload(loader)
    loaded.estimator.engine.close()

    assert loaded.estimator.model.version == store.find(1).name
    assert store.find(candidate).bad == ''


def test_a_compiler_that_nobody_waits_for_is_ended(store, red_network, tmp_path, monkeypatch):
    pytest.importorskip('openvino', reason='openvino is not installed')
    from mono_depth_ros.engine import openvino_compile

    begun = tmp_path / 'begun'
    (tmp_path / 'never_ends.py').write_text(
        f'import pathlib, time; pathlib.Path({str(begun)!r}).touch(); time.sleep(600)'
    )
    monkeypatch.setattr(openvino_compile, '__name__', 'never_ends')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    loader = EngineLoader(EngineConfig(model=str(red_network), store=str(store.root)))
    done = Future()
    assert loader.reload(None, done.set_result, build=False)
    until = time.monotonic() + 60
    while not begun.exists() and time.monotonic() < until:
        time.sleep(0.01)

    loader.close()

    with pytest.raises(MonoDepthError, match='nobody waits for this network any more'):
        done.result(15).result()
