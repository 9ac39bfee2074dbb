# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every mode, anchor and seed on the same images, next to controls that adapt nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
import json
from pathlib import Path
from typing import Any

from mono_depth_ros.adaptation.config import AdapterConfig, CycleConfig, GateConfig
from mono_depth_ros.adaptation.evidence import Predict
from mono_depth_ros.adaptation.offline import cap_of, score
from mono_depth_ros.adaptation.recipes import RECIPES
from mono_depth_ros.adaptation.session import (
    adapt_and_judge,
    gather_evidence,
    predictor,
    Report,
    split_frames,
)
from mono_depth_ros.adaptation.target_frame import TargetFrame
from mono_depth_ros.errors import DatasetError
from mono_depth_ros.frames import Frame
from mono_depth_ros.model.fastdepth import FastDepth
from mono_depth_ros.source.pool import Sample
import numpy as np

# What is compared (METHODS of adaptation), then the default with each anchor.
COMPARED = ('none', 'bn', 'replay', 'paper', 'lean', 'consistency', 'auto')
SCORES = ('abs_rel', 'abs_rel_aligned', 'delta1', 'delta1_aligned')
Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One line of a comparison: a mode with an anchor and a seed."""

    mode: str
    anchor: str
    seed: int

    @property
    def name(self) -> str:
        """Mode, and anchor if there is one."""
        return self.mode if self.anchor == 'none' else f'{self.mode} + {self.anchor}'


def planned_runs(anchors: Sequence[str], seeds: Sequence[int], few: int) -> list[Run]:
    """
    List the runs, the default first, seed by seed, so that it can be ended at any time.

    The default and its first anchor get all seeds, what they are compared with the first ``few``,
    and modes without chance get one.
    """
    runs = [Run(mode, 'none', seeds[0]) for mode in ('none', 'bn')]
    for number, seed in enumerate(seeds):
        wanted = ('none', *anchors) if number < few else ('none', *anchors[:1])
        runs += [Run('auto', anchor, seed) for anchor in wanted]
        if number < few:
            others = (m for m in COMPARED if m not in ('none', 'bn', 'auto'))
            runs += [Run(mode, 'none', seed) for mode in others]
    return runs


@dataclass(frozen=True)
class Comparison:
    """
    What every mode is compared on.

    Attributes
    ----------
    source : FastDepth
        The network before adaptation.
    samples : list of Sample
        Source images with depth.
    target : dict
        Collected frames by anchor; ``none`` must be there.
    labelled : list of Frame
        Frames with depth that no mode has seen.
    config : AdapterConfig
        Settings; mode and seed are overwritten.
    gate : GateConfig
        Thresholds of the verdicts told.

    """

    source: FastDepth
    samples: Sequence[Sample]
    target: dict[str, list[TargetFrame]]
    labelled: Sequence[Frame]
    config: AdapterConfig
    gate: GateConfig

    @property
    def size(self) -> tuple[int, int]:
        """Size of the network input (height, width)."""
        shape = self.target['none'][0].rgb.shape
        return shape[0], shape[1]

    def run(self, run: Run, report: Report = lambda event: None) -> Row:
        """Adapt, judge and score."""
        config = replace(self.config, mode=run.mode, seed=run.seed)
        adapted, verdict = adapt_and_judge(
            self.source,
            self.samples,
            self.target[run.anchor],
            config,
            self.gate,
            source_held_out=CycleConfig().source_held_out,
            on_floor=run.anchor == 'height',
            report=report,
        )
        checks = {check.name: check.value for check in verdict.checks}
        return {
            'name': run.name,
            'seed': run.seed,
            **self.score(predictor(adapted.network)),
            'source_abs_rel_rise': checks.get('source abs_rel rise'),
            'steps': adapted.steps,
            'skipped': adapted.skipped,
            'drift': adapted.drift,
            'factor': adapted.factor,
            'stopped': adapted.stopped,
            'seconds': adapted.seconds,
            'losses': adapted.losses,
            'accepted': verdict.accepted,
            'verdict': verdict.to_dict(),
        }

    def controls(self, anchor: str) -> list[Row]:
        """Score what an anchor gives without any adaptation: one factor, and a static map."""
        training, held_out = split_frames(self.target[anchor])
        evidence = gather_evidence(training, held_out, [], self.source)
        if evidence.scale <= 0 or evidence.static is None:
            return []
        plain, factor = predictor(self.source), np.float32(evidence.scale)
        # `score` multiplies by the camera's focal length over the reference; the map is metric.
        metres = evidence.static * np.float32(self.source.focal / training[0].camera.focal)
        return [
            {'name': f'one factor from {anchor}', **self.score(lambda rgb: plain(rgb) * factor)},
            {'name': f'static map from {anchor}', **self.score(lambda rgb: metres)},
        ]

    def score(self, predict: Predict) -> dict[str, float]:
        """Score on the labelled frames."""
        cap = cap_of(self.source)
        return score(predict, self.labelled, self.size, self.source.focal, cap)


class Ledger:
    """
    The runs that are done, one line of JSON each, so that a comparison can go on where it ended.

    Parameters
    ----------
    path : Path or None
        The file; None keeps nothing.
    settings : Mapping
        What is compared. A file of another comparison is refused.

    Raises
    ------
    DatasetError
        If the file is of another comparison, damaged, or cannot be written.

    """

    def __init__(self, path: Path | None, settings: Mapping[str, Any]) -> None:
        self.path, self.rows = path, []
        header = json.loads(json.dumps({'settings': dict(settings)}))
        if path is None:
            return
        if not path.is_file():
            self._append(header)
            return
        try:
            lines = [json.loads(line) for line in path.read_text().splitlines()]
        except (OSError, ValueError) as error:
            raise DatasetError(f'{path} is not a list of runs: {error}') from error
        if not lines or lines[0] != header:
            raise DatasetError(f'{path} is of another comparison: remove it, or name another file')
        self.rows = lines[1:]

    rows: list[Row]

    def has(self, run: Run) -> bool:
        """Whether a run is done."""
        return any((row['name'], row.get('seed')) == (run.name, run.seed) for row in self.rows)

    def add(self, row: Row) -> None:
        """Keep the result of a run."""
        self.rows.append(row)
        self._append(row)

    def _append(self, row: Mapping[str, Any]) -> None:
        if self.path is None:
            return
        try:
            with self.path.open('a') as file:
                file.write(json.dumps(row, default=float) + '\n')
        except OSError as error:
            raise DatasetError(f'cannot write {self.path}: {error.strerror}') from error


def summarise(rows: Sequence[Row]) -> list[Row]:
    """Return for every name the median, mean, deviation and range of its scores over the seeds."""
    summary = []
    for name in dict.fromkeys(row['name'] for row in rows):
        own = [row for row in rows if row['name'] == name]
        line: Row = {'name': name, 'seeds': len(own)}
        for key in (*SCORES, 'source_abs_rel_rise', 'seconds'):
            values = [row[key] for row in own if row.get(key) is not None]
            if values:
                line[key] = {
                    'median': float(np.median(values)),
                    'mean': float(np.mean(values)),
                    'deviation': float(np.std(values)),
                    'least': float(np.min(values)),
                    'most': float(np.max(values)),
                }
        if any('accepted' in row for row in own):
            line['accepted'] = sum(bool(row.get('accepted')) for row in own)
        summary.append(line)
    return summary


def settings_of(comparison: Comparison, model: str, images: str) -> dict[str, Any]:
    """Return what makes two comparisons the same."""
    adapter = asdict(comparison.config)
    del adapter['mode'], adapter['seed']
    return {
        'model': model,
        'images': images,
        'frames': {anchor: len(frames) for anchor, frames in comparison.target.items()},
        'labelled': len(comparison.labelled),
        'adapter': adapter,
        'recipes': {mode: asdict(recipe) for mode, recipe in RECIPES.items()},
    }
