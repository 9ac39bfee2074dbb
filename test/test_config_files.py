# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The files in config/ say what the code says."""

from dataclasses import fields
from pathlib import Path

from mono_depth_ros.config import DepthNodeConfig, EngineConfig, OutputConfig, ScaleConfig
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / 'config'
CONFIGS = (DepthNodeConfig, EngineConfig, ScaleConfig, OutputConfig)
SETTINGS = [spec for config in CONFIGS for spec in fields(config)]


def read_yaml(name):
    return yaml.safe_load((CONFIG / name).read_text())


def read_comments(name):
    """Return the comment above each parameter of a file, as one line of text."""
    comments, above = {}, []
    for line in (CONFIG / name).read_text().splitlines():
        text = line.strip()
        if text.startswith('#'):
            above.append(text.lstrip('# '))
        else:
            if ':' in text:
                comments[text.split(':')[0]] = ' '.join(above)
            above = []
    return comments


def test_depth_yaml_has_every_parameter_with_its_default():
    parameters = read_yaml('depth.yaml')['/**']['ros__parameters']

    assert parameters == {spec.name: spec.default for spec in SETTINGS}
    assert {name: type(value) for name, value in parameters.items()} == {
        spec.name: type(spec.default) for spec in SETTINGS
    }


@pytest.mark.parametrize('spec', SETTINGS, ids=lambda spec: spec.name)
def test_depth_yaml_says_what_each_parameter_does_and_takes(spec):
    comment = read_comments('depth.yaml')[spec.name]

    assert comment.startswith(f'{spec.metadata["description"].rstrip(".")}.')
    for value in spec.metadata['one_of'] or ():
        assert value in comment
    if spec.metadata['maximum'] is not None:
        assert f'at most {spec.metadata["maximum"]}' in comment


def test_the_costmap_marks_no_far_value_and_clears_all_that_it_marks():
    example = read_yaml('nav2_costmap.yaml')
    layer = example['local_costmap']['local_costmap']['ros__parameters']['voxel_layer']
    output = OutputConfig.from_mapping(example['/**/depth_node']['ros__parameters'])

    mark, clear = (layer[source] for source in layer['observation_sources'].split())

    assert (mark['marking'], mark['clearing']) == (True, False)
    assert (clear['marking'], clear['clearing']) == (False, True)
    assert {mark['topic'], clear['topic']} == {'/points'}
    assert mark['obstacle_max_range'] < output.max_depth < output.far_value
    assert mark['obstacle_max_range'] <= clear['raytrace_max_range'] < output.far_value
    assert output.cloud_max_depth == 0.0
    assert clear['min_obstacle_height'] < -output.far_value
    assert clear['max_obstacle_height'] > output.far_value
    assert layer['z_voxels'] <= 16


def test_a_lifecycle_manager_waits_for_no_bond():
    manager = read_yaml('nav2_costmap.yaml')['lifecycle_manager_depth']['ros__parameters']

    assert manager['node_names'] == ['depth_node']
    assert manager['bond_timeout'] == 0.0


def test_rviz_shows_what_the_depth_node_publishes():
    displays = read_yaml('mono_depth.rviz')['Visualization Manager']['Displays']
    published = (ROOT / 'mono_depth_ros' / 'nodes' / 'outputs.py').read_text()

    topics = {display['Topic']['Value'] for display in displays if 'Topic' in display}

    assert topics == {'image_rect', 'depth/image_rect', 'depth/image_color', 'points'}
    assert all(f"'{topic}'" in published for topic in topics - {'image_rect'})


def test_rviz_looks_from_the_frame_of_the_camera_player():
    player = pytest.importorskip('mono_depth_ros.nodes.camera_player', exc_type=ImportError)
    options = read_yaml('mono_depth.rviz')['Visualization Manager']['Global Options']

    assert options['Fixed Frame'] == player.CameraPlayerConfig().frame_id
