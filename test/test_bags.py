# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags of ROS 1 and ROS 2 are read without ROS."""

import cv2
from mono_depth_ros.bags import choose_image_topic, choose_info_topic
from mono_depth_ros.errors import DatasetError
from mono_depth_ros.frames import open_frames
import numpy as np
import pytest

pytest.importorskip('rosbags', reason='rosbags is not installed')
from rosbags import rosbag1, rosbag2
from rosbags.typesys import get_typestore, Stores

ROS2 = get_typestore(Stores.ROS2_HUMBLE)
ROS1 = get_typestore(Stores.ROS1_NOETIC)
PICTURE = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
IMAGE = 'sensor_msgs/msg/Image'
INFO = 'sensor_msgs/msg/CameraInfo'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'


def header(store, stamp_ns):
    """Return a header of ROS 1 or ROS 2."""
    time = store.types['builtin_interfaces/msg/Time'](
        sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9
    )
    extra = {'seq': 0} if store is ROS1 else {}
    return store.types['std_msgs/msg/Header'](stamp=time, frame_id='camera', **extra)


def image(store, stamp_ns, encoding='rgb8', size=PICTURE.size):
    """Return an Image message of PICTURE."""
    return store.types[IMAGE](
        header=header(store, stamp_ns),
        height=48,
        width=64,
        encoding=encoding,
        is_bigendian=0,
        step=192,
        data=PICTURE.reshape(-1)[:size],
    )


def compressed(store, stamp_ns):
    """Return a CompressedImage message of PICTURE."""
    _, data = cv2.imencode('.png', PICTURE[..., ::-1])
    return store.types[COMPRESSED](header=header(store, stamp_ns), format='png', data=data)


def info(store, focal=60.0, *, rectified=True, binning=0, offset=0):
    """Return a CameraInfo message."""
    k = np.array([focal, 0, 31.5, 0, focal, 23.5, 0, 0, 1], np.float64)
    p = np.array([focal, 0, 31.5, 0, 0, focal, 23.5, 0, 0, 0, 1, 0], np.float64)
    values = {'d': np.zeros(5), 'k': k, 'r': np.eye(3).ravel(), 'p': p if rectified else p * 0}
    if store is ROS1:
        values = {name.upper(): value for name, value in values.items()}
    region = store.types['sensor_msgs/msg/RegionOfInterest'](
        x_offset=offset, y_offset=offset, height=0, width=0, do_rectify=False
    )
    return store.types[INFO](
        header=header(store, 0),
        height=48,
        width=64,
        distortion_model='plumb_bob',
        binning_x=binning,
        binning_y=binning,
        roi=region,
        **values,
    )


def write_bag(path, messages, storage=rosbag2.StoragePlugin.MCAP):
    """Write a rosbag2 of (topic, message) pairs, 0.1 s apart."""
    with rosbag2.Writer(path, version=8, storage_plugin=storage) as writer:
        connections = {}
        for index, (topic, message) in enumerate(messages):
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=ROS2)
            raw = ROS2.serialize_cdr(message, kind)
            writer.write(connections[topic], 10**9 + index * 10**8, raw)
    return path


@pytest.mark.parametrize('storage', [rosbag2.StoragePlugin.MCAP, rosbag2.StoragePlugin.SQLITE3])
def test_a_rosbag2_gives_images_with_stamp_and_camera(tmp_path, storage):
    messages = [
        ('/camera/image_rect', image(ROS2, 5_000_000_007)),
        ('/camera/camera_info', info(ROS2)),
        ('/camera/image_rect', image(ROS2, 6_000_000_000)),
    ]
    bag = write_bag(tmp_path / 'bag', messages, storage)

    frames = list(open_frames(bag))

    assert [frame.stamp_ns for frame in frames] == [5_000_000_007, 6_000_000_000]
    assert np.array_equal(frames[0].rgb, PICTURE)
    assert [frame.camera.fx for frame in frames] == [60.0, 60.0]


def test_a_single_mcap_file_is_a_bag(tmp_path):
    bag = write_bag(tmp_path / 'bag', [('/image_rect', image(ROS2, 1))])

    (frame,) = open_frames(next(bag.glob('*.mcap')))

    assert np.array_equal(frame.rgb, PICTURE)
    assert frame.camera is None


def test_a_compressed_topic_is_decoded(tmp_path):
    messages = [
        ('/camera/camera_info', info(ROS2)),
        ('/camera/image_rect/compressed', compressed(ROS2, 1)),
    ]

    (frame,) = open_frames(write_bag(tmp_path / 'bag', messages))

    assert np.array_equal(frame.rgb, PICTURE)
    assert frame.camera.fx == 60.0


def test_a_rosbag1_is_read_too(tmp_path):
    path = tmp_path / 'old.bag'
    with rosbag1.Writer(path) as writer:
        for index, (topic, message) in enumerate(
            [('/camera/camera_info', info(ROS1)), ('/camera/image_rect', image(ROS1, 7))]
        ):
            kind = message.__msgtype__
            connection = writer.add_connection(topic, kind, typestore=ROS1)
            writer.write(connection, index + 1, ROS1.serialize_ros1(message, kind))

    (frame,) = open_frames(path)

    assert np.array_equal(frame.rgb, PICTURE)
    assert frame.stamp_ns == 7
    assert frame.camera.cx == 31.5


def test_k_stands_in_for_an_empty_projection(tmp_path):
    messages = [('/camera_info', info(ROS2, rectified=False)), ('/image', image(ROS2, 1))]

    (frame,) = open_frames(write_bag(tmp_path / 'bag', messages))

    assert frame.camera.fx == 60.0


@pytest.mark.parametrize('rectified', [True, False])
def test_the_camera_is_that_of_binned_pixels(tmp_path, rectified):
    large = info(ROS2, 120.0, rectified=rectified, binning=2)
    large.width, large.height = 128, 96
    messages = [('/camera_info', large), ('/image', image(ROS2, 1))]

    (frame,) = open_frames(write_bag(tmp_path / 'bag', messages))

    assert (frame.camera.height, frame.camera.width) == frame.rgb.shape[:2]
    assert (frame.camera.fx, frame.camera.cx) == (60.0, 31.5 / 2)


def test_the_camera_is_that_of_the_region_of_interest(tmp_path):
    cut = info(ROS2, offset=10)
    cut.width, cut.height, cut.roi.width, cut.roi.height = 320, 240, 64, 48
    messages = [('/camera_info', cut), ('/image', image(ROS2, 1))]

    (frame,) = open_frames(write_bag(tmp_path / 'bag', messages))

    assert (frame.camera.height, frame.camera.width) == frame.rgb.shape[:2]
    assert (frame.camera.fx, frame.camera.cx, frame.camera.cy) == (60.0, 21.5, 13.5)


def test_a_truncated_image_in_a_bag_is_skipped(tmp_path):
    messages = [('/image', image(ROS2, 1, size=100)), ('/image', image(ROS2, 2))]
    source = open_frames(write_bag(tmp_path / 'bag', messages))

    (frame,) = source

    assert frame.stamp_ns == 2
    assert source.skipped == 1


def test_a_bag_without_images_names_its_topics(tmp_path):
    bag = write_bag(tmp_path / 'bag', [('/camera_info', info(ROS2))])

    with pytest.raises(DatasetError, match='no image.*/camera_info'):
        open_frames(bag)


def test_an_empty_bag_is_refused(tmp_path):
    with pytest.raises(DatasetError, match='its topics are all empty'):
        open_frames(write_bag(tmp_path / 'bag', []))


@pytest.mark.parametrize('first', [True, False])
def test_a_damaged_camera_info_leaves_the_camera_as_it_was(tmp_path, caplog, first):
    infos = [(ROS2.serialize_cdr(info(ROS2), INFO), 2), (b'\x00\x01\x00\x00half', 1)]
    with rosbag2.Writer(tmp_path / 'bag', version=8) as writer:
        images = writer.add_connection('/image_rect', IMAGE, typestore=ROS2)
        cameras = writer.add_connection('/camera_info', INFO, typestore=ROS2)
        for raw, stamp in infos[::-1] if first else infos:
            writer.write(cameras, 10**9 + stamp * (1 if first else -1), raw)
        for number in range(2):
            raw = ROS2.serialize_cdr(image(ROS2, number), IMAGE)
            writer.write(images, 2 * 10**9 + number, raw)

    frames = list(open_frames(tmp_path / 'bag'))

    assert [frame.camera.fx for frame in frames] == [60.0, 60.0]
    assert '/camera_info: a message is damaged' in caplog.text


@pytest.mark.parametrize('name', ['broken.mcap', 'broken.bag', 'broken.db3'])
def test_a_damaged_bag_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b'no bag' * 100)

    with pytest.raises(DatasetError, match='not a readable bag'):
        open_frames(tmp_path / name)


def test_a_topic_that_is_not_there_is_refused_with_the_choice(tmp_path):
    bag = write_bag(tmp_path / 'bag', [('/image', image(ROS2, 1))])

    with pytest.raises(DatasetError, match='/left.*choose one of /image'):
        open_frames(bag, topic='/left')


@pytest.mark.parametrize(
    ('topics', 'expected'),
    [
        (('/cam/image_raw', '/cam/image_rect'), '/cam/image_rect'),
        (('/cam/depth/image_rect', '/cam/image_raw'), '/cam/image_raw'),
        (('/cam/infra1/image_rect', '/cam/color/image_raw'), '/cam/color/image_raw'),
    ],
)
def test_the_image_most_like_a_rectified_colour_image_is_chosen(topics, expected):
    assert choose_image_topic(dict.fromkeys(topics, IMAGE), '', 'bag') == expected


def test_the_camera_info_beside_the_image_is_chosen():
    kinds = {'/left/camera_info': INFO, '/right/camera_info': INFO}

    assert choose_info_topic(kinds, '/right/image_rect/compressed') == '/right/camera_info'
    assert choose_info_topic(kinds, '/image') == ''
