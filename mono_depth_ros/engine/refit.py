# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Put the weights of another network into a plan, instead of building a plan for it.

An adapted network differs from the one before in nothing but weights. A plan that was built for it
takes them in seconds, but runs slower, since TensorRT fuses less; so it is a choice of the build.
What comes out is a plan only if it computes the same as the network itself.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
import hashlib
from pathlib import Path
import tempfile
from typing import Any

from mono_depth_ros.engine.checks import CheckedModel
from mono_depth_ros.engine.comparison import compare_with_reference, Difference
from mono_depth_ros.engine.plans import PlanFolder, PlanKey
from mono_depth_ros.engine.precision import HEAVY
from mono_depth_ros.engine.tensorrt_engine import TensorRTEngine
from mono_depth_ros.engine.tensorrt_log import LOG
from mono_depth_ros.errors import EngineError
import onnx
import tensorrt as trt


@dataclass(frozen=True)
class RefittedPlan:
    """A plan with other weights, the record of the plan it was made of, and how good it is."""

    data: bytes
    donor: dict[str, Any]
    difference: Difference


def structure_of(network: bytes) -> str:
    """
    Return the SHA-256 of a graph without its weights.

    Weights and biases of the heavy operations may differ between networks of one structure; every
    other constant counts, since TensorRT may have folded it.
    """
    model = onnx.load_from_string(network)
    nodes = model.graph.node
    weights = {name for n in nodes if n.op_type in HEAVY for name in n.input[1:]}
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            for values in ('raw_data', 'float_data', 'int32_data'):
                tensor.ClearField(values)
    del model.metadata_props[:]
    return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()


def refit_known_plan(
    model: CheckedModel, key: PlanKey, network: bytes, folder: PlanFolder
) -> RefittedPlan | None:
    """
    Make the plan of a network from one of the same structure in the folder.

    Parameters
    ----------
    model : CheckedModel
        The network; float32 depth of its own file is what the plan is compared with.
    key : PlanKey
        What the plan is for.
    network : bytes
        The typed ONNX that a build would read.
    folder : PlanFolder
        Where the plans are.

    Returns
    -------
    RefittedPlan or None
        None if there is no plan that takes weights.

    Raises
    ------
    EngineError
        If TensorRT cannot do it, or the plan computes something else than the network.

    """
    found = _find_donor(key, structure_of(network), folder)
    if found is None:
        return None
    donor, plan = found
    data = _put_weights(plan, network)
    with tempfile.TemporaryDirectory(prefix='mono_depth_refit_') as place:
        trial = PlanFolder(Path(place))
        trial.write(trial.plan_path(key.digest), data, {})
        engine = TensorRTEngine(replace(model, engines_path=trial.path), key.precision)
        try:
            difference = compare_with_reference(engine, model.path)
        finally:
            engine.close()
    if not difference.accepted:
        raise EngineError(f'the plan with new weights is {difference.describe()}')
    return RefittedPlan(data, donor, difference)


def _find_donor(
    key: PlanKey, structure: str, folder: PlanFolder
) -> tuple[dict[str, Any], bytes] | None:
    """Return the record and the bytes of a plan of this structure that takes weights."""
    for path in sorted(folder.path.glob('*.plan'), reverse=True):
        record = folder.record(path)
        made_for = {**record.get('key', {}), 'onnx': key.onnx}
        wanted = {**asdict(key), 'input_size': list(key.input_size)}
        takes_weights = record.get('options', {}).get('refittable', False)
        if takes_weights and record.get('structure') == structure and made_for == wanted:
            plan = folder.read(path)
            if isinstance(plan, bytes):
                return record, plan
    return None


def _put_weights(plan: bytes, network: bytes) -> bytes:
    """Let TensorRT replace the weights of a plan by those of a network."""
    what = 'TensorRT cannot put the weights into a plan'
    runtime = trt.Runtime(LOG)
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:  # its type does not say that it may be
        raise EngineError(LOG.explain(what))
    refitter = trt.Refitter(engine, LOG)
    parser = trt.OnnxParserRefitter(refitter, LOG)
    if not parser.refit_from_bytes(network):
        LOG.errors += [parser.get_error(index).desc() for index in range(parser.num_errors)]
        raise EngineError(LOG.explain(what))
    if not refitter.refit_cuda_engine():
        raise EngineError(LOG.explain(what))
    data = engine.serialize()
    if data is None:
        raise EngineError(LOG.explain(what))
    return bytes(memoryview(data))
