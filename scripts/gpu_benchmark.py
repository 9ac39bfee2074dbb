# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure a GPU and print the table for docs/gpu_results.md: ``gpu_benchmark.py [--output FILE]``.

torch eager and as a CUDA graph, TensorRT in every precision, training steps at the size of an
adaptation batch, and a whole adaptation cycle on rendered images. Each engine runs in a process of
its own.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import subprocess
import sys
import tempfile
import time
from typing import Any

from mono_depth_ros.cli.gpu_findings import look_at_driver, probe
from mono_depth_ros.engine.plan_build import PlanBuild
from mono_depth_ros.engine.store_reader import StoreReader
from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.model.registry import resolve_model

STEPS, BATCH = 50, 8
CYCLE_STEPS = 100
ENGINES = (
    ('torch fp32, eager', 'torch', 'fp32', False),
    ('torch fp16, eager', 'torch', 'fp16', False),
    ('torch fp16, CUDA graph', 'torch', 'fp16', True),
    ('TensorRT fp32', 'tensorrt', 'fp32', True),
    ('TensorRT fp16', 'tensorrt', 'fp16', True),
    ('TensorRT int8', 'tensorrt', 'int8', True),
)
TORCH = """
import json, sys
from pathlib import Path
from mono_depth_ros.cli.gpu_probe import measure
from mono_depth_ros.engine.torch_engine import TorchEngine
TorchEngine.use_graph = sys.argv[3] == 'True'
print(json.dumps(measure(Path(sys.argv[1]), 'torch', sys.argv[2], None)))
"""


def measure_engine(model: Path, backend: str, precision: str, graph: bool) -> dict[str, Any]:
    """Build if needed, and measure one engine."""
    engines = StoreReader().engines_path
    if backend == 'tensorrt':
        try:
            plan = PlanBuild(model, None, precision, engines_path=engines).run()
        except MonoDepthError as error:
            return {'error': str(error)}
        found = probe('measure', str(model), backend, precision, str(engines))
        return {**found, 'build_s': plan.seconds if plan.built else None}
    command = [sys.executable, '-c', TORCH, str(model), precision, str(graph)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return {'error': (done.stderr.strip().splitlines() or ['no message'])[-1]}
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def training_steps(model: Path) -> dict[str, Any]:
    """Time the forward and backward pass of a batch, as adaptation makes them."""
    from mono_depth_ros.model.checkpoint import load_network, WEIGHTS
    import torch

    if not torch.cuda.is_available():
        return {'error': 'torch sees no CUDA GPU'}
    network = load_network(model.with_name(WEIGHTS)).cuda()
    network.requires_grad_(True)
    optimiser = torch.optim.Adam(network.parameters(), 1e-5)
    rgb = torch.rand(BATCH, 3, 192, 256, device='cuda')
    target = torch.rand(BATCH, 192, 256, device='cuda')
    elapsed = []
    for _ in range(STEPS):
        torch.cuda.synchronize()
        started = time.perf_counter()
        optimiser.zero_grad(set_to_none=True)
        log_depth, _ = network.log_depth(rgb)
        (log_depth - target).abs().mean().backward()
        optimiser.step()
        torch.cuda.synchronize()
        elapsed.append(1e3 * (time.perf_counter() - started))
    steady = sorted(elapsed[10:])
    return {'p50_ms': steady[len(steady) // 2], 'batch': BATCH}


def adaptation_cycle(model: Path) -> dict[str, Any]:
    """Time one cycle, from collected images to a judged version, on the device it chooses."""
    command = [sys.executable, '-m', 'mono_depth_ros.cli.main', 'adapt', '--model', str(model)]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / 'report.json'
        words = ('--images', 'procedural', '--steps', str(CYCLE_STEPS))
        done = subprocess.run(
            [*command, *words, '--store', folder, '--json', str(report)],
            capture_output=True,
            text=True,
        )
        if not report.is_file():
            return {'error': (done.stderr.strip().splitlines() or ['no message'])[-1]}
        found: dict[str, Any] = json.loads(report.read_text())
    seconds = found['details'].get('seconds')
    if seconds is None:
        return {'error': f'{found["state"]}: {found["reason"]}'}
    return {'seconds': seconds, 'state': found['state'], 'steps': CYCLE_STEPS}


def row(name: str, found: dict[str, Any]) -> str:
    """Return one line of the table."""
    if 'error' in found:
        return f'| {name} | not measured: {found["error"]} | | | |'
    if 'seconds' in found:
        return f'| {name}: {found["state"]} | {found["seconds"]:.0f} s in all | | | |'
    difference = f'{100 * found["mean_difference"]:.3f} %' if 'mean_difference' in found else ''
    build = f'{found["build_s"]:.0f} s' if found.get('build_s') else ''
    p99 = f'{found["p99_ms"]:.2f} ms' if 'p99_ms' in found else ''
    return f'| {name} | {found["p50_ms"]:.2f} ms | {p99} | {difference} | {build} |'


def main() -> int:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--model', default='indoor')
    parser.add_argument('--output', type=Path)
    arguments = parser.parse_args()
    model = resolve_model(arguments.model)
    machine = {'driver': look_at_driver().value, **probe('look')}
    rows = {name: measure_engine(model.path, *rest) for name, *rest in ENGINES}
    rows[f'training step, batch of {BATCH}'] = training_steps(model.path)
    rows[f'adaptation cycle of {CYCLE_STEPS} steps'] = adaptation_cycle(model.path)
    if arguments.output:
        arguments.output.write_text(json.dumps({'machine': machine, 'rows': rows}, indent=1))
    print(f'\n## {machine["driver"]}\n')
    print(
        f'Network {model.manifest.name} {model.version}. '
        + ', '.join(f'{key} {value}' for key, value in machine.items() if key != 'driver')
        + '.\n'
    )
    print('| engine | p50 | p99 | from float32 | build |\n|---|---|---|---|---|')
    for name, found in rows.items():
        print(row(name, found))
    return 0 if any('error' not in found for found in rows.values()) else 1


if __name__ == '__main__':
    sys.exit(main())
