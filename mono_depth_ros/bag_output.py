# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write bags without ROS, and add depth and clouds to recorded ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import logging
from pathlib import Path
import shutil
from typing import Any, Final

from mono_depth_ros.bags import CAMERA_INFO, IMAGE
from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.errors import DatasetError
from mono_depth_ros.postprocessing import depth_to_millimetres
from mono_depth_ros.projection import CloudWriter, POINT_STEP
from mono_depth_ros.references import FLOAT32
import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

POINT_CLOUD = 'sensor_msgs/msg/PointCloud2'
STORAGES = ('mcap', 'db3')
# The newest layout of metadata.yaml that ROS 2 Humble reads.
BAG_VERSION: Final = 8


def ros2_types() -> Any:
    """Return the message types that are the same in every supported ROS 2."""
    from rosbags.typesys import get_typestore, Stores

    return get_typestore(Stores.ROS2_HUMBLE)


@contextmanager
def new_bag(path: Path, storage: str = 'mcap') -> Iterator[Any]:
    """
    Open a rosbag2 folder for writing; what is half written goes away with an error.

    Parameters
    ----------
    path : Path
        The folder, which must not exist.
    storage : str
        ``mcap``, which Foxglove opens too, or ``db3``, the default of Humble.

    Raises
    ------
    DatasetError
        If ``rosbags`` is missing or the folder exists or cannot be made.

    """
    try:
        from rosbags.rosbag2 import StoragePlugin, Writer
    except ImportError as error:
        raise DatasetError(f'writing {path} needs rosbags: pip install rosbags') from error
    if path.exists():
        raise DatasetError(f'{path} exists already: choose another output')
    plugin = StoragePlugin.MCAP if storage == 'mcap' else StoragePlugin.SQLITE3
    try:
        writer = Writer(path, version=BAG_VERSION, storage_plugin=plugin)
        writer.open()
    except OSError as error:
        raise DatasetError(f'cannot write {path}: {error.strerror}') from error
    try:
        yield writer
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    writer.close()


class BagCopy:
    """
    Copies the messages of an open bag of ROS 1 or ROS 2 as they are, into one of ROS 2.

    Messages of ROS 1 are converted where ROS 2 has their type; the other topics are left out.
    """

    def __init__(self, reader: Any, writer: Any) -> None:
        self._reader, self._writer = reader, writer
        self._types = reader.typestore if reader.is2 else ros2_types()
        self._connections = {}
        for connection in reader.connections:
            copied = self._add(connection)
            if copied is not None:
                self._connections[connection.id, id(connection.owner)] = copied
        self.topics = {connection.topic for connection in self._connections.values()}

    def _add(self, connection: Any) -> Any:
        if connection.msgtype not in self._types.fielddefs:
            logger.warning(
                'left out %s: ROS 2 has no type %s', connection.topic, connection.msgtype
            )
            return None
        options: dict[str, Any] = {'typestore': self._types}
        if self._reader.is2:
            options['serialization_format'] = connection.ext.serialization_format
            options['offered_qos_profiles'] = connection.ext.offered_qos_profiles
        try:
            return self._writer.add_connection(connection.topic, connection.msgtype, **options)
        except Exception:  # rosbags refuses twins; several publishers of a topic share one
            return next(
                (
                    other
                    for other in self._connections.values()
                    if (other.topic, other.msgtype) == (connection.topic, connection.msgtype)
                ),
                None,
            )

    def write(self, connection: Any, stamp: int, raw: Any) -> None:
        """Copy one message."""
        copied = self._connections.get((connection.id, id(connection.owner)))
        if copied is None:
            return
        if not self._reader.is2:
            raw = self._types.ros1_to_cdr(raw, connection.msgtype)
        self._writer.write(copied, stamp, raw)


@dataclass(frozen=True)
class DepthTopics:
    """Where the depth of one camera goes in a bag, named as the depth node names its topics."""

    depth: str
    info: str
    points: str

    @classmethod
    def beside(cls, image_topic: str, namespace: str = '') -> DepthTopics:
        """Name them in a namespace, by default that of the image."""
        base = image_topic.removesuffix('/compressed').rpartition('/')[0]
        space = namespace.rstrip('/') or base
        space = space if space.startswith('/') or not space else f'/{space}'
        return cls(f'{space}/depth/image_rect', f'{space}/depth/camera_info', f'{space}/points')


class DepthWriter:
    """
    Writes depth, its camera_info and its cloud into an open bag.

    Parameters
    ----------
    writer : rosbags Writer
        The open bag.
    topics : DepthTopics
        Names of the three topics.
    encoding : str
        32FC1 (metres) or 16UC1 (millimetres).
    stride : int
        Every n-th pixel and row makes a point.

    """

    def __init__(self, writer: Any, topics: DepthTopics, *, encoding: str, stride: int) -> None:
        self._writer, self._encoding = writer, encoding
        self._types = ros2_types()
        self._depth = writer.add_connection(topics.depth, IMAGE, typestore=self._types)
        self._info = writer.add_connection(topics.info, CAMERA_INFO, typestore=self._types)
        self._points = writer.add_connection(topics.points, POINT_CLOUD, typestore=self._types)
        self._cloud_writer = CloudWriter(stride)

    def write(
        self,
        bag_stamp: int,
        stamp_ns: int,
        frame_id: str,
        depth: NDArray[np.float32],
        rgb: NDArray[np.uint8],
        camera: PinholeCamera,
    ) -> None:
        """
        Write one depth image.

        Parameters
        ----------
        bag_stamp : int
            When the bag says it was received [ns].
        stamp_ns, frame_id : int, str
            Header of the image it was made from.
        depth : np.ndarray, shape (h, w), float32
            Depth [m].
        rgb : np.ndarray, shape (H, W, 3), uint8
            The image.
        camera : PinholeCamera
            Intrinsics of the image.

        """
        camera = camera.resized(depth.shape[1], depth.shape[0])
        header = self._header(stamp_ns, frame_id)
        metric = depth if self._encoding == '32FC1' else depth_to_millimetres(depth)
        image = self._types.types[IMAGE](
            header=header,
            height=depth.shape[0],
            width=depth.shape[1],
            encoding=self._encoding,
            is_bigendian=0,
            step=metric.nbytes // depth.shape[0],
            data=np.ascontiguousarray(metric).reshape(-1).view(np.uint8),
        )
        self._put(self._depth, bag_stamp, image)
        self._put(self._info, bag_stamp, self._camera_info(header, camera))
        self._put(self._points, bag_stamp, self._cloud(header, depth, rgb, camera))

    def _put(self, connection: Any, bag_stamp: int, message: Any) -> None:
        raw = self._types.serialize_cdr(message, connection.msgtype)
        self._writer.write(connection, bag_stamp, raw)

    def _header(self, stamp_ns: int, frame_id: str) -> Any:
        types = self._types.types
        seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
        stamp = types['builtin_interfaces/msg/Time'](sec=seconds, nanosec=nanoseconds)
        return types['std_msgs/msg/Header'](stamp=stamp, frame_id=frame_id)

    def _camera_info(self, header: Any, camera: PinholeCamera) -> Any:
        fx, fy, cx, cy = camera.fx, camera.fy, camera.cx, camera.cy
        region = self._types.types['sensor_msgs/msg/RegionOfInterest'](
            x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        )
        return self._types.types[CAMERA_INFO](
            header=header,
            height=camera.height,
            width=camera.width,
            distortion_model='plumb_bob',
            d=np.zeros(5),
            k=np.array([fx, 0, cx, 0, fy, cy, 0, 0, 1], np.float64),
            r=np.eye(3).reshape(-1),
            p=np.array([fx, 0, cx, 0, 0, fy, cy, 0, 0, 0, 1, 0], np.float64),
            binning_x=0,
            binning_y=0,
            roi=region,
        )

    def _cloud(
        self,
        header: Any,
        depth: NDArray[np.float32],
        rgb: NDArray[np.uint8],
        camera: PinholeCamera,
    ) -> Any:
        height, width = self._cloud_writer.size(depth)
        points = np.empty((height, width, POINT_STEP // 4), np.float32)
        self._cloud_writer.write(depth, rgb, camera, points)
        field = self._types.types['sensor_msgs/msg/PointField']
        names = (('x', 0), ('y', 4), ('z', 8), ('rgb', 12))
        return self._types.types[POINT_CLOUD](
            header=header,
            height=height,
            width=width,
            fields=[field(name=n, offset=o, datatype=FLOAT32, count=1) for n, o in names],
            is_bigendian=False,
            point_step=POINT_STEP,
            row_step=width * POINT_STEP,
            data=points.reshape(-1).view(np.uint8),
            is_dense=bool(np.isfinite(points[..., 2]).all()),
        )
