# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Load engines beside the running one.

Loading takes from a fraction of a second to minutes (a TensorRT build), and images must keep
flowing meanwhile: one background thread loads, the node swaps between two frames.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
import logging
from pathlib import Path

from mono_depth_ros.config import EngineConfig, OutputConfig
from mono_depth_ros.engine.select import load_engine
from mono_depth_ros.engine.store_reader import StoreReader
from mono_depth_ros.errors import MonoDepthError, PlanMissingError
from mono_depth_ros.model.registry import resolve_model
from mono_depth_ros.nodes.plan_builder import PlanBuilder
from mono_depth_ros.pipeline import DepthEstimator
from mono_depth_ros.preprocessing import input_size_for, parse_input_size

logger = logging.getLogger(__name__)


class EngineLoader:
    """
    Makes estimators from the settings of a node, one at a time.

    Parameters
    ----------
    config : EngineConfig
        Which network, where.

    Attributes
    ----------
    missing : PlanMissingError or None
        The TensorRT plan that the engine loaded last stands in for.
    plans : PlanBuilder
        Builds it.

    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self._fixed_size = parse_input_size(config.input_size)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix='engine_loader')
        self._running: Future[DepthEstimator] | None = None
        self._candidate = False
        self.missing: PlanMissingError | None = None
        self.plans = PlanBuilder()

    @property
    def busy(self) -> bool:
        """Say whether an engine is being loaded in the background."""
        return self._running is not None and not self._running.done()

    def load(
        self,
        image_size: tuple[int, int] | None = None,
        *,
        candidate: bool = False,
        build: bool = False,
    ) -> DepthEstimator:
        """
        Load the network that is in use now: that of the store, else the shipped or given one.

        Parameters
        ----------
        image_size : tuple of int, optional
            (height, width) of the images [px], whose aspect ratio the input takes.
        candidate : bool
            Prefer the version of the store that waits to be tried.
        build : bool
            Build a missing TensorRT plan and wait for it, instead of taking another backend.

        Raises
        ------
        MonoDepthError
            With what is wrong with the model, the backend or the store.

        """
        config = self.config
        self.missing, self._candidate = None, candidate
        store = StoreReader(Path(config.store) if config.store else None)
        model = resolve_model(config.model, store, candidate=candidate)
        if model.warning:
            logger.warning(model.warning)
        size = self._fixed_size
        if size is None and image_size is not None:
            size = input_size_for(model.manifest, image_size[1], image_size[0])
        engine = load_engine(
            model.path,
            config.backend,
            input_size=size,
            precision=config.precision,
            threads=config.threads,
            engines_path=store.engines_path,
            on_missing_plan=partial(self._on_missing_plan, build),
        )
        # The version is that of the store, which the file itself cannot know.
        engine.manifest = replace(engine.manifest, version=model.version)
        try:
            return DepthEstimator(engine, config, OutputConfig())
        except MonoDepthError:
            engine.close()
            raise

    def _on_missing_plan(self, build: bool, missing: PlanMissingError) -> bool:
        """Build the plan now, or remember it; say whether it is there now."""
        if build:
            self.plans.build(missing)
        else:
            self.missing = missing
        return build

    def build_missing_plan(self, on_done: Callable[[str], None]) -> bool:
        """Build what the engine loaded last stands in for; see `PlanBuilder.start`."""
        return self.missing is not None and self.plans.start(self.missing, on_done)

    def load_in_background(
        self,
        image_size: tuple[int, int] | None,
        on_done: Callable[[Future[DepthEstimator]], None],
        *,
        candidate: bool | None = None,
        build: bool = False,
    ) -> bool:
        """
        Start loading; ``on_done`` is called in the background thread with the outcome.

        ``candidate`` None means as the last time.

        Returns
        -------
        bool
            False, and nothing started, if an engine is being loaded already.

        """
        if self.busy:
            return False
        candidate = self._candidate if candidate is None else candidate
        self._running = self._thread.submit(
            self.load, image_size, candidate=candidate, build=build
        )
        self._running.add_done_callback(on_done)
        return True

    def size_fits(self, estimator: DepthEstimator, image_size: tuple[int, int]) -> bool:
        """Say whether the input size of this engine is the one for images of this size."""
        manifest = estimator.engine.manifest
        wanted = self._fixed_size or input_size_for(manifest, image_size[1], image_size[0])
        return estimator.engine.input_size == wanted

    def close(self) -> None:
        """End the background thread; an engine still being loaded is closed when it is done."""
        self.plans.close()
        if self._running is not None:
            self._running.cancel()
            self._running.add_done_callback(_close_result)
        self._thread.shutdown(wait=False)


def _close_result(future: Future[DepthEstimator]) -> None:
    """Close an engine nobody waits for any more."""
    if not future.cancelled() and future.exception() is None:
        future.result().engine.close()
