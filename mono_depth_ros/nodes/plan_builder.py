# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Build missing TensorRT plans beside a running node, in a process of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
import logging
from pathlib import Path
import threading

from mono_depth_ros.config import EngineConfig
from mono_depth_ros.engine.plan_build import PlanBuild
from mono_depth_ros.engine.store_reader import StoreReader
from mono_depth_ros.errors import MonoDepthError, PlanMissingError
from mono_depth_ros.loading import load_estimator

logger = logging.getLogger(__name__)

# A plan that is built and still does not load is not built for ever.
TRIES = 2


class PlanBuilder:
    """
    Builds one plan at a time.

    Attributes
    ----------
    progress : str
        What is being built and how far it is, for diagnostics; empty if nothing is.

    """

    def __init__(self) -> None:
        self.progress = ''
        self._tries: dict[str, int] = {}
        self._build: PlanBuild | None = None
        self._lock = threading.Lock()
        self._closed = False

    def start(self, missing: PlanMissingError, on_done: Callable[[str], None]) -> bool:
        """
        Build in the background; ``on_done`` gets what went wrong, empty if nothing did.

        Returns
        -------
        bool
            False, and nothing started, if it was tried before, or another one is being built.

        """
        with self._lock:
            tries = self._tries.get(missing.key, 0)
            if self._closed or self._build or tries >= TRIES:
                return False
            self._begin(missing)

        def run() -> None:
            on_done(self._run(missing))

        threading.Thread(target=run, name='plan_builder', daemon=True).start()
        return True

    def build(self, missing: PlanMissingError) -> None:
        """
        Build, and return when it is done.

        Raises
        ------
        MonoDepthError
            If the build fails, or another one is being built.

        """
        with self._lock:
            if self._build is not None:
                raise MonoDepthError(f'{self.progress}: try again when it is done')
            if self._closed:
                raise MonoDepthError(str(missing))
            self._begin(missing)
        problem = self._run(missing)
        if problem:
            raise MonoDepthError(problem)

    def close(self) -> None:
        """Stop building; what was started is cancelled, and not waited for."""
        with self._lock:
            self._closed = True
            if self._build is not None:
                self._build.cancel()

    def _begin(self, missing: PlanMissingError) -> None:
        self._tries[missing.key] = self._tries.get(missing.key, 0) + 1
        self._build = PlanBuild(
            Path(missing.model_path),
            missing.input_size,
            missing.precision,
            engines_path=Path(missing.engines_path),
        )
        self.progress = 'building the TensorRT plan'

    def _run(self, missing: PlanMissingError) -> str:
        """Run the build that was begun; return what went wrong."""
        assert self._build is not None
        try:
            plan = self._build.run(self._report)
            logger.info('TensorRT plan built in %.0f s: %s', plan.seconds, plan.path)
            return ''
        except (MonoDepthError, OSError) as error:
            return f'no TensorRT plan of {missing.model_path}: {error}'
        finally:
            with self._lock:
                self._build, self.progress = None, ''

    def _report(self, phase: str, fraction: float) -> None:
        self.progress = f'building the TensorRT plan: {phase}, {100 * fraction:.0f} %'


def build_only(config: EngineConfig, tell: Callable[[str], object]) -> None:
    """
    Build the TensorRT plan that these settings need, unless it is there; tell how it goes.

    Raises
    ------
    MonoDepthError
        If TensorRT is not installed, or the plan cannot be built or does not load.

    """
    builder = PlanBuilder()

    def build(missing: PlanMissingError) -> bool:
        tell(f'{missing}. Building it now')
        builder.build(missing)
        return True

    store = StoreReader(config.store)
    wanted = replace(config, backend='tensorrt')
    engine = load_estimator(wanted, store, on_missing_plan=build).engine
    engine.close()
    height, width = engine.input_size
    tell(
        f'the plan of {engine.manifest.name} {engine.manifest.version} for {engine.device} '
        f'({engine.precision}, {height}x{width}) is there'
    )
