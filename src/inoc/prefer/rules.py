"""Rules by which an active selection takes its next pairs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from inoc.prefer.graph import Pairs, all_pairs
from inoc.stats.means import Floats
from inoc.stats.utilities.fit import Fit, Settings, fit
from inoc.stats.utilities.intervals import mu_covariance
from inoc.stats.utilities.outcomes import Ints, Outcomes, component_of

PERCENTILE = 30.0
"""Of differences of utilities and of sums of partners, in an earlier study's rule."""
WIDER = 1.5
"""The factor by which both percentiles grow until there are enough pairs."""
PRIOR = Settings("case_v", penalty=0.3)
"""The fit by which information is judged: Case V with a prior on the utilities of variance 1 / (2 × 0.3).

Without a prior, an item that won everything has a utility without an upper bound, and would be asked about for ever.
"""
MOST_CANDIDATES = 4_000_000
"""Of more pairs than this, a random part is considered."""


def unmeasured(n_items: int, measured: Pairs, rng: np.random.Generator) -> Pairs:
    """Pairs that were not measured: all of them in order, or a random part where there are too many.

    Args:
        n_items: Number of items.
        measured: Pairs, in any order.
        rng: Source of the part.
    """
    if n_items * (n_items - 1) // 2 <= MOST_CANDIDATES:
        pairs = all_pairs(n_items)
    else:
        drawn = rng.integers(0, n_items, (MOST_CANDIDATES, 2))
        low, high = drawn.min(axis=1), drawn.max(axis=1)
        code = np.unique(low[low < high] * n_items + high[low < high])
        pairs = np.column_stack([code // n_items, code % n_items])
    known = measured.min(axis=1) * n_items + measured.max(axis=1)
    return pairs[~np.isin(pairs[:, 0] * n_items + pairs[:, 1], known)]


class Near(NamedTuple):
    """The pairs that the percentile rule allows, and how far it went."""

    pairs: Pairs
    distance: float  # largest difference of utilities that is allowed
    degree_sum: float  # largest number of partners, both items together


def near_pairs(mu: Floats, degree: Ints, left: Pairs, percentile: float = PERCENTILE) -> Near:
    """Pairs of near utilities and few partners, as an earlier study chose.

    Args:
        mu: Utilities.
        degree: Number of partners of each item.
        left: Pairs that were not measured, over which the percentiles are taken.
        percentile: Of both.
    """
    apart = np.abs(mu[left[:, 0]] - mu[left[:, 1]])
    together = degree[left[:, 0]] + degree[left[:, 1]]
    distance, degree_sum = float(np.percentile(apart, percentile)), float(np.percentile(together, percentile))
    return Near(left[(apart <= distance) & (together <= degree_sum)], distance, degree_sum)


def by_percentile(mu: Floats, degree: Ints, left: Pairs, batch: int, rng: np.random.Generator) -> Near:
    """A random batch of `near_pairs`, whose percentiles widen until there are enough; topped up at random if not."""
    percentile = PERCENTILE
    while True:
        near = near_pairs(mu, degree, left, percentile)
        if len(near.pairs) >= batch or percentile >= 100:
            break
        percentile = min(100.0, percentile * WIDER)
    taken = rng.permutation(len(near.pairs))[:batch]
    return near._replace(pairs=near.pairs[np.sort(taken)])


def by_information(outcomes: Outcomes, left: Pairs, batch: int, rng: np.random.Generator) -> Pairs:
    """The batch of pairs from whose answers most is to be learnt about the utilities.

    The gain of a pair is ln(1 + information × variance): the information of one answer about the difference of the two
    utilities, and the variance of that difference as known so far (the gain of a D-optimal design). Answers to pairs
    that share an item are worth less together, so no item is in more pairs of the batch than its share, rounded up,
    and one. Pairs that join two components come first, as nothing else can link them.

    Args:
        outcomes: What was answered so far.
        left: Pairs to choose from.
        batch: Number of pairs.
        rng: Decides between pairs of equal gain.
    """
    one, other, n = left[:, 0], left[:, 1], outcomes.n_items
    fitted = fit(outcomes, PRIOR)
    component = component_of(outcomes)
    gain = np.log1p(_information(fitted, one, other) * _variance(fitted, one, other))
    gain = np.where(component[one] != component[other], np.inf, np.round(gain, 9))
    order = np.lexsort((rng.permutation(len(left)), -gain))
    most = -(-2 * batch // n) + 1
    count = np.zeros(n, dtype=np.int64)
    taken: list[int] = []
    passed: list[int] = []
    for place in order.tolist():
        a, b = int(one[place]), int(other[place])
        if count[a] < most and count[b] < most:
            taken.append(place)
            count[a] += 1
            count[b] += 1
            if len(taken) == batch:
                break
        elif len(passed) < batch:
            passed.append(place)
    taken += passed[: batch - len(taken)]
    return left[np.sort(np.array(taken, dtype=np.int64))]


def _information(fitted: Fit, one: Ints, other: Ints) -> Floats:
    """Fisher information of one answer about the difference of two utilities, without a position."""
    z = np.clip((fitted.mu[one] - fitted.mu[other]) / np.sqrt(2), -30, 30)
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    return np.asarray(density**2 / np.maximum(ndtr(z) * ndtr(-z), 1e-300) / 2)


def _variance(fitted: Fit, one: Ints, other: Ints) -> Floats:
    """Variance of the difference of two utilities."""
    covariance = mu_covariance(fitted)
    if covariance is None:
        diagonal = 1 / fitted.problem.curvature(fitted.at).diagonal[: fitted.problem.n]
        return np.asarray(diagonal[one] + diagonal[other])
    own = np.diag(covariance)
    return np.asarray(np.maximum(own[one] + own[other] - 2 * covariance[one, other], 0))
