# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Build the TensorRT plan of a network: ``python -m mono_depth_ros.engine.builder REQUEST``.

A process of its own, so that gigabytes of builder memory and whatever crashes stay out of the
nodes; `plan_build` starts it. REQUEST and what comes out are JSON, an object a line:

::

    {"event": "progress", "phase": "...", "fraction": 0.4}
    {"event": "done", "key": "...", "path": "...", "seconds": 31.5, "built": true}
    {"event": "error", "message": "..."}

SIGINT and SIGTERM cancel it: the next step that TensorRT reports is answered with *stop*.
"""

from __future__ import annotations

from dataclasses import asdict, replace
import datetime
import json
import os
from pathlib import Path
import sys
import threading
import time
from typing import Any

from mono_depth_ros.engine.build_progress import Monitor, Report, watch_for_signals
from mono_depth_ros.engine.checks import check_model, CheckedModel
from mono_depth_ros.engine.cuda import CudaError, first_gpu
from mono_depth_ros.engine.folding import fold_constants
from mono_depth_ros.engine.plans import BuildOptions, PlanFolder, PlanKey
from mono_depth_ros.engine.precision import fix_input_size, float_the_image, to_half
from mono_depth_ros.engine.refit import refit_known_plan, structure_of
from mono_depth_ros.engine.tensorrt_engine import chosen_precision, plan_folder, plan_key
from mono_depth_ros.engine.tensorrt_log import LOG
from mono_depth_ros.errors import EngineError, MonoDepthError
import onnx
import tensorrt as trt

CANCELLED = 'cancelled'


def typed_network(model: CheckedModel, precision: str, folder: PlanFolder) -> bytes:
    """
    Return the ONNX bytes that a strongly typed build reads: one size, and types in the graph.

    What does not depend on the image is computed beforehand.

    Raises
    ------
    EngineError
        If INT8 is asked for and the network has not been quantised.
    ModelError
        If a weight does not fit float16.

    """
    graph = onnx.load(model.path)
    if precision == 'int8' and not model.quantised:
        found = folder.read(folder.int8_path(plan_key(model, precision).onnx))
        if isinstance(found, str):
            raise EngineError(
                f'no INT8 form of {model.path}: {found}; give images of the place with '
                '`mono_depth build --precision int8 --calibration IMAGES`'
            )
        graph = onnx.load_from_string(found)
    fix_input_size(graph, model.input_size)
    fold_constants(graph)
    float_the_image(graph)
    if precision == 'fp16':
        to_half(graph)
    data: bytes = graph.SerializeToString()
    return data


def build_plan(
    model: CheckedModel,
    precision: str,
    options: BuildOptions | None,
    *,
    force: bool,
    report: Report,
    cancelled: threading.Event,
) -> tuple[PlanKey, Path, bool]:
    """
    Build the plan of a network into the store, unless it is there.

    Parameters
    ----------
    model : CheckedModel
        Network and input size.
    precision : str
        ``fp16``, ``fp32``, ``int8``, or ``auto``.
    options : BuildOptions or None
        Limits of the builder. A plan that was built with others is built again; with None any
        will do, and one of the same structure that takes weights is given those of the network.
    force : bool
        Build even if there is one.
    report : callable
        Gets (phase, fraction of it that is done), from any thread.
    cancelled : threading.Event
        Set it to stop.

    Returns
    -------
    key : PlanKey
        What the plan depends on.
    path : Path
        Where it is.
    built : bool
        False if it was there already.

    Raises
    ------
    EngineError
        If TensorRT cannot build it, or it was cancelled.
    StoreError
        If the store cannot be written.

    """
    precision = chosen_precision(model, precision)
    key = plan_key(model, precision)
    folder = plan_folder(model)
    path = folder.plan_path(key.digest)
    with folder.building(f'building {model.manifest.name} in {precision}'):
        folder.check_private()
        if not force and _is_there(folder, path, options):
            return key, path, False
        network = typed_network(model, precision, folder)
        started = time.monotonic()
        with first_gpu().active():
            plan, how = _make(model, key, network, options, folder, report, cancelled)
        made = {
            'key': asdict(key),
            **how,
            'structure': structure_of(network),
            'network': model.manifest.name,
            'built': datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds'),
            'seconds': round(time.monotonic() - started, 1),
        }
        folder.write(path, plan, made)
        folder.prune()
    return key, path, True


def _is_there(folder: PlanFolder, path: Path, options: BuildOptions | None) -> bool:
    """Say whether there is a plan, built with these options."""
    fits = options is None or folder.record(path).get('options') == asdict(options)
    return fits and isinstance(folder.read(path), bytes)


def _make(
    model: CheckedModel,
    key: PlanKey,
    network: bytes,
    options: BuildOptions | None,
    folder: PlanFolder,
    report: Report,
    cancelled: threading.Event,
) -> tuple[bytes, dict[str, Any]]:
    """Make the bytes of a plan, of a known plan if that one takes weights; say how."""
    how = {}
    if options is None and key.precision != 'int8':
        try:
            refitted = refit_known_plan(model, key, network, folder)
        except (EngineError, CudaError) as error:
            how['not_refitted'] = str(error)
        else:
            if refitted is not None:
                numbers = refitted.difference.describe()
                return refitted.data, {'options': refitted.donor['options'], 'refitted': numbers}
    options = options or BuildOptions()
    plan = _serialize(network, key.precision, options, folder, report, cancelled)
    return plan, {'options': asdict(options), **how}


def _serialize(
    network: bytes,
    precision: str,
    options: BuildOptions,
    folder: PlanFolder,
    report: Report,
    cancelled: threading.Event,
) -> bytes:
    """Let TensorRT parse and optimise the network; return the bytes of the plan."""
    # Named first: it must live as long as anything of TensorRT that uses it.
    monitor = Monitor(report, cancelled)
    builder = trt.Builder(LOG)
    # The only kind there is in TensorRT 11, and a choice in 10.
    flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    definition = builder.create_network(flags)
    parser = trt.OnnxParser(definition, LOG)
    if not parser.parse(network):
        found = (parser.get_error(index) for index in range(parser.num_errors))
        LOG.errors += [f'{error.node_operator()}: {error.desc()}' for error in found]
        raise EngineError(LOG.explain('TensorRT cannot read the network'))
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mb << 20)
    config.builder_optimization_level = options.optimization_level
    if options.refittable:
        config.set_flag(trt.BuilderFlag.REFIT)
    if precision == 'fp32':
        # Otherwise float32 is multiplied with 10 bits of mantissa on newer GPUs.
        config.clear_flag(trt.BuilderFlag.TF32)
    config.progress_monitor = monitor
    _use_timings(config, folder)
    if cancelled.is_set():
        raise EngineError(CANCELLED)
    plan = builder.build_serialized_network(definition, config)
    if cancelled.is_set():
        raise EngineError(CANCELLED)
    if plan is None:  # its type does not say that it may be
        raise EngineError(LOG.explain('TensorRT cannot build the network'))
    cache = config.get_timing_cache()
    if cache is not None:
        folder.keep_timings(bytes(memoryview(cache.serialize())))
    return bytes(memoryview(plan))


def _use_timings(config: trt.IBuilderConfig, folder: PlanFolder) -> None:
    """Give the builder what it measured before; a cache of another TensorRT or GPU is refused."""
    data = folder.timing_cache.read_bytes() if folder.timing_cache.is_file() else b''
    cache = config.create_timing_cache(data)
    if cache is None or not config.set_timing_cache(cache, False):
        config.set_timing_cache(config.create_timing_cache(b''), False)
        LOG.errors.clear()  # what it said of the other one explains nothing that comes later


def main() -> int:
    """Build what the first argument asks for; see the module."""
    # Libraries may print; the lines of this process go to its parent all the same.
    channel = os.fdopen(os.dup(1), 'w', buffering=1)
    os.dup2(2, 1)
    lock = threading.Lock()

    def say(event: str, **values: Any) -> None:
        with lock:
            channel.write(json.dumps({'event': event, **values}) + '\n')
            channel.flush()

    cancelled = watch_for_signals()
    try:
        request = json.loads(sys.argv[1])
        size, engines = request.get('input_size'), request.get('engines_path')
        options = request.get('options')
        model = check_model(Path(request['model']), tuple(size) if size else None)
        if engines:
            model = replace(model, engines_path=Path(engines))
        started = time.monotonic()
        key, path, built = build_plan(
            model,
            request.get('precision', 'auto'),
            BuildOptions(**options) if options is not None else None,
            force=request.get('force', False),
            report=lambda phase, fraction: say('progress', phase=phase, fraction=fraction),
            cancelled=cancelled,
        )
    except (MonoDepthError, CudaError, OSError, KeyError, TypeError, ValueError) as error:
        message = CANCELLED if cancelled.is_set() else str(error) or type(error).__name__
        say('error', message=message)
        return 130 if cancelled.is_set() else 1
    seconds = round(time.monotonic() - started, 1)
    refitted = built and 'refitted' in PlanFolder(path.parent).record(path)
    made_for = {name: getattr(key, name) for name in ('gpu', 'tensorrt', 'precision')}
    values = {'path': str(path), 'seconds': seconds, 'built': built, 'refitted': refitted}
    say('done', key=key.digest, **values, **made_for)
    return 0


if __name__ == '__main__':
    sys.exit(main())
