# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`mono_depth adapt`: adapt a network to recorded images without labels."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
import json
from pathlib import Path
import tempfile
from typing import Annotated, Any, TYPE_CHECKING

from mono_depth_ros.adaptation.config import (
    AdapterConfig,
    BufferConfig,
    CycleConfig,
    GateConfig,
)
from mono_depth_ros.camera import ASSUMED_FOV
from mono_depth_ros.cli.adapt_compare import (
    compare_modes,
    ComparisonOptions,
    score_networks,
    tell_known,
)
from mono_depth_ros.cli.console import COLOURS, console, progress_bar, say
from mono_depth_ros.cli.engines import Fov, option
from mono_depth_ros.errors import ConfigError, DatasetError
from mono_depth_ros.frames import Frame, FrameSource, with_camera
from rich.markup import escape
from rich.table import Table
import typer

if TYPE_CHECKING:
    from mono_depth_ros.adaptation.outcome import CycleJob, Outcome

DEFAULTS = AdapterConfig()


def adapt(
    images: Annotated[
        str, typer.Option(help='Folder, RGB-D folder, video or bag with images of the place.')
    ],
    mode: Annotated[str, option(AdapterConfig, 'mode')] = DEFAULTS.mode,
    steps: Annotated[int, option(AdapterConfig, 'steps')] = DEFAULTS.steps,
    batch: Annotated[int, option(AdapterConfig, 'batch')] = DEFAULTS.batch,
    learning_rate: Annotated[
        float, option(AdapterConfig, 'learning_rate')
    ] = DEFAULTS.learning_rate,
    seed: Annotated[int, option(AdapterConfig, 'seed')] = DEFAULTS.seed,
    anchor: Annotated[
        str,
        typer.Option(
            help='What gives metres: auto (height if given, else a range sensor of a bag, else '
            'poses if there are any), none, poses, height, or depth (that of the images, as a '
            'range sensor would). --compare takes several, with commas.'
        ),
    ] = 'auto',
    camera_height: Annotated[
        float, typer.Option(help='Height of the camera over the floor [m].')
    ] = 0.0,
    model: Annotated[
        str, typer.Option(help='Shipped network, or path of an ONNX file with its weights.')
    ] = 'indoor',
    store: Annotated[
        str, typer.Option(help='Folder of the store; $ROS_HOME/mono_depth if empty.')
    ] = '',
    first: Annotated[int, typer.Option(help='Adapt to the first images only; 0 takes all.')] = 0,
    score_last: Annotated[
        int, typer.Option(help='Score on the last images, if they have depth; 0 does not.')
    ] = 0,
    fov: Fov = ASSUMED_FOV,
    remap: Annotated[
        list[str] | None,
        typer.Option(
            help='Topic of a bag, as the node would be given it, e.g. '
            'reference/odometry:=/odom; for image_rect, reference/points, reference/depth and '
            'reference/odometry.'
        ),
    ] = None,
    static_transforms: Annotated[
        str,
        typer.Option(
            help="Fixed transforms of a bag without /tf_static, 'parent child x y z qx qy qz qw', "
            "several separated by ';'."
        ),
    ] = '',
    compare: Annotated[
        bool,
        typer.Option('--compare', help='Compare all modes and anchors; changes no store.'),
    ] = False,
    seeds: Annotated[
        int, typer.Option(help='Seeds of the default and its first anchor in --compare.')
    ] = 1,
    few: Annotated[int, typer.Option('--few', help='Seeds of all others; 0 takes as many.')] = 0,
    runs: Annotated[
        Path | None,
        typer.Option(help='File of the runs of --compare, which goes on where that ended.'),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help='Draw --compare into this PNG.')] = None,
    threads: Annotated[
        int, option(AdapterConfig, 'adaptation_threads', '--threads')
    ] = DEFAULTS.adaptation_threads,
    json_path: Annotated[
        Path | None, typer.Option('--json', help='Write everything that was measured.')
    ] = None,
) -> None:
    """
    Adapt a network to recorded images without labels.

    The result is judged on images that were held out, and put in use in the store only if it is
    no worse. Depth of the images is used to score, and for nothing else unless --anchor depth.
    Of a bag, points, depth and poses are read that the adaptation node would have heard.
    """
    config = AdapterConfig(
        mode=mode,
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        seed=seed,
        adaptation_threads=threads,
    )
    source = open_recording(images, remap or [], static_transforms)
    target, labelled = read_recording(source, first, score_last, fov)
    sensed = has_range_sensor(source)
    if compare:
        named = [
            choose_anchor(name, camera_height, target, sensed=sensed) for name in anchor.split(',')
        ]
        anchors = [name for name in dict.fromkeys(named) if name != 'none']
        options = ComparisonOptions(
            images, model, anchors, camera_height, seeds, few or seeds, runs, plot
        )
        report = compare_modes(config, options, target, labelled)
        tell_references(source)
    else:
        anchor = choose_anchor(anchor, camera_height, target, sensed=sensed)
        report = adapt_once(config, model, store, target, labelled, anchor, camera_height)
    if json_path is not None:
        try:
            json_path.write_text(json.dumps(report, indent=1, default=float) + '\n')
        except OSError as error:
            raise DatasetError(f'cannot write {json_path}: {error.strerror}') from error
        say(f'numbers in {json_path}')
    if report.get('state') == 'FAILED':
        raise typer.Exit(1)


@dataclass(frozen=True)
class FirstFrames:
    """The first frames of a recording, each with a camera, read anew by whoever wants them."""

    source: FrameSource
    count: int | None
    fov: float

    def __iter__(self) -> Iterator[Frame]:
        return (with_camera(frame, self.fov) for frame in islice(self.source, self.count))


def open_recording(images: str, remap: list[str], static_transforms: str) -> FrameSource:
    """Open a recording; of a bag, say which references of the node it has."""
    from mono_depth_ros.bags import BagFrames
    from mono_depth_ros.frames import open_frames

    source = open_frames(images)
    if not isinstance(source, BagFrames):
        if remap or static_transforms:
            raise ConfigError(f'--remap and --static-transforms are for bags, {images} is none')
        return source
    from mono_depth_ros.bag_references import ReferencedBag

    bag = ReferencedBag(source.path, dict(map(read_remap, remap)), static_transforms)
    for line in bag.describe_topics():
        say(line)
    return bag


def read_remap(text: str) -> tuple[str, str]:
    """Read ``name:=topic``."""
    name, separator, topic = text.partition(':=')
    if not (name and separator and topic):
        raise ConfigError(f'--remap is like reference/odometry:=/odom, got {text!r}')
    return name, topic


def read_recording(
    source: FrameSource, first: int, score_last: int, fov: float
) -> tuple[FirstFrames, list[Frame]]:
    """Return the frames to adapt to and those to score on, which never overlap."""
    if score_last <= 0:
        return FirstFrames(source, first if first > 0 else None, fov), []
    labelled: deque[Frame] = deque(maxlen=score_last)
    total = 0
    for frame in source:
        labelled.append(frame)
        total += 1
    count = total - len(labelled)
    if count == 0:
        raise DatasetError(f'{source.name}: {total} images leave none to adapt to')
    count = min(first, count) if first > 0 else count
    return FirstFrames(source, count, fov), [with_camera(frame, fov) for frame in labelled]


def has_range_sensor(source: FrameSource) -> bool:
    """Say whether frames of a recording may have points: only those of a bag do."""
    from mono_depth_ros.references import DEPTH_TOPIC, POINTS_TOPIC

    return not {POINTS_TOPIC, DEPTH_TOPIC}.isdisjoint(getattr(source, 'topics', ()))


def choose_anchor(
    anchor: str, camera_height: float, frames: Iterable[Frame], *, sensed: bool = True
) -> str:
    """
    Return what ``auto`` means for these frames.

    Where they are not ``sensed``, none has points, and the first pose is enough.
    """
    if anchor == 'height' and camera_height <= 0:
        raise ConfigError('--anchor height needs --camera-height')
    if anchor != 'auto':
        return anchor
    if camera_height > 0:
        return 'height'
    posed = False
    for frame in frames:
        if frame.points is not None:
            return 'depth'
        posed = posed or frame.world_from_camera is not None
        if posed and not sensed:
            break
    return 'poses' if posed else 'none'


def tell_references(source: FrameSource) -> None:
    """Print how many images of a bag had references, and what was wrong with the last one."""
    from mono_depth_ros.bag_references import ReferencedBag

    if not isinstance(source, ReferencedBag):
        return
    references = source.references
    for name in source.topics:
        say(f'{references.counts[name]} images go with {name}')
    if references.problem:
        console.print(f'[yellow]{escape(references.problem)}[/]', highlight=False)


def adapt_once(
    config: AdapterConfig,
    model: str,
    store: str,
    target: FirstFrames,
    labelled: list[Frame],
    anchor: str,
    camera_height: float,
) -> dict[str, Any]:
    """Run one cycle on recorded frames, and score the network before and after."""
    from mono_depth_ros.adaptation.offline import collect
    from mono_depth_ros.adaptation.outcome import CycleJob
    from mono_depth_ros.adaptation.target_frame import write_frame
    from mono_depth_ros.engine.store import VersionStore
    from mono_depth_ros.model.registry import resolve_model
    from mono_depth_ros.preprocessing import input_size_for

    root = VersionStore(store)
    before = resolve_model(model, root)
    camera = next(iter(target)).camera
    assert camera is not None
    size = input_size_for(before.manifest, camera.width, camera.height)
    # Recordings are as dense as they are: only what looks alike is left out.
    buffer = collect(target, size, anchor, BufferConfig(min_gap_s=0.0))
    refused = {k: v for k, v in buffer.counts.items() if k != 'kept'}
    total = buffer.counts.total()
    frames = buffer.snapshot()
    say(f'{len(frames)} of {total} images kept {refused or ""}')
    tell_known(anchor, frames)
    tell_references(target.source)
    with tempfile.TemporaryDirectory() as folder:
        for frame in frames:
            write_frame(Path(folder), frame)
        job = CycleJob(
            frames=folder,
            store=str(root.root),
            model=model,
            promote=True,
            adapter=config,
            gate=GateConfig(),
            cycle=CycleConfig(camera_height=camera_height if anchor == 'height' else 0.0),
        )
        outcome = watch(job)
    tell(outcome)
    report = {**outcome.to_dict(), 'images': dict(buffer.counts), 'anchor': anchor}
    if labelled:
        networks = {'before': before.path.parent}
        if outcome.version:
            networks['after'] = root.find(outcome.version).path
        report['scores'] = score_networks(networks, labelled, size)
    return report


def watch(job: CycleJob) -> Outcome:
    """Run a cycle in a child process and show how it goes."""
    from mono_depth_ros.adaptation.cycle_process import CycleProcess

    with progress_bar() as bar:
        task = bar.add_task('start', total=None)

        def show(event: dict[str, Any]) -> None:
            if 'outcome' in event:
                return
            bar.update(
                task,
                description=event['stage'],
                completed=event.get('step', 0),
                total=event.get('steps'),
            )

        process = CycleProcess(job, show)
        try:
            return process.wait()
        except KeyboardInterrupt:
            return process.cancel('cancelled by the user')


def tell(outcome: Outcome) -> None:
    """Print how a cycle ended, with every check of the gate."""
    colour = COLOURS.get(outcome.state, 'red')
    version = f' {outcome.version}' if outcome.version else ''
    console.print(f'[bold {colour}]{outcome.state}[/]{version}: {escape(outcome.reason)}')
    if not outcome.verdict:
        return
    table = Table('check', 'value', 'must be', '')
    for check in outcome.verdict['checks']:
        state = '[green]ok[/]' if check['passed'] else f'[yellow]{check["meaning"]}[/]'
        state += '' if check['required'] else ' (told only)'
        value = 'none' if check['value'] is None else f'{check["value"]:.4g}'
        table.add_row(check['name'], value, f'{check["relation"]} {check["threshold"]:.4g}', state)
    console.print(table)
