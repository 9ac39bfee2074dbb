# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A model file that cannot run is refused before a backend sees it, with what to do."""

from mono_depth_ros.engine.checks import check_model
from mono_depth_ros.errors import ConfigError, ModelError
from mono_depth_ros.manifest import Manifest
import onnx
from onnx import TensorProto
import pytest


def test_a_good_model_tells_its_size(write_tiny):
    model = check_model(write_tiny())

    assert model.input_size == (32, 64)
    assert not model.quantised


def test_a_missing_file(tmp_path):
    with pytest.raises(ModelError, match='no model at .*nothing.onnx'):
        check_model(tmp_path / 'nothing.onnx')


def test_an_empty_file(tmp_path):
    (tmp_path / 'empty.onnx').touch()

    with pytest.raises(ModelError, match='empty.onnx is empty: copy or import'):
        check_model(tmp_path / 'empty.onnx')


@pytest.mark.parametrize('share', [0.3, 0.7, 0.99])
def test_a_truncated_file(write_tiny, share):
    path = write_tiny()
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])

    with pytest.raises(ModelError, match='tiny.onnx'):
        check_model(path)


def test_a_file_that_is_not_onnx(tmp_path):
    path = tmp_path / 'model.onnx'
    path.write_text('This is no network.\n' * 40)

    with pytest.raises(ModelError, match='is not a readable ONNX file'):
        check_model(path)


def test_a_network_that_was_not_imported(write_tiny):
    path = write_tiny()
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)

    with pytest.raises(ModelError, match='has no mono_depth manifest: import it first'):
        check_model(path)


def test_a_float_input(write_tiny):
    path = write_tiny(image_type=TensorProto.FLOAT)

    with pytest.raises(ModelError, match=r'input must be image uint8 .* image float \(1, height'):
        check_model(path)


def test_an_input_and_an_output_of_another_name(write_tiny):
    with pytest.raises(ModelError, match='the model has rgb uint8'):
        check_model(write_tiny(names=('rgb', 'depth')))
    with pytest.raises(ModelError, match='output must be depth float .* the model has disparity'):
        check_model(write_tiny(names=('image', 'disparity')))


def test_weights_in_another_file(write_tiny):
    path = write_tiny()
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location='weights.bin', size_threshold=0)

    with pytest.raises(ModelError, match='keeps its weights in another file'):
        check_model(path)


def test_a_size_that_is_no_multiple_of_the_stride(write_tiny):
    with pytest.raises(ConfigError, match='multiples of 32 for tiny, got 32x50'):
        check_model(write_tiny(), (32, 50))


def test_another_size_than_a_fixed_network_has(write_tiny):
    path = write_tiny(Manifest('fixed', input_size=(48, 64)))

    assert check_model(path).input_size == (48, 64)
    with pytest.raises(ConfigError, match=r'\(fixed\) only runs at 48x64: set input_size to auto'):
        check_model(path, (64, 96))
