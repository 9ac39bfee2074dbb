# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`mono_depth bag` copies a bag and adds what the depth node would publish."""

import numpy as np
import pytest

pytest.importorskip('rosbags', reason='rosbags is not installed')
from mono_depth_ros.recording import cloud_to_arrays, message_to_depth
from rosbags.highlevel import AnyReader
from test_bags import compressed, image, info, PICTURE, ROS1, ROS2, write_bag

TOPICS = {'/camera/depth/image_rect', '/camera/depth/camera_info', '/camera/points'}


@pytest.fixture
def recording(tmp_path):
    """Make a bag with a camera of two images."""
    return write_bag(
        tmp_path / 'recording',
        [
            ('/camera/camera_info', info(ROS2)),
            ('/camera/image_rect', image(ROS2, 1_000_000_000)),
            ('/camera/image_rect', image(ROS2, 1_100_000_000)),
        ],
    )


def read(path):
    """Return what is in a bag: topic to list of (stamp of the bag, message)."""
    found = {}
    with AnyReader([path]) as reader:
        for connection, stamp, raw in reader.messages():
            message = reader.deserialize(raw, connection.msgtype)
            found.setdefault(connection.topic, []).append((stamp, message))
    return found


@pytest.mark.parametrize('storage', ['mcap', 'db3'])
def test_depth_and_cloud_are_added_beside_the_image(
    run, recording, tmp_path, red_network, storage
):
    output = tmp_path / 'output'

    status, said, _ = run(
        *('bag', recording, '--output', output, '--storage', storage),
        *('--model', red_network, '--input-size', '48x64', '--stride', 1),
    )

    before, after = read(recording), read(output)
    assert status == 0
    assert '2 depth images' in said
    assert set(after) - set(before) == TOPICS
    assert len(list(output.glob(f'*.{storage}'))) == 1
    (stamp, depth), (_, camera) = (after[t][0] for t in sorted(TOPICS)[1::-1])
    assert stamp == before['/camera/image_rect'][0][0]
    assert depth.header.frame_id == 'camera'
    assert depth.header.stamp.sec == 1
    expected = 1 + PICTURE[..., 0] / 100
    assert np.allclose(message_to_depth(depth), expected, atol=1e-3)
    assert (camera.width, camera.k[0]) == (64, 60.0)
    points, colours = cloud_to_arrays(after['/camera/points'][0][1])
    assert np.array_equal(colours, PICTURE)
    assert np.allclose(points[..., 2], expected, atol=1e-3)
    assert np.allclose(60.0 * points[..., 0] / points[..., 2] + 31.5, np.arange(64), atol=1e-3)


@pytest.mark.parametrize(('stride', 'size'), [((), (24, 32)), (('--stride', 5), (10, 13))])
def test_a_cloud_of_fewer_points_declares_as_many_as_it_has(
    run, recording, tmp_path, red_network, stride, size
):
    output = tmp_path / 'output'

    run('bag', recording, '--output', output, '--model', red_network, *stride)

    cloud = read(output)['/camera/points'][0][1]
    assert (cloud.height, cloud.width) == size
    assert len(cloud.data) == cloud.height * cloud.row_step
    points, colours = cloud_to_arrays(cloud)
    step = stride[1] if stride else 2
    assert np.array_equal(colours, PICTURE[::step, ::step])
    columns = 60.0 * points[..., 0] / points[..., 2] + 31.5
    assert np.allclose(columns, np.arange(0, 64, step), atol=1e-3)


def test_what_was_recorded_is_copied_unchanged(run, recording, tmp_path, red_network):
    run('bag', recording, '--output', tmp_path / 'output', '--model', red_network)

    before, after = read(recording), read(tmp_path / 'output')
    for topic, messages in before.items():
        assert [stamp for stamp, _ in after[topic]] == [stamp for stamp, _ in messages]
        assert repr(after[topic]) == repr(messages)


def test_the_result_opens_as_mcap(run, recording, tmp_path, red_network):
    reader = pytest.importorskip('mcap.reader', reason='mcap is not installed')
    run('bag', recording, '--output', tmp_path / 'output', '--model', red_network)

    (path,) = (tmp_path / 'output').glob('*.mcap')
    with path.open('rb') as stream:
        summary = reader.make_reader(stream).get_summary()

    assert summary.statistics.message_count == 3 + 2 * 3
    assert {channel.topic for channel in summary.channels.values()} >= TOPICS
    assert all(schema.encoding == 'ros2msg' for schema in summary.schemas.values())


def test_a_bag_of_ros_1_becomes_one_of_ros_2(run, tmp_path, red_network):
    from rosbags import rosbag1

    path = tmp_path / 'old.bag'
    with rosbag1.Writer(path) as writer:
        for index, (topic, message) in enumerate(
            [('/camera/camera_info', info(ROS1)), ('/camera/image_rect', image(ROS1, 7))]
        ):
            kind = message.__msgtype__
            connection = writer.add_connection(topic, kind, typestore=ROS1)
            writer.write(connection, index + 1, ROS1.serialize_ros1(message, kind))

    status, _, _ = run('bag', path, '--output', tmp_path / 'output', '--model', red_network)

    after = read(tmp_path / 'output')
    assert status == 0
    assert set(after) == TOPICS | {'/camera/camera_info', '/camera/image_rect'}
    assert np.array_equal(after['/camera/image_rect'][0][1].data, PICTURE.reshape(-1))


def test_a_compressed_topic_is_answered_in_the_namespace_of_its_camera(run, tmp_path, red_network):
    messages = [
        ('/front/camera_info', info(ROS2)),
        ('/front/image/compressed', compressed(ROS2, 1)),
    ]
    recording = write_bag(tmp_path / 'recording', messages)

    run('bag', recording, '--output', tmp_path / 'output', '--model', red_network)

    assert '/front/depth/image_rect' in read(tmp_path / 'output')


def test_a_topic_that_is_taken_needs_another_namespace(run, tmp_path, red_network):
    messages = [
        ('/camera/image_rect', image(ROS2, 1)),
        ('/camera/depth/image_rect', image(ROS2, 1)),
    ]
    recording = write_bag(tmp_path / 'recording', messages)
    arguments = ('bag', recording, '--output', tmp_path / 'output', '--model', red_network)

    status, _, errors = run(*arguments)

    assert status == 1
    assert '--namespace' in errors
    assert not (tmp_path / 'output').exists()
    assert run(*arguments, '--namespace', 'mono')[0] == 0
    assert '/mono/depth/image_rect' in read(tmp_path / 'output')


def test_a_damaged_image_is_copied_but_not_answered(run, tmp_path, red_network):
    messages = [('/image', image(ROS2, 1)), ('/image', image(ROS2, 2, size=100))]
    recording = write_bag(tmp_path / 'recording', messages)

    status, said, _ = run('bag', recording, '--output', tmp_path / 'out', '--model', red_network)

    after = read(tmp_path / 'out')
    assert status == 0
    assert '1 image(s) could not be used' in said
    assert len(after['/image']) == 2
    assert len(after['/depth/image_rect']) == 1


def test_an_existing_output_is_never_overwritten(run, recording, red_network):
    status, _, errors = run('bag', recording, '--output', recording, '--model', red_network)

    assert status == 1
    assert 'exists already' in errors
    assert len(read(recording)['/camera/image_rect']) == 2
