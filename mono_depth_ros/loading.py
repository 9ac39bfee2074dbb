# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Load a network the same way in the node and on the command line."""

from __future__ import annotations

from dataclasses import replace
import logging

from mono_depth_ros.config import EngineConfig
from mono_depth_ros.engine.select import load_engine, OnMissingPlan
from mono_depth_ros.engine.store_reader import StoreReader
from mono_depth_ros.errors import MonoDepthError
from mono_depth_ros.model.registry import resolve_model, ResolvedModel
from mono_depth_ros.pipeline import DepthEstimator
from mono_depth_ros.preprocessing import input_size_for, parse_input_size

logger = logging.getLogger(__name__)


def load_estimator(
    config: EngineConfig,
    store: StoreReader | None,
    image_size: tuple[int, int] | None = None,
    *,
    model: ResolvedModel | None = None,
    on_missing_plan: OnMissingPlan | None = None,
) -> DepthEstimator:
    """
    Load the network that is in use now: that of the store, else the shipped or given one.

    Parameters
    ----------
    config : EngineConfig
        Which network, and where it runs.
    store : StoreReader or None
        Versions made on this robot; ``config.store`` itself is not looked at.
    image_size : tuple of int, optional
        (height, width) of the images [px], whose aspect ratio the input takes.
    model : ResolvedModel, optional
        The network itself, where the caller has looked it up.
    on_missing_plan : callable, optional
        See `load_engine`.

    Returns
    -------
    DepthEstimator
        Its engine is the caller's to close.

    Raises
    ------
    MonoDepthError
        With what is wrong with the model, the backend or the settings.

    """
    if model is None:
        model = resolve_model(config.model, store)
    if model.warning:
        logger.warning(model.warning)
    size = parse_input_size(config.input_size)
    if size is None and image_size is not None:
        size = input_size_for(model.manifest, image_size[1], image_size[0])
    engine = load_engine(
        model.path,
        config.backend,
        input_size=size,
        precision=config.precision,
        threads=config.threads,
        engines_path=None if store is None else store.engines_path,
        on_missing_plan=on_missing_plan,
    )
    # The version is that of the store, which the file itself cannot know.
    engine.manifest = replace(engine.manifest, version=model.version)
    try:
        return DepthEstimator(engine, config, model=model)
    except MonoDepthError:
        engine.close()
        raise
