# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Load engines beside the running one.

Loading takes from a fraction of a second to minutes (a TensorRT build), and images must keep
flowing meanwhile: one background thread loads, the node swaps between two frames.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
import threading

from mono_depth_ros.config import EngineConfig
from mono_depth_ros.engine.beside import beside_images
from mono_depth_ros.engine.store import VersionStore
from mono_depth_ros.engine.store_reader import StoreReader
from mono_depth_ros.errors import (
    EngineError,
    ModelError,
    MonoDepthError,
    PlanMissingError,
    StoreError,
)
from mono_depth_ros.loading import load_estimator
from mono_depth_ros.manifest import Manifest
from mono_depth_ros.model.registry import resolve_model, ResolvedModel
from mono_depth_ros.nodes.plan_builder import PlanBuilder
from mono_depth_ros.pipeline import DepthEstimator
from mono_depth_ros.preprocessing import input_size_for, parse_input_size


@dataclass(frozen=True)
class Loaded:
    """
    An estimator, and how it came to be that one.

    Attributes
    ----------
    estimator : DepthEstimator
        Ready to run; its engine is the caller's to close.
    candidate : bool
        The version that waits to be tried was to go first.
    missing : PlanMissingError or None
        The TensorRT plan that its engine stands in for.
    passed_over : mapping
        Versions that should have run instead, and why they could not.

    """

    estimator: DepthEstimator
    candidate: bool
    missing: PlanMissingError | None = None
    passed_over: Mapping[str, str] = field(default_factory=dict)


class EngineLoader:
    """
    Makes estimators from the settings of a node, one at a time.

    Parameters
    ----------
    config : EngineConfig
        Which network, where.

    Attributes
    ----------
    plans : PlanBuilder
        Builds the plans that are missing.

    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self._fixed_size = parse_input_size(config.input_size)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix='engine_loader')
        self._running: Future[Loaded] | None = None
        self._closed = threading.Event()
        self._refused: dict[str, str] = {}
        self.plans = PlanBuilder()

    @property
    def busy(self) -> bool:
        """Say whether an engine is being loaded in the background."""
        return self._running is not None and not self._running.done()

    def load(
        self, image_size: tuple[int, int] | None = None, *, candidate: bool = False
    ) -> Loaded:
        """
        Load the network that is in use now, or the candidate, for images of (height, width).

        Where a version of the store cannot run, the one before it does, at last the shipped one.

        Raises
        ------
        MonoDepthError
            With what is wrong with the model, the backend or the store.

        """
        passed_over: dict[str, str] = {}
        while True:
            store = self._store(passed_over)
            model = resolve_model(self.config.model, store, candidate=candidate)
            try:
                loaded = self._load(model, image_size, candidate=candidate)
            except (EngineError, ModelError) as error:
                if model.origin != 'store':
                    raise
                passed_over[model.version] = str(error)
            else:
                return replace(loaded, passed_over=passed_over)

    def _load(
        self,
        model: ResolvedModel,
        image_size: tuple[int, int] | None,
        *,
        candidate: bool,
        build: bool = False,
    ) -> Loaded:
        """Load one network; build its plan first, or say that it is missing."""
        missing: list[PlanMissingError] = []

        def on_missing_plan(error: PlanMissingError) -> bool:
            if not build:
                missing.append(error)
            elif self.size_is_known(model.manifest, image_size):
                self.plans.build(error)
            else:
                raise MonoDepthError(
                    'nothing has come from the camera yet, so nobody knows for which size to '
                    f'build the TensorRT plan of {model.manifest.name} {model.version}: try again '
                    'when it runs'
                )
            return build

        try:
            estimator = load_estimator(
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
        return Loaded(estimator, candidate, missing[-1] if missing else None)

    def _store(self, passed_over: Mapping[str, str] | None = None) -> StoreReader:
        # A copy: what is refused may change while another thread reads it.
        return StoreReader(self.config.store, refused={**self._refused, **(passed_over or {})})

    def load_again(
        self,
        before: Loaded,
        image_size: tuple[int, int] | None,
        on_done: Callable[[Future[Loaded]], None],
        *,
        beside: bool,
    ) -> bool:
        """
        Start loading what was loaded before, for images of another size or with a plan.

        ``on_done`` is called in the background thread with the outcome. ``beside`` says that
        images are answered meanwhile, and come first.

        Returns
        -------
        bool
            False, and nothing started, if an engine is being loaded already.

        """

        def load() -> Loaded:
            return self.load(image_size, candidate=before.candidate)

        return self._start(load, on_done, beside=beside)

    def reload(
        self,
        image_size: tuple[int, int] | None,
        on_done: Callable[[Future[Loaded]], None],
        *,
        build: bool,
    ) -> bool:
        """
        Start loading the version of the store that waits to be tried, else the one in use.

        A candidate that is damaged is an error, not a reason to load something else. A network
        that is no good is marked bad in the store before the outcome is told; whatever else keeps
        it from being loaded (no memory, no plan) may be over the next time. ``build`` builds a
        missing TensorRT plan first, instead of taking another backend; where nobody knows its
        size yet, that is an error. Otherwise as `load_again`.
        """

        def load() -> Loaded:
            store = self._store()
            damaged = store.damaged_candidate()
            if damaged:
                self._condemn(store.waiting_name() or '', damaged)
                raise StoreError(damaged)
            model = resolve_model(self.config.model, store, candidate=True)
            return self._load(model, image_size, candidate=True, build=build)

        return self._start(load, on_done, beside=True)

    def _start(
        self,
        load: Callable[[], Loaded],
        on_done: Callable[[Future[Loaded]], None],
        *,
        beside: bool,
    ) -> bool:
        if self.busy:
            return False

        def run() -> Loaded:
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
            VersionStore(self.config.store).withdraw(version, reason)
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

    def size_is_known(self, manifest: Manifest, image_size: tuple[int, int] | None) -> bool:
        """Say whether the input size is settled: by the settings, the network or an image."""
        return bool(self._fixed_size or image_size) or not manifest.dynamic

    def close(self) -> None:
        """End the background thread, and what is loaded there as soon as it can be ended."""
        self._closed.set()
        self.plans.close()
        if self._running is not None:
            self._running.cancel()
            self._running.add_done_callback(_close_result)
        self._thread.shutdown(wait=False)


def _close_result(future: Future[Loaded]) -> None:
    """Close an engine nobody waits for any more."""
    if not future.cancelled() and future.exception() is None:
        future.result().estimator.engine.close()
