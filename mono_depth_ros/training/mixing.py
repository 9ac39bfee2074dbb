# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How much the loss of each domain counts when a network learns from several at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FRANK_WOLFE_STEPS = 250
CONVERGED = 1e-6


def min_norm_weights(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Weigh losses so that no step makes one of them worse to make another one better.

    The weights are those of the convex combination of their gradients that has the least norm
    (multiple-gradient descent, Désidéri 2012), found by Frank and Wolfe's method as in Sener and
    Koltun 2018, algorithm 2; MiDaS mixes its datasets so. Of two losses it is exact after a step.

    Parameters
    ----------
    products : np.ndarray, shape (L, L)
        Inner products of the gradients.

    Returns
    -------
    np.ndarray, shape (L,)
        At least 0, and 1 together; equal where a product is not finite.

    """
    count = len(products)
    weights = np.full(count, 1 / count)
    if not np.isfinite(products).all():
        return weights
    for _ in range(FRANK_WOLFE_STEPS):
        slopes = products @ weights
        best = int(slopes.argmin())
        norm = float(weights @ slopes)
        gain = norm - float(slopes[best])
        distance = norm - 2 * float(slopes[best]) + float(products[best, best])
        if gain <= CONVERGED * norm or distance <= 0:
            break
        step = min(1.0, gain / distance)
        weights *= 1 - step
        weights[best] += step
    return weights
