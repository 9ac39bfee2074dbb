# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The loop of adaptation: collect, adapt, hand over, watch, and go back; one step of it a tick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mono_depth_ros.adaptation.config import AdapterConfig, BufferConfig, CycleConfig, GateConfig
from mono_depth_ros.adaptation.frame_buffer import FrameBuffer
from mono_depth_ros.adaptation.outcome import (
    ADDED,
    CycleJob,
    Outcome,
    PROMOTED,
    REJECTED,
    SKIPPED,
)
from mono_depth_ros.adaptation.schedule import Schedule, ScheduleConfig
from mono_depth_ros.config import AdaptationNodeConfig, EngineConfig
from mono_depth_ros.errors import StoreError
from mono_depth_ros.nodes.collector import Collector
from mono_depth_ros.nodes.cycle_runner import CycleRunner
from mono_depth_ros.nodes.hand_over import HandOver, Reply
from mono_depth_ros.nodes.network_in_use import NetworkInUse, ROLLED_BACK

CYCLE_FRAMES = 'cycle_frames'
# A depth node that runs another network for so many ticks is asked to look again.
LAG_TICKS = 10
# It is asked after so many ticks again to try a version that waits, after twice as many each time.
RETRY_TICKS, MAX_RETRY_TICKS = 20, 1200
# How far the schedule is is written to the store after so many ticks, if it changed.
KEEP_TICKS = 120
# What the images are compared with stands there under this name.
COMPARED = 'compared_with'


@dataclass(frozen=True)
class Settings:
    """All settings of the adaptation node."""

    node: AdaptationNodeConfig
    engine: EngineConfig
    schedule: ScheduleConfig
    buffer: BufferConfig
    adapter: AdapterConfig
    gate: GateConfig
    cycle: CycleConfig


class AdaptationLoop:
    """
    Runs cycles when they are due, and brings their results to the depth node.

    Everything happens in the thread that calls, and nothing takes long.

    Parameters
    ----------
    settings : Settings
        What to do.
    in_use : NetworkInUse
        The store.
    buffer : FrameBuffer
        Images collected.
    collector : Collector
        Who collects them.
    hand_over : HandOver
        Way to the depth node.
    logger : object
        Of the node.

    Attributes
    ----------
    outcome : Outcome or None
        How the last cycle ended.
    problem : str
        What is wrong with the store, empty if nothing is.
    paused : bool
        Neither images nor cycles go on.

    """

    def __init__(
        self,
        settings: Settings,
        in_use: NetworkInUse,
        buffer: FrameBuffer,
        collector: Collector,
        hand_over: HandOver,
        logger: Any,
    ) -> None:
        self.settings, self.in_use, self.buffer = settings, in_use, buffer
        self.collector, self.hand_over, self._logger = collector, hand_over, logger
        self.schedule = Schedule(settings.schedule)
        self._kept = in_use.store.schedule()
        self.schedule.restore(self._kept, len(buffer))
        collector.statistics.restore(self._kept.get(COMPARED))
        self.runner = CycleRunner()
        self.outcome: Outcome | None = None
        self.problem = ''
        self.paused = False
        # The version in the store that the depth node has still to try.
        self._waiting: Outcome | None = None
        self._retry_ticks = self._ticks_left = 0
        self._ticks = 0
        self._lag: tuple[str, str] | None = None
        self._lag_ticks = 0

    @property
    def state(self) -> str:
        """What is going on, in a few words."""
        if self.hand_over.active:
            return 'handing over' if self.hand_over.version else 'reloading'
        state = 'adapting' if self.runner.active else 'collecting'
        return f'paused while {state}' if self.paused else state

    @property
    def candidate(self) -> str:
        """Version that the depth node has still to try; empty if there is none."""
        return self._waiting.version if self._waiting is not None else ''

    def resume_hand_over(self) -> None:
        """Hand over the version that was left waiting by a node that ended, if it is of ours."""
        try:
            waiting = self.in_use.waiting()
        except StoreError as error:
            self.problem = str(error)
            return
        if waiting is not None:
            outcome = Outcome(ADDED, 'it passed the gate before a restart', '', waiting.name)
            self._on_outcome(outcome)

    def tick(self) -> None:
        """Do what there is to do now."""
        try:
            self._watch_store()
        except StoreError as error:
            self.problem = str(error)
        self.schedule.kept(self.collector.new_frames())
        self._mark_first()
        self._ticks += 1
        if self._ticks % KEEP_TICKS == 0:
            self._keep_schedule()
        if self.hand_over.active:
            self.poll_hand_over()
        elif self.runner.active:
            outcome = self.runner.poll()
            if outcome is not None:
                self._on_outcome(outcome)
        elif self._waiting is not None and self._may_try_again():
            self._ask_again(self._waiting.version)
        elif self._depth_node_lags():
            self._ask_again()
        elif not self.refusal():
            reason = self.schedule.due(self.collector.statistics.drift()[0])
            if reason:
                self.begin(reason)

    def poll_hand_over(self) -> None:
        """Hear what the depth node answers; all that an inactive node has to do."""
        reply = self.hand_over.poll()
        if reply is not None:
            self._on_reply(reply)

    def refusal(self) -> str:
        """Say why no cycle can begin now; empty if one can."""
        if self.runner.active:
            return f'a cycle is running: {describe_progress(self.runner.progress)}'
        if self.hand_over.active:
            return 'the depth node is loading a network'
        if self.paused:
            return 'adaptation is paused: call ~/enable with true'
        if self.settings.adapter.mode == 'none':
            return 'mode none changes nothing'
        held, wanted = len(self.buffer), self.settings.cycle.min_frames
        return f'{held} images collected, {wanted} are needed' if held < wanted else ''

    def begin(self, reason: str) -> None:
        """Begin a cycle with the images collected so far."""
        settings, frames = self.settings, self.buffer.snapshot()
        # Another seed each time: the same one would be rejected again.
        seed = (settings.adapter.seed + self.schedule.cycles) % 2**31
        adapter = replace(settings.adapter, seed=seed)
        job = CycleJob(
            frames=str(self.in_use.store.root / CYCLE_FRAMES),
            store=str(self.in_use.store.root),
            model=settings.engine.model,
            backend=settings.engine.backend,
            claimed=True,
            rate_factor=self.schedule.rate_factor,
            adapter=adapter,
            gate=settings.gate,
            cycle=settings.cycle,
        )
        self.schedule.begin()
        self.collector.statistics.mark(frame.rgb for frame in frames)
        self._keep_schedule()
        self.runner.start(job, frames)
        self._logger.info(f'a cycle begins with {len(frames)} images: {reason}')

    def pause(self, paused: bool) -> None:
        """Stop collecting and the cycle that is running, or let both go on."""
        self.paused = self.collector.paused = paused
        self.runner.pause(paused)

    def roll_back(self, reason: str) -> str:
        """
        Go back to the network in use before; return its name, empty if it is the shipped one.

        It says nothing about the cycles that follow, so it is no rejection.

        Raises
        ------
        StoreError
            If the shipped network is in use, a version is being tried, or the store is broken.

        """
        if self.hand_over.active and self.hand_over.version:
            raise StoreError(
                f'the depth node is trying version {self.hand_over.version}: try again when it is '
                'done'
            )
        version = self.in_use.roll_back(reason)
        self._waiting = None
        self._cancel_cycle('the network it started from was rolled back')
        self.hand_over.begin()
        return version.name if version is not None else ''

    def stop(self, reason: str) -> None:
        """End the cycle that is running, and wait for nothing."""
        self.outcome = self.runner.cancel(reason) or self.outcome
        self.hand_over.cancel()
        self._waiting = None  # it waits in the store
        if self.schedule.running:
            self.schedule.cancel()
        self._keep_schedule()

    def _mark_first(self) -> None:
        """Measure drift from where the robot began, until a cycle is made from other images."""
        statistics = self.collector.statistics
        if not statistics.marked and len(self.buffer) >= self.settings.cycle.min_frames:
            statistics.mark(frame.rgb for frame in self.buffer.snapshot())

    def _may_try_again(self) -> bool:
        """Say whether it is time to ask the depth node again to try the version that waits."""
        self._ticks_left -= 1
        return self._ticks_left <= 0 and self.hand_over.ready

    def _ask_again(self, version: str = '') -> None:
        """Ask the depth node to look; where it runs what waits, only the store has to follow."""
        runs, waiting = self.hand_over.running, self._waiting
        if waiting is not None and runs == waiting.version and self.in_use.may_follow(runs):
            self._settle(waiting, runs=True, said=f'the depth node runs {runs}')
        else:
            self.hand_over.begin(version)

    def _depth_node_lags(self) -> bool:
        """Say, once, that the depth node has run another network than the store for a while."""
        lag = (self.hand_over.running, self.in_use.version)
        if lag[0] in ('', lag[1]):
            self._lag, self._lag_ticks = None, 0
        elif lag != self._lag:
            self._lag, self._lag_ticks = lag, 0
        else:
            self._lag_ticks += 1
        return self._lag_ticks == LAG_TICKS

    def _watch_store(self) -> None:
        """Notice that somebody else has changed the network in use."""
        changed = self.in_use.changed()
        self.problem = ''
        if changed is None:
            return
        before, bad = changed
        self._cancel_cycle('the network in use changed')
        if not bad:
            self._logger.info(f'the network in use is now {self.in_use.version}')
            return
        last = self.outcome if self.outcome and self.outcome.version == before else None
        verdict = last.verdict if last else {}
        self.schedule.take_back()
        self._finish(Outcome(ROLLED_BACK, bad, 'watch', before, verdict))

    def _cancel_cycle(self, reason: str) -> None:
        if self.runner.cancel(reason) is not None:
            self._tell(Outcome(SKIPPED, reason))
            self.schedule.cancel()

    def _on_outcome(self, outcome: Outcome) -> None:
        if outcome.state != ADDED:
            self._finish(outcome)
            return
        self.schedule.end(ADDED)
        self._waiting = self.outcome = outcome
        self._retry_ticks = 0
        self._logger.info(f'handing version {outcome.version} to {self.hand_over.service}')
        self.hand_over.begin(outcome.version)

    def _on_reply(self, reply: Reply) -> None:
        if self._waiting is None:
            said = 'the depth node has reloaded' if reply.accepted else 'no reload'
            self._logger.info(f'{said}: {reply.message}')
            return
        self._settle(self._waiting, runs=reply.runs(self._waiting.version), said=str(reply))

    def _settle(self, waiting: Outcome, *, runs: bool, said: str) -> None:
        outcome = self.in_use.settle(waiting, runs=runs, said=said)
        if outcome.state == ADDED:
            self._go_on_waiting(outcome)
        else:
            self._waiting = None
            self._finish(outcome)

    def _go_on_waiting(self, outcome: Outcome) -> None:
        """Let a version wait that could not be tried; cycles go on, a newer one replaces it."""
        self.outcome = outcome
        self._logger.warning(f'version {outcome.version}: {outcome.reason}')
        if self.schedule.running:
            self.schedule.end(SKIPPED)
        self._retry_ticks = min(2 * self._retry_ticks, MAX_RETRY_TICKS) or RETRY_TICKS
        self._ticks_left = self._retry_ticks

    def _finish(self, outcome: Outcome) -> None:
        self._tell(outcome)
        self._count(REJECTED if outcome.state == ROLLED_BACK else outcome.state)
        self._keep_schedule()

    def _tell(self, outcome: Outcome) -> None:
        self.outcome = outcome
        version = f' {outcome.version}' if outcome.version else ''
        line = f'cycle {outcome.state}{version}: {outcome.reason}'
        # Two calls: rclpy wants one severity at one place.
        if outcome.state in (PROMOTED, SKIPPED):
            self._logger.info(line)
        else:
            self._logger.warning(line)

    def _keep_schedule(self) -> None:
        """Let a restart go on where this process is."""
        state = {**self.schedule.state(), COMPARED: self.collector.statistics.state()}
        if state == self._kept:
            return
        try:
            self.in_use.store.keep_schedule(state)
            self._kept = state
        except StoreError as error:
            self._logger.warning(f'a restart will not know when the next cycle is due: {error}')

    def _count(self, state: str) -> None:
        """Tell the schedule; go back to the shipped network when it says so."""
        if not self.schedule.end(state):
            return
        reason = f'given up after {self.settings.schedule.reset_after} rejected cycles in a row'
        try:
            self._waiting = None
            if self.in_use.reset():
                self._logger.warning(f'back to the shipped network: {reason}')
                self.hand_over.begin()
        except StoreError as error:
            self._logger.error(f'no way back to the shipped network: {error}')


def describe_progress(progress: Mapping[str, Any]) -> str:
    """Say in words how far a cycle is."""
    stage = str(progress.get('stage', ''))
    if 'step' not in progress:
        return stage
    return (
        f'{stage}, step {progress["step"]} of {progress["steps"]}, {progress["eta_s"]:.0f} s left'
    )
