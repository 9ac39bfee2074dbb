# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The engine that a node runs: swapped between two images, watched, and swapped back."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future as LoadFuture
from functools import partial
import time

from mono_depth_ros.camera import PinholeCamera
from mono_depth_ros.config import EngineConfig
from mono_depth_ros.engine.base import Engine
from mono_depth_ros.errors import EngineError, ImageError, MonoDepthError
from mono_depth_ros.health import accepted_shift, HealthWatch, look_at
from mono_depth_ros.nodes.engine_loader import EngineLoader, Loaded
from mono_depth_ros.nodes.hand_over import BUSY
from mono_depth_ros.nodes.qos import LATCHED
from mono_depth_ros.pipeline import DepthEstimator
import numpy as np
from numpy.typing import NDArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.lifecycle import LifecycleNode
from rclpy.task import Future
from std_msgs.msg import String
from std_srvs.srv import Trigger


class EngineSlot:
    """
    Holds the estimator in use; the service ``~/reload_engine`` and the topic ``~/version``.

    Engines are loaded in the background. Everything else, the swap too, happens in the thread
    that answers images, so a swap lies between two images and needs no lock.

    Parameters
    ----------
    node : LifecycleNode
        The node that answers images.
    config : EngineConfig
        Which network, where.
    watch_s : float
        How long a new network is watched [s]; 0 trusts at once.
    image_size : callable
        (height, width) of the images, None if there was none yet.

    Attributes
    ----------
    taken_back : str
        Which version failed here last, and why; empty if none did.

    Raises
    ------
    MonoDepthError
        If no engine can be loaded.

    """

    def __init__(
        self,
        node: LifecycleNode,
        config: EngineConfig,
        watch_s: float,
        image_size: Callable[[], tuple[int, int] | None],
    ) -> None:
        self._node, self._image_size, self._watch_s = node, image_size, watch_s
        self._logger = node.get_logger()
        self._loader = EngineLoader(config)
        self._refused_size: tuple[int, int] | None = None
        # Size of the images that wait for an engine of theirs.
        self._awaited_size: tuple[int, int] | None = None
        self._plan_waits = False
        self._trusted: Loaded | None = None
        self._watch: HealthWatch | None = None
        self._took = 0.0
        self._closed = False
        self.taken_back = ''
        try:
            self._loaded = self._loader.load()
        except BaseException:
            self._loader.close()
            raise
        self._version = node.create_publisher(String, '~/version', LATCHED)
        self._service = node.create_service(
            Trigger,
            '~/reload_engine',
            self._on_reload,
            # Its own group: loading takes seconds and images must keep flowing meanwhile.
            callback_group=MutuallyExclusiveCallbackGroup(),
        )
        self._tell_loaded()

    @property
    def estimator(self) -> DepthEstimator:
        """The one in use."""
        return self._loaded.estimator

    # Images.

    def infer(self, rgb: NDArray[np.uint8], camera: PinholeCamera) -> NDArray[np.float32]:
        """
        Estimate depth with the engine in use; see `DepthEstimator.infer`.

        Raises
        ------
        ImageError
            Also while images wait for the engine of their size.

        """
        rows, columns = rgb.shape[:2]
        if not self.expect((rows, columns)):
            raise ImageError(f'loading the engine for images of {columns}x{rows} px')
        started = time.perf_counter()
        try:
            depth = self.estimator.infer(rgb, camera)
        except (EngineError, ImageError) as error:
            if self._watch is not None:
                self._compare(rgb, camera, None, str(error))
            raise
        self._took = time.perf_counter() - started
        return depth

    def expect(self, size: tuple[int, int]) -> bool:
        """
        Load the engine for images of (height, width) pixels, or build the plan that it lacks.

        Returns
        -------
        bool
            False while they wait for that engine. They do not wait for another one, which may
            take minutes to build: until that is loaded, an input that stretches them is better
            than no depth.

        """
        if self._loader.size_fits(self.estimator, size) or size == self._refused_size:
            if self._plan_waits:
                self._build_missing_plan()
            return True
        if self._awaited_size is None:
            # Every image waits for this engine: there is none to give way to.
            on_done = partial(self._swap_soon, size, None)
            if self._loader.load_again(self._loaded, size, on_done, beside=False):
                self._awaited_size = size
        return self._awaited_size != size

    def answered(
        self, rgb: NDArray[np.uint8], camera: PinholeCamera, depth: NDArray[np.float32]
    ) -> None:
        """Watch the engine; called once its depth is on its way, so that nobody waits for it."""
        if self._watch is not None:
            self._compare(rgb, camera, depth, '')

    def _compare(
        self,
        rgb: NDArray[np.uint8],
        camera: PinholeCamera,
        depth: NDArray[np.float32] | None,
        failure: str,
    ) -> None:
        """Ask the network before about the same image now and then, and draw conclusions."""
        watch, started = self._watch, time.perf_counter()
        if watch.due(started, failed=depth is None):
            try:
                before = look_at(self._trusted.estimator.infer(rgb, camera))
            except MonoDepthError:
                before = None
            took = time.perf_counter() - started
            look = failure if depth is None else look_at(depth)
            watch.compare(started, look, before, self._took, took)
        if watch.alarm:
            self._take_back(watch.alarm)
        elif watch.left_s == 0:
            self._trust()

    # Swaps.

    def _swap_soon(
        self, size: tuple[int, int] | None, answer: Future | None, loaded: LoadFuture
    ) -> None:
        """Hand an engine from the loader thread to the thread that answers images."""
        if self._node.executor is not None:
            self._node.executor.create_task(self._swap, size, answer, loaded)

    def _swap(
        self, size: tuple[int, int] | None, answer: Future | None, loaded: LoadFuture
    ) -> None:
        """Use the engine that was loaded, between two images; keep the old one if it failed."""
        if self._closed:
            # The service is gone, and who asked sees that: an answer has no way back.
            return
        if size is not None:
            self._awaited_size = None
        error = loaded.exception()
        if error is None:
            self._use(loaded.result())
        else:
            self._refused_size = size
            self._logger.error(f'the engine in use stays: {error}')
        if answer is not None:
            answer.set_result(error)
            self._node.executor.wake()

    def _use(self, loaded: Loaded) -> None:
        """Make this the one in use; keep the one before as long as this one is watched."""
        previous, self._loaded = self._loaded, loaded
        self._refused_size = None
        if self._trusted is not None:
            # What has not proved itself is no way back.
            self._loader.dispose(previous.estimator)
            previous = self._trusted
        self._trusted = previous
        if self._watch_s > 0 and is_new(loaded.estimator, previous.estimator):
            made = loaded.estimator.model.made
            self._watch = HealthWatch(self._watch_s, accepted_shift(made))
        else:
            self._trust()
        self._tell_loaded()

    def _trust(self) -> None:
        """End the watch; the network before is not needed any more."""
        self._watch = None
        if self._trusted is not None:
            self._loader.dispose(self._trusted.estimator)
            self._trusted = None

    def _take_back(self, reason: str) -> None:
        """Go back to the network before, at once, and never load this one again."""
        failed, self._loaded = self.estimator, self._trusted
        self._watch = self._trusted = None
        self._loader.dispose(failed)
        version = failed.model.version
        withdrawn = failed.model.origin == 'store' and version != self.estimator.model.version
        # What it was loaded for: another attempt for this size would end here again, unless it is
        # never loaded again. Then the one before may lack the engine of this size, or its plan.
        self._refused_size = None if withdrawn else self._image_size()
        self._plan_waits = withdrawn
        self.taken_back = f'{version}: {reason}'
        self._logger.error(
            f'version {version} is taken back, {reason}. '
            f'Using {describe_engine(self.estimator.engine)} again'
        )
        self._tell()
        if withdrawn:
            self._loader.withdraw(version, reason, self._on_withdrawn)

    def _on_withdrawn(self, problem: str) -> None:
        if problem:
            self._logger.warning(f'only this node knows that, until it ends: {problem}')

    def _tell_loaded(self) -> None:
        """Say which engine is in use, which should be, and build the plan it stands in for."""
        for version, reason in self._loaded.passed_over.items():
            self.taken_back = f'{version}: {reason}'
            self._logger.error(f'version {version} cannot run, the one before it does: {reason}')
        self._tell()
        self._build_missing_plan()

    def _tell(self) -> None:
        """Say which engine is in use, in the log and on the topic."""
        self._version.publish(String(data=self.estimator.engine.manifest.version))
        self._logger.info(f'using {describe_engine(self.estimator.engine)}')

    # Plans.

    def _build_missing_plan(self) -> None:
        """Build the TensorRT plan that the engine in use stands in for, once its size is known."""
        missing, plans = self._loaded.missing, self._loader.plans
        self._plan_waits = False
        if missing is None:
            return
        if not self._loader.size_is_known(self.engine.manifest, self._image_size()):
            self._plan_waits = True
            self._logger.info(f'{missing}. The camera says for which size one is built')
        elif plans.start(missing, self._plan_soon):
            self._logger.info(f'{missing}. Building it now, images are answered meanwhile')
        elif not plans.progress:
            self._logger.warning(str(missing))

    def _plan_soon(self, problem: str) -> None:
        """Hand the outcome of a build to the thread that answers images."""
        if self._node.executor is not None:
            self._node.executor.create_task(self._on_plan, problem)

    def _on_plan(self, problem: str) -> None:
        """Load the plan that was built, or say why there is none."""
        if self._closed:
            return
        if problem:
            self._logger.warning(f'the engine in use stays: {problem}')
        else:
            on_done = partial(self._swap_soon, None, None)
            self._loader.load_again(self._loaded, self._image_size(), on_done, beside=True)

    # The service, and what diagnostics show.

    async def _on_reload(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        """Look at the store and load what is to run; images keep flowing meanwhile."""
        answer = Future(executor=self._node.executor)
        # From TensorRT to a slower backend and back would be two swaps for the worse.
        build = self.estimator.engine.backend == 'tensorrt'
        on_done = partial(self._swap_soon, None, answer)
        if self._loader.reload(self._image_size(), on_done, build=build):
            error = await answer
            response.success = error is None
            response.message = str(error or describe_engine(self.estimator.engine))
        else:
            response.message = BUSY
        return response

    @property
    def engine(self) -> Engine:
        """The engine in use."""
        return self.estimator.engine

    @property
    def building(self) -> str:
        """Progress of a TensorRT build, empty if there is none."""
        return self._loader.plans.progress

    @property
    def watched(self) -> str:
        """Say how the watch stands; empty if there is none."""
        if self._watch is None:
            return ''
        return (
            f'{self._watch.left_s:.0f} s to go, {self._watch.compared} images compared with '
            f'{self._trusted.estimator.model.version}'
        )

    def close(self) -> None:
        """Free the engines, the service and the publisher."""
        self._closed = True
        self._node.destroy_service(self._service)
        self._node.destroy_publisher(self._version)
        for loaded in (self._loaded, self._trusted):
            if loaded is not None:
                loaded.estimator.engine.close()
        self._watch = self._trusted = None
        self._loader.close()


def is_new(estimator: DepthEstimator, previous: DepthEstimator) -> bool:
    """
    Say whether a network has still to prove itself.

    That is a version that the robot made after the one before, and the same network on another
    backend. What a person goes back to is not questioned.
    """
    new, old = estimator.model, previous.model
    if (new.origin, new.version) == (old.origin, old.version):
        engines = (estimator.engine, previous.engine)
        runs = [(engine.backend, engine.precision) for engine in engines]
        return runs[0] != runs[1]
    return new.number > old.number


def describe_engine(engine: Engine) -> str:
    """Name an engine in one line for log and service answers."""
    height, width = engine.input_size
    return (
        f'{engine.manifest.name} {engine.manifest.version} on {engine.backend} '
        f'({engine.device}, {engine.precision}) at {height}x{width}'
    )
