# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A candidate is compared with the network in use on equal terms."""

import copy

import pytest

torch = pytest.importorskip('torch')

from mono_depth_ros.adaptation import engine_checks
from mono_depth_ros.adaptation.config import GateConfig
from mono_depth_ros.adaptation.engine_checks import compare_engines
from mono_depth_ros.engine.plan_build import PlanBuild
from mono_depth_ros.engine.select import load_engine
from mono_depth_ros.manifest import Manifest
from mono_depth_ros.model.onnx_export import export_onnx

# A busy machine says nothing about two networks of one size.
PATIENT = GateConfig(max_latency_ratio=100.0)


@pytest.fixture
def exported(tmp_path):
    """Return a function that writes a network under a name, and returns the path."""

    def export(network, name):
        manifest = Manifest(name, '1', (64, 96), dynamic=True, focal=80.0)
        export_onnx(network, manifest, tmp_path / f'{name}.onnx')
        return tmp_path / f'{name}.onnx'

    return export


@pytest.mark.parametrize('backend', ['auto', 'tensorrt'])
def test_a_plan_of_the_network_in_use_alone_decides_nothing(
    gpu, backend, tiny, frames, exported, monkeypatch
):
    network = copy.deepcopy(tiny)
    with torch.no_grad():
        network.head.bias += 0.01
    candidate, baseline = exported(network, 'candidate'), exported(tiny, 'in_use')
    PlanBuild(baseline).run()
    load_engine(baseline, backend).close()  # the plan is there
    used = []

    def load(*arguments, **options):
        engine = load_engine(*arguments, **options)
        used.append(engine.backend)
        return engine

    monkeypatch.setattr(engine_checks, 'load_engine', load)

    checks = compare_engines(candidate, baseline, network, frames, PATIENT, backend, 1)

    assert all(check.passed for check in checks)
    assert used[0] == used[1] != 'tensorrt'


def test_a_backend_that_is_named_is_the_one_compared_on(tiny, frames, exported, monkeypatch):
    pytest.importorskip('onnxruntime')
    path, used = exported(tiny, 'in_use'), []

    def load(model, backend, **options):
        used.append(backend)
        return load_engine(model, backend, **options)

    monkeypatch.setattr(engine_checks, 'load_engine', load)

    compare_engines(path, path, tiny, frames, PATIENT, 'onnxruntime', 1)

    assert used == ['onnxruntime', 'onnxruntime']
