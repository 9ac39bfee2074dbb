# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Print what INT8 costs in accuracy, for docs/gpu_results.md: ``int8_table.py IMAGES``.

IMAGES are of a place and have depth. The network is calibrated with half of them and half of the
source pack, and scored on others of each, on every CPU backend there is.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
import tempfile

from mono_depth_ros.engine import int8
from mono_depth_ros.engine.quantisation import compare, FEWEST, quantise
from mono_depth_ros.engine.select import load_engine
from mono_depth_ros.model.registry import resolve_model
from mono_depth_ros.preprocessing import resize_rgb
from mono_depth_ros.source.pack import spread

BACKENDS = {'openvino': 'OpenVINO', 'onnxruntime': 'ONNX Runtime'}


def main() -> None:
    """Calibrate, score and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[1])
    parser.add_argument('images')
    parser.add_argument('--model', default='indoor')
    parser.add_argument('--calibrate', type=int, default=FEWEST, help='images in all')
    arguments = parser.parse_args()
    model = resolve_model(arguments.model)
    size = model.manifest.input_size
    place, scored_place = int8.images_of_place(arguments.images)
    known, scored_source = int8.images_of_source(model.path, '')
    each = arguments.calibrate // 2
    chosen = [group[i] for group in (place, known) for i in spread(each, len(group))]
    scored = {
        Path(arguments.images).name: int8.labelled_sample(scored_place),
        'source pack': int8.labelled_sample(scored_source),
    }
    digest = hashlib.sha256(model.path.read_bytes()).hexdigest()
    print(f'Network {model.manifest.name}, SHA-256 {digest[:8]}, {each} images of each\n')
    print(f'| images | alignment | {" | ".join(BACKENDS.values())} |\n|---|---|---|---|')
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / 'int8.onnx'
        quantise(model.path, [resize_rgb(rgb, size) for rgb in chosen], size, made)
        for name, frames in scored.items():
            cells: dict[str, list[str]] = {}
            for backend in BACKENDS:
                before = load_engine(model.path, backend, input_size=size, threads=1)
                after = load_engine(made, backend, input_size=size, threads=1)
                found = compare(before, after, frames)
                for align, value in found.before.items():
                    other = found.after[align]
                    change = f'{100 * (other / value - 1):+.1f} %'
                    cells.setdefault(align, []).append(f'{value:.4f} -> {other:.4f} ({change})')
                before.close()
                after.close()
            for align, texts in cells.items():
                print(f'| {name} | {align} | {" | ".join(texts)} |', flush=True)


if __name__ == '__main__':
    main()
