"""Plackett and Luce's model of rankings: the next item is chosen among those that are left.

The probability of a ranking is the product over its places of exp(mu of the item there) / the sum of exp(mu) over that
item and all behind it (Luce 1959, Plackett 1975). Of two items it is Bradley and Terry's model.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, sqrtm
from scipy.special import logsumexp

from inoc.errors import DataError
from inoc.stats.means import Floats, normal_quantile

RIDGE = 1e-3
"""Penalty on mu²: places the mean at 0, and keeps items that always win finite."""
STEPS = 100


class Ranked(NamedTuple):
    """A fit of rankings."""

    mu: Floats  # of mean 0; positive means ranked before the average item
    lo: Floats  # NaN for an item in no ranking
    hi: Floats
    loss: float  # negative log-likelihood without the penalty, nats
    null_loss: float  # of equal items
    converged: bool
    times: NDArray[np.int64]  # number of rankings that each item is in


def plackett_luce(
    rankings_RK: NDArray[np.int64], n_items: int, groups: NDArray[np.int64] | None = None, confidence: float = 0.95
) -> Ranked:
    """Utilities that fit rankings best, with intervals.

    Where the same items were ranked more than once, rankings of one group are not independent: intervals then come
    from the sandwich of the information around the products of the groups' gradients (White 1982; with the correction
    of Bell and McCaffrey 2002 for few groups) where that is wider.
    Otherwise they come from the inverse of the observed information.

    Args:
        rankings_RK: Item numbers, the best first, rankings × places; all rankings are of one length.
        n_items: Number of items.
        groups: Group of each ranking, such as the set of its items; default: each for itself.
        confidence: Of the two-sided intervals.

    Raises:
        DataError: If there is no ranking of two items or more, or one ranks an item twice.
    """
    _check(rankings_RK)
    mu, converged = np.zeros(n_items), False
    for _ in range(STEPS):
        value, gradient, curvature = _derivatives(rankings_RK, mu)
        if np.abs(gradient).max() < 1e-9 * max(1, len(rankings_RK)):
            converged = True
            break
        step = cho_solve(cho_factor(curvature), gradient)
        size = 1.0
        while size > 1e-6 and _objective(rankings_RK, mu - size * step) > value - 1e-4 * size * gradient @ step:
            size /= 2
        mu = mu - size * step
    count = np.bincount(rankings_RK.ravel(), minlength=n_items).astype(np.int64)
    mu = mu - mu.mean()
    half = normal_quantile(confidence) * np.where(count > 0, _deviations(rankings_RK, mu, groups), np.nan)
    loss = _objective(rankings_RK, mu) - RIDGE * float(mu @ mu)
    places = np.arange(2, rankings_RK.shape[1] + 1)
    null = len(rankings_RK) * float(np.log(places).sum())
    return Ranked(mu, mu - half, mu + half, loss, null, converged, count)


def _check(rankings_RK: NDArray[np.int64]) -> None:
    if rankings_RK.ndim != 2 or not len(rankings_RK) or rankings_RK.shape[1] < 2:
        raise DataError("no ranking of two items or more. Utilities need some")
    ordered = np.sort(rankings_RK, axis=1)
    if (twice := (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)).any():
        raise DataError(f"ranking {int(twice.argmax()) + 1} ranks an item twice")


def _objective(rankings_RK: NDArray[np.int64], mu: Floats) -> float:
    values = mu[rankings_RK]
    rest = np.logaddexp.accumulate(values[:, ::-1], axis=1)[:, ::-1]
    return float((rest - values).sum() + RIDGE * mu @ mu)


def _shares(rankings_RK: NDArray[np.int64], mu: Floats) -> Floats:
    """Probability of each item at each place, given what is left: rankings × places × items of the ranking."""
    values, k = mu[rankings_RK], rankings_RK.shape[1]
    left = np.where(np.tri(k).T[None] > 0, values[:, None, :], -np.inf)
    return np.asarray(np.exp(left - logsumexp(left, axis=2, keepdims=True)))


def _derivatives(rankings_RK: NDArray[np.int64], mu: Floats) -> tuple[float, Floats, Floats]:
    n, shares = mu.size, _shares(rankings_RK, mu)
    gradient = np.bincount(rankings_RK.ravel(), (shares.sum(axis=1) - 1).ravel(), n) + 2 * RIDGE * mu
    own = shares.sum(axis=1)  # rankings × items
    both = np.einsum("rpi,rpj->rij", shares, shares)
    curvature = np.zeros((n, n))
    np.add.at(curvature, (rankings_RK[:, :, None], rankings_RK[:, None, :]), -both)
    curvature[np.arange(n), np.arange(n)] += np.bincount(rankings_RK.ravel(), own.ravel(), n) + 2 * RIDGE
    return _objective(rankings_RK, mu), gradient, curvature


def _deviations(rankings_RK: NDArray[np.int64], mu: Floats, groups: NDArray[np.int64] | None) -> Floats:
    """Standard errors with the mean held at 0."""
    n = mu.size
    _, _, curvature = _derivatives(rankings_RK, mu)
    inverse = cho_solve(cho_factor(curvature), np.eye(n))
    ones = inverse.sum(axis=1)
    inverse = inverse - np.outer(ones, ones) / ones.sum()
    if groups is not None and len(np.unique(groups)) < len(groups):
        slopes = _group_slopes(rankings_RK, mu, groups, inverse)
        # With few rankings per item the sandwich is too narrow where rankings of a group are independent after all.
        around = np.square(slopes @ inverse).sum(axis=0)
        return np.asarray(np.sqrt(np.maximum(np.diag(inverse), around)))
    return np.sqrt(np.maximum(np.diag(inverse), 0))


def _group_slopes(rankings_RK: NDArray[np.int64], mu: Floats, groups: NDArray[np.int64], inverse: Floats) -> Floats:
    """Gradient of each group, groups × items, corrected for that the fit has followed it.

    The correction is that of Bell and McCaffrey (2002): the gradient of a group is multiplied by (1 - C V)^(-1/2), with
    C its information and V the inverse of all information. Without it, a sandwich of few groups is too narrow.
    """
    names, label = np.unique(groups, return_inverse=True)
    shares = _shares(rankings_RK, mu)
    own = shares.sum(axis=1)  # rankings × items
    both = np.einsum("rpi,rpj->rij", shares, shares)
    slopes = np.zeros((len(names), mu.size))
    for group in range(len(names)):
        rows = np.flatnonzero(label == group)
        items, place = np.unique(rankings_RK[rows], return_inverse=True)
        place = place.reshape(len(rows), -1)
        slope, information = np.zeros(len(items)), np.zeros((len(items), len(items)))
        for row, at in zip(rows.tolist(), place, strict=True):
            slope[at] += own[row] - 1
            information[np.ix_(at, at)] += np.diag(own[row]) - both[row]
        left = sqrtm(np.eye(len(items)) - information @ inverse[np.ix_(items, items)])
        slopes[group, items] = np.linalg.lstsq(left.real, slope, rcond=None)[0]
    return slopes
