# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `mono_depth doctor` looks at: ROS (without importing it), backends, networks, store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata, util
import json
import os
from pathlib import Path
import platform
import shutil
import signal
import subprocess
import sys

from mono_depth_ros.engine.select import BACKENDS
from mono_depth_ros.engine.store_reader import StoreReader
from mono_depth_ros.errors import BackendUnavailableError, EngineError, ModelError, StoreError
from mono_depth_ros.manifest import import_onnx
from mono_depth_ros.model.registry import resolve_model, shipped_models

OK, NOTE, WARNING, PROBLEM = 'ok', 'note', 'warning', 'problem'
DISTROS = ('humble', 'jazzy', 'kilted')
LARGE_DATA = 'FASTDDS_BUILTIN_TRANSPORTS'
# One 640x480 image of 3 bytes a pixel.
ONE_IMAGE = 921_600
PROBE_TIMEOUT_S = 300
# In a process of its own: a library built for another CPU or GPU may crash, not raise.
PROBE = """
import json, sys, time
from pathlib import Path
from mono_depth_ros.engine.select import load_engine
import numpy as np

start = time.perf_counter()
engine = load_engine(Path(sys.argv[1]), sys.argv[2])
loaded = time.perf_counter()
rgb = np.random.default_rng(0).integers(0, 256, (*engine.input_size, 3), dtype=np.uint8)
times = []
for _ in range(30):
    begin = time.perf_counter()
    engine.infer(rgb)
    times.append(time.perf_counter() - begin)
print(json.dumps({
    'device': engine.device,
    'precision': engine.precision,
    'load_s': round(loaded - start, 2),
    'ms': round(1e3 * sorted(times)[15], 2),
}))
"""


@dataclass(frozen=True)
class Finding:
    """
    One line of the report: what was looked at, how it is, and what to do about it.

    ``numbers`` are those in ``value`` again, for programs.
    """

    name: str
    state: str
    value: str
    remedy: str = ''
    numbers: dict[str, float] = field(default_factory=dict)


def version_of(*distributions: str) -> str:
    """Return the installed version of the first of these distributions there is, or ''."""
    for name in distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return ''


def look_at_platform() -> list[Finding]:
    """Report the machine and the libraries that everything needs."""
    machine = f'{platform.machine()}, {os.cpu_count()} CPUs, {platform.platform(terse=True)}'
    python = Finding('Python', OK, f'{platform.python_version()} ({sys.executable})')
    libraries = ', '.join(
        f'{name} {version_of(*distributions) or "?"}'
        for name, distributions in {
            'numpy': ['numpy'],
            'opencv': ['opencv-python-headless', 'opencv-python', 'opencv'],
        }.items()
    )
    return [
        python,
        Finding('Machine', OK, machine),
        Finding('Libraries', OK, libraries),
        look_at_onnx(),
    ]


def look_at_onnx() -> Finding:
    """Report whether networks can be read."""
    try:
        import_onnx()
    except BackendUnavailableError as error:
        return Finding('onnx', PROBLEM, 'does not load: no network can be read', str(error))
    return Finding('onnx', OK, version_of('onnx'))


def look_at_ros(environment: Mapping[str, str]) -> list[Finding]:
    """Report which ROS the nodes would run with."""
    distro, found = environment.get('ROS_DISTRO', ''), util.find_spec('rclpy') is not None
    wheel = version_of('ros-rclpy')
    if distro and not found:
        return [
            Finding(
                'ROS',
                PROBLEM,
                f'{distro} is sourced, but this Python cannot import rclpy',
                f'use the Python of ROS {distro}: /usr/bin/python3, or a venv made with it and '
                '--system-site-packages',
            )
        ]
    if not found:
        return [
            Finding(
                'ROS',
                WARNING,
                'none: the nodes cannot run, the other commands can',
                'source /opt/ros/<distro>/setup.bash, or `make venv`, which brings ROS as wheels',
            )
        ]
    findings = [Finding('ROS', OK, f'{distro} (sourced)' if distro else f'wheels, rclpy {wheel}')]
    if distro and distro not in DISTROS:
        findings[0] = Finding(
            'ROS', WARNING, f'{distro} (sourced), not tested', f'supported: {", ".join(DISTROS)}'
        )
    if distro in ('humble', 'jazzy') and version_of('numpy').startswith('2'):
        findings.append(
            Finding(
                'numpy',
                WARNING,
                f'{version_of("numpy")}, but the messages of {distro} were built for NumPy 1',
                "pip install 'numpy<2'",
            )
        )
    return [*findings, *look_at_transport(environment), look_at_cv_bridge(distro)]


def look_at_transport(
    environment: Mapping[str, str], receive_buffer: Path = Path('/proc/sys/net/core/rmem_max')
) -> list[Finding]:
    """Report what decides whether big messages arrive."""
    rmw = environment.get('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp (default)')
    fast = rmw.startswith('rmw_fastrtps')
    profile = environment.get('FASTRTPS_DEFAULT_PROFILES_FILE') or environment.get(
        'FASTDDS_DEFAULT_PROFILES_FILE'
    )
    transports = profile or environment.get(LARGE_DATA, 'DEFAULT')
    findings = [Finding('Middleware', OK, rmw)]
    if fast and not profile and not transports.startswith('LARGE_DATA'):
        remedy = (
            f'export {LARGE_DATA}=LARGE_DATA in every terminal, that of the camera driver too '
            '(depth.launch.py does it for its own nodes)'
        )
        if environment.get('ROS_DISTRO') == 'humble':
            remedy += (
                '; Fast DDS before 2.6.7 has no LARGE_DATA: there use rmw_cyclonedds_cpp, or a '
                'profile with larger shared memory, or image_transport:=compressed'
            )
        value = f'{transports}: best-effort images and clouds over 0.5 MB get lost'
        findings.append(Finding('Transport', WARNING, value, remedy))
    elif fast:
        findings.append(Finding('Transport', OK, transports))
    findings.append(_discovery(environment, fast and not profile))
    buffer = int(receive_buffer.read_text()) if receive_buffer.is_file() else 0
    udp = not fast or not (profile or transports.startswith('LARGE_DATA'))
    if buffer and buffer < ONE_IMAGE and udp:
        value = f'net.core.rmem_max = {buffer} bytes, less than one image'
        remedy = 'sudo sysctl -w net.core.rmem_max=16777216 (and in /etc/sysctl.d to keep it)'
        findings.append(Finding('Socket buffer', WARNING, value, remedy))
    elif buffer:
        findings.append(Finding('Socket buffer', OK, f'net.core.rmem_max = {buffer} bytes'))
    return findings


def _discovery(environment: Mapping[str, str], fast_without_profile: bool) -> Finding:
    domain = environment.get('ROS_DOMAIN_ID', '0') or '0'
    local = environment.get('ROS_LOCALHOST_ONLY', '0') == '1'
    reach = 'LOCALHOST' if local else environment.get('ROS_AUTOMATIC_DISCOVERY_RANGE', 'SUBNET')
    value = f'domain {domain}, range {reach}'
    if not domain.isdecimal() or int(domain) > 232:
        return Finding('Discovery', PROBLEM, value, 'set ROS_DOMAIN_ID to a number from 0 to 101')
    if reach == 'OFF':
        remedy = 'unset ROS_AUTOMATIC_DISCOVERY_RANGE, or nodes in other processes are not found'
        return Finding('Discovery', WARNING, value, remedy)
    if reach == 'LOCALHOST' and fast_without_profile:
        remedy = (
            f'Fast DDS then ignores {LARGE_DATA} and big messages get lost: use SUBNET with a '
            'ROS_DOMAIN_ID of your own'
        )
        return Finding('Discovery', WARNING, value, remedy)
    return Finding('Discovery', OK, value)


def look_at_cv_bridge(distro: str) -> Finding:
    """Report whether unusual image encodings can be read."""
    if util.find_spec('cv_bridge') is not None:
        return Finding('cv_bridge', OK, 'installed')
    remedy = f'apt install ros-{distro}-cv-bridge, if the camera needs it' if distro else ''
    return Finding('cv_bridge', NOTE, 'not installed: no bayer and yuv images', remedy)


def look_at_backends(model: Path | None) -> list[Finding]:
    """Load the network with every backend that is installed, and time it."""
    has_gpu = shutil.which('nvidia-smi') is not None or Path('/dev/nvhost-gpu').exists()
    findings = []
    for backend in BACKENDS:
        version = version_of(*_distributions(backend.name))
        installed = version or util.find_spec(backend.name) is not None
        if not installed:
            wanted = backend.name in ('openvino', 'tensorrt' if has_gpu else 'openvino')
            remedy = backend.remedy if wanted else ''
            findings.append(Finding(backend.name, NOTE, 'not installed', remedy))
        elif model is None:
            findings.append(Finding(backend.name, NOTE, f'{version}, not tried without a network'))
        else:
            findings.append(probe(backend.name, version, model))
    if not version_of('torch'):
        findings.append(Finding('Adaptation', NOTE, 'needs torch', BACKENDS[-1].remedy))
    elif has_gpu and any(f.name == 'torch' and ' on CPU' in f.value for f in findings):
        remedy = 'install the CUDA build of torch: https://pytorch.org/get-started/locally'
        findings.append(Finding('CUDA', WARNING, 'an NVIDIA GPU, but a torch without it', remedy))
    return findings


def _distributions(backend: str) -> list[str]:
    return {
        'onnxruntime': ['onnxruntime', 'onnxruntime-gpu'],
        'tensorrt': ['tensorrt', 'tensorrt-cu13', 'tensorrt-cu12'],
    }.get(backend, [backend])


def probe(backend: str, version: str, model: Path) -> Finding:
    """Load a network with a backend and time it, in a process of its own."""
    command = [sys.executable, '-c', PROBE, str(model), backend]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        value = f'{version} did not load within {PROBE_TIMEOUT_S} s'
        return Finding(backend, PROBLEM, value, 'choose another backend')
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        remedy = 'its build does not fit this CPU or GPU: install another version, or choose '
        return Finding(backend, PROBLEM, f'{version} crashed ({name})', f'{remedy}another backend')
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ['no message'])[-1]
        said = last.removeprefix('mono_depth_ros.errors.').split(': ', 1)[-1]
        if 'weights.safetensors' in said:
            return Finding(backend, NOTE, f'{version}, cannot run an imported network')
        if 'no TensorRT plan' in said:
            return Finding(backend, WARNING, f'{version}, no plan of this network yet', said)
        return Finding(backend, PROBLEM, f'{version} fails', said)
    result = json.loads(done.stdout.strip().splitlines()[-1])
    return Finding(
        backend,
        OK,
        f'{version} on {result["device"]}, {result["precision"]}: {result["ms"]} ms a frame, '
        f'loads in {result["load_s"]} s',
    )


def look_at_networks(name: str) -> tuple[list[Finding], Path | None]:
    """Report the networks of the package, and find the one to try."""
    shipped = ', '.join(shipped_models()) or 'none'
    try:
        model = resolve_model(name)
    except (EngineError, ModelError) as error:
        return [Finding('Network', PROBLEM, f'shipped: {shipped}', str(error))], None
    sides = 'x'.join(map(str, model.manifest.input_size))
    value = f'{model.manifest.name} {model.version}, {sides} (shipped: {shipped})'
    if not model.manifest.metric:
        remedy = f'{model.manifest.name} only knows relative depth: run it with depth_scale'
        return [Finding('Network', WARNING, value, remedy)], model.path
    return [Finding('Network', OK, value)], model.path


def look_at_store(store: StoreReader) -> list[Finding]:
    """Report the networks this robot made for itself."""
    existing = next(path for path in (store.root, *store.root.parents) if path.exists())
    writable = existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
    remedy = (
        '' if writable else f'adaptation needs to write it: chown it, or set store ({existing})'
    )
    try:
        versions, damage = store.versions(), store.verify()
    except StoreError as error:
        return [Finding('Store', PROBLEM, str(store.root), str(error))]
    reading = store.read_current()
    used = reading.version.name if reading.version else 'the shipped network'
    value = f'{store.root}: {len(versions)} versions, {used} in use'
    findings = [Finding('Store', OK if writable else WARNING, value, remedy)]
    if reading.reason:
        remedy = 'mono_depth store promote another version, or rollback'
        findings.append(Finding('Version in use', PROBLEM, reading.reason, remedy))
    for name, problem in damage.items():
        remedy = 'mono_depth store prune removes old ones; it is never used'
        findings.append(Finding(f'Version {name}', WARNING, problem, remedy))
    return findings
