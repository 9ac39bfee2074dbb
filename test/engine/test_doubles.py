# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The double of TensorRT has the signatures and constants of the real one.

Its types come with ``scripts/tensorrt_types.py``; ``MONO_DEPTH_TENSORRT_TYPES`` names another
folder of them.
"""

import ast
import enum
import inspect
import os
from pathlib import Path
import re
import sys

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get('MONO_DEPTH_TENSORRT_TYPES', Path(sys.prefix) / 'tensorrt_types'))
TYPES = FOLDER / 'tensorrt_bindings' / 'tensorrt.pyi'
DOCUMENT = ROOT / 'docs' / 'tensorrt_api.md'
SOURCES = [
    ROOT / 'mono_depth_ros' / 'engine' / name
    for name in (
        'build_progress.py',
        'builder.py',
        'refit.py',
        'tensorrt_engine.py',
        'tensorrt_log.py',
    )
]


@pytest.fixture(scope='module')
def real():
    """Return the classes of the real library, from its types."""
    if not TYPES.is_file():
        pytest.skip(f'the types of TensorRT are not in {FOLDER}: scripts/tensorrt_types.py')
    tree = ast.parse(TYPES.read_text())
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


@pytest.fixture
def double(gpu):
    import tensorrt

    return tensorrt


def public(double):
    return {
        name: value
        for name, value in vars(double).items()
        if inspect.isclass(value) and value.__module__ == 'tensorrt' and not name.startswith('_')
    }


def methods(node):
    """Return the parameter names of every method, overload by overload."""
    found = {}
    for item in node.body:
        if isinstance(item, ast.FunctionDef):
            names = [argument.arg for argument in item.args.args]
            found.setdefault(item.name, []).append(names)
    return found


def constants(node):
    """Return the values of the constants of an enumeration."""
    lines = TYPES.read_text().splitlines()[node.lineno - 1 : node.end_lineno]
    block = '\n'.join(lines)  # the values are in comments
    return {
        name: int(value)
        for name, value in re.findall(
            r'(\w+): typing.ClassVar\[.*?# value = <[\w.]+: (\d+)>', block
        )
    }


def test_every_class_is_one_of_the_real_library(real, double):
    assert set(public(double)) <= set(real)


def test_every_method_takes_what_the_real_one_takes(real, double):
    checked = 0
    for name, value in public(double).items():
        if issubclass(value, enum.Enum):
            continue
        known = methods(real[name])
        for method, function in vars(value).items():
            if method.startswith('_') or not inspect.isfunction(function):
                continue
            mine = list(inspect.signature(function).parameters)
            assert method in known, f'{name}.{method} does not exist'
            longest = [names[: len(mine)] for names in known[method]]
            # A double may take fewer: only what the package passes.
            assert mine in longest, f'{name}.{method} takes {known[method]}, the double {mine}'
            checked += 1
    assert checked > 25


def test_every_property_is_one_of_the_real_library(real, double):
    for name, value in public(double).items():
        text = ast.unparse(real[name])
        for attribute, kind in vars(value).items():
            if isinstance(kind, property):
                assert re.search(rf'\b{attribute}\b', text), f'{name}.{attribute}'


def test_constants_have_the_values_of_the_real_library(real, double):
    checked = 0
    for name, value in public(double).items():
        if issubclass(value, enum.Enum):
            known = constants(real[name])
            for member in value:
                assert known[member.name] == member.value, f'{name}.{member.name}'
                checked += 1
    assert checked > 15


def used():
    """Return every ``trt.Name`` and ``trt.Name.MEMBER`` of the package."""
    names = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                text = ast.unparse(node)
                if text.startswith('trt.') and text.count('.') <= 2:
                    names.add(text.removeprefix('trt.').replace('.__init__', ''))
    return names


def test_every_name_of_tensorrt_that_is_used_is_documented_with_its_page():
    text = DOCUMENT.read_text()

    assert len(used()) > 20
    for name in used():
        assert f'`{name}`' in text, f'{name} is not in {DOCUMENT.name}'


def test_every_documented_name_exists(real):
    rows = re.findall(r'^\| `([\w.()]+)` \|', DOCUMENT.read_text().split('## pycuda')[0], re.M)

    assert len(rows) > 40
    for row in rows:
        owner, _, member = row.replace('()', '').partition('.')
        if owner == '__version__':
            continue
        assert owner in real, row
        if member:
            assert re.search(rf'\b{member.split(".")[-1]}\b', ast.unparse(real[owner])), row
