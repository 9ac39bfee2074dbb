# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`mono_depth demo`: real ROS 2 nodes turn images into depth, and learn, before your eyes."""

from __future__ import annotations

from importlib.util import find_spec
import json
from pathlib import Path
import shutil
import time
from typing import Annotated, Any

from mono_depth_ros.cli import engines
from mono_depth_ros.cli.console import console, progress_bar
from mono_depth_ros.cli.demo_results import show_gain, show_results, split_source
from mono_depth_ros.cli.demo_view import as_view, verdict_table
from mono_depth_ros.cli.estimate import make_folder
from mono_depth_ros.cli.processes import NodeGroup
from mono_depth_ros.errors import MonoDepthError
from rich.live import Live
from rich.markup import escape
import typer

# Longest wait for the first depth image: a TensorRT engine may have to be built first.
START_TIMEOUT_S = 120.0
REFRESH_S = 0.2
# In the folder of the results: what it holds may be replaced.
MARKER = '.mono_depth_demo'
# Longest wait for enough images and for the end of the cycle, and how long the demo goes on then.
COLLECT_TIMEOUT_S, CYCLE_TIMEOUT_S, AFTER_S = 90.0, 600.0, 5.0
# A demo cannot wait for the hundred images that a robot collects; a rendered scene has few.
FRAMES, FEW_FRAMES = 48, 20
COLLECTING: dict[str, Any] = {
    'rest_s': 3600.0,
    'min_gap_s': 0.05,
    'max_similarity': 0.99,
    'min_change': 0.005,
    'held_out': 0.25,
    'collecting_load': 1.0,
    # So short a cycle improves on the network, not yet on all that its anchor could do alone.
    'beat_controls': False,
}


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
    rate: Annotated[float, typer.Option(min=0.1, help='Images per second.')] = 15.0,
    model: engines.Model = engines.DEFAULTS.model,
    backend: engines.Backend = engines.DEFAULTS.backend,
    adapt: Annotated[
        bool, typer.Option(help='Adapt the network to the images, in a cycle that is short.')
    ] = True,
    steps: Annotated[int, typer.Option(min=1, help='Updates of that cycle.')] = 40,
) -> None:
    """
    Watch a camera player, both nodes and a listener, each a process of its own, over DDS.

    The network is adapted to what is played, judged, and swapped while depth flows. OUTPUT gets
    pictures (image, depth before and after, ground truth), a coloured cloud and a bag of what
    came over the wire.
    """
    if find_spec('rclpy') is None:
        raise MonoDepthError(
            'the demo needs ROS 2: source a ROS 2 installation, or run `make demo`, which '
            'installs its wheels'
        )
    make_folder(output)
    source = images or str(render_scene(output / 'scene'))
    clear_results(output)
    (output / 'before_after.png').unlink(missing_ok=True)
    hindrance = why_not_adapt(model) if adapt else 'it was not asked for'
    played, unseen = split_source(source)
    frames = FRAMES if played == 0 or played > 2 * FRAMES else FEW_FRAMES
    shared: dict[str, Any] = {
        'model': model,
        'backend': backend,
        'store': (output / 'store').absolute(),
    }
    with NodeGroup(output) as nodes:
        nodes.start('recorder', output=(output / 'recording').absolute())
        nodes.start('depth_node', **shared)
        if not hindrance:
            nodes.start(
                'adaptation_node',
                remap={'reference/odometry': 'ground_truth/odometry'},
                steps=steps,
                min_frames=frames,
                after_frames=frames,
                min_new_frames=0,
                **COLLECTING,
                **shared,
            )
        nodes.start(
            'camera_player',
            source=Path(source).absolute() if Path(source).exists() else source,
            rate=float(rate),
            limit=played,
            wait_for_subscribers=START_TIMEOUT_S,
        )
        heard = watch(nodes, seconds, adapts=not hindrance)
    if not console.is_terminal:
        console.print(as_view(heard))
    if hindrance and adapt:
        console.print(f'\nno adaptation: {escape(hindrance)}')
    if heard.get('adaptation', {}).get('last outcome', 'none yet') != 'none yet':
        console.print(verdict_table(heard['adaptation']))
    if heard.get('adaptation', {}).get('last outcome') == 'PROMOTED':
        show_gain(output, model, backend, unseen)
    show_results(output, output / 'recording')


def clear_results(output: Path) -> None:
    """
    Remove the recording and the store of an earlier demo, and mark the folder as one of demos.

    Raises
    ------
    MonoDepthError
        If they were there before any demo.

    """
    folders = [path for path in (output / 'recording', output / 'store') if path.exists()]
    if folders and not (output / MARKER).is_file():
        raise MonoDepthError(f'{folders[0]} was made by no demo: give another --output')
    for folder in folders:
        shutil.rmtree(folder)
    (output / MARKER).touch()


def why_not_adapt(model: str) -> str:
    """Say why a network cannot be adapted here; empty if it can."""
    from mono_depth_ros.engine.store_reader import WEIGHTS
    from mono_depth_ros.model.registry import resolve_model

    if not resolve_model(model).path.with_name(WEIGHTS).is_file():
        return f'{model} was imported, only networks of this package can be adapted'
    if find_spec('torch') is None:
        return 'it needs torch: pip install torch safetensors'
    return ''


def render_scene(folder: Path) -> Path:
    """Render a short walk through a room, as an RGB-D folder; raise DatasetError without torch."""
    from mono_depth_ros.folders import write_rgbd
    from mono_depth_ros.frames import open_frames

    source = open_frames('procedural', rate=10.0)
    with progress_bar() as bar:
        frames = bar.track(source, total=source.count, description='rendering a room')
        write_rgbd(folder, frames)
    return folder


def watch(nodes: NodeGroup, seconds: float, *, adapts: bool) -> dict[str, Any]:
    """
    Show a live table until the time is over and the cycle, if there is to be one, has ended.

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
    cycle = CycleWatch()
    heard: dict[str, Any] = {}
    with Live(console=console, refresh_per_second=8, transient=not console.is_terminal) as live:
        while (
            first is None
            or time.monotonic() < first + seconds
            or (adapts and not cycle.over(heard.get('adaptation', {}), first))
        ):
            time.sleep(REFRESH_S)
            for line in nodes.lines('recorder'):
                if line.startswith('{'):
                    heard = json.loads(line)
            nodes.check()
            live.update(as_view(heard))
            if first is None and heard.get('received', {}).get('depth/image_rect'):
                first = time.monotonic()
            if first is None and time.monotonic() > begin + START_TIMEOUT_S:
                raise MonoDepthError(
                    f'no depth arrived within {START_TIMEOUT_S:g} s: {nodes.complaint()}'
                )
        if not console.is_terminal:
            live.update('')
    return heard


class CycleWatch:
    """Knows when there is nothing more to see of the cycle."""

    def __init__(self) -> None:
        self._ended = 0.0

    def over(self, said: dict[str, str], first: float) -> bool:
        """Say whether it ended a while ago, or will never begin, or takes too long."""
        now = time.monotonic()
        if said.get('last outcome', 'none yet') not in ('none yet', 'ADDED'):
            self._ended = self._ended or now
        if self._ended:
            return now > self._ended + AFTER_S
        if said.get('state', 'collecting') in ('collecting', 'inactive', 'unconfigured'):
            return now > first + COLLECT_TIMEOUT_S
        return now > first + CYCLE_TIMEOUT_S
