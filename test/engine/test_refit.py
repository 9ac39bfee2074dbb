# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A plan takes the weights of another network only if it then computes what that network does."""

from mono_depth_ros.engine.plan_build import PlanBuild
from mono_depth_ros.engine.plans import BuildOptions, PlanFolder
from mono_depth_ros.engine.select import load_engine
import numpy as np
import pytest

REFITTABLE = BuildOptions(refittable=True)


@pytest.fixture
def adapted(gpu, write_tiny):
    """Build a plan that takes weights; return a network of its structure with other weights."""
    PlanBuild(write_tiny(), options=REFITTABLE).run()
    return write_tiny(name='adapted.onnx', seed=5)


def record(plan):
    return PlanFolder(plan.path.parent).record(plan.path)


def check_depth(model, rgb):
    engine = load_engine(model, 'tensorrt')
    expected = load_engine(model, 'onnxruntime').infer(rgb)
    np.testing.assert_allclose(engine.infer(rgb), expected, rtol=1e-2)
    engine.close()


def test_a_plan_takes_the_weights_of_an_adapted_network(adapted, noise):
    plan = PlanBuild(adapted).run()

    assert plan.built and plan.refitted
    assert '% from onnxruntime (CPU) (at most 1 %)' in record(plan)['refitted']
    check_depth(adapted, noise(32, 64))


def test_a_refitted_plan_takes_weights_again(adapted, write_tiny, noise):
    PlanBuild(adapted).run()
    third = write_tiny(name='third.onnx', seed=6)

    assert PlanBuild(third).run().refitted
    check_depth(third, noise(32, 64))


@pytest.mark.parametrize(
    ('how', 'reason'), [('stale', 'the plan with new weights is'), ('fails', 'count mismatch')]
)
def test_what_computes_something_else_is_built_anew(adapted, gpu, noise, how, reason):
    gpu(refit=how)

    plan = PlanBuild(adapted).run()

    assert plan.built and not plan.refitted
    assert reason in record(plan)['not_refitted']
    assert not record(plan)['options']['refittable']
    check_depth(adapted, noise(32, 64))


def test_a_plan_of_another_structure_takes_no_weights(adapted, write_tiny):
    other = write_tiny(name='other.onnx', offset=0.7)

    plan = PlanBuild(other).run()

    assert plan.built and not plan.refitted
    assert 'not_refitted' not in record(plan)


@pytest.mark.parametrize('options', [None, BuildOptions(optimization_level=5)])
def test_refitting_is_a_choice_of_the_build(gpu, write_tiny, options):
    PlanBuild(write_tiny(), options=options).run()

    assert not PlanBuild(write_tiny(name='adapted.onnx', seed=5)).run().refitted


def test_whoever_asks_for_options_gets_a_build(adapted):
    assert not PlanBuild(adapted, options=BuildOptions(optimization_level=5)).run().refitted
