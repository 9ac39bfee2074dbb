# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`mono_depth adapt`: recorded images in, a judged version out; labels only score."""

from dataclasses import replace
import json
import weakref

from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.errors import ConfigError, DatasetError
from mono_depth_ros.folders import write_rgbd
from mono_depth_ros.frames import Frame, FrameSource, open_frames
import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip('torch')

from mono_depth_ros.adaptation.config import BufferConfig
from mono_depth_ros.adaptation.offline import check_anchor, collect, score
from mono_depth_ros.cli.adapt import (
    choose_anchor,
    has_range_sensor,
    open_recording,
    read_recording,
    read_remap,
)
from mono_depth_ros.cli.main import build_app
from mono_depth_ros.engine.store import VersionStore
from mono_depth_ros.manifest import Manifest
from mono_depth_ros.model.checkpoint import save_network
from mono_depth_ros.model.fastdepth import FastDepth
from mono_depth_ros.model.onnx_export import export_onnx
from mono_depth_ros.source.pack import write_source_pack
from mono_depth_ros.source.pool import Sample

SIZE = (64, 96)
CAMERA = PinholeCamera(80.0, 80.0, 47.5, 31.5, SIZE[1], SIZE[0])


def frame(seed, posed=False):
    rng = np.random.default_rng(seed)
    blocks = np.repeat(np.repeat(rng.integers(40, 216, (8, 12, 3), np.uint8), 8, 0), 8, 1)
    depth = np.linspace(4, 1, SIZE[0], dtype=np.float32)[:, None] * np.ones(SIZE[1], np.float32)
    pose = np.eye(4) if posed else None
    return Frame(blocks, seed * 10**8, f'{seed:06d}', CAMERA, depth, pose)


@pytest.fixture(scope='module')
def recording(tmp_path_factory):
    folder = tmp_path_factory.mktemp('recording')
    write_rgbd(folder, [frame(seed) for seed in range(44)])
    return folder


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    """Return an untrained network with a source pack, as if it had been shipped."""
    folder = tmp_path_factory.mktemp('model')
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = FastDepth(0.125, focal=80.0).eval()
    manifest = Manifest('tiny', '1', SIZE, dynamic=True, focal=80.0)
    save_network(folder, network, manifest)
    export_onnx(network, manifest, folder / 'model.onnx')
    frames = [frame(seed) for seed in range(100, 110)]
    semantics = np.zeros(SIZE, np.uint8)
    samples = [Sample(f.rgb, f.depth, semantics, 80.0) for f in frames]
    write_source_pack(folder / 'source_pack.zip', samples)
    return folder / 'model.onnx'


def run(*arguments):
    return CliRunner().invoke(build_app('adapt'), ['adapt', *map(str, arguments)])


def test_a_folder_is_adapted_to_and_scored(recording, model, tmp_path):
    numbers = tmp_path / 'numbers.json'

    result = run(
        '--images', recording, '--model', model, '--store', tmp_path / 'store', '--mode', 'replay',
        '--steps', 1, '--batch', 2, '--score-last', 4, '--json', numbers,
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    report = json.loads(numbers.read_text())
    assert report['state'] in ('PROMOTED', 'REJECTED'), report['reason']
    assert report['details']['frames'] == 40
    assert report['details']['steps'] == 1
    assert 'anchor none: of 40 images 0 with shape from motion, 0 with metric' in result.output
    assert report['scores']['before']['images'] == 4
    reading = VersionStore(tmp_path / 'store').read_current()
    assert (reading.version is not None) == (report['state'] == 'PROMOTED')


def test_what_fails_has_a_status_and_a_reason(recording, model, tmp_path):
    model.with_name('weights.safetensors').rename(tmp_path / 'weights')
    try:
        result = run('--images', recording, '--model', model, '--store', tmp_path / 'store')
    finally:
        (tmp_path / 'weights').rename(model.with_name('weights.safetensors'))

    assert result.exit_code == 1
    assert 'FAILED' in result.output


def write_reference_bag(path):
    """Write a bag of 40 images, each with depth of a sensor, and poses of the wheels."""
    pytest.importorskip('rosbags', reason='rosbags is not installed')
    from test_bag_references import depth_image, odometry, START
    from test_bags import image, info, ROS2, write_bag

    messages = [('/camera/camera_info', info(ROS2))]
    for seed in range(40):
        stamp = START + seed * 10**8
        picture = image(ROS2, stamp)
        picture.data = frame(seed).rgb[:48, :64].ravel()
        messages += [
            ('/odom', odometry(0.1 * seed, stamp)),
            ('/camera/image_rect', picture),
            ('/reference/depth', depth_image(2.0, stamp)),
        ]
    return write_bag(path, messages)


def test_the_references_of_a_bag_anchor_and_score(model, tmp_path):
    bag, numbers = write_reference_bag(tmp_path / 'bag'), tmp_path / 'numbers.json'

    result = run(
        '--images', bag, '--model', model, '--store', tmp_path / 'store', '--mode', 'replay',
        '--steps', 1, '--batch', 2, '--score-last', 4, '--json', numbers,
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    report = json.loads(numbers.read_text())
    assert report['anchor'] == 'depth'
    assert report['scores']['before']['images'] == 4
    assert 'reference/depth is /reference/depth' in result.output
    assert '--remap reference/odometry:=TOPIC takes /odom' in result.output
    assert '36 images go with reference/depth' in result.output
    assert 'anchor depth: of 36 images 0 with shape from motion, 36 with' in result.output


def test_topics_of_a_folder_are_refused(recording):
    result = run('--images', recording, '--remap', 'reference/odometry:=/odom')

    assert isinstance(result.exception, ConfigError) or 'are for bags' in result.output


@pytest.mark.parametrize('text', ['/odom', ':=/odom', 'reference/odometry:='])
def test_a_remap_that_is_none_is_refused(text):
    with pytest.raises(ConfigError, match='like reference/odometry:=/odom'):
        read_remap(text)


def test_images_that_are_scored_are_not_adapted_to(recording):
    target, labelled = read_recording(open_frames(recording), 10, 4, 60.0)

    assert [f.name for f in target] == [f'{n:06d}' for n in range(10)]
    assert [f.name for f in labelled] == [f'{n:06d}' for n in range(40, 44)]


def test_no_image_left_to_adapt_to_is_said(recording):
    with pytest.raises(DatasetError, match='44 images leave none to adapt to'):
        read_recording(open_frames(recording), 0, 44, 60.0)


class CountedFrames(FrameSource):
    """Many frames that count how often one is decoded, and how many are in memory."""

    def __init__(self, count):
        super().__init__('counted', count, strict=True)
        self.decoded = self.alive = self.most_alive = 0

    def _loaders(self):
        for seed in range(self.count):
            yield lambda seed=seed: self._load(seed)

    def _load(self, seed):
        made = frame(seed)
        self.decoded += 1
        self.alive += 1
        self.most_alive = max(self.most_alive, self.alive)
        weakref.finalize(made, self._forget)
        return made

    def _forget(self):
        self.alive -= 1


def test_no_more_images_are_decoded_than_asked_for():
    source = CountedFrames(100)
    target, _ = read_recording(source, 5, 0, 60.0)

    collect(target, SIZE, 'none', BufferConfig(min_gap_s=0.0))

    assert source.decoded == 5


def test_a_long_recording_is_never_in_memory_at_once():
    source = CountedFrames(60)
    target, labelled = read_recording(source, 0, 4, 60.0)

    buffer = collect(target, SIZE, 'none', BufferConfig(min_gap_s=0.0, capacity=10, held_out=0.0))

    assert buffer.counts.total() == 56
    assert len(labelled) == 4
    assert source.most_alive <= 4 + 2  # those to score on, and the one at hand with the last


def test_depth_is_never_an_anchor_by_itself():
    assert choose_anchor('auto', 0.0, [frame(1)]) == 'none'
    assert choose_anchor('auto', 0.0, [frame(1, posed=True)]) == 'poses'
    assert choose_anchor('auto', 0.4, [frame(1, posed=True)]) == 'height'
    with pytest.raises(ConfigError, match='needs --camera-height'):
        choose_anchor('height', 0.0, [frame(1)])


def test_a_sensor_of_the_robot_goes_before_its_poses():
    sensed = replace(frame(2, posed=True), points=np.array([[1.0, 2.0, 3.0]], np.float32))

    assert choose_anchor('auto', 0.0, [frame(1, posed=True), sensed]) == 'depth'


def test_the_first_pose_of_a_recording_without_a_sensor_is_enough(recording, tmp_path):
    read = []
    path = (read.append(seed) or frame(seed, posed=seed >= 2) for seed in range(12))

    anchor = choose_anchor('auto', 0.0, path, sensed=False)

    assert (anchor, read) == ('poses', [0, 1, 2])
    assert not has_range_sensor(open_recording(str(recording), [], ''))
    bag = write_reference_bag(tmp_path / 'bag')
    assert has_range_sensor(open_recording(str(bag), [], ''))


def test_poses_that_begin_late_anchor_the_images_after_that():
    path = [frame(seed, posed=seed >= 6) for seed in range(12)]

    kept = collect(path, SIZE, 'poses', BufferConfig(min_gap_s=0.0)).snapshot()

    assert len(kept) == 12


def test_an_anchor_that_the_images_lack_is_refused():
    bare = Frame(frame(1).rgb, 0, '1', CAMERA)

    with pytest.raises(DatasetError, match='no frame has depth'):
        check_anchor([bare], 'depth')
    with pytest.raises(DatasetError, match='needs a camera and a pose'):
        check_anchor([bare], 'poses')
    with pytest.raises(ConfigError, match='anchor must be one of'):
        check_anchor([bare], 'luck')


def compared(recording, model, tmp_path, *more):
    return run(
        '--images', recording, '--model', model, '--compare', '--anchor', 'depth', '--steps', 1,
        '--batch', 2, '--score-last', 3, '--first', 30, '--runs', tmp_path / 'runs.jsonl',
        '--json', tmp_path / 'numbers.json', '--plot', tmp_path / 'plot.png', *more,
    )  # fmt: skip


def test_modes_are_compared_and_a_comparison_goes_on_where_it_ended(recording, model, tmp_path):
    first = compared(recording, model, tmp_path)
    assert first.exit_code == 0, first.output or first.exception
    runs = (tmp_path / 'runs.jsonl').read_text()

    again = compared(recording, model, tmp_path, '--seeds', 2, '--few', 1)

    assert again.exit_code == 0, again.output or again.exception
    report = json.loads((tmp_path / 'numbers.json').read_text())
    seeds = {row['name']: row['seeds'] for row in report['summary']}
    assert {'none', 'bn', 'replay', 'paper', 'lean', 'consistency'} <= set(seeds)
    assert seeds['auto'] == seeds['auto + depth'] == 2
    assert seeds['one factor from depth'] == seeds['static map from depth'] == seeds['lean'] == 1
    assert (tmp_path / 'runs.jsonl').read_text().startswith(runs)
    assert (tmp_path / 'plot.png').stat().st_size > 1000
    before = next(row for row in report['runs'] if row['name'] == 'none')
    assert not before['accepted']
    assert before['verdict']['reason'].startswith('no better than the network in use')
    other = compared(recording, model, tmp_path, '--batch', 3)
    assert isinstance(other.exception, DatasetError) or 'another comparison' in other.output


def test_collected_frames_carry_the_points_of_their_anchor():
    kept = collect([frame(s) for s in range(6)], SIZE, 'depth', BufferConfig()).snapshot()

    assert all(len(f.points) > 100 for f in kept)


def test_a_perfect_network_scores_zero():
    frames = [frame(seed) for seed in range(2)]

    scores = score(lambda rgb: 1.25 * frames[0].depth, frames, SIZE, 100.0)

    assert scores['abs_rel'] == pytest.approx(0.0, abs=1e-6)
    assert scores['delta1_aligned'] == 1.0
