# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `mono_depth doctor --gpu` looks at: driver, CUDA, TensorRT, builds, numbers, latency."""

from __future__ import annotations

import json
from pathlib import Path
import shutil
import signal
import subprocess
import sys
from typing import Any

from mono_depth_ros.cli.findings import Finding, NOTE, OK, PROBLEM, WARNING
from mono_depth_ros.engine import durable
from mono_depth_ros.engine.plan_build import PlanBuild
from mono_depth_ros.engine.plans import PlanFolder
from mono_depth_ros.engine.select import BACKENDS
from mono_depth_ros.engine.store_reader import StoreReader
from mono_depth_ros.errors import MonoDepthError

TIMEOUT_S = 900
# Versions whose API is the one this package calls; see docs/tensorrt_api.md.
OLDEST, NEWEST = 10, 11
JETSON = Path('/etc/nv_tegra_release')
INSTALL = BACKENDS[0].remedy + ' (on a Jetson: apt install python3-libnvinfer, see the README)'


def look_at_gpu(model: Path | None, store: StoreReader) -> list[Finding]:
    """Check everything a TensorRT engine needs, build it in each precision, and measure it."""
    findings = [look_at_driver()]
    found = probe('look')
    findings += look_at_libraries(found)
    if 'error' in found or model is None:
        return findings
    findings.append(look_at_folder(store))
    precisions = ['fp16', 'fp32']
    if PlanFolder(store.engines_path).int8_path(durable.sha256(model)).is_file():
        precisions.append('int8')
    else:
        remedy = '`mono_depth build --precision int8 --calibration IMAGES` makes its INT8 form'
        findings.append(Finding('build int8', NOTE, 'not calibrated for this network', remedy))
    for precision in precisions:
        findings += look_at_plan(model, precision, store)
    return [*findings, look_at_torch(model)]


def probe(*arguments: str) -> dict[str, Any]:
    """Run `gpu_probe` in a process of its own; a crash is an error as any other."""
    command = [sys.executable, '-m', 'mono_depth_ros.cli.gpu_probe', *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return {'error': f'no answer within {TIMEOUT_S} s'}
    if done.returncode < 0:
        return {'error': f'crashed ({signal.Signals(-done.returncode).name})'}
    try:
        result = json.loads(done.stdout.strip().splitlines()[-1])
        return result if isinstance(result, dict) else {'error': 'no result'}
    except (ValueError, IndexError):
        lines = done.stderr.strip().splitlines() or ['no message']
        return {'error': lines[-1]}


def look_at_driver() -> Finding:
    """Report the driver as the system sees it."""
    if JETSON.is_file():
        return Finding('Driver', OK, f'Jetson Linux: {JETSON.read_text().splitlines()[0][:80]}')
    smi = shutil.which('nvidia-smi')
    if smi is None:
        return Finding(
            'Driver',
            PROBLEM,
            'no nvidia-smi and no Jetson',
            'install the NVIDIA driver, or run without --gpu: CPUs need none of this',
        )
    query = [smi, '--query-gpu=name,driver_version,memory.total', '--format=csv,noheader']
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding('Driver', PROBLEM, f'nvidia-smi does not answer ({error})', 'restart')
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[:200]
        return Finding('Driver', PROBLEM, said, 'reinstall the NVIDIA driver and restart')
    return Finding('Driver', OK, done.stdout.strip().splitlines()[0])


def look_at_libraries(found: dict[str, Any]) -> list[Finding]:
    """Report pycuda, CUDA and TensorRT."""
    if 'error' in found:
        return [Finding('TensorRT', PROBLEM, str(found['error']), INSTALL)]
    numbers = {'free_mb': found['free_mb']}
    gpu = f'{found["gpu"]}, compute capability {found["compute_capability"]}'
    findings = [
        Finding('GPU', OK, f'{gpu}, {found["free_mb"]} MB free', numbers=numbers),
        Finding('pycuda', OK, f'{found["pycuda"]}, built for CUDA {found["pycuda_cuda"]}'),
    ]
    driver, built = found['driver_cuda'], found['pycuda_cuda']
    if int(driver.split('.')[0]) < int(built.split('.')[0]):
        remedy = 'update the driver, or install pycuda where the older CUDA toolkit is'
        value = f'the driver does CUDA {driver}, pycuda was built for {built}'
        findings.append(Finding('CUDA', PROBLEM, value, remedy))
    else:
        findings.append(Finding('CUDA', OK, f'{driver} (driver)'))
    major = int(str(found['tensorrt']).split('.')[0])
    if OLDEST <= major <= NEWEST:
        findings.append(Finding('TensorRT', OK, found['tensorrt']))
    else:
        remedy = f'this package calls what TensorRT {OLDEST}.0 to {NEWEST}.x have in common'
        state = PROBLEM if major < OLDEST else WARNING
        findings.append(Finding('TensorRT', state, found['tensorrt'], remedy))
    return findings


def look_at_folder(store: StoreReader) -> Finding:
    """Report whether plans of this store would be loaded."""
    folder = PlanFolder(store.engines_path)
    if not folder.path.exists():
        return Finding('Plans', OK, f'{folder.path}: none yet')
    try:
        folder.check_private()
    except MonoDepthError as error:
        return Finding('Plans', PROBLEM, str(folder.path), str(error))
    count = len(list(folder.path.glob('*.plan')))
    return Finding('Plans', OK, f'{folder.path}: {count}')


def look_at_plan(model: Path, precision: str, store: StoreReader) -> list[Finding]:
    """Build one precision, compare it with the reference, and time it."""
    name = f'build {precision}'
    try:
        plan = PlanBuild(model, None, precision, engines_path=store.engines_path).run()
    except MonoDepthError as error:
        return [Finding(name, PROBLEM, 'failed', str(error))]
    value = f'{plan.seconds:.0f} s' if plan.built else 'there already'
    findings = [Finding(name, OK, value, numbers={'seconds': plan.seconds})]
    found = probe('measure', str(model), 'tensorrt', precision, str(store.engines_path))
    if 'error' in found:
        return [*findings, Finding(f'run {precision}', PROBLEM, 'failed', str(found['error']))]
    same, value = bool(found['accurate']), str(found['accuracy'])
    remedy = '' if same else 'report it, with the file of --json; run with backend:=onnxruntime'
    numbers = {key: found[key] for key in ('mean_difference', 'max_difference')}
    findings.append(
        Finding(f'accuracy {precision}', OK if same else PROBLEM, value, remedy, numbers)
    )
    return [*findings, _latency(precision, found)]


def look_at_torch(model: Path) -> Finding:
    """Time the fallback."""
    found = probe('measure', str(model), 'torch', 'auto', '')
    if 'error' in found:
        return Finding('latency torch', NOTE, f'not measured: {found["error"]}')
    return _latency(f'torch {found["precision"]} on {found["device"]}', found)


def _latency(name: str, found: dict[str, Any]) -> Finding:
    numbers = {key: found[key] for key in ('p50_ms', 'p99_ms')}
    value = f'p50 {found["p50_ms"]:.2f} ms, p99 {found["p99_ms"]:.2f} ms, host to host'
    return Finding(f'latency {name}', OK, value, numbers=numbers)
