# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A process that has replaced its engine still ends as it is asked to."""

import subprocess
import sys

import pytest

SCRIPT = """
import gc, os, pathlib, signal, sys
from mono_depth_ros.engine.select import load_engine

received = []
signal.signal(signal.SIGTERM, lambda *_: received.append('SIGTERM'))
old = load_engine(pathlib.Path(sys.argv[1]), sys.argv[2])
new = load_engine(pathlib.Path(sys.argv[1]), sys.argv[2])
old.close()
del old
gc.collect()
new.close()
del new
gc.collect()
os.kill(os.getpid(), signal.SIGTERM)
print(*received)
"""


@pytest.mark.parametrize('backend', ['openvino', 'onnxruntime'])
def test_a_signal_after_a_reload_is_handled(red_network, backend):
    pytest.importorskip(backend, reason=f'{backend} is not installed')
    command = [sys.executable, '-c', SCRIPT, str(red_network), backend]

    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert (result.returncode, result.stdout.split()[-1:]) == (0, ['SIGTERM']), result.stderr
