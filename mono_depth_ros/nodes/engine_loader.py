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
from contextlib import nullcontext
from pathlib import Path
import threading

from mono_depth_ros.config import EngineConfig
from mono_depth_ros.engine.beside import beside_images
from mono_depth_ros.engine.store import VersionStore
from mono_depth_ros.engine.store_reader import StoreReader
from mono_depth_ros.errors import EngineError, ModelError, PlanMissingError, StoreError
from mono_depth_ros.loading import load_estimator
from mono_depth_ros.model.registry import resolve_model, ResolvedModel
from mono_depth_ros.nodes.plan_builder import PlanBuilder
from mono_depth_ros.pipeline import DepthEstimator
from mono_depth_ros.preprocessing import input_size_for, parse_input_size


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
    passed_over : dict
        Versions that should have run instead of the engine that `load` loaded last, and why
        they could not.
    plans : PlanBuilder
        Builds the plan.

    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self._fixed_size = parse_input_size(config.input_size)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix='engine_loader')
        self._running: Future[DepthEstimator] | None = None
        self._closed = threading.Event()
        self._candidate = False
        self._refused: dict[str, str] = {}
        self.missing: PlanMissingError | None = None
        self.passed_over: dict[str, str] = {}
        self.plans = PlanBuilder()

    @property
    def busy(self) -> bool:
        """Say whether an engine is being loaded in the background."""
        return self._running is not None and not self._running.done()

    @property
    def _store_path(self) -> Path | None:
        return Path(self.config.store) if self.config.store else None

    def load(
        self, image_size: tuple[int, int] | None = None, *, candidate: bool = False
    ) -> DepthEstimator:
        """
        Load the network that is in use now, or the candidate, for images of (height, width).

        Where a version of the store cannot run, the one before it does, at last the shipped one.

        Raises
        ------
        MonoDepthError
            With what is wrong with the model, the backend or the store.

        """
        self.passed_over = {}
        self._candidate = candidate
        while True:
            model = resolve_model(self.config.model, self._store(), candidate=candidate)
            try:
                return self._load(model, image_size, self._remember_missing_plan)
            except (EngineError, ModelError) as error:
                if model.origin != 'store':
                    raise
                self.passed_over[model.version] = str(error)

    def _load(
        self,
        model: ResolvedModel,
        image_size: tuple[int, int] | None,
        on_missing_plan: Callable[[PlanMissingError], bool],
    ) -> DepthEstimator:
        self.missing = None
        try:
            return load_estimator(
                self.config,
                self._store(),
                image_size,
                model=model,
                on_missing_plan=on_missing_plan,
            )
        except ModelError as error:
            if model.origin == 'store':
                self._condemn(model.version, f'it was refused: {error}')
            raise

    def _store(self) -> StoreReader:
        # A copy: what is refused may change while another thread reads it.
        return StoreReader(self._store_path, refused=self._refused | self.passed_over)

    def _remember_missing_plan(self, missing: PlanMissingError) -> bool:
        """Go on without the plan, which `build_missing_plan` may build later."""
        self.missing = missing
        return False

    def _build_now(self, missing: PlanMissingError) -> bool:
        """Build the plan and wait for it, so that it is there."""
        self.plans.build(missing)
        return True

    def build_missing_plan(self, on_done: Callable[[str], None]) -> bool:
        """Build what the engine loaded last stands in for; see `PlanBuilder.start`."""
        return self.missing is not None and self.plans.start(self.missing, on_done)

    def load_again(
        self,
        image_size: tuple[int, int] | None,
        on_done: Callable[[Future[DepthEstimator]], None],
        *,
        beside: bool,
    ) -> bool:
        """
        Start loading what was loaded last, for images of another size or with a plan.

        ``on_done`` is called in the background thread with the outcome. ``beside`` says that
        images are answered meanwhile, and come first.

        Returns
        -------
        bool
            False, and nothing started, if an engine is being loaded already.

        """

        def load() -> DepthEstimator:
            return self.load(image_size, candidate=self._candidate)

        return self._start(load, on_done, beside=beside)

    def reload(
        self,
        image_size: tuple[int, int] | None,
        on_done: Callable[[Future[DepthEstimator]], None],
        *,
        build: bool,
    ) -> bool:
        """
        Start loading the version of the store that waits to be tried, else the one in use.

        A candidate that is damaged is an error, not a reason to load something else. A network
        that is no good is marked bad in the store before the outcome is told; whatever else keeps
        it from being loaded (no memory, no plan) may be over the next time. ``build`` builds a
        missing TensorRT plan first, instead of taking another backend. Otherwise as `load_again`.
        """
        on_missing_plan = self._build_now if build else self._remember_missing_plan

        def load() -> DepthEstimator:
            self.passed_over = {}
            store = self._store()
            damaged = store.damaged_candidate()
            if damaged:
                self._condemn(store.waiting_name() or '', damaged)
                raise StoreError(damaged)
            self._candidate = True
            model = resolve_model(self.config.model, store, candidate=True)
            return self._load(model, image_size, on_missing_plan)

        return self._start(load, on_done, beside=True)

    def _start(
        self,
        load: Callable[[], DepthEstimator],
        on_done: Callable[[Future[DepthEstimator]], None],
        *,
        beside: bool,
    ) -> bool:
        if self.busy:
            return False

        def run() -> DepthEstimator:
            with beside_images(self._closed) if beside else nullcontext():
                return load()

        self._running = self._thread.submit(run)
        self._running.add_done_callback(on_done)
        return True

    def withdraw(self, version: str, reason: str, on_done: Callable[[str], None]) -> None:
        """
        Never load a version again, and tell the store so.

        A store may wait for its disk, so a thread of its own writes. ``on_done`` gets, in that
        thread, what went wrong, empty if nothing did; it is still refused here then.
        """
        self._refused[version] = reason

        def write() -> None:
            on_done(self._condemn(version, reason))

        threading.Thread(target=write, name='withdraw').start()

    def _condemn(self, version: str, reason: str) -> str:
        """Mark a version bad in the store; return what went wrong: then it is refused here."""
        self._refused[version] = reason
        try:
            VersionStore(self._store_path).withdraw(version, reason)
        except StoreError as error:
            return str(error)
        # Now the store knows, and a person may take the mark away there.
        self._refused.pop(version, None)
        return ''

    def dispose(self, estimator: DepthEstimator) -> None:
        """Close an engine in the background: freeing its memory takes as long as an image."""
        self._thread.submit(estimator.engine.close)

    def size_fits(self, estimator: DepthEstimator, image_size: tuple[int, int]) -> bool:
        """Say whether the input size of this engine is the one for images of this size."""
        manifest = estimator.engine.manifest
        wanted = self._fixed_size or input_size_for(manifest, image_size[1], image_size[0])
        return estimator.engine.input_size == wanted

    def close(self) -> None:
        """End the background thread, and what is loaded there as soon as it can be ended."""
        self._closed.set()
        self.plans.close()
        if self._running is not None:
            self._running.cancel()
            self._running.add_done_callback(_close_result)
        self._thread.shutdown(wait=False)


def _close_result(future: Future[DepthEstimator]) -> None:
    """Close an engine nobody waits for any more."""
    if not future.cancelled() and future.exception() is None:
        future.result().engine.close()
