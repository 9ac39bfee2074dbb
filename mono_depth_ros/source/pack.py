# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The source pack: a few hundred labelled source samples in one small file.

It travels with the weights, so that adaptation on a robot can replay what the network was trained
on. The file is a zip of JPEG images, PNG depth and PNG classes, and a JSON index.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
import json
from pathlib import Path
import zipfile

import cv2
from mono_depth_ros.engine import durable
from mono_depth_ros.errors import DatasetError
from mono_depth_ros.source.pool import Sample
import numpy as np
from numpy.typing import NDArray

INDEX = 'index.json'
VERSION = 1
JPEG_QUALITY = 92
# Depth is stored as 1 + round(STEPS ln(d / NEAREST)): 0.1 % apart; 0 is missing, 65535 the sky.
STEPS, NEAREST = 500.0, 0.01
MISSING, SKY = 0, 65535


def encode_depth(depth: NDArray[np.floating]) -> NDArray[np.uint16]:
    """Code metres logarithmically in 16 bits; inf and NaN survive."""
    metres = depth.astype(np.float64)
    known = np.isfinite(metres) & (metres > 0)
    steps = STEPS * np.log(np.where(known, metres, NEAREST) / NEAREST)
    code = np.where(known, 1 + np.clip(np.round(steps), 0, SKY - 2), MISSING)
    return np.where(np.isposinf(metres), SKY, code).astype(np.uint16)


def decode_depth(code: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Invert `encode_depth`."""
    metres = NEAREST * np.exp((np.minimum(code, 20000).astype(np.float64) - 1) / STEPS)
    metres = np.where(code == MISSING, np.nan, metres)
    return np.where(code == SKY, np.inf, metres).astype(np.float32)


def write_source_pack(path: Path, samples: Iterable[Sample]) -> int:
    """
    Write samples to a pack, whole or not at all.

    Returns
    -------
    int
        Number of samples written.

    Raises
    ------
    DatasetError
        If the file cannot be written.

    """
    path = Path(path)
    focals: list[float] = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with durable.whole(path) as file, zipfile.ZipFile(file, 'w') as archive:
            for number, sample in enumerate(samples):
                for name, data in _encoded(sample).items():
                    # A fixed date: the same samples give the same bytes.
                    archive.writestr(zipfile.ZipInfo(f'{number:04d}.{name}'), data)
                focals.append(sample.focal)
            index = {'version': VERSION, 'focal': focals}
            archive.writestr(zipfile.ZipInfo(INDEX), json.dumps(index))
    except OSError as error:
        raise DatasetError(f'cannot write {path}: {error.strerror}') from error
    return len(focals)


def _encoded(sample: Sample) -> dict[str, bytes]:
    bgr = cv2.cvtColor(sample.rgb, cv2.COLOR_RGB2BGR)
    png = [cv2.IMWRITE_PNG_COMPRESSION, 9]
    parts = {
        'rgb.jpg': cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]),
        'depth.png': cv2.imencode('.png', encode_depth(sample.depth), png),
        'semantics.png': cv2.imencode('.png', sample.semantics, png),
    }
    return {name: data.tobytes() for name, (_, data) in parts.items()}


def read_source_pack(path: Path) -> list[Sample]:
    """
    Read every sample of a pack.

    Returns
    -------
    list of Sample
        ``rgb`` uint8, ``depth`` float32 in metres (inf is the sky), ``semantics`` and ``focal``.

    Raises
    ------
    DatasetError
        If the file is missing, damaged, or of a later version.

    """
    path = Path(path)
    if not path.is_file():
        raise DatasetError(f'no source pack at {path}')
    try:
        with zipfile.ZipFile(path) as archive:
            index = json.loads(archive.read(INDEX))
            if index['version'] != VERSION:
                raise DatasetError(f'{path} has version {index["version"]}, expected {VERSION}')
            return [
                _decoded(archive, number, float(focal))
                for number, focal in enumerate(index['focal'])
            ]
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise DatasetError(f'{path} is not a source pack: {error}') from error


def _decoded(archive: zipfile.ZipFile, number: int, focal: float) -> Sample:
    def image(name: str) -> NDArray[np.generic]:
        data = np.frombuffer(archive.read(f'{number:04d}.{name}'), np.uint8)
        array = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        if array is None:
            raise ValueError(f'{name} of sample {number} is damaged')
        return array

    bgr, code, semantics = (image(n) for n in ('rgb.jpg', 'depth.png', 'semantics.png'))
    return Sample(
        rgb=np.ascontiguousarray(bgr[..., ::-1], np.uint8),
        depth=decode_depth(code.astype(np.uint16)),
        semantics=semantics.astype(np.uint8),
        focal=focal,
    )


def spread(count: int, total: int) -> Sequence[int]:
    """Return ``count`` indices spread evenly over ``total``."""
    return [int(index) for index in np.linspace(0, total - 1, min(count, total))]
