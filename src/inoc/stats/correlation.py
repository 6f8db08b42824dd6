"""Pearson's r and Spearman's rho with intervals, and the line with its band."""

from __future__ import annotations

import itertools
import math
import sys
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr

from inoc.stats.means import NAN, Floats, check_paired, normal_quantile, t_quantile

FEWEST_FOR_INTERVAL = 6
"""Independent units from which on a correlation or a held-out R² has an interval; below, p is exact."""


class Correlation(NamedTuple):
    """A correlation between −1 and 1; positive means that the two rise together."""

    value: float  # NaN for fewer than three pairs, or if one side is constant
    lo: float  # NaN for fewer than `FEWEST_FOR_INTERVAL` pairs
    hi: float
    p: float  # two-sided, of no correlation; by all permutations where there is no interval; never 0
    n: int  # pairs used
    n_nan: int  # pairs dropped because a side is NaN


def pearson(x: Floats, y: Floats, confidence: float = 0.95) -> Correlation:
    """Pearson's r, with Fisher's z interval and the t test's p."""
    x, y, n_nan = _known_pairs(x, y)
    return _correlation(x, y, 1.0, n_nan, confidence)


def spearman(x: Floats, y: Floats, confidence: float = 0.95) -> Correlation:
    """Spearman's rho: Pearson's r of the ranks, ties sharing their mean rank.

    The interval is Fisher's with the variance (1 + rho²/2) / (n − 3), which is right for rho where Pearson's
    is too narrow; p is that of the t approximation.
    """
    x, y, n_nan = _known_pairs(x, y)
    x, y = mean_ranks(x), mean_ranks(y)
    return _correlation(x, y, 1 + _product_moment(x, y) ** 2 / 2, n_nan, confidence)


def mean_ranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts).astype(np.float64)
    ranks: Floats = (last - (counts - 1) / 2)[inverse]
    return ranks


class Band(NamedTuple):
    """A line and the interval of its mean, at given positions."""

    y: Floats
    lo: Floats
    hi: Floats


class Line(NamedTuple):
    """Ordinary least squares of y on x."""

    slope: float  # unit of y per unit of x; NaN for fewer than two pairs or a constant x
    intercept: float
    residual_sd: float  # √(SSE / (n − 2)); NaN for fewer than three pairs
    x_mean: float
    sxx: float  # Σ (x − x̄)²
    n: int
    n_nan: int

    def band(self, x: Floats, confidence: float = 0.95) -> Band:
        """The line at `x` and the interval of the mean there: t(n − 2) · s · √(1/n + (x − x̄)² / Sxx)."""
        y = self.intercept + self.slope * x
        if self.n < 3:
            return Band(y, np.full(x.shape, NAN), np.full(x.shape, NAN))
        quantile = t_quantile(self.n - 2, confidence)
        half = quantile * self.residual_sd * np.sqrt(1 / self.n + (x - self.x_mean) ** 2 / self.sxx)
        return Band(y, y - half, y + half)


def fit_line(x: Floats, y: Floats) -> Line:
    """Fit y on x; pairs with a NaN are dropped and counted."""
    x, y, n_nan = _known_pairs(x, y)
    n = x.size
    x_mean = float(x.mean()) if n else NAN
    sxx = float(((x - x_mean) ** 2).sum())
    if n < 2 or _is_constant(x):
        return Line(NAN, NAN, NAN, x_mean, sxx, n, n_nan)
    slope = float(((x - x_mean) * (y - y.mean())).sum()) / sxx
    intercept = float(y.mean()) - slope * x_mean
    sse = float(((y - intercept - slope * x) ** 2).sum())
    return Line(slope, intercept, (sse / (n - 2)) ** 0.5 if n > 2 else NAN, x_mean, sxx, n, n_nan)


def _known_pairs(x: Floats, y: Floats) -> tuple[Floats, Floats, int]:
    check_paired(x, y)
    known = ~(np.isnan(x) | np.isnan(y))
    return x[known], y[known], int((~known).sum())


def _is_constant(values: Floats) -> bool:
    # Rounding leaves a constant array a spread of some ulps, of which a correlation would make noise between
    # −1 and 1.
    return bool(np.ptp(values) <= 1e-12 * max(1e-300, float(np.abs(values).max())))


def _product_moment(x: Floats, y: Floats) -> float:
    if x.size < 3 or _is_constant(x) or _is_constant(y):
        return NAN
    x, y = x - x.mean(), y - y.mean()
    # Scaled first: squares of tiny or huge values would leave the range of floats.
    x, y = x / np.abs(x).max(), y / np.abs(y).max()
    return float(np.clip((x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum()), -1, 1))


def _correlation(x: Floats, y: Floats, variance: float, n_nan: int, confidence: float) -> Correlation:
    r, n = _product_moment(x, y), x.size
    if np.isnan(r):
        return Correlation(NAN, NAN, NAN, NAN, n, n_nan)
    if n < FEWEST_FOR_INTERVAL:
        return Correlation(r, NAN, NAN, exact_p(x, y), n, n_nan)
    if abs(r) == 1:
        return Correlation(r, r, r, _smallest_p(y), n, n_nan)
    p = 2 * float(stdtr(n - 2, -abs(r) * ((n - 2) / (1 - r**2)) ** 0.5))
    half = normal_quantile(confidence) * (variance / (n - 3)) ** 0.5
    z = np.arctanh(r)
    lo, hi = float(np.tanh(z - half)), float(np.tanh(z + half))
    return Correlation(r, lo, hi, max(p, sys.float_info.min), n, n_nan)


def exact_p(x: Floats, y: Floats) -> float:
    """Share of all orders of y that correlate with x at least as much as the given one, two-sided; for few pairs."""
    orders = np.array(list(itertools.permutations(range(y.size))))
    x, y = x - x.mean(), y - y.mean()
    reached = np.abs(y[orders] @ x) >= abs(float(x @ y)) * (1 - 1e-12)
    return float(reached.mean())


def _smallest_p(y: Floats) -> float:
    """The p of a perfect correlation: of all orders of y, the two that are perfect, and those that ties make equal."""
    _, ties = np.unique(y, return_counts=True)
    log_share = math.log(2) + sum(math.lgamma(count + 1) for count in ties) - math.lgamma(y.size + 1)
    return min(1.0, max(math.exp(log_share), sys.float_info.min))
