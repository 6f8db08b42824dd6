"""Pearson's r and Spearman's rho with intervals, and the line with its band."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import stdtr

from inoc.stats.means import NAN, Floats, check_paired, normal_quantile, t_quantile


class Correlation(NamedTuple):
    """A correlation between −1 and 1; positive means that the two rise together."""

    value: float  # NaN for fewer than three pairs, or if one side is constant
    lo: float  # NaN for fewer than four pairs
    hi: float
    p: float  # two-sided, of no correlation
    n: int  # pairs used
    n_nan: int  # pairs dropped because a side is NaN


def pearson(x: Floats, y: Floats, confidence: float = 0.95) -> Correlation:
    """Pearson's r, with Fisher's z interval and the t test's p."""
    x, y, n_nan = _known_pairs(x, y)
    return _correlation(_product_moment(x, y), 1.0, x.size, n_nan, confidence)


def spearman(x: Floats, y: Floats, confidence: float = 0.95) -> Correlation:
    """Spearman's rho: Pearson's r of the ranks, ties sharing their mean rank.

    The interval is Fisher's with the variance (1 + rho²/2) / (n − 3), which is right for rho where Pearson's
    is too narrow; p is that of the t approximation.
    """
    x, y, n_nan = _known_pairs(x, y)
    rho = _product_moment(mean_ranks(x), mean_ranks(y))
    return _correlation(rho, 1 + rho**2 / 2, x.size, n_nan, confidence)


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


def _correlation(r: float, variance: float, n: int, n_nan: int, confidence: float) -> Correlation:
    if np.isnan(r):
        return Correlation(NAN, NAN, NAN, NAN, n, n_nan)
    if abs(r) == 1:
        return Correlation(r, *((r, r) if n > 3 else (NAN, NAN)), 0.0, n, n_nan)
    p = 2 * float(stdtr(n - 2, -abs(r) * ((n - 2) / (1 - r**2)) ** 0.5))
    if n < 4:
        return Correlation(r, NAN, NAN, p, n, n_nan)
    half = normal_quantile(confidence) * (variance / (n - 3)) ** 0.5
    z = np.arctanh(r)
    return Correlation(r, float(np.tanh(z - half)), float(np.tanh(z + half)), p, n, n_nan)
