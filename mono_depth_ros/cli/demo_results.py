# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the demo leaves: pictures, a cloud, a recording, and scores before and after."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mono_depth_ros.cli.console import console
from mono_depth_ros.config import EngineConfig
from mono_depth_ros.errors import DatasetError
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from mono_depth_ros.frames import Frame
    from mono_depth_ros.pipeline import DepthEstimator
    from mono_depth_ros.recording import RecordedFrame
    import numpy as np
    from numpy.typing import NDArray

MIN_PICTURE_HEIGHT = 360
SCORED = 20


def show_results(output: Path, recording: Path) -> None:
    """
    Make the pictures from the recording, and say where everything is.

    Raises
    ------
    MonoDepthError
        If the recording has no complete frame.

    """
    from mono_depth_ros.recording import read_recording

    frame = read_recording(recording)
    save_pictures(output, frame)
    console.print(f'\n[bold]In {escape(str(output))}[/]')
    truth = ', ground truth' if frame.truth is not None else ''
    rows = {
        'side_by_side.png': f'image, depth{truth}',
        'cloud.ply': f'{frame.points.shape[0] * frame.points.shape[1]} points, for MeshLab, …',
        f'recording/{next(recording.glob("*.mcap")).name}': 'what came over the wire, for '
        'Foxglove or `ros2 bag play`',
    }
    if (output / 'before_after.png').is_file():
        rows['before_after.png'] = 'image, depth before and after adaptation, ground truth'
        rows['store'] = 'the networks made, for `mono_depth store list --store`'
    for name, what in rows.items():
        console.print(f'  {name:<26} {what}', highlight=False, soft_wrap=True)


def save_pictures(output: Path, frame: RecordedFrame) -> None:
    """Write the side-by-side picture and the cloud of one recorded frame."""
    from mono_depth_ros.visualisation import write_ply

    depths = {'depth': frame.depth, 'ground truth': frame.truth}
    save_picture(output / 'side_by_side.png', frame.rgb, depths)
    write_ply(output / 'cloud.ply', frame.points, frame.colours)


def save_picture(
    path: Path, rgb: NDArray[np.uint8], depths: dict[str, NDArray[np.float32] | None]
) -> None:
    """Write an image and its depths side by side, in one scale of colours."""
    from mono_depth_ros.visualisation import colour_depth, depth_range, side_by_side, write_image

    known = {name: depth for name, depth in depths.items() if depth is not None}
    ranges = [depth_range(depth) for depth in known.values()]
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    panels = [rgb, *(colour_depth(d, min_depth=low, max_depth=high) for d in known.values())]
    scale = f'{low:.1f} m (red) to {high:.1f} m (blue)'
    labels = ['image', *(f'{name}, {scale}' for name in known)]
    write_image(path, side_by_side(panels, labels, min_height=MIN_PICTURE_HEIGHT))


def show_gain(output: Path, model: str, backend: str, unseen: Sequence[Frame]) -> None:
    """
    Compare the network before and after on images that neither has seen.

    Makes ``before_after.png``, and prints scores where the images have depth.
    """
    from mono_depth_ros.engine.store_reader import StoreReader
    from mono_depth_ros.loading import load_estimator

    config = EngineConfig(model=model, backend=backend)
    first = unseen[0].rgb.shape
    networks = {
        name: load_estimator(config, store, (first[0], first[1]))
        for name, store in (('before', None), ('after', StoreReader(output / 'store')))
    }
    try:
        depths = {
            name: [estimate(network, frame) for frame in unseen]
            for name, network in networks.items()
        }
    finally:
        for network in networks.values():
            network.engine.close()
    middle = len(unseen) // 2
    save_picture(
        output / 'before_after.png',
        unseen[middle].rgb,
        {
            **{name: depth[middle] for name, depth in depths.items()},
            'ground truth': unseen[middle].depth,
        },
    )
    if all(frame.depth is not None for frame in unseen):
        show_scores(depths, unseen)


def estimate(network: DepthEstimator, frame: Frame) -> NDArray[np.float32]:
    """Return the depth of a frame, as the depth node would."""
    if frame.camera is None:
        raise DatasetError(f'{frame.name} has no camera')
    return network.estimate(frame.rgb, frame.camera)


def show_scores(depths: dict[str, list[NDArray[np.float32]]], frames: Sequence[Frame]) -> None:
    """Print the scores of both networks."""
    from mono_depth_ros.metrics import mean_scores, Protocol, score_image

    title = f'against ground truth, on {len(frames)} images that were not played'
    table = Table(title=title, title_justify='left')
    for column in ('', 'abs_rel', 'delta1', 'abs_rel, median-aligned', 'delta1, median-aligned'):
        table.add_column(column)
    for name, predicted in depths.items():
        row = [name]
        for align in ('none', 'median'):
            scores = [
                score_image(depth, frame.depth, Protocol(align))
                for depth, frame in zip(predicted, frames, strict=True)
                if frame.depth is not None
            ]
            mean = mean_scores([score for score in scores if score is not None])
            row += [f'{mean[key]:.3f}' for key in ('abs_rel', 'delta1')] if mean else ['–', '–']
        table.add_row(*row)
    console.print(table)


def split_source(source: str) -> tuple[int, list[Frame]]:
    """
    Divide a recording into what is played and what is kept to be scored on.

    Returns
    -------
    tuple
        How many images to play, 0 for all, and some of those that are not played. Of a recording
        that is too short, or whose length nobody knows, all are played, and one is returned.

    """
    from itertools import islice

    from mono_depth_ros.frames import open_frames, with_camera

    frames = open_frames(source)
    if frames.count < 2 * SCORED:
        return 0, [with_camera(frame) for frame in islice(frames, 1)]
    played = frames.count * 7 // 10
    step = max(1, (frames.count - played) // SCORED)
    return played, [with_camera(frame) for frame in islice(frames, played, None, step)]
