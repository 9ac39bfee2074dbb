# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A correction that follows fits of single images slowly, and never jumps."""

from __future__ import annotations

from collections import deque
import math

from mono_depth_ros.scale import Correction, correction_from_factors, Fit, LIMIT
import numpy as np
from numpy.typing import NDArray

MIN_POINTS = 50
# Fewer points than this share within 1.25 of the fit: network or points are wrong.
MIN_SHARE = 0.3
# Weight of what was believed before; the first fits are averaged.
MEMORY = 0.9
# A fit that differs by more than this factor from what is believed is refused ...
DISAGREEMENT = 1.5
# ... unless so many in a row do: then the place is another one.
PERSISTENCE = 8
# Longest time between two images that the rate counts [s], so that a pause is no jump.
MAX_STEP_S = 1.0

# Logarithms of the factor at the near and the far end of the range.
Factors = NDArray[np.float64]


class SlowScale:
    """
    What is believed about scale and shift, and what is published of it.

    Fits are averaged exponentially. The published correction moves towards the average, at no
    depth by more than ``rate`` a second. Without new fits the last average is held: how far off
    a network is belongs to the place, and going back to 1 would be another guess.

    Parameters
    ----------
    near, far : float
        Range of the network's depth over which a shift may bend [m].
    rate : float
        Largest relative change of a published depth [1/s].

    Attributes
    ----------
    fits : int
        How many were believed since the network was last changed.
    refused : str
        Why the last one was not, empty if it was.

    """

    def __init__(self, near: float, far: float, rate: float) -> None:
        self.near, self.far = near, far
        self.fits, self.refused = 0, ''
        self._rate = math.log1p(rate)
        self._target: Factors = np.zeros(2)
        self._published: Factors = np.zeros(2)
        self._stamp_s: float | None = None
        self._believes = False
        self._against: deque[Factors] = deque(maxlen=PERSISTENCE)

    @property
    def correction(self) -> Correction:
        """What is published now."""
        return correction_from_factors(self._published, self.near, self.far)

    @property
    def settled(self) -> bool:
        """Say whether what is published is what is believed, to 1 %."""
        return bool(np.abs(self._target - self._published).max() < 0.01)

    def observe(self, fit: Fit | None) -> bool:
        """Take the fit of one image into account; say whether it was believed."""
        self.refused = self._objection(fit)
        if self.refused or fit is None:
            return False
        factors = fit.correction.log_factors()
        if self.fits and abs(float((factors - self._target).mean())) > math.log(DISAGREEMENT):
            self._against.append(factors)
            if len(self._against) < PERSISTENCE:
                self.refused = (
                    f'the fit differs from the {self.fits} before by a factor of '
                    f'{math.exp(abs(float((factors - self._target).mean()))):.2f}'
                )
                return False
            factors, self.fits = np.median(np.stack(self._against), axis=0), 0
        self._against.clear()
        self.fits, self._believes = self.fits + 1, True
        weight = max(1 - MEMORY, 1 / self.fits)
        # Averaged as inverse depth, where scale and shift are linear.
        inverse = (1 - weight) * np.exp(-self._target) + weight * np.exp(-factors)
        self._target = -np.log(inverse)
        return True

    def advance(self, stamp_s: float) -> Correction:
        """Return the correction of an image with this stamp [s]; call it once for each."""
        last, self._stamp_s = self._stamp_s, stamp_s
        if last is not None:
            step = self._rate * min(max(stamp_s - last, 0.0), MAX_STEP_S)
            self._published = self._published + np.clip(
                self._target - self._published, -step, step
            )
        return self.correction

    def change_network(self, near: float, far: float, ratio: float) -> None:
        """
        Go on with another network, whose metres may be others.

        Parameters
        ----------
        near, far : float
            Range of its depth, as for the class.
        ratio : float
            Median of what was published last over the median of what the new network says of
            the next image: published depth goes on from there. What was believed is carried
            over by the same factor, until the first fit of the new network replaces it; if
            nothing was, the new network is taken at its word, slowly.

        """
        self.near, self.far = near, far
        ahead = float((self._target - self._published).mean())
        self._published = np.full(2, np.clip(math.log(ratio), -math.log(LIMIT), math.log(LIMIT)))
        self._target = self._published + ahead if self._believes else np.zeros(2)
        self.fits, self.refused = 0, ''
        self._against.clear()

    @staticmethod
    def _objection(fit: Fit | None) -> str:
        """Say why a fit is not to be believed, empty if it is."""
        if fit is None:
            return 'nothing in the image to fit to'
        if fit.points < MIN_POINTS:
            return f'{fit.points} points, at least {MIN_POINTS} are needed'
        if fit.share < MIN_SHARE:
            return f'only {100 * fit.share:.0f} % of the points agree with the fit'
        return ''
