# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`mono_depth benchmark`: how fast depth arrives, measured in another process."""

from __future__ import annotations

import json
import os
from pathlib import Path
import platform
import tempfile
import time
from typing import Annotated, Any

import cv2
from mono_depth_ros.cli.adaptation_benchmark import adaptation_summary, measure_adaptation
from mono_depth_ros.cli.console import say
from mono_depth_ros.cli.measuring import (
    depth_node_command,
    player_command,
    running,
    Setup,
    sink_command,
    this_module,
    watch_memory,
)
from mono_depth_ros.cli.reload_benchmark import measure_reloads, reload_summary
from mono_depth_ros.engine.select import BACKENDS, load_engine
from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.model.registry import resolve_model
import numpy as np
from rich.console import Console
from rich.table import Table
import typer

SIZE = (480, 640)
REPEATS = 150
console = Console()


def benchmark(
    json_path: Annotated[
        Path | None, typer.Option('--json', help='Write the numbers to this file.')
    ] = None,
    images: Annotated[
        str, typer.Option(help='Images to play (folder, video, bag); noise by default.')
    ] = '',
    model: Annotated[
        str, typer.Option(help='Shipped network or path of an ONNX file.')
    ] = 'indoor',
    backend: Annotated[str, typer.Option(help='Backend of the depth node.')] = 'auto',
    seconds: Annotated[float, typer.Option(help='Length of each measurement [s].')] = 20.0,
    soak: Annotated[
        float, typer.Option(help='Also run this long [s] and watch the memory of the node.')
    ] = 0.0,
    reloads: Annotated[
        int,
        typer.Option(
            min=0, help='Only swap networks so many times under load, and compare every answer.'
        ),
    ] = 0,
    adaptation: Annotated[
        int,
        typer.Option(
            min=0, help='Only run an adaptation cycle of so many updates beside the depth node.'
        ),
    ] = 0,
) -> None:
    """Measure latency, throughput and memory of the depth node over real DDS."""
    with tempfile.TemporaryDirectory() as folder:
        path = resolve_model(model).path
        setup = Setup(images or write_noise(Path(folder)), path, backend, seconds)
        if reloads:
            report = {'machine': machine(), 'reloads': measure_reloads(setup, reloads)}
            console.print(reload_summary(report['reloads']))
        elif adaptation:
            report = {'machine': machine()}
            report['adaptation'] = measure_adaptation(setup, adaptation, images)
            console.print(adaptation_summary(report['adaptation']))
        else:
            report = measure_all(setup, soak)
            console.print(as_table(report))
    if json_path is not None:
        json_path.write_text(json.dumps(report, indent=1) + '\n')
        say(f'numbers in {json_path}')


def measure_all(setup: Setup, soak: float) -> dict[str, Any]:
    """Run every measurement and return the numbers, times in milliseconds."""
    report: dict[str, Any] = {'machine': machine(), 'engine': engine_times(setup.model)}
    depth_node = depth_node_command(setup)
    steps: dict[str, tuple[list[str], float, float]] = {
        'relay': ([*this_module(), 'relay'], 30.0, setup.seconds),
        'depth node, 30 Hz': (depth_node, 30.0, setup.seconds),
        'depth node, 60 Hz': (depth_node, 60.0, setup.seconds),
    }
    weights = setup.model.with_name('weights.safetensors')
    if 'torch' in report['engine'] and weights.is_file():
        command = [*this_module(), 'naive', '--weights', str(weights)]
        steps['usual Python, 30 Hz'] = (command, 30.0, setup.seconds)
    if soak:
        steps[f'30 Hz for {soak:.0f} s'] = (depth_node, 30.0, soak)
    for name, (command, rate, seconds) in steps.items():
        with console.status(f'{name}: {seconds:.0f} s'):
            report[name] = measure(setup, command, rate, seconds)
    engine = min(report['engine'].values(), key=lambda times: times['p50'])['p50']
    for topic in ('depth', 'points'):
        ideal = engine + report['relay'][topic]['p50']
        report[f'overhead of {topic}'] = report['depth node, 30 Hz'][topic]['p50'] / ideal
    return report


def measure(setup: Setup, command: list[str], rate: float, seconds: float) -> dict[str, Any]:
    """Play images to one node and return what a third process received."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / 'sink.json'
        player, sink = player_command(setup, rate), sink_command(seconds, result)
        with running(player, setup), running(sink, setup) as receiver:
            time.sleep(2.0)
            started = time.time()
            with running(command, setup) as node:
                memory = watch_memory(node, receiver)
        if not result.is_file():
            raise MonoDepthError(f'nothing was received from: {" ".join(command)}')
        report: dict[str, Any] = json.loads(result.read_text())
    if report['first_depth']:
        report['start to first depth'] = report.pop('first_depth') - started
    return report | {'memory': memory}


def engine_times(model: Path) -> dict[str, dict[str, float]]:
    """Return the latencies [ms] of every installed backend, at the pace of a 30 Hz camera."""
    times = {}
    for backend in (candidate.name for candidate in BACKENDS):
        try:
            engine = load_engine(model, backend)
        except MonoDepthError as error:
            say(f'{backend} left out: {error}')
            continue
        rgb = np.random.default_rng(0).integers(0, 256, (*engine.input_size, 3), np.uint8)
        elapsed = []
        for _ in range(REPEATS):
            started = time.perf_counter()
            engine.infer(rgb)
            elapsed.append((time.perf_counter() - started) * 1e3)
            # As between two images of a camera: caches cool down and cores fall asleep.
            time.sleep(max(0.0, 1 / 30 - elapsed[-1] * 1e-3))
        engine.close()
        p50, p99 = np.percentile(elapsed[REPEATS // 10 :], (50, 99))
        times[backend] = {'p50': float(p50), 'p99': float(p99)}
    return times


def write_noise(folder: Path) -> str:
    """Write a few smooth noise images; what they show does not change what they cost."""
    rng = np.random.default_rng(0)
    for index in range(4):
        coarse = rng.integers(0, 256, (12, 16, 3), np.uint8)
        image = cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f'{index}.png'), image)
    return str(folder)


def machine() -> dict[str, Any]:
    """Name the machine that the numbers belong to."""
    model = platform.processor()
    cpuinfo = Path('/proc/cpuinfo')
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith('model name'):
                model = line.split(':', 1)[1].strip()
                break
    return {'cpu': model, 'cores': os.cpu_count(), 'python': platform.python_version()}


def as_table(report: dict[str, Any]) -> Table:
    """Lay out the numbers for people."""
    machine = report['machine']
    table = Table(
        title=f'{machine["cpu"]}, {machine["cores"]} cores, 640x480 rgb8',
        caption='p50, p99: milliseconds from the stamp of the image; %: arrived; MB: resident '
        'memory and its growth; s: from start to first depth\n'
        'end to end / (engine + relay): '
        f'depth {report["overhead of depth"]:.2f}, cloud {report["overhead of points"]:.2f}',
    )
    table.add_column('', no_wrap=True)
    for column in ('depth p50', 'p99', 'cloud p50', 'p99', '%', 'MB', 's'):
        table.add_column(column, justify='right')
    for backend, times in report['engine'].items():
        table.add_row(f'engine: {backend}', f'{times["p50"]:.1f}', f'{times["p99"]:.1f}')
    for name, row in report.items():
        if not isinstance(row, dict) or 'depth' not in row:
            continue
        topics = [row['depth'], row['points']]
        cells = [f'{topic[key]:.1f}' for topic in topics for key in ('p50', 'p99')]
        arrived = min(topic['arrived'] for topic in topics)
        memory = row['memory']
        table.add_row(
            name,
            *cells,
            f'{100 * arrived / max(row["sent"], 1):.1f}',
            f'{memory["highest"]:.0f}{memory["growth"]:+.0f}',
            f'{row.get("start to first depth", float("nan")):.1f}',
        )
    return table
