# SPDX-FileCopyrightText: 2026 The mono_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How much the loss of each domain counts when a network learns from several at once."""

from __future__ import annotations

from itertools import chain, combinations

import numpy as np
from numpy.typing import NDArray

# What rounding may leave of a weight that is 0.
ZERO = 1e-9


def min_norm_weights(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Weigh losses so that no step makes one of them worse to make another one better.

    The weights are those of the convex combination of their gradients that has the least norm
    (multiple-gradient descent, Désidéri 2012; Sener and Koltun 2018), as MiDaS mixes its datasets.
    Every set of gradients is tried, since there are few: the least combination of one of them is
    that of all.

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
    best = np.full(count, 1 / count)
    if not np.isfinite(products).all():
        return best
    products = products / max(float(np.abs(products).max()), np.finfo(float).tiny)
    least = best @ products @ best
    sets = (combinations(range(count), size) for size in range(1, count + 1))
    for chosen in map(list, chain.from_iterable(sets)):
        weights = np.zeros(count)
        weights[chosen] = _least_of(products[np.ix_(chosen, chosen)])
        norm = weights @ products @ weights
        if weights.min() >= -ZERO and norm < least:
            best, least = weights.clip(min=0), norm
    return np.asarray(best / best.sum())


def _least_of(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights of any sign, 1 together, of the combination with the least norm."""
    count = len(products)
    bordered = np.ones((count + 1, count + 1))
    bordered[:count, :count], bordered[count, count] = products, 0.0
    wanted = np.append(np.zeros(count), 1.0)
    return np.asarray(np.linalg.lstsq(bordered, wanted, rcond=None)[0][:count])
