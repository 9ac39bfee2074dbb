# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Install the types of TensorRT's Python API, without TensorRT: ``tensorrt_types.py [FOLDER]``.

They let mypy check every call, and the tests compare the double of TensorRT with them. They go to
a folder of their own (by default ``tensorrt_types`` in this environment), since in site-packages
they would look like an installed TensorRT. Then: ``MYPYPATH=FOLDER mypy``.
"""

from __future__ import annotations

from pathlib import Path
import re
import shutil
import subprocess
import sys

PACKAGE = 'tensorrt-stubs==10.13.0.35.1'
# It was generated from C++ and has lines that are no Python: a parameter called `in`, and one
# without a default after others with one.
REPAIRS = (
    (r'(?<=[(,] )in: |(?<=[(,])in: ', 'in_: '),
    (r'(?<=channel_axis: )int\)', 'int = ...)'),
)


def main() -> None:
    """Install and repair."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(sys.prefix) / 'tensorrt_types')
    shutil.rmtree(folder, ignore_errors=True)
    # Without dependencies: it names TensorRT itself, which installs on machines with a GPU only.
    pip = [sys.executable, '-m', 'pip', '--disable-pip-version-check', '--quiet', 'install']
    subprocess.run([*pip, '--no-deps', '--target', str(folder), PACKAGE], check=True)
    path = folder / 'tensorrt_bindings' / 'tensorrt.pyi'
    text = path.read_text()
    for pattern, replacement in REPAIRS:
        text = re.sub(pattern, replacement, text)
    path.write_text(text)
    # As it is, it re-exports nothing.
    start = folder / 'tensorrt' / '__init__.pyi'
    start.write_text('from tensorrt_bindings.tensorrt import *\n\n__version__: str\n')


if __name__ == '__main__':
    main()
