"""Intervals of utilities, from the observed information and from a bootstrap of pairs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve, lapack, solve_triangular
from scipy.sparse.linalg import LinearOperator, cg

from inoc.stats.bootstrap import percentile_bounds
from inoc.stats.means import NAN, Floats, normal_quantile
from inoc.stats.utilities.fit import Fit, Settings, fit
from inoc.stats.utilities.outcomes import Ints, Outcomes, always_won, component_of

LARGEST_DENSE = 8000
"""Parameters up to which the information is inverted; 0.5 GB, and some seconds."""


class Intervals(NamedTuple):
    """Bounds of the utilities and of the position terms; NaN where they are unknown."""

    lo: Floats
    hi: Floats
    positions_lo: Floats  # one per position term
    positions_hi: Floats

    @property
    def position_lo(self) -> float:
        """Lower bound of the one position term; NaN without it, or with several."""
        return float(self.positions_lo[0]) if self.positions_lo.size == 1 else NAN

    @property
    def position_hi(self) -> float:
        """Upper bound of the one position term."""
        return float(self.positions_hi[0]) if self.positions_hi.size == 1 else NAN

    @classmethod
    def unknown(cls, n_items: int, n_positions: int = 0) -> Intervals:
        """No bounds."""
        items, positions = np.full(n_items, NAN), np.full(n_positions, NAN)
        return cls(items, items, positions, positions)


def information_intervals(found: Fit, confidence: float = 0.95) -> Intervals:
    """Normal intervals from the inverse of the observed information, penalties included.

    Location and scale are conventions and have no uncertainty: the mean utility of each component is held at 0, and
    so is its mean ln sigma. An item that always won has no upper bound, and one that always lost no lower bound.

    Args:
        found: A fit without bounds. Beyond 8000 parameters, only the position term has an interval.
        confidence: Of the two-sided intervals.
    """
    problem, width = found.problem, normal_quantile(confidence)
    n, places = problem.n, list(problem.positions_at)
    sd = np.full(problem.size, NAN)
    if problem.size <= LARGEST_DENSE:
        sd = _deviations(found)
    else:
        for place in places:
            sd[place] = _one_deviation(found, place)
    lo, hi = _open(problem.outcomes, found.mu - width * sd[:n], found.mu + width * sd[:n])
    return Intervals(lo, hi, found.positions - width * sd[places], found.positions + width * sd[places])


def _deviations(found: Fit) -> Floats:
    """Standard errors of all parameters but ln sigma; NaN if the information is not positive definite."""
    sd = np.full(found.problem.size, NAN)
    reduced = _reduced(found)
    if reduced is None:
        return sd
    inverse, _ = lapack.dpotri(reduced.factor, lower=True, overwrite_c=True)
    removed = np.einsum("ij,ji->i", reduced.held, reduced.weights)
    sd[reduced.outer] = np.sqrt(np.maximum(np.diag(inverse) - removed, 0))
    return sd


def mu_covariance(found: Fit) -> Floats | None:
    """Covariance of the utilities, items × items, with location and scale held at their conventions.

    None beyond 8000 parameters, or if the information is not positive definite.
    """
    if found.problem.size > LARGEST_DENSE or (reduced := _reduced(found)) is None:
        return None
    n = found.problem.n
    inverse, _ = lapack.dpotri(reduced.factor, lower=True, overwrite_c=True)
    inverse = inverse[:n, :n]
    whole = np.tril(inverse) + np.tril(inverse, -1).T
    return np.asarray(whole - reduced.held[:n] @ reduced.weights[:, :n])


class _Reduced(NamedTuple):
    """The information without ln sigma, factored, and what holding location and scale takes from its inverse."""

    factor: Floats
    outer: Ints  # parameters but ln sigma
    held: Floats  # parameters × conventions
    weights: Floats  # conventions × parameters; the product of the two is taken from the inverse


def _reduced(found: Fit) -> _Reduced | None:
    """By the Schur complement of the part of ln sigma, which costs less than half of the inverse of the whole."""
    problem, n = found.problem, found.problem.n
    matrix = problem.curvature(found.at).dense()
    inner = np.arange(n, 2 * n) if problem.varied else np.arange(0)  # ln sigma
    outer = np.setdiff1d(np.arange(problem.size), inner)
    cross = matrix[np.ix_(inner, outer)]
    held = conventions(problem.outcomes, problem.size, varied=problem.varied)
    try:
        within = cho_factor(matrix[np.ix_(inner, inner)], lower=True, overwrite_a=True, check_finite=False)
        weights = solve_triangular(within[0], cross, lower=True, check_finite=False)
        reduced = matrix[np.ix_(outer, outer)] - weights.T @ weights
        factor = cho_factor(reduced, lower=True, overwrite_a=True, check_finite=False)
    except np.linalg.LinAlgError:
        return None
    solved = np.empty_like(held)
    halved = cho_solve(within, held[inner], check_finite=False)
    solved[outer] = cho_solve(factor, held[outer] - cross.T @ halved, check_finite=False)
    solved[inner] = halved - cho_solve(within, cross @ solved[outer], check_finite=False)
    taken = np.linalg.solve(held.T @ solved, solved.T)
    return _Reduced(factor[0], outer, solved[outer], np.asarray(taken[:, outer], dtype=np.float64))


def conventions(outcomes: Outcomes, size: int, *, varied: bool) -> Floats:
    """Indicator columns of the sums that are held: of mu, and of ln sigma, of each component.

    Args:
        outcomes: The comparisons.
        size: Number of parameters.
        varied: Whether items have variances of their own.
    """
    n, component = outcomes.n_items, component_of(outcomes)
    count = int(component.max()) + 1
    held = np.zeros((size, count * (1 + varied)))
    held[np.arange(n), component] = 1
    if varied:
        held[n + np.arange(n), count + component] = 1
    return held


def _one_deviation(found: Fit, place: int) -> float:
    """The standard error of a parameter that location and scale leave as it is, without the whole inverse."""
    here = found.problem.curvature(found.at)
    shape = (found.problem.size, found.problem.size)
    unit = np.eye(1, found.problem.size, place)[0]
    product = LinearOperator(shape, matvec=here.times, dtype=np.float64)
    scaling = LinearOperator(shape, matvec=lambda v: v.ravel() / here.diagonal, dtype=np.float64)
    solved, failed = cg(product, unit, rtol=1e-6, M=scaling, maxiter=1000)
    return NAN if failed or solved[place] <= 0 else float(np.sqrt(solved[place]))


def bootstrap_intervals(
    outcomes: Outcomes, found: Fit, settings: Settings, repeats: int, confidence: float = 0.95
) -> Intervals:
    """Percentile intervals over resamples of pairs, for the comparisons of a pair need not be independent.

    Args:
        outcomes: The comparisons.
        found: Their fit, from which the resamples' fits start.
        settings: Those of the fit.
        repeats: Number of resamples.
        confidence: Of the two-sided intervals.
    """
    rng = np.random.default_rng(settings.seed)
    _, cluster = np.unique(outcomes.pair, return_inverse=True)
    n_pairs = int(cluster.max()) + 1
    draws = np.full((repeats, found.problem.size), NAN)
    for row in draws:
        times = np.bincount(rng.integers(0, n_pairs, n_pairs), minlength=n_pairs)
        again = outcomes.weighted(outcomes.weight * times[cluster])
        refit = fit(again, settings, start=found.at)
        row[:] = refit.at
        row[: outcomes.n_items][_lost(again, outcomes)] = NAN
    bounds = np.array([percentile_bounds(column[~np.isnan(column)], confidence) for column in draws.T])
    n, places = outcomes.n_items, list(found.problem.positions_at)
    lo, hi = _open(found.problem.outcomes, bounds[:n, 0], bounds[:n, 1])
    return Intervals(lo, hi, bounds[places, 0], bounds[places, 1])


def _lost(again: Outcomes, outcomes: Outcomes) -> np.ndarray:
    """Items that a resample cut off from the component that they belong to, and so gave another location."""
    new, old = component_of(again), component_of(outcomes)
    largest: Ints = np.array([np.bincount(new[old == one]).argmax() for one in range(int(old.max()) + 1)])
    return np.asarray(new != largest[old])


def _open(outcomes: Outcomes, lo: Floats, hi: Floats) -> tuple[Floats, Floats]:
    always = always_won(outcomes)
    return np.where(always < 0, -np.inf, lo), np.where(always > 0, np.inf, hi)
