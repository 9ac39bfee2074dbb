# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
One cycle: from collected frames to a new version in the store, or the reason why not.

It runs in a child process (`python -m mono_depth_ros.adaptation.cycle`), takes its job from
standard input, and tells its progress in lines of JSON. Whatever kills it, the store is as it was
before or as it is after, since `VersionStore` writes nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
import contextlib
import ctypes
from dataclasses import dataclass, field, replace
import json
import os
from pathlib import Path
import resource
import shutil
import signal
import sys
import time
from typing import Any

from mono_depth_ros.adaptation.config import AdapterConfig
from mono_depth_ros.adaptation.engine_checks import compare_engines
from mono_depth_ros.adaptation.evidence import measured
from mono_depth_ros.adaptation.outcome import (
    ADDED,
    CycleJob,
    FAILED,
    Outcome,
    PROMOTED,
    REJECTED,
    SKIPPED,
)
from mono_depth_ros.adaptation.session import (
    adapt_and_judge,
    AdaptationRun,
    anchor_to_floor,
    choose_recipe,
    Report,
    split_frames,
)
from mono_depth_ros.adaptation.shipped import source_network, source_samples
from mono_depth_ros.adaptation.target_frame import read_frames, TargetFrame
from mono_depth_ros.adaptation.verdict import Verdict
from mono_depth_ros.engine.store import Version, VersionStore
from mono_depth_ros.errors import DatasetError, ModelError, MonoDepthError, StoreInUseError
from mono_depth_ros.model.checkpoint import load_network, MANIFEST, save_network, WEIGHTS
from mono_depth_ros.model.fastdepth import FastDepth
from mono_depth_ros.model.onnx_export import export_onnx
from mono_depth_ros.model.registry import MODEL, resolve_model, ResolvedModel
import torch

MIN_HELD_OUT = 4
WORK = 'work'
MAX_NICENESS = 19
_PR_SET_PDEATHSIG = 1  # prctl(2)


class _Skip(Exception):
    """There is nothing to do, for this reason."""


@dataclass
class Cycle:
    """
    The stages of one cycle, each a method; `run` goes through them.

    Parameters
    ----------
    job : CycleJob
        What to do.
    report : callable
        Told the stage, and every update of the training.

    """

    job: CycleJob
    report: Report
    stage: str = ''
    verdict: Verdict = field(default_factory=Verdict)
    details: dict[str, Any] = field(default_factory=dict)

    def run(self) -> Outcome:
        """
        Do it; never raises.

        A child that ends here by an exception would tell less than the outcome does.
        """
        started = time.monotonic()
        store = VersionStore(self.job.store)
        self.details = {'mode': self.job.adapter.mode, 'seed': self.job.adapter.seed}
        try:
            state, reason, version = self._run_claimed(store)
        except _Skip as skip:
            state, reason, version = SKIPPED, str(skip), ''
        except MonoDepthError as error:
            state, reason, version = FAILED, str(error), ''
        except Exception as error:
            state, reason, version = FAILED, _explain(error), ''
        self.details['seconds'] = round(time.monotonic() - started, 1)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.details['peak_memory_mb'] = round(peak / 1024)
        verdict = self.verdict.to_dict() if self.verdict.checks else {}
        return Outcome(state, reason, self.stage, version, verdict, self.details)

    def _run_claimed(self, store: VersionStore) -> tuple[str, str, str]:
        """Make a version while nobody else works on the store; return as `_make_version` does."""
        self._begin_stage('load')
        if self.job.adapter.mode == 'none':
            raise _Skip('mode none changes nothing')
        with contextlib.ExitStack() as stack:
            if not self.job.claimed:
                try:
                    stack.enter_context(store.claim('adaptation'))
                except StoreInUseError as error:
                    raise _Skip(str(error)) from error
            # From here on the folder is this cycle's own.
            stack.callback(shutil.rmtree, store.root / WORK, ignore_errors=True)
            return self._make_version(store)

    def _make_version(self, store: VersionStore) -> tuple[str, str, str]:
        """Go through the stages; return the state, the reason, and the name of what was added."""
        frames = self._load_frames()
        shipped = resolve_model(self.job.model)
        in_use = resolve_model(self.job.model, store)
        source = source_network(shipped.path)
        baseline = self._load_baseline(store, in_use, source)
        self.details['baseline'] = in_use.version
        network = self._adapt(shipped, source, baseline, frames)
        if not self.verdict.accepted:
            # Where no update has helped, the network in use is no worse for it: that is no step
            # on the way back to the shipped one.
            state = SKIPPED if network is baseline else REJECTED
            return state, self.verdict.reason, ''
        folder = self._export(store, network, in_use)
        self._compare_engines(folder, in_use, network, frames)
        if not self.verdict.accepted:
            return REJECTED, self.verdict.reason, ''
        version = self._add(store, folder)
        if not self.job.promote:
            return ADDED, self.verdict.reason, version.name
        self._promote(store, version)
        return PROMOTED, self.verdict.reason, version.name

    def _load_frames(self) -> list[TargetFrame]:
        """Read the collected frames, or say that they are too few."""
        frames, damaged = read_frames(Path(self.job.frames))
        self.details.update(frames=len(frames), damaged_frames=damaged)
        wanted = self.job.cycle.min_frames
        if len(frames) < wanted:
            raise _Skip(f'{len(frames)} images collected, {wanted} are needed')
        try:
            held_out = len(split_frames(frames)[1])
        except DatasetError as error:
            raise _Skip(str(error)) from error
        if held_out < MIN_HELD_OUT:
            raise _Skip(f'{held_out} images are held out for the gate, it needs {MIN_HELD_OUT}')
        return frames

    def _load_baseline(
        self, store: VersionStore, in_use: ResolvedModel, source: FastDepth
    ) -> FastDepth:
        """Load the network in use."""
        if in_use.origin != 'store':
            return source
        version: Version = store.find(in_use.version)
        if version.weights_path is None:
            raise ModelError(f'version {version.name} has no weights to go on from: roll it back')
        return load_network(version.weights_path)

    def _adapt(
        self,
        shipped: ResolvedModel,
        source: FastDepth,
        baseline: FastDepth,
        frames: list[TargetFrame],
    ) -> FastDepth:
        """Adapt the network in use and judge what comes of it; return that."""
        self._begin_stage('prepare')
        cycle = self.job.cycle
        # Where anything is measured, the floor that the network in use sees adds only doubt.
        on_floor = cycle.camera_height > 0 and not measured(frames)
        if on_floor:
            frames = anchor_to_floor(frames, baseline, cycle.camera_height)
        self.details['points'] = int(sum(len(frame.points) for frame in frames))
        self.details['structure'] = int(sum(len(frame.structure) for frame in frames))
        run, self.verdict = adapt_and_judge(
            source,
            source_samples(shipped.path, shipped.manifest),
            frames,
            self._adapter_config(source, frames),
            self.job.gate,
            source_held_out=cycle.source_held_out,
            start=baseline,
            on_floor=on_floor,
            report=self._pass_on,
        )
        self._note_training(run)
        return run.network

    def _adapter_config(self, source: FastDepth, frames: Sequence[TargetFrame]) -> AdapterConfig:
        """Return the settings of the adapter, with the learning rate that is due."""
        config = self.job.adapter
        recipe = choose_recipe(source, frames, config)
        if self.job.rate_factor == 1.0 or not recipe.steps:
            return config
        return replace(config, learning_rate=recipe.learning_rate * self.job.rate_factor)

    def _export(self, store: VersionStore, network: FastDepth, in_use: ResolvedModel) -> Path:
        """Write ONNX file, weights and manifest to a folder that the next cycle empties."""
        self._begin_stage('export')
        folder = store.root / WORK
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        adapter = self.job.adapter
        notes = {'adapted_from': in_use.version, 'mode': adapter.mode, 'seed': adapter.seed}
        manifest = replace(in_use.manifest, notes=notes)
        save_network(folder, network, manifest)
        (folder / MANIFEST).unlink()  # the store writes its own
        export_onnx(network, manifest, folder / MODEL)
        return folder

    def _compare_engines(
        self,
        folder: Path,
        in_use: ResolvedModel,
        network: FastDepth,
        frames: Sequence[TargetFrame],
    ) -> None:
        """Add to the verdict what the engine of the candidate does."""
        checks = compare_engines(
            folder / MODEL,
            in_use.path,
            network,
            frames,
            self.job.gate,
            self.job.backend,
            max(1, self.job.adapter.adaptation_threads),
        )
        self.verdict = self.verdict.plus(*checks)

    def _add(self, store: VersionStore, folder: Path) -> Version:
        """Add the candidate to the store, with all that is known of it."""
        self._begin_stage('add')
        made = {**self.details, 'verdict': self.verdict.to_dict()}
        return store.add(folder / MODEL, folder / WEIGHTS, made=made)

    def _promote(self, store: VersionStore, version: Version) -> None:
        """Put a version in use, and remove the oldest."""
        self._begin_stage('promote')
        store.promote(version)
        store.prune(self.job.cycle.keep_versions)

    def _begin_stage(self, stage: str) -> None:
        self._pass_on({'stage': stage})

    def _pass_on(self, event: dict[str, Any]) -> None:
        """Report an event, and remember its stage."""
        self.stage = event['stage']
        self.report(event)

    def _note_training(self, run: AdaptationRun) -> None:
        self.details.update(
            steps=run.steps,
            skipped=run.skipped,
            drift=round(run.drift, 5),
            factor=round(run.factor, 4),
            losses={name: round(value, 5) for name, value in run.losses.items()},
            stopped=run.stopped,
            training_seconds=round(run.seconds, 1),
        )


def _explain(error: Exception) -> str:
    """Say what went wrong; torch has no class of its own for a CPU without memory."""
    text = str(error).lower()
    if isinstance(error, MemoryError) or 'out of memory' in text or 'allocate memory' in text:
        return 'out of memory: use a smaller batch'
    return f'{type(error).__name__}: {error}'


def run_cycle(job: CycleJob, report: Report = lambda event: None) -> Outcome:
    """Run one cycle in this process."""
    return Cycle(job, report).run()


def end_with_parent() -> None:
    """Let Linux kill this process when the one that started it ends, even if it is stopped."""
    with contextlib.suppress(AttributeError, OSError):  # elsewhere it ends with its next word
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def lower_priority(niceness: int) -> None:
    """
    Lower the priority of this process; beyond 19 it gets what all others leave over.

    A process that is nice still has its turns, while an image waits: beside a depth node on two
    cores niceness 10 added 13 ms to the median image, SCHED_IDLE 4 ms, and took no longer.
    """
    if niceness > MAX_NICENESS and hasattr(os, 'SCHED_IDLE'):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.nice(niceness)


def main() -> int:
    """Run the job on standard input; the last line of standard output is the outcome."""
    end_with_parent()
    job = CycleJob.from_json(sys.stdin.read())
    lower_priority(job.adapter.niceness)
    if job.adapter.adaptation_threads:
        torch.set_num_threads(job.adapter.adaptation_threads)
    parent = os.getppid()

    def tell(event: dict[str, Any]) -> None:
        if os.getppid() != parent:
            os._exit(1)  # whoever asked is gone: nobody would hand the candidate over
        print(json.dumps(event), flush=True)

    outcome = run_cycle(job, tell)
    tell({'outcome': outcome.to_dict()})
    return 0


if __name__ == '__main__':
    sys.exit(main())
