"""Online ratings of items from rankings, one ranking after the other, with intervals from resampling.

The model is that of TrueSkill (Herbrich and others 2006), normal performances around normal skills, with the update of
Weng and Lin (2011) as openskill computes it. The sigma of such a rating is the spread of a belief, which depends on
the algorithm more than on the rankings, and is no error. So the intervals come from resampled groups of rankings.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inoc.stats.bootstrap import percentile_bounds
from inoc.stats.means import Floats

MU, SIGMA = 25.0, 25.0 / 3
"""Where every item begins."""


class Rated(NamedTuple):
    """Ratings after all rankings."""

    mu: Floats  # begins at 25
    lo: Floats
    hi: Floats
    sigma: Floats  # of the belief; not an error


def online_ratings(
    rankings_RK: NDArray[np.int64],
    n_items: int,
    groups: NDArray[np.int64] | None = None,
    resamples: int = 100,
    seed: int = 0,
    confidence: float = 0.95,
) -> Rated:
    """Ratings of items after all rankings, and percentile intervals over resamples of groups.

    The rating of a set of rankings depends on their order, which means nothing here. So it is the mean over some random
    orders, and resamples are in random order too.

    Args:
        rankings_RK: Item numbers, the best first, rankings × places.
        n_items: Number of items.
        groups: Group of each ranking, which is drawn as a whole; default: each for itself.
        resamples: Number of resamples.
        seed: Of the orders and draws.
        confidence: Of the intervals.
    """
    rng = np.random.default_rng(seed)
    unit = np.arange(len(rankings_RK)) if groups is None else np.unique(groups, return_inverse=True)[1]
    orders = [rng.permutation(len(rankings_RK)) for _ in range(5)]
    plain = np.array([_one_pass(rankings_RK[order], n_items) for order in orders])
    mu, sigma = plain[:, 0].mean(axis=0), plain[:, 1].mean(axis=0)
    members = [np.flatnonzero(unit == one) for one in range(int(unit.max(initial=-1)) + 1)]
    draws = np.full((resamples, n_items), np.nan)
    for row in draws:
        drawn = np.concatenate([members[one] for one in rng.integers(0, len(members), len(members))])
        row[:] = _one_pass(rankings_RK[rng.permutation(drawn)], n_items)[0]
    bounds = np.array([percentile_bounds(column, confidence) for column in draws.T])
    # A resample of the a rankings of an item has a variance that is too small by 1 / a.
    often = np.maximum(np.bincount(rankings_RK.ravel(), minlength=n_items), 2)
    wider = np.sqrt(often / (often - 1))
    return Rated(mu, mu + wider * (bounds[:, 0] - mu), mu + wider * (bounds[:, 1] - mu), sigma)


def _one_pass(rankings_RK: NDArray[np.int64], n_items: int) -> Floats:
    """mu and sigma of every item, shape (2, items)."""
    from openskill.models import ThurstoneMostellerPart

    model = ThurstoneMostellerPart(mu=MU, sigma=SIGMA, beta=SIGMA / 2, tau=SIGMA / 100)
    ratings = [model.rating() for _ in range(n_items)]
    for ranking in rankings_RK.tolist():
        for item, (after,) in zip(ranking, model.rate([[ratings[item]] for item in ranking]), strict=True):
            ratings[item] = after
    return np.array([[one.mu for one in ratings], [one.sigma for one in ratings]])
