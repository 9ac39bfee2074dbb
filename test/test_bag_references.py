# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Of a bag, the references are read that the adaptation node would have heard."""

from mono_depth_ros.errors import ConfigError, DatasetError
import numpy as np
import pytest

pytest.importorskip('rosbags', reason='rosbags is not installed')
from mono_depth_ros.bag_references import ReferencedBag
from rosbags import rosbag1
from test_bags import header, IMAGE, image, info, ROS1, ROS2, write_bag

MS = 1_000_000
START = 5_000_000_000
# The base looks along x, the camera along its own z; it is 1 m above the base.
EYE_ON_BASE = ((0.0, 0.0, 1.0), (-0.5, 0.5, -0.5, 0.5))
CAMERA_ON_BASE = 'base camera 0 0 1 -0.5 0.5 -0.5 0.5'


def place(store, translation, quaternion):
    """Return a pose."""
    make = store.types
    x, y, z = translation
    qx, qy, qz, qw = quaternion
    return make['geometry_msgs/msg/Pose'](
        position=make['geometry_msgs/msg/Point'](x=x, y=y, z=z),
        orientation=make['geometry_msgs/msg/Quaternion'](x=qx, y=qy, z=qz, w=qw),
    )


def odometry(x, stamp_ns, store=ROS2):
    """Return an Odometry message of the base."""
    make = store.types
    zero = make['geometry_msgs/msg/Vector3'](x=0.0, y=0.0, z=0.0)
    return make['nav_msgs/msg/Odometry'](
        header=header(store, stamp_ns),
        child_frame_id='base',
        pose=make['geometry_msgs/msg/PoseWithCovariance'](
            pose=place(store, (x, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0)), covariance=np.zeros(36)
        ),
        twist=make['geometry_msgs/msg/TwistWithCovariance'](
            twist=make['geometry_msgs/msg/Twist'](linear=zero, angular=zero),
            covariance=np.zeros(36),
        ),
    )


def static_transform(store=ROS2):
    """Return a /tf_static message that ties the camera to the base."""
    make, (translation, quaternion) = store.types, EYE_ON_BASE
    base = header(store, 0)
    base.frame_id = 'base'
    pose = place(store, translation, quaternion)
    transform = make['geometry_msgs/msg/TransformStamped'](
        header=base,
        child_frame_id='camera',
        transform=make['geometry_msgs/msg/Transform'](
            translation=make['geometry_msgs/msg/Vector3'](
                x=translation[0], y=translation[1], z=translation[2]
            ),
            rotation=pose.orientation,
        ),
    )
    return make['tf2_msgs/msg/TFMessage'](transforms=[transform])


def depth_image(metres, stamp_ns, store=ROS2):
    """Return a depth image in millimetres, of half the size of the image."""
    data = np.full((24, 32), round(metres * 1000), np.uint16)
    return store.types[IMAGE](
        header=header(store, stamp_ns),
        height=24,
        width=32,
        encoding='16UC1',
        is_bigendian=0,
        step=64,
        data=data.view(np.uint8).ravel(),
    )


def cloud(xyz, stamp_ns):
    """Return a cloud in the frame of the base."""
    make = ROS2.types
    values = np.array(xyz, np.float32)
    base = header(ROS2, stamp_ns)
    base.frame_id = 'base'
    fields = [
        make['sensor_msgs/msg/PointField'](name=name, offset=4 * number, datatype=7, count=1)
        for number, name in enumerate('xyz')
    ]
    return make['sensor_msgs/msg/PointCloud2'](
        header=base,
        height=1,
        width=len(values),
        fields=fields,
        is_bigendian=False,
        point_step=12,
        row_step=12 * len(values),
        data=values.view(np.uint8).ravel(),
        is_dense=True,
    )


def test_poses_of_the_base_become_poses_of_the_camera(tmp_path):
    messages = [
        ('/camera/camera_info', info(ROS2)),
        ('/robot/reference/odometry', odometry(0.0, START)),
        ('/camera/image_rect', image(ROS2, START + 50 * MS)),
        ('/robot/reference/odometry', odometry(1.0, START + 100 * MS)),
        ('/tf_static', static_transform()),  # late, as a bag of a long drive may have it
    ]
    bag = ReferencedBag(write_bag(tmp_path / 'bag', messages), {})

    (frame,) = bag

    np.testing.assert_allclose(frame.world_from_camera[:3, 3], [0.5, 0.0, 1.0], atol=1e-9)
    np.testing.assert_allclose(frame.world_from_camera[:3, 2], [1.0, 0.0, 0.0], atol=1e-9)
    assert bag.references.counts == {'reference/odometry': 1}


def test_an_old_bag_has_poses_too(tmp_path):
    path = tmp_path / 'old.bag'
    messages = [
        ('/camera/camera_info', info(ROS1)),
        ('/odom', odometry(0.0, START, ROS1)),
        ('/camera/image_rect', image(ROS1, START)),
    ]
    with rosbag1.Writer(path) as writer:
        for index, (topic, message) in enumerate(messages):
            kind = message.__msgtype__
            connection = writer.add_connection(topic, kind, typestore=ROS1)
            writer.write(connection, index + 1, ROS1.serialize_ros1(message, kind))

    (frame,) = ReferencedBag(path, {'reference/odometry': '/odom'}, CAMERA_ON_BASE)

    np.testing.assert_allclose(frame.world_from_camera[:3, 3], [0.0, 0.0, 1.0], atol=1e-9)


def test_an_image_finds_the_depth_that_came_after_it(tmp_path):
    messages = [
        ('/camera/camera_info', info(ROS2)),
        ('/reference/depth', depth_image(1.0, START - 40 * MS)),
        ('/camera/image_rect', image(ROS2, START)),
        ('/reference/depth', depth_image(2.0, START)),
        ('/reference/depth', depth_image(3.0, START + 40 * MS)),
        ('/camera/image_rect', image(ROS2, START + 400 * MS)),
    ]

    first, second = ReferencedBag(write_bag(tmp_path / 'bag', messages), {})

    assert set(first.points[:, 2]) == {2.0}
    assert first.depth.shape == first.rgb.shape[:2]
    assert np.nanmax(first.depth) == 2.0
    assert np.isfinite(first.depth).sum() == len(first.points) == 500
    assert second.points is None and second.depth is None


def test_an_image_that_waits_for_references_keeps_the_camera_of_its_time(tmp_path):
    messages = [
        ('/camera/camera_info', info(ROS2, 60.0)),
        ('/camera/image_rect', image(ROS2, START)),
        ('/camera/camera_info', info(ROS2, 90.0)),
        ('/camera/image_rect', image(ROS2, START + 200 * MS)),
    ]

    frames = list(ReferencedBag(write_bag(tmp_path / 'bag', messages), {}))

    assert [frame.camera.fx for frame in frames] == [60.0, 90.0]


def test_a_cloud_of_the_base_is_projected_into_the_image(tmp_path):
    messages = [
        ('/camera/camera_info', info(ROS2)),
        ('/tf_static', static_transform()),
        ('/camera/image_rect', image(ROS2, START)),
        ('/reference/points', cloud([[3.0, 0.0, 1.0], [-3.0, 0.0, 1.0]], START)),
    ]

    (frame,) = ReferencedBag(write_bag(tmp_path / 'bag', messages), {})

    np.testing.assert_allclose(frame.points, [[31.5, 23.5, 3.0]], atol=1e-4)


def test_what_nothing_ties_to_the_camera_is_told(tmp_path):
    messages = [
        ('/camera/image_rect', image(ROS2, START)),
        ('/reference/odometry', odometry(0.0, START)),
    ]
    bag = ReferencedBag(write_bag(tmp_path / 'bag', messages), {})

    (frame,) = bag

    assert frame.world_from_camera is None
    assert "nothing says where 'camera' is on it" in bag.references.problem


def test_topics_of_other_names_are_offered_and_not_taken(tmp_path):
    messages = [
        ('/camera/image_rect', image(ROS2, START)),
        ('/odom', odometry(0.0, START)),
    ]
    bag = ReferencedBag(write_bag(tmp_path / 'bag', messages), {})

    lines = bag.describe_topics()

    assert lines == [
        'the bag has no reference/points',
        'the bag has no reference/depth',
        'the bag has no reference/odometry; --remap reference/odometry:=TOPIC takes /odom',
    ]
    assert bag.topics == {}


@pytest.mark.parametrize(
    ('remap', 'error', 'reason'),
    [
        ({'odom': '/odom'}, ConfigError, 'odom is not one of image_rect, reference/points'),
        ({'reference/odometry': '/x'}, DatasetError, 'Odometry on /x: choose one of /odom'),
        ({'reference/depth': '/odom'}, DatasetError, 'Image on /odom: it has none at all'),
        ({'image_rect': '/right'}, DatasetError, 'no images on /right'),
    ],
)
def test_a_topic_that_cannot_be_is_refused(tmp_path, remap, error, reason):
    messages = [('/image_rect', image(ROS2, START)), ('/odom', odometry(0.0, START))]
    bag = write_bag(tmp_path / 'bag', messages)

    with pytest.raises(error, match=reason):
        ReferencedBag(bag, remap)


def test_a_damaged_reference_costs_itself_alone(tmp_path):
    messages = [
        ('/camera/camera_info', info(ROS2)),
        ('/camera/image_rect', image(ROS2, START)),
        ('/reference/depth', depth_image(2.0, START)),
    ]
    bag = ReferencedBag(write_bag(tmp_path / 'bag', messages), {})
    read = bag._read

    def damaged(reader, connections):
        for connection, stamp, raw in read(reader, connections):
            yield connection, stamp, raw[:20] if connection.topic == '/reference/depth' else raw

    bag._read = damaged
    (frame,) = bag

    assert frame.points is None
