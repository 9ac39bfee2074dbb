# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make the INT8 form of a network for the plans of a store, and accept it or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
import shutil
import tempfile

from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.engine import durable
from mono_depth_ros.engine.plans import PlanFolder
from mono_depth_ros.engine.quantisation import (
    ALLOWED,
    compare,
    Comparison,
    FEWEST,
    MOST,
    quantise,
)
from mono_depth_ros.engine.select import load_engine
from mono_depth_ros.errors import ConfigError, EngineError
from mono_depth_ros.frames import Frame, open_frames
from mono_depth_ros.manifest import read_manifest
from mono_depth_ros.model.registry import PACK, shipped_models
from mono_depth_ros.preprocessing import resize_rgb
from mono_depth_ros.source.pack import read_source_pack, spread
import numpy as np
from numpy.typing import NDArray

# Every n-th image is kept for scoring and not calibrated with.
HELD_OUT = 5
SCORED = 40
Image = NDArray[np.uint8]


def make_int8(
    model_path: Path, size: tuple[int, int], engines_path: Path, images: str, source: str = ''
) -> Comparison:
    """
    Quantise a network with images of the place and of the source, and keep it if it is good.

    Parameters
    ----------
    model_path : Path
        ONNX file in the form of this package.
    size : tuple of int
        (height, width) of the INT8 form [px].
    engines_path : Path
        Folder of the plans.
    images : str
        Images of the place: anything that `open_frames` opens. Labels are used for scoring only.
    source : str
        Source pack, or images; by default the pack beside the network, or beside the shipped
        network of that name.

    Returns
    -------
    Comparison
        abs_rel before and after, on labelled images that were not calibrated with.

    Raises
    ------
    EngineError
        If abs_rel grows too much; nothing is kept then.
    ConfigError
        If there are too few images, or none with labels.

    """
    place, labelled = images_of_place(images)
    known, labelled_source = images_of_source(model_path, source)
    each = min(len(place), len(known), MOST // 2)
    if 2 * each < FEWEST:
        raise ConfigError(
            f'INT8 calibration takes at least {FEWEST // 2} images of the place and as many of '
            f'the source domain, got {len(place)} and {len(known)}'
        )
    chosen = [group[i] for group in (place, known) for i in spread(each, len(group))]
    scored = labelled_sample(labelled) + labelled_sample(labelled_source)
    if not scored:
        raise ConfigError('no image has labels: give a source pack, so that INT8 can be scored')
    with tempfile.TemporaryDirectory(prefix='mono_depth_int8_') as folder:
        # One reading of the file: minutes pass, and what is scored and kept must be of the network
        # that was calibrated, even if somebody replaces it meanwhile.
        network, made = Path(folder) / 'float.onnx', Path(folder) / 'int8.onnx'
        shutil.copyfile(model_path, network)
        quantise(network, [resize_rgb(rgb, size) for rgb in chosen], size, made)
        before = load_engine(network, 'onnxruntime', input_size=size)
        after = load_engine(made, 'onnxruntime', input_size=size)
        try:
            comparison = compare(before, after, scored)
        finally:
            before.close()
            after.close()
        if not comparison.accepted:
            raise EngineError(
                f'INT8 is refused: {comparison.describe()}, allowed is {100 * ALLOWED:.0f} %: '
                'stay with fp16, or calibrate with more varied images'
            )
        _keep(network, engines_path, made.read_bytes(), comparison, len(chosen))
    return comparison


def _keep(
    model_path: Path, engines_path: Path, data: bytes, comparison: Comparison, images: int
) -> None:
    """Write the INT8 form where the builder finds it."""
    folder = PlanFolder(engines_path)
    with folder.building('writing an INT8 network'):
        folder.check_private()
        path = folder.int8_path(durable.sha256(model_path))
        folder.write(path, data, {'images': images, 'scores': asdict(comparison)})


def images_of_place(images: str) -> tuple[list[Image], list[Frame]]:
    """Return the images to calibrate with, and the labelled ones that are held out."""
    plain, labelled = [], []
    for index, frame in enumerate(open_frames(images)):
        has_labels = frame.depth is not None and frame.camera is not None
        if has_labels and index % HELD_OUT == 0:
            labelled.append(frame)
        else:
            plain.append(frame.rgb)
        if len(plain) >= 10 * MOST:
            break
    return plain, labelled


def images_of_source(model_path: Path, source: str) -> tuple[list[Image], list[Frame]]:
    """Return images of the source domain, and labelled ones that are held out."""
    path = Path(source) if source else _pack_of(model_path)
    if path.suffix != '.zip':
        return images_of_place(str(path))
    plain, labelled = [], []
    for index, sample in enumerate(read_source_pack(path)):
        height, width = sample.rgb.shape[:2]
        if index % HELD_OUT:
            plain.append(sample.rgb)
            continue
        centre = (width - 1) / 2, (height - 1) / 2
        camera = PinholeCamera(sample.focal, sample.focal, *centre, width, height)
        labelled.append(Frame(sample.rgb, 0, str(index), camera, sample.depth))
    return plain, labelled


def _pack_of(model_path: Path) -> Path:
    """Return the source pack that belongs to a network: beside it, or that of its name."""
    shipped = shipped_models().get(read_manifest(model_path).name)
    for path in (model_path, shipped):
        if path is not None and path.with_name(PACK).is_file():
            return path.with_name(PACK)
    raise ConfigError(f'no {PACK} beside {model_path}: give one, or images, with --source')


def labelled_sample(frames: Sequence[Frame]) -> list[Frame]:
    """Return some of the labelled images, evenly spread."""
    return [frames[i] for i in spread(SCORED, len(frames))] if frames else []
