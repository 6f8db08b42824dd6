"""Ridge regression with nested cross-validation in closed form.

Activations are standardised by the rows of the outer training set. One eigendecomposition of that set's Gram matrix
then gives the held-out errors of every inner fold, penalty and target: leaving out the rows F changes their residuals
from r to (I − H)_FF⁻¹ r_F, with H the hat matrix of the whole training set, intercept included. That is what fitting
each inner training set on the same standardised activations gives, to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import scipy.linalg

from inoc.errors import DataError
from inoc.stats.means import Floats
from inoc.stats.probes.folds import Indices, Split


class Scaled(NamedTuple):
    """Standardised rows, each multiplied by the square root of its weight."""

    rows: Floats  # shape (rows, dimensions)
    root: Floats  # square roots of the weights, shape (rows,)
    mean: Floats  # shape (dimensions,)
    sd: Floats  # 1 where a dimension does not vary


class Spectrum(NamedTuple):
    """Eigenvalues of the Gram matrix of scaled rows, with what belongs to them."""

    scaled: Scaled
    values: Floats  # not below 0
    vectors: Floats  # shape (rows, values), orthonormal, orthogonal to the intercept
    full: bool  # whether the vectors span everything but the intercept


class Fit(NamedTuple):
    """Ridge regressions of several targets."""

    coefficients: Floats  # of the activations as they are, shape (dimensions, targets)
    intercepts: Floats  # shape (targets,)
    penalties: Floats  # chosen, as multiples of the number of dimensions, shape (targets,)


class Held(NamedTuple):
    """Predictions of one split's held-out rows."""

    split: Split
    predicted: Floats  # shape (test rows, targets)
    penalties: Floats  # shape (targets,)


def scale(x_ND: Floats, weights_N: Floats) -> Scaled:
    """Standardise rows by their weighted mean and standard deviation."""
    total = weights_N.sum()
    mean = weights_N @ x_ND / total
    rows = x_ND - mean
    sd = np.sqrt(np.einsum("n,nd,nd->d", weights_N, rows, rows, optimize=False) / total)
    largest = np.abs(x_ND).max(axis=0, initial=0.0)
    sd = np.where(sd > 1e-12 * np.maximum(largest, 1e-300), sd, 1.0)
    rows /= sd
    root = np.sqrt(weights_N)
    rows *= root[:, None]
    return Scaled(rows, root, mean, sd)


def spectrum(x_ND: Floats, weights_N: Floats) -> Spectrum:
    """Decompose the Gram matrix of standardised rows, or the matrix of dimensions if that is much smaller."""
    scaled = scale(x_ND, weights_N)
    z, n = scaled.rows, len(x_ND)
    if n >= 2 * z.shape[1]:
        values, sides = np.linalg.eigh(z.T @ z)
        kept = values > 1e-12 * max(float(values[-1]), 1e-300)
        vectors = z @ sides[:, kept] / np.sqrt(values[kept])
        return Spectrum(scaled, values[kept], vectors, full=False)
    gram = z @ z.T
    unit = scaled.root / np.linalg.norm(scaled.root)
    # The intercept's direction has the eigenvalue 0; moved to the top, it can be told from all others.
    gram += (1.1 * np.linalg.norm(gram) + 1) * np.outer(unit, unit)
    values, vectors = np.linalg.eigh(gram)
    return Spectrum(scaled, np.maximum(values[:-1], 0.0), np.ascontiguousarray(vectors[:, :-1]), full=True)


def inner_losses(found: Spectrum, y_NT: Floats, folds: Sequence[Indices], penalties_P: Floats) -> Floats:
    """Weighted mean squared error of each inner fold, held out.

    Args:
        found: Spectrum of all rows.
        y_NT: Targets.
        folds: Rows of each inner fold.
        penalties_P: Weights of the squared norm of the coefficients.

    Returns:
        Shape (folds, penalties, targets).
    """
    root = found.scaled.root
    unit = root / np.linalg.norm(root)
    y = root[:, None] * (y_NT - np.average(y_NT, axis=0, weights=root**2))
    inside = found.vectors.T @ y
    losses = np.empty((len(folds), len(penalties_P), y.shape[1]))
    for at, penalty in enumerate(penalties_P):
        factors = 1 / (found.values + penalty) if found.full else found.values / (found.values + penalty)
        smoothed = found.vectors @ (factors[:, None] * inside)
        errors = smoothed if found.full else y - smoothed
        for fold, rows in enumerate(folds):
            own = found.vectors[rows] * np.sqrt(factors)
            block = own @ own.T
            if not found.full:
                block = np.eye(len(rows)) - block - np.outer(unit[rows], unit[rows])
            left = scipy.linalg.solve(block, errors[rows], assume_a="pos", check_finite=False, overwrite_a=True)
            losses[fold, at] = (left**2).sum(axis=0) / (root[rows] ** 2).sum()
    return losses


def solve(found: Spectrum, y_NT: Floats, penalties_T: Floats) -> tuple[Floats, Floats]:
    """Coefficients of the activations as they are, and intercepts, with a penalty for each target."""
    root = found.scaled.root
    mean = np.average(y_NT, axis=0, weights=root**2)
    inside = found.vectors.T @ (root[:, None] * (y_NT - mean))
    dual = found.vectors @ (inside / (found.values[:, None] + penalties_T))
    coefficients = (found.scaled.rows.T @ dual) / found.scaled.sd[:, None]
    return coefficients, mean - found.scaled.mean @ coefficients


def fit(x_ND: Floats, y_NT: Floats, weights_N: Floats, folds: Sequence[Indices], penalties: Sequence[float]) -> Fit:
    """Fit all rows, with the penalty of each target that has the least held-out error over folds.

    Args:
        x_ND: Activations, finite.
        y_NT: Targets, finite.
        weights_N: Weights of rows, above 0.
        folds: Rows of each fold.
        penalties: Multiples of the number of dimensions.

    Raises:
        DataError: If there are fewer than two folds, or a value is not finite.
    """
    check(x_ND, y_NT, weights_N)
    if len(folds) < 2:
        raise DataError(f"a penalty is chosen by folds, but all rows are in {len(folds)}; at least 2 are needed")
    absolute = np.asarray(penalties, dtype=np.float64) * x_ND.shape[1]
    found = spectrum(x_ND, weights_N)
    best = inner_losses(found, y_NT, folds, absolute).mean(axis=0).argmin(axis=0)
    return Fit(*solve(found, y_NT, absolute[best]), np.asarray(penalties, dtype=np.float64)[best])


def nested(
    x_ND: Floats,
    y_NT: Floats,
    weights_N: Floats,
    splits: Sequence[Split],
    inner: Callable[[Indices], list[Indices]],
    penalties: Sequence[float],
    threads: int = 1,
) -> list[Held]:
    """Held-out predictions of every split, with penalties that were chosen without its test rows.

    Args:
        x_ND: Activations, finite.
        y_NT: Targets, finite; several share all decompositions.
        weights_N: Weights of rows, above 0.
        splits: Outer splits.
        inner: Training rows → inner folds, as places among them.
        penalties: Multiples of the number of dimensions.
        threads: Number of splits that are computed at the same time.

    Raises:
        DataError: If a value is not finite, or a training set has fewer than two inner folds.
    """

    def one(split: Split) -> Held:
        train = split.train
        found = fit(x_ND[train], y_NT[train], weights_N[train], inner(train), penalties)
        return Held(split, x_ND[split.test] @ found.coefficients + found.intercepts, found.penalties)

    if threads == 1 or len(splits) == 1:
        return [one(split) for split in splits]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, splits))


def check(x_ND: Floats, y_NT: Floats, weights_N: Floats) -> None:
    """Refuse what cannot be fitted.

    Raises:
        DataError: If numbers of rows differ, a value is not finite, or a weight is not above 0.
    """
    if not len(x_ND) == len(y_NT) == len(weights_N):
        raise DataError(f"{len(x_ND)} activations, {len(y_NT)} targets, {len(weights_N)} weights; one each per row")
    if not (np.isfinite(x_ND).all() and np.isfinite(y_NT).all() and (weights_N > 0).all()):
        raise DataError("a probe needs finite activations and targets, and weights above 0; leave the other rows out")
