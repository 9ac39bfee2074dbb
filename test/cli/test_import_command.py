# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`mono_depth import` on the command line."""

from mono_depth_ros.cli.main import main
from mono_depth_ros.manifest import read_manifest
import onnx
from onnx import helper, TensorProto
import pytest


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Return a function that imports a network with some settings; gives status and output."""
    monkeypatch.chdir(tmp_path)
    graph = helper.make_graph(
        [helper.make_node('ReduceMean', ['x'], ['y'], axes=[1], keepdims=1)],
        'mean',
        [helper.make_tensor_value_info('x', TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT, [1, 1, 32, 32])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    onnx.save(model, 'mean.onnx')

    def run_import(settings, *arguments):
        (tmp_path / 'mean.yaml').write_text(settings)
        with pytest.raises(SystemExit) as ended:
            main(['import', 'mean.onnx', '--config', 'mean.yaml', *arguments])
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out + printed.err

    return run_import


def test_an_imported_network_says_how_to_run_it(run, tmp_path):
    status, text = run('name: mine\nscale: 2.0\nfocal: 30.0\n')

    assert status == 0
    assert 'imported mine: 32x32, depth, metres, in mine/model.onnx' in text
    assert f'model:={tmp_path / "mine" / "model.onnx"}' in text
    assert read_manifest(tmp_path / 'mine' / 'model.onnx').metric


def test_a_relative_network_says_what_it_needs(run):
    status, text = run('kind: inverse_depth\n', '--output', 'out.onnx')

    assert status == 0
    assert 'relative, in out.onnx' in text
    assert 'It only knows relative depth: it runs with depth_scale' in text


def test_a_network_without_a_focal_length_says_what_that_means(run):
    assert 'Its focal length is unknown' in run('scale: 1.0\n')[1]


def test_a_wrong_setting_is_one_line_of_error(run):
    status, text = run('kind: range\n')

    assert status == 1
    assert text.startswith("Error: mean.yaml: kind must be one of ('depth', 'inverse_depth'")
