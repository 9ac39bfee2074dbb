# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Collect the scores of one dataset, image by image."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
import math

from mono_depth_ros.evaluation.methods import CONSTANT, NETWORK
from mono_depth_ros.metrics import (
    aligned,
    constant_baseline,
    Depth,
    labelled_mask,
    mean_columns,
    METRICS,
    Protocol,
    range_sums,
    range_table,
    row_prior_image,
    score_pixels,
    valid_pixels,
)
import numpy as np
from numpy.typing import NDArray

# The first one is there wherever any is.
SCORES = (*METRICS, 'scale', 'coverage')
# By method and alignment.
Means = dict[str, dict[str, dict[str, float]]]


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
    scored : list of str
        Images that have been scored.
    skipped : dict of str to str
        Images that could not be scored, and why.
    unread : int
        Images whose files could not be read.
    partial : bool
        Scoring was stopped before the last image.
    guessed_cap : bool
        Nobody said how far depth counts.

    """

    name: str
    protocols: Sequence[Protocol]
    priors: Mapping[str, NDArray[np.float64]]
    scored: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    unread: int = 0
    partial: bool = False
    guessed_cap: bool = False
    # By method and alignment, a row of SCORES for each image, NaN where it has none: datasets have
    # tens of thousands of images.
    _scores: dict[tuple[str, str], array[float]] = field(default_factory=dict)
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
        labelled = labelled_mask(true, self.protocols[0])
        shape = (true.shape[0], true.shape[1])
        estimates = {
            NETWORK: predicted,
            CONSTANT: constant_baseline(true, labelled),
            **{name: row_prior_image(prior, shape) for name, prior in self.priors.items()},
        }
        pixels = {method: valid_pixels(e, true, labelled) for method, e in estimates.items()}
        if not pixels[NETWORK].true.size:
            self.skipped[image] = 'no pixel has both a label in range and a prediction'
            return {}
        found: dict[tuple[str, str], dict[str, float]] = {}
        ranges: dict[str, NDArray[np.float64]] = {}
        for protocol, (method, counted) in product(self.protocols, pixels.items()):
            found[method, protocol.align] = {}
            if counted.true.size:
                fitted = aligned(counted.predicted, counted.true, protocol)
                found[method, protocol.align] = score_pixels(counted, fitted)
                if method == NETWORK:
                    edges = range_edges(protocol.max_depth)
                    ranges[protocol.align] = range_sums(fitted, counted.true, edges)
        self._keep(image, found, ranges)
        return {protocol.align: found[NETWORK, protocol.align] for protocol in self.protocols}

    def _keep(
        self,
        image: str,
        found: Mapping[tuple[str, str], Mapping[str, float]],
        ranges: Mapping[str, NDArray[np.float64]],
    ) -> None:
        for key, scores in found.items():
            row = [scores.get(name, math.nan) for name in SCORES]
            self._scores.setdefault(key, array('d')).extend(row)
        for align, sums in ranges.items():
            self._ranges[align] = self._ranges.get(align, 0.0) + sums
        # The last: an image counts whole or, if somebody stops here, not at all.
        self.scored.append(image)

    @property
    def images(self) -> int:
        """Number of images scored."""
        return len(self.scored)

    def _table(self, key: tuple[str, str]) -> NDArray[np.float64]:
        """Return the scores of a method under an alignment, shape (images, SCORES)."""
        return np.array(self._scores[key]).reshape(-1, len(SCORES))[: self.images]

    def rows(self) -> Iterator[ImageScore]:
        """Go through everything that was measured, image by image."""
        tables = {key: self._table(key) for key in self._scores}
        for number, image in enumerate(self.scored):
            for (method, align), table in tables.items():
                if not math.isnan(table[number, 0]):
                    scores = dict(zip(SCORES, table[number].tolist(), strict=True))
                    yield ImageScore(image, method, align, scores)

    def means(self) -> Means:
        """Return the mean scores by method and alignment."""
        means: Means = {}
        for method, align in self._scores:
            table = self._table((method, align))
            table = table[~np.isnan(table[:, 0])]
            if len(table):
                columns = dict(zip(SCORES, np.ascontiguousarray(table.T), strict=True))
                means.setdefault(method, {})[align] = mean_columns(columns)
        return means

    def ranges(self) -> dict[str, list[dict[str, float]]]:
        """Return abs_rel and delta1 by alignment and range of true depth, each pixel equal."""
        edges = range_edges(self.protocols[0].max_depth)
        return {align: range_table(edges, sums) for align, sums in self._ranges.items()}

    def ranked(self) -> list[tuple[str, float]]:
        """Return images and abs_rel of the network under the first alignment, best first."""
        if not self.scored:
            return []
        abs_rel = self._table((NETWORK, self.protocols[0].align))[:, 0].tolist()
        return sorted(zip(self.scored, abs_rel, strict=True), key=lambda item: item[1])


def range_edges(max_depth: float) -> list[float]:
    """Return 0, 1, 2, 4, 8, ... up to the cap [m]."""
    edges = [0.0, 1.0]
    while edges[-1] < max_depth:
        edges.append(2 * edges[-1])
    return [*(edge for edge in edges if edge < max_depth), max_depth]
