# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The doubles of TensorRT and pycuda refuse what the real libraries forbid or punish later."""

import threading

import numpy as np
import onnx
import pytest


@pytest.fixture
def cuda(gpu):
    import pycuda.driver as cuda

    cuda.init()
    return cuda


@pytest.fixture
def active(cuda):
    """Make a context current for the length of a test."""
    context = cuda.Device(0).retain_primary_context()
    context.push()
    yield context
    cuda.Context.pop()


@pytest.fixture
def plan(active, write_tiny):
    """Return a plan, and the logger it was built with."""
    from mono_depth_ros.engine.precision import fix_input_size
    from mono_depth_ros.engine.tensorrt_log import Log
    import tensorrt as trt

    model = onnx.load(write_tiny())
    fix_input_size(model, (32, 64))
    log = Log()
    builder = trt.Builder(log)
    network = builder.create_network(2)
    assert trt.OnnxParser(network, log).parse(model.SerializeToString())
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, 1 << 20)
    return builder.build_serialized_network(network, config), log


def load(plan):
    """Return a context of a plan; as a fixture it would outlive the count of what is alive."""
    import tensorrt as trt

    data, log = plan
    return trt.Runtime(log).deserialize_cuda_engine(data).create_execution_context()


def refuses(match):
    from pycuda.machine import ContractError

    return pytest.raises(ContractError, match=match)


def test_memory_without_a_current_context(cuda):
    with refuses('needs a current context'):
        cuda.mem_alloc(16)


def test_work_in_a_thread_where_the_context_was_not_pushed(plan, cuda):
    context = load(plan)
    stream, problems = cuda.Stream(), []

    def work():
        try:
            context.execute_async_v3(stream.handle)
        except AssertionError as error:
            problems.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert 'execute_async_v3 needs a current context' in problems[0]


def test_a_frame_before_every_tensor_has_an_address(plan, cuda):
    context = load(plan)
    stream, memory = cuda.Stream(), cuda.mem_alloc(32 * 64 * 3)
    context.set_tensor_address('image', int(memory))

    with refuses('before every tensor has an address'):
        context.execute_async_v3(stream.handle)


def test_memory_of_another_type_than_the_tensor(plan, cuda):
    context = load(plan)
    stream = cuda.Stream()
    image, depth = cuda.mem_alloc(32 * 64 * 3 * 4), cuda.mem_alloc(32 * 64 * 4)
    context.set_tensor_address('image', int(image))
    context.set_tensor_address('depth', int(depth))

    with refuses('image has memory of 24576 bytes'):
        context.execute_async_v3(stream.handle)


def test_an_address_that_was_freed(plan, cuda):
    context = load(plan)
    memory = cuda.mem_alloc(32 * 64 * 3)
    address = int(memory)
    memory.free()

    with refuses('freed or never allocated'):
        context.set_tensor_address('image', address)
    with refuses('used after it was freed'):
        int(memory)


def test_memory_that_is_freed_twice(active, cuda):
    memory = cuda.mem_alloc(16)
    memory.free()

    with pytest.raises(cuda.LogicError, match='invalid resource handle'):
        memory.free()


def test_memory_that_is_freed_while_the_stream_works(active, cuda):
    stream, memory = cuda.Stream(), cuda.mem_alloc(16)
    host = cuda.pagelocked_empty(16, np.uint8)
    cuda.memcpy_htod_async(memory, host, stream)

    with refuses('freed while a stream still works'):
        host.base.free()
    stream.synchronize()


def test_a_copy_that_is_not_asynchronous(active, cuda):
    stream, memory = cuda.Stream(), cuda.mem_alloc(16)

    with refuses('not page-locked'):
        cuda.memcpy_htod_async(memory, np.zeros(16, np.uint8), stream)
    with refuses('without a stream'):
        cuda.memcpy_htod_async(memory, cuda.pagelocked_empty(16, np.uint8))


def test_nothing_arrives_before_the_stream_is_waited_for(active, cuda):
    stream, memory = cuda.Stream(), cuda.mem_alloc(4)
    host = cuda.pagelocked_empty(4, np.uint8)

    cuda.memcpy_dtoh_async(host, memory, stream)

    assert not host.any()
    stream.synchronize()
    assert host.all()


def test_memory_freed_in_a_thread_that_has_no_context_leaks(active, cuda):
    from pycuda.machine import machine

    memory, warned = cuda.mem_alloc(16), []

    def free():
        with pytest.warns(UserWarning, match='could not be cleaned up'):
            memory.free()
        warned.append(True)

    thread = threading.Thread(target=free)
    thread.start()
    thread.join()

    assert warned and machine.leaked == ['device memory']
    machine.leaked.clear()


def test_a_primary_context_that_is_retained_twice(active, cuda):
    with refuses('retained twice'):
        cuda.Device(0).retain_primary_context()


def test_a_weakly_typed_network(active, write_tiny):
    from mono_depth_ros.engine.tensorrt_log import Log
    import tensorrt as trt

    log = Log()
    parser = trt.OnnxParser(trt.Builder(log).create_network(), log)

    with refuses('weakly typed'):
        parser.parse(onnx.load(write_tiny()).SerializeToString())


def test_free_sides_without_a_profile(active, write_tiny):
    from mono_depth_ros.engine.tensorrt_log import Log
    import tensorrt as trt

    log = Log()
    parser = trt.OnnxParser(trt.Builder(log).create_network(2), log)

    with refuses('free sides'):
        parser.parse(onnx.load(write_tiny()).SerializeToString())


def test_a_logger_whose_base_was_not_initialised(active):
    import tensorrt as trt

    class Careless(trt.ILogger):
        def __init__(self):
            pass

    with pytest.raises(TypeError, match='base of Careless was not called'):
        trt.Builder(Careless())
