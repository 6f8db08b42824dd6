"""Differences between columns that were measured on the same rows; errors are those of the rows' own differences."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import stdtr

from inoc.stats.means import NAN, Floats, t_quantile


class Contrast(NamedTuple):
    """A mean with its standard error, interval and test."""

    value: float  # NaN if nothing was measured
    se: float  # NaN for fewer than two rows
    lo: float
    hi: float
    p: float  # two-sided, of no difference; 1 if all rows are exactly 0, NaN where `se` is
    n: int  # rows used
    n_nan: int  # rows dropped


def contrast_of(differences: Floats, confidence: float = 0.95) -> Contrast:
    """Mean of row differences with its t interval and t test.

    Args:
        differences: Shape (rows,); NaN are skipped and counted.
        confidence: Level of the interval.
    """
    found = differences[~np.isnan(differences)]
    n, n_nan = found.size, differences.size - found.size
    if n < 2:
        return Contrast(float(found[0]) if n else NAN, NAN, NAN, NAN, NAN, n, n_nan)
    return tested(float(found.mean()), float(found.std(ddof=1)) / n**0.5, n - 1, confidence, (n, n_nan))


def tested(value: float, se: float, degrees: float, confidence: float, counts: tuple[int, int]) -> Contrast:
    """A value with the interval and the two-sided test that its standard error gives.

    Args:
        value: The estimate.
        se: Its standard error.
        degrees: Degrees of freedom of the standard error.
        confidence: Level of the interval.
        counts: `n` and `n_nan` of the result.
    """
    half = t_quantile(degrees, confidence) * se
    return Contrast(value, se, value - half, value + half, two_sided(value, se, degrees), *counts)


def two_sided(value: float, se: float, degrees: float) -> float:
    """p of the t test against 0; never 0, NaN without a standard error."""
    if np.isnan(se):
        return NAN
    if se == 0:
        return 1.0 if value == 0 else float(np.finfo(np.float64).tiny)
    return max(2 * float(stdtr(degrees, -abs(value / se))), float(np.finfo(np.float64).tiny))


def against_each(values_PN: Floats, own: int, confidence: float = 0.95) -> list[Contrast]:
    """One column's mean minus each other's, paired by row.

    Args:
        values_PN: Columns × rows; NaN is a failed measurement.
        own: Index of the column that is compared.
        confidence: Level of each interval.

    Returns:
        One for each column; that of the column with itself is 0.
    """
    return [contrast_of(values_PN[own] - other, confidence) for other in values_PN]


def against_mean(values_PN: Floats, own: int, others: list[int], confidence: float = 0.95) -> Contrast:
    """One column's mean minus the mean of others, paired by row; a row that lacks one of them is dropped.

    Args:
        values_PN: Columns × rows.
        own: Index of the column that is compared.
        others: Indices of those that it is compared with.
        confidence: Level of the interval.
    """
    if not others:
        return Contrast(NAN, NAN, NAN, NAN, NAN, 0, values_PN.shape[1])
    return contrast_of(values_PN[own] - values_PN[others].mean(axis=0), confidence)


def standardised(differences: Floats, features_NF: Floats, at_F: Floats, confidence: float = 0.95) -> Contrast:
    """Mean difference that rows would have if their features had given means.

    A linear fit of the differences on the features, evaluated at `at_F`, with the error of White's estimator (HC1). The
    point `at_F` counts as known.

    Args:
        differences: Shape (rows,); rows with NaN in them or in a feature are dropped and counted.
        features_NF: Rows × features.
        at_F: Where the fit is evaluated.
        confidence: Level of the interval.

    Returns:
        NaN if there are no more rows than coefficients, or if `at_F` differs in a feature that does not vary here.
    """
    known = ~np.isnan(differences) & ~np.isnan(features_NF).any(axis=1)
    y, x_NF = differences[known], features_NF[known] - at_F
    n, n_nan = y.size, differences.size - y.size
    unknown = Contrast(NAN, NAN, NAN, NAN, NAN, n, n_nan)
    if n < 2:
        return unknown
    varies = x_NF.std(axis=0) > 1e-12
    if (np.abs(x_NF[0, ~varies]) > 1e-9).any():
        return unknown
    design_NK = np.column_stack([np.ones(n), x_NF[:, varies]])
    k = design_NK.shape[1]
    if n <= k:
        return unknown
    # A pseudo-inverse: features that repeat one another change neither the fit at a point nor its error.
    bread_KN = np.linalg.pinv(design_NK)
    coefficients = bread_KN @ y
    residuals = y - design_NK @ coefficients
    se = float(np.sqrt(((bread_KN[0] * residuals) ** 2).sum() * n / (n - k)))
    return tested(float(coefficients[0]), se, n - k, confidence, (n, n_nan))
