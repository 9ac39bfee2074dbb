# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`mono_depth demo`: real ROS 2 nodes turn images into depth and clouds, before your eyes."""

from __future__ import annotations

from importlib.util import find_spec
import json
import math
from pathlib import Path
import shutil
import time
from typing import Annotated, Any, TYPE_CHECKING

from mono_depth_ros.cli import engines
from mono_depth_ros.cli.console import console, progress_bar
from mono_depth_ros.cli.estimate import make_folder
from mono_depth_ros.cli.processes import NodeGroup
from mono_depth_ros.errors import MonoDepthError
from rich.live import Live
from rich.table import Table
import typer

if TYPE_CHECKING:
    from mono_depth_ros.recording import RecordedFrame

# Longest wait for the first depth image: a TensorRT engine may have to be built first.
START_TIMEOUT_S = 120.0
REFRESH_S = 0.2
MIN_PICTURE_HEIGHT = 360


def demo(
    images: Annotated[
        str,
        typer.Argument(
            help='What to play: a folder of images, an RGB-D folder, a video or a bag; by default '
            'a scene that is rendered first.',
            show_default=False,
        ),
    ] = '',
    output: Annotated[Path, typer.Option(help='Folder for what the demo leaves.')] = Path(
        'demo_output'
    ),
    seconds: Annotated[
        float, typer.Option(min=1.0, help='How long to run once depth arrives (seconds).')
    ] = 15.0,
    rate: Annotated[float, typer.Option(min=0.1, help='Images per second.')] = 30.0,
    model: engines.Model = engines.DEFAULTS.model,
    backend: engines.Backend = engines.DEFAULTS.backend,
) -> None:
    """
    Watch a camera player, the depth node and a listener, each a process of its own, over DDS.

    OUTPUT gets a picture (image, depth, ground truth), a coloured cloud and a bag of what came
    over the wire.
    """
    if find_spec('rclpy') is None:
        raise MonoDepthError(
            'the demo needs ROS 2: source a ROS 2 installation, or install its wheels with '
            "pip install 'mono_depth_ros[ros]', or run `make demo`, which does that"
        )
    make_folder(output)
    source = images or str(render_scene(output / 'scene'))
    recording = output / 'recording'
    if (recording / 'metadata.yaml').is_file():
        shutil.rmtree(recording)
    with NodeGroup(output) as nodes:
        nodes.start('recorder', output=recording.absolute())
        nodes.start('depth_node', model=model, backend=backend)
        nodes.start(
            'camera_player',
            source=Path(source).absolute() if Path(source).exists() else source,
            rate=float(rate),
            wait_for_subscribers=START_TIMEOUT_S,
        )
        heard = watch(nodes, seconds)
    show_results(output, recording, heard)


def render_scene(folder: Path) -> Path:
    """Render a short walk through a room, as an RGB-D folder; raise DatasetError without torch."""
    from mono_depth_ros.folders import write_rgbd
    from mono_depth_ros.frames import open_frames

    source = open_frames('procedural', rate=10.0)
    with progress_bar() as bar:
        frames = bar.track(source, total=source.count, description='rendering a room')
        write_rgbd(folder, frames)
    return folder


def watch(nodes: NodeGroup, seconds: float) -> dict[str, Any]:
    """
    Show a live table until the time is over.

    Returns
    -------
    dict
        What the recorder heard, as its last report says.

    Raises
    ------
    MonoDepthError
        If a node ended, or no depth arrived.

    """
    begin, first = time.monotonic(), None
    heard: dict[str, Any] = {}
    with Live(console=console, refresh_per_second=8, transient=not console.is_terminal) as live:
        while first is None or time.monotonic() < first + seconds:
            time.sleep(REFRESH_S)
            for line in nodes.lines('recorder'):
                if line.startswith('{'):
                    heard = json.loads(line)
            nodes.check()
            live.update(as_table(heard))
            if first is None and heard.get('received', {}).get('depth/image_rect'):
                first = time.monotonic()
            if first is None and time.monotonic() > begin + START_TIMEOUT_S:
                raise MonoDepthError(
                    f'no depth arrived within {START_TIMEOUT_S:g} s: {nodes.complaint()}'
                )
        if not console.is_terminal:
            live.update('')
    return heard


def as_table(heard: dict[str, Any]) -> Table:
    """Lay out what the recorder heard, and what the depth node says of itself."""
    said = heard.get('diagnostics', {})
    dropped = {
        key.removeprefix('dropped: '): value
        for key, value in said.items()
        if key.startswith('dropped: ')
    }
    table = Table(show_header=False, title='image_rect → depth/image_rect, points')
    table.add_column(min_width=22)
    table.add_column(min_width=44)
    received = heard.get('received', {})
    rows = {
        'state': said.get('message', 'starting'),
        'model': ' '.join(
            said.get(key, '') for key in ('model', 'model version', 'network input')
        ),
        'backend': ' '.join(said.get(key, '') for key in ('backend', 'device', 'precision')),
        'images in': f'{heard.get("fps_in", 0.0):5.1f} fps, {received.get("image_rect", 0)} heard',
        'depth out': f'{heard.get("fps_out", 0.0):5.1f} fps, '
        f'{received.get("depth/image_rect", 0)} heard, {heard.get("size", "")}',
        'clouds out': f'{received.get("points", 0)} heard',
        'latency p50 / p99': f'{number(heard, "latency_p50", 1)} / '
        f'{number(heard, "latency_p99", 1)} ms, image stamp to another process',
        'dropped by the node': ', '.join(f'{n} {reason}' for reason, n in dropped.items())
        or ('0' if said else ''),
        'depth 2 / 50 / 98 %': ' / '.join(
            number(heard, f'depth_{name}', 2) for name in ('min', 'median', 'max')
        )
        + ' m',
        'recorded': f'{heard.get("recorded", 0)} messages',
    }
    for name, text in rows.items():
        table.add_row(name, text)
    return table


def number(heard: dict[str, Any], key: str, digits: int) -> str:
    """Write a number of a report, or a dash where there is none yet."""
    value = heard.get(key, math.nan)
    return '–' if math.isnan(value) else f'{value:.{digits}f}'


def show_results(output: Path, recording: Path, heard: dict[str, Any]) -> None:
    """
    Make the pictures from the recording, and say where everything is.

    Raises
    ------
    MonoDepthError
        If the recording has no complete frame.

    """
    from mono_depth_ros.recording import read_recording

    if not console.is_terminal:
        console.print(as_table(heard))
    frame = read_recording(recording)
    save_pictures(output, frame)
    console.print(f'\n[bold]In {output}[/]')
    for name, what in (
        (
            'side_by_side.png',
            'image, depth' + (', ground truth' if frame.truth is not None else ''),
        ),
        ('cloud.ply', f'{frame.points.shape[0] * frame.points.shape[1]} points, for MeshLab, …'),
        (
            f'recording/{next(recording.glob("*.mcap")).name}',
            'what came over the wire, for Foxglove or `ros2 bag play`',
        ),
    ):
        console.print(f'  {name:<26} {what}', highlight=False, soft_wrap=True)


def save_pictures(output: Path, frame: RecordedFrame) -> None:
    """Write the side-by-side picture and the cloud of one recorded frame."""
    from mono_depth_ros.visualisation import (
        colour_depth,
        depth_range,
        side_by_side,
        write_image,
        write_ply,
    )

    panels, labels = [frame.rgb], ['image']
    low, high = depth_range(frame.depth)
    if frame.truth is not None:
        true_low, true_high = depth_range(frame.truth)
        low, high = min(low, true_low), max(high, true_high)
    for name, depth in (('depth', frame.depth), ('ground truth', frame.truth)):
        if depth is not None:
            panels.append(colour_depth(depth, min_depth=low, max_depth=high))
            labels.append(f'{name}, {low:.1f} m (red) to {high:.1f} m (blue)')
    picture = side_by_side(panels, labels, min_height=MIN_PICTURE_HEIGHT)
    write_image(output / 'side_by_side.png', picture)
    write_ply(output / 'cloud.ply', frame.points, frame.colours)
