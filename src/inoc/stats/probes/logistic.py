"""Logistic probes: of classes, and of choices between pairs (Bradley and Terry's model on differences of activations).

Both are one regression: its rows are activations, or differences of two, and its targets probabilities from 0 to 1. The
intercept, which is not penalised, is that of the classes, or the advantage of the first of two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from inoc.errors import DataError
from inoc.stats.means import Floats
from inoc.stats.probes.folds import Indices, Split
from inoc.stats.probes.ridge import Held, Spectrum, check, spectrum

TOLERANCE = 1e-8  # of the gradient, per unit of weight
ITERATIONS = 2_000


class Observed(NamedTuple):
    """Outcomes: of rows (`b` is −1), or of pairs of rows."""

    a: Indices  # row, or the first row of a pair
    b: Indices  # second row of a pair; −1 without one
    share: Floats  # share of answers for the class, or for the first of both; from 0 to 1
    weight: Floats  # number of answers, or weight of the row

    def among(self, rows: Indices, n: int) -> Observed:
        """Outcomes of these rows only, which are renumbered; a pair counts if both of its rows are among them."""
        place = np.full(n + 1, -1, dtype=np.int64)  # the last entry stands for the row −1
        place[rows] = np.arange(len(rows))
        kept = (place[self.a] >= 0) & ((place[self.b] >= 0) | (self.b < 0))
        return Observed(place[self.a[kept]], place[self.b[kept]], self.share[kept], self.weight[kept])


def of_classes(share_N: Floats, weights_N: Floats) -> Observed:
    """Outcomes of rows that have a class, 0 or 1, or a share of it."""
    rows = np.arange(len(share_N), dtype=np.int64)
    return Observed(rows, np.full(len(rows), -1, dtype=np.int64), share_N, weights_N)


class LogisticFit(NamedTuple):
    """A logistic regression."""

    coefficients: Floats  # of the activations as they are, shape (dimensions,)
    intercept: float
    penalty: float  # as a multiple of the number of dimensions


def differences(rows: Floats, outcomes: Observed) -> Floats:
    """Rows of the regression: a row, or the difference of a pair's, shape (outcomes, columns)."""
    paired = outcomes.b >= 0
    found: Floats = rows[outcomes.a] - np.where(paired[:, None], rows[outcomes.b], 0.0)
    return found


def log_losses(logits: Floats, share: Floats) -> Floats:
    """Cross-entropy of each outcome, in nats."""
    found: Floats = np.logaddexp(0.0, logits) - share * logits
    return found


def minimise(
    design: Floats, outcomes: Observed, penalty: float, start: Floats | None = None
) -> tuple[Floats, float, Floats]:
    """Coefficients and intercept with the least Σ weight · loss + penalty / 2 · ‖coefficients‖².

    Args:
        design: Rows of the regression.
        outcomes: Their outcomes.
        penalty: Weight of the squared norm, above 0.
        start: What another penalty gave, to begin with.

    Returns:
        Coefficients, intercept, and the start of another penalty.
    """
    weight, share = outcomes.weight, outcomes.share
    total = weight.sum()
    # Scaled so that every direction has about the same curvature, whatever its penalty and spread.
    curvature = np.append(penalty + 0.25 * (weight @ design**2), 0.25 * total)
    unit = 1 / np.sqrt(curvature)

    def objective(scaled: Floats) -> tuple[float, Floats]:
        given = scaled * unit
        logits = design @ given[:-1] + given[-1]
        value = weight @ log_losses(logits, share) + 0.5 * penalty * (given[:-1] @ given[:-1])
        error = weight * (expit(logits) - share)
        gradient = np.append(design.T @ error + penalty * given[:-1], error.sum())
        return float(value) / total, gradient * unit / total

    begin = np.zeros(design.shape[1] + 1) if start is None else start / unit
    options = {"maxiter": ITERATIONS, "gtol": TOLERANCE / np.sqrt(total), "ftol": 0.0, "maxcor": 20}
    found = minimize(objective, begin, jac=True, method="L-BFGS-B", options=options)
    best = found.x * unit
    return best[:-1], float(best[-1]), best


def reduced(found: Spectrum, weights: Floats) -> tuple[Floats, Floats]:
    """Standardised rows in the axes of their spectrum, and the axes in activations as they are."""
    sizes = np.sqrt(found.values)
    kept = sizes > 1e-10 * max(float(sizes.max(initial=0.0)), 1e-300)
    vectors, sizes = found.vectors[:, kept], sizes[kept]
    axes = (found.scaled.rows.T @ vectors / sizes) / found.scaled.sd[:, None]
    return vectors * sizes / np.sqrt(weights)[:, None], axes


def fit(x_ND: Floats, outcomes: Observed, folds: Sequence[Indices], penalties: Sequence[float]) -> LogisticFit:
    """Fit all rows with the penalty that has the least held-out loss over folds of rows.

    Args:
        x_ND: Activations, finite; they are standardised here.
        outcomes: Outcomes of these rows. Held out are those of which all rows are in one fold.
        folds: Rows of each fold.
        penalties: Multiples of the number of dimensions.

    Raises:
        DataError: If there are fewer than two folds, or no outcome is left.
    """
    n, width = x_ND.shape
    ones = np.ones(n)
    check(x_ND, ones[:, None], ones)
    if len(folds) < 2 or not len(outcomes.a):
        raise DataError(f"{len(folds)} folds with {len(outcomes.a)} outcomes; at least 2 folds and 1 are needed")
    rows, axes = reduced(spectrum(x_ND, ones), ones)
    ordered = np.sort(np.asarray(penalties, dtype=np.float64))[::-1]
    losses = np.zeros(len(ordered))
    for held in folds:
        rest = np.setdiff1d(np.arange(n), held)
        train, test = outcomes.among(rest, n), outcomes.among(held, n)
        if len(train.a) and len(test.a):
            losses += _path_losses(rows, rest, held, train, test, ordered * width)
    penalty = float(ordered[losses.argmin()])
    best, intercept, _ = minimise(differences(rows, outcomes), outcomes, penalty * width)
    # The rows are centred, the activations are not: their mean moves the intercept of classes, and cancels in pairs.
    coefficients = axes @ best
    centre = 0.0 if (outcomes.b >= 0).all() else float(x_ND.mean(axis=0) @ coefficients)
    return LogisticFit(coefficients, intercept - centre, penalty)


def _path_losses(
    rows: Floats, rest: Indices, held: Indices, train: Observed, test: Observed, penalties: Floats
) -> Floats:
    """Mean held-out loss of each penalty, from the largest on."""
    design, outside = differences(rows[rest], train), differences(rows[held], test)
    start: Floats | None = None
    found = np.empty(len(penalties))
    for at, penalty in enumerate(penalties):
        coefficients, intercept, start = minimise(design, train, float(penalty), start)
        found[at] = np.average(log_losses(outside @ coefficients + intercept, test.share), weights=test.weight)
    return found


def nested(
    x_ND: Floats,
    outcomes: Observed,
    splits: Sequence[Split],
    inner: Callable[[Indices], list[Indices]],
    penalties: Sequence[float],
    threads: int = 1,
) -> list[Held]:
    """Logits of every split's held-out rows, with the intercept; for pairs, of each row without it.

    Args:
        x_ND: Activations, finite.
        outcomes: Outcomes; a split trains on those of which all rows are in its training set.
        splits: Outer splits.
        inner: Training rows → inner folds, as places among them.
        penalties: Multiples of the number of dimensions.
        threads: Number of splits that are computed at the same time.

    Returns:
        Predictions of shape (test rows, 2): logits, and the intercept in every row.
    """

    def one(split: Split) -> Held:
        own = outcomes.among(split.train, len(x_ND))
        found = fit(x_ND[split.train], own, inner(split.train), penalties)
        logits = x_ND[split.test] @ found.coefficients
        intercepts = np.full(len(logits), found.intercept)
        return Held(split, np.stack([logits, intercepts], axis=1), np.array([found.penalty]))

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, splits))
