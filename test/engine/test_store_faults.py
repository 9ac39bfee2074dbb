# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The store under faults: a full disk, a read-only one, a kill at any instant, two writers."""

import errno
import os
from pathlib import Path
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

from mono_depth_ros.engine import durable
from mono_depth_ros.engine.store import VersionStore
from mono_depth_ros.engine.store_reader import number_of
from mono_depth_ros.errors import StoreError, StoreInUseError
import pytest

WRITER = """
import sys
import onnx  # before the first instant
from pathlib import Path
from mono_depth_ros.engine.store import VersionStore

store = VersionStore(Path(sys.argv[1]))
weights, *networks = map(Path, sys.argv[2:])
print('ready', flush=True)
while True:
    for network in networks:
        store.promote(store.add(network, weights), force=True)
        store.rollback('worse')
        store.promote(store.versions()[0], force=True)
        store.prune(keep=1)
"""


@pytest.fixture
def store(tmp_path, write_tiny):
    """Return a store with version 1 in use."""
    store = VersionStore(tmp_path / 'store')
    store.promote(store.add(write_tiny()))
    return store


def leftovers(store):
    return list(store.root.rglob('.tmp-*'))


def fail_from(monkeypatch, module, name, call, code):
    """Make a function raise OSError from its n-th call on."""
    real, calls = getattr(module, name), []

    def function(*arguments, **options):
        calls.append(arguments)
        if len(calls) >= call:
            raise OSError(code, os.strerror(code))
        return real(*arguments, **options)

    monkeypatch.setattr(module, name, function)
    return calls


@pytest.mark.parametrize(
    ('module', 'name', 'call'),
    [(os, 'fsync', n) for n in range(1, 6)]
    + [(os, 'replace', 1), (shutil, 'copyfile', 1), (shutil, 'copyfile', 2)],
)
def test_a_full_disk_while_adding_leaves_the_store_as_it_was(
    store, write_tiny, monkeypatch, module, name, call
):
    network = write_tiny(name='second.onnx', seed=2)
    with monkeypatch.context() as patch:
        fail_from(patch, module, name, call, errno.ENOSPC)

        with pytest.raises(StoreError, match='cannot add a version in .*: the disk is full: free'):
            store.add(network, network)

    assert number_of(store.read_current().version.name) == 1
    assert store.verify() == {}
    assert number_of(store.add(network, network).name) == 2
    assert leftovers(store) == []


@pytest.mark.parametrize(('name', 'call'), [('fsync', 1), ('replace', 1), ('replace', 2)])
def test_a_fault_while_promoting_leaves_the_old_version_in_use(
    store, write_tiny, monkeypatch, name, call
):
    store.add(write_tiny(name='second.onnx', seed=2))
    with monkeypatch.context() as patch:
        fail_from(patch, os, name, call, errno.EIO)

        with pytest.raises(StoreError, match='cannot promote a version in .*Input/output error'):
            store.promote(2)

    assert number_of(store.read_current().version.name) == 1
    store.promote(2)
    assert number_of(store.rollback('worse').name) == 1
    assert leftovers(store) == []


@pytest.mark.parametrize('call', [1, 2, 3])
def test_a_rollback_cut_short_has_already_stopped_the_bad_version(
    store, write_tiny, monkeypatch, call
):
    store.promote(store.add(write_tiny(name='second.onnx', seed=2)))
    with monkeypatch.context() as patch:
        fail_from(patch, os, 'replace', call, errno.EIO)

        with pytest.raises(StoreError, match='cannot roll back'):
            store.rollback('collapsed')

    assert number_of(store.read_current().version.name) == (2 if call == 1 else 1)


class Disk:
    """Records what is flushed to the disk, and refuses to rename what is not."""

    def __init__(self, monkeypatch):
        self.synced, self.renamed, self.unsynced = {}, [], []
        self._fsync, self._replace, self._unlink = os.fsync, os.replace, Path.unlink
        monkeypatch.setattr(os, 'fsync', self.fsync)
        monkeypatch.setattr(os, 'replace', self.replace)
        monkeypatch.setattr(Path, 'unlink', lambda path, **options: self.unlink(path, **options))

    def fsync(self, descriptor):
        self._fsync(descriptor)
        path = Path(os.readlink(f'/proc/self/fd/{descriptor}'))
        self.synced[path] = contents(path)
        self.unsynced = [folder for folder in self.unsynced if folder != path]

    def replace(self, temporary, path):
        if temporary.name.startswith(durable.TEMPORARY) and not temporary.is_symlink():
            for part in (temporary, *temporary.rglob('*')):
                assert self.synced.get(part) == contents(part), f'{part} is renamed unsynced'
        self._changes(path)
        self._replace(temporary, path)
        self.renamed.append(path.name)

    def unlink(self, path, **options):
        if not path.name.startswith(durable.TEMPORARY):
            self._changes(path)
        self._unlink(path, **options)

    def _changes(self, path):
        assert self.unsynced == [], f'{path} changes before an earlier change is on the disk'
        self.unsynced.append(path.parent)


def contents(path):
    """Return what a file or folder holds."""
    return path.read_bytes() if path.is_file() else sorted(os.listdir(path))


@pytest.mark.skipif(not Path('/proc/self/fd').is_dir(), reason='needs /proc of Linux')
def test_all_that_is_renamed_is_on_the_disk_and_so_is_its_name(store, write_tiny, monkeypatch):
    network = write_tiny(name='second.onnx', seed=2)
    with monkeypatch.context() as patch:
        disk = Disk(patch)
        verbs = {
            'add': lambda: store.add(network, network),
            'promote': lambda: store.promote(2),
            'withdraw another': lambda: store.withdraw(1, 'worse'),
            'promote by force': lambda: store.promote(1, force=True),
            'withdraw': lambda: store.withdraw(1, 'worse'),
            'rollback': lambda: store.rollback('worse'),
            'schedule': lambda: store.keep_schedule({'new_frames': 7}),
            'promote again': lambda: store.promote(1, force=True),
            'reset': store.reset,
            'prune': lambda: store.prune(0),
        }
        for verb, run in verbs.items():
            run()
            assert disk.unsynced == [], f'the last change of {verb} is not on the disk'

    assert {'current', 'waiting', 'history.json', 'schedule.json', 'bad'} <= set(disk.renamed)
    assert any(name.startswith('2-') for name in disk.renamed)
    assert store.versions() == []


@pytest.mark.parametrize('code', [errno.EROFS, errno.EACCES, errno.ENOTDIR])
def test_a_store_that_cannot_be_written_says_what_to_do(store, write_tiny, monkeypatch, code):
    network = write_tiny(name='second.onnx', seed=2)

    def refuse(self, *arguments, **options):
        raise OSError(code, os.strerror(code), str(self))

    monkeypatch.setattr(Path, 'open', refuse)

    with pytest.raises(StoreError, match='cannot write to .*: choose another store folder'):
        store.promote(1)
    with pytest.raises(StoreError, match='choose another store folder'):
        store.claim('adaptation_node').__enter__()
    assert network.is_file()


def test_a_file_where_the_store_should_be(tmp_path, write_tiny):
    (tmp_path / 'file').touch()

    with pytest.raises(StoreError, match='cannot make the store .*file'):
        VersionStore(tmp_path / 'file').add(write_tiny())
    assert 'using the shipped network' in VersionStore(tmp_path / 'file').read_current().reason


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write anywhere')
def test_a_folder_without_permission(tmp_path, write_tiny):
    (tmp_path / 'store').mkdir(mode=0o500)

    with pytest.raises(StoreError, match='permission denied: choose another store folder'):
        VersionStore(tmp_path / 'store').add(write_tiny())


def test_a_second_adapter_is_told_who_has_the_store(store):
    code = (
        'import sys, time; from mono_depth_ros.engine.store import VersionStore\n'
        f'with VersionStore({str(store.root)!r}).claim("adaptation_node"):\n'
        '    print("held", flush=True); time.sleep(60)'
    )
    with subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE) as first:
        assert first.stdout.readline() == b'held\n'
        try:
            told = rf'is in use by adaptation_node \(process {first.pid} on .*end that one, or'
            with pytest.raises(StoreInUseError, match=told), store.claim('adaptation_node'):
                pytest.fail('claimed twice')
            store.promote(1)  # the verbs stay open to a person
        finally:
            first.kill()

    with store.claim('adaptation_node'):
        pass


def test_a_writer_waits_for_another_and_gives_up_after_a_while(store, monkeypatch):
    monkeypatch.setattr('mono_depth_ros.engine.store._WAIT_S', 0.1)
    with (
        durable.locked(store.root / 'lock', 'a slow writer'),
        pytest.raises(StoreInUseError, match='is in use by a slow writer'),
    ):
        store.promote(1)
    monkeypatch.setattr('mono_depth_ros.engine.store._WAIT_S', 10.0)
    entered = threading.Event()

    def hold():
        with durable.locked(store.root / 'lock', 'a quick writer'):
            entered.set()
            time.sleep(0.1)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait()

    assert number_of(store.promote(1).name) == 1
    thread.join()


def test_writers_in_many_threads_lose_nothing(store, write_tiny):
    paths = [write_tiny(name=f'{seed}.onnx', seed=seed) for seed in range(10, 18)]
    threads = [threading.Thread(target=store.add, args=(path,)) for path in paths]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [number_of(version.name) for version in store.versions()] == list(range(1, 10))


def test_a_kill_at_any_instant_leaves_a_store_that_reads_and_writes(tmp_path, write_tiny):
    networks = [write_tiny(name=f'{seed}.onnx', seed=seed) for seed in range(6)]
    weights = tmp_path / 'weights'  # large, so that most kills come while files are written
    weights.write_bytes(bytes(4_000_000))
    store = VersionStore(tmp_path / 'store')
    store.promote(store.add(networks[0]))
    instants = random.Random(0)

    for _ in range(6):
        command = [sys.executable, '-c', WRITER, store.root, weights, *networks]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout.readline() == b'ready\n'
            time.sleep(instants.uniform(0.0, 0.3))
            child.send_signal(signal.SIGKILL)

        reading = store.read_current()

        assert store.verify() == {}
        assert 'damaged' not in reading.reason
        assert 'is not there' not in reading.reason
        assert reading.version is None or reading.version.onnx_path.is_file()

    store.promote(store.add(networks[0]), force=True)
    assert leftovers(store) == []
    assert store.read_current().version is not None
