# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Collect the scores of one dataset, image by image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mono_depth_ros.evaluation.methods import CONSTANT, NETWORK
from mono_depth_ros.metrics import (
    constant_baseline,
    Depth,
    mean_scores,
    Protocol,
    range_sums,
    range_table,
    row_prior_image,
    score_image,
)
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ImageScore:
    """How one method did on one image under one alignment."""

    image: str
    method: str
    align: str
    scores: Mapping[str, float]


@dataclass
class DatasetScores:
    """
    Scores of a dataset: per image, then their mean.

    Attributes
    ----------
    name : str
        What people call the dataset.
    protocols : sequence of Protocol
        Same range and crop, one for each alignment.
    priors : mapping of str to np.ndarray
        Depth [m] per image row of each image-free prior.
    rows : list of ImageScore
        Everything measured so far.
    skipped : dict of str to str
        Images that could not be scored, and why.
    unread : int
        Images whose files could not be read.

    """

    name: str
    protocols: Sequence[Protocol]
    priors: Mapping[str, NDArray[np.float64]]
    rows: list[ImageScore] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    unread: int = 0
    _ranges: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def add(self, image: str, predicted: Depth, true: Depth) -> dict[str, dict[str, float]]:
        """
        Score one image and its baselines under every alignment.

        Parameters
        ----------
        image : str
            Its name.
        predicted, true : np.ndarray, shape (H, W)
            Depth [m]; NaN and infinities are missing. Pixels without a prediction are left out of
            the errors and tell in ``coverage``.

        Returns
        -------
        dict
            Scores of the network by alignment; empty if no pixel counts.

        Raises
        ------
        ShapeError
            If both maps are not of the same shape.

        """
        estimates = {NETWORK: predicted, CONSTANT: constant_baseline(true, self.protocols[0])}
        for name, prior in self.priors.items():
            estimates[name] = row_prior_image(prior, (true.shape[0], true.shape[1]))
        own: dict[str, dict[str, float]] = {}
        for protocol in self.protocols:
            scores = score_image(predicted, true, protocol)
            if scores is None:
                self.skipped[image] = 'no pixel has both a label in range and a prediction'
                return {}
            own[protocol.align] = scores
            self.rows.append(ImageScore(image, NETWORK, protocol.align, scores))
            for method, estimate in estimates.items():
                scores = None if method == NETWORK else score_image(estimate, true, protocol)
                if scores is not None:
                    self.rows.append(ImageScore(image, method, protocol.align, scores))
            sums = range_sums(predicted, true, range_edges(protocol.max_depth), protocol)
            self._ranges[protocol.align] = self._ranges.get(protocol.align, 0.0) + sums
        return own

    @property
    def images(self) -> int:
        """Number of images scored."""
        return len(self.ranked())

    def means(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return the mean scores by method and alignment."""
        grouped: dict[str, dict[str, list[Mapping[str, float]]]] = {}
        for row in self.rows:
            grouped.setdefault(row.method, {}).setdefault(row.align, []).append(row.scores)
        return {
            method: {align: mean_scores(scores) for align, scores in by_align.items()}
            for method, by_align in grouped.items()
        }

    def ranges(self) -> dict[str, list[dict[str, float]]]:
        """Return abs_rel and delta1 by alignment and range of true depth, each pixel equal."""
        edges = range_edges(self.protocols[0].max_depth)
        return {align: range_table(edges, sums) for align, sums in self._ranges.items()}

    def ranked(self) -> list[tuple[str, float]]:
        """Return images and abs_rel of the network under the first alignment, best first."""
        align = self.protocols[0].align
        own = [row for row in self.rows if row.method == NETWORK and row.align == align]
        scored = ((row.image, float(row.scores['abs_rel'])) for row in own)
        return sorted(scored, key=lambda item: item[1])


def range_edges(max_depth: float) -> list[float]:
    """Return 0, 1, 2, 4, 8, ... up to the cap [m]."""
    edges = [0.0, 1.0]
    while edges[-1] < max_depth:
        edges.append(2 * edges[-1])
    return [*(edge for edge in edges if edge < max_depth), max_depth]
