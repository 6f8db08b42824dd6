"""Intraclass correlations of single ratings, with F intervals (Shrout and Fleiss 1979, McGraw and Wong 1996)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import f as f_distribution

from inoc.errors import DataError
from inoc.stats.means import NAN, Estimate, Floats

Form = Literal["icc1", "icc2", "icc3"]
FORMS: tuple[Form, ...] = ("icc1", "icc2", "icc3")


class Squares(NamedTuple):
    """Mean squares of a whole table of n rows and k columns."""

    rows: float
    columns: float
    within: float  # inside rows, columns included
    error: float  # what rows and columns leave
    n: int
    k: int


def mean_squares(table_NK: Floats) -> Squares:
    """Mean squares of a table without gaps, of two rows and two columns or more."""
    n, k = table_NK.shape
    grand = table_NK.mean()
    rows, columns = table_NK.mean(axis=1) - grand, table_NK.mean(axis=0) - grand
    within = table_NK - grand - rows[:, None]
    rest = within - columns
    return Squares(
        k * float(rows @ rows) / (n - 1),
        n * float(columns @ columns) / (k - 1),
        float((within**2).sum()) / (n * (k - 1)),
        float((rest**2).sum()) / ((n - 1) * (k - 1)),
        n,
        k,
    )


def icc(table_NK: Floats, form: Form, confidence: float = 0.95) -> Estimate:
    """The share of the variance of one rating that lies between the rated things.

    - `icc1`: ICC(1,1), one-way random: the columns have no meaning of their own
    - `icc2`: ICC(2,1), two-way random, absolute agreement: a difference between the means of columns counts as error
    - `icc3`: ICC(3,1), two-way mixed, consistency: it does not

    Args:
        table_NK: Rated things × ratings (seeds, raters). A row with a NaN is dropped and counted.
        form: Which of the three.
        confidence: Of the two-sided interval.

    Returns:
        At most 1; below 0 if ratings of one thing differ more than those of several. NaN for fewer than two whole rows
        or two columns, and for a constant table. `n` counts rows.

    Raises:
        DataError: If the table does not have two dimensions.
    """
    if table_NK.ndim != 2:
        raise DataError(f"ratings of things by seeds or raters are a table of two dimensions, not {table_NK.ndim}")
    whole = table_NK[~np.isnan(table_NK).any(axis=1)]
    n, n_nan = whole.shape[0], table_NK.shape[0] - whole.shape[0]
    if n < 2 or whole.shape[1] < 2 or np.ptp(whole) <= 1e-12 * max(1e-300, float(np.abs(whole).max())):
        return Estimate(NAN, NAN, NAN, n, n_nan)
    found = mean_squares(whole)
    make = {"icc1": _one_way, "icc2": _agreement, "icc3": _consistency}[form]
    value, lo, hi = make(found, (1 + confidence) / 2)
    return Estimate(value, lo, hi, n, n_nan)


def one_way(values: Floats, groups: Sequence[str], confidence: float = 0.95) -> Estimate:
    """ICC(1,1) of any number of ratings per thing, by the mean squares of an analysis of variance.

    With equal numbers it is `icc` with `icc1`. With unequal ones the number of ratings is replaced by Searle's n0, and
    the interval is an approximation.

    Args:
        values: Ratings; NaN are dropped and counted.
        groups: Rated thing of each.
        confidence: Of the two-sided interval.

    Returns:
        `n` counts things. NaN for fewer than two things, or if none has two ratings.

    Raises:
        DataError: If there are not as many groups as ratings.
    """
    if values.shape != (len(groups),):
        raise DataError(f"{values.size} ratings of {len(groups)} things: give the thing of each rating")
    known = ~np.isnan(values)
    y, label = values[known], np.unique(np.asarray(groups, dtype=object)[known].astype(str), return_inverse=True)[1]
    k = np.bincount(label).astype(np.float64)
    n, total, n_nan = k.size, y.size, int((~known).sum())
    if n < 2 or total == n or np.ptp(y) <= 1e-12 * max(1e-300, float(np.abs(y).max())):
        return Estimate(NAN, NAN, NAN, n, n_nan)
    means = np.bincount(label, y) / k
    between = float(k @ (means - y.mean()) ** 2) / (n - 1)
    within = float(((y - means[label]) ** 2).sum()) / (total - n)
    size = (total - float(k @ k) / total) / (n - 1)
    value, lo, hi = _of_ratio(between, within, (n - 1, total - n), size, (1 + confidence) / 2)
    return Estimate(value, lo, hi, n, n_nan)


def _one_way(m: Squares, upper: float) -> tuple[float, float, float]:
    return _of_ratio(m.rows, m.within, (m.n - 1, m.n * (m.k - 1)), m.k, upper)


def _consistency(m: Squares, upper: float) -> tuple[float, float, float]:
    return _of_ratio(m.rows, m.error, (m.n - 1, (m.n - 1) * (m.k - 1)), m.k, upper)


def _of_ratio(
    between: float, error: float, degrees: tuple[int, int], k: float, upper: float
) -> tuple[float, float, float]:
    if error <= 1e-12 * between:
        return 1.0, 1.0, 1.0
    ratio = between / error
    low = ratio / float(f_distribution.ppf(upper, *degrees))
    high = ratio * float(f_distribution.ppf(upper, degrees[1], degrees[0]))
    return (ratio - 1) / (ratio + k - 1), (low - 1) / (low + k - 1), (high - 1) / (high + k - 1)


def _agreement(m: Squares, upper: float) -> tuple[float, float, float]:
    n, k = m.n, m.k
    value = (m.rows - m.error) / (m.rows + (k - 1) * m.error + k * (m.columns - m.error) / n)
    if m.error <= 1e-12 * max(m.rows, m.columns):
        # Columns that differ by constants alone: the interval depends on two or three of them and is left open.
        return (1.0, 1.0, 1.0) if m.columns <= 1e-12 * m.rows else (value, NAN, NAN)
    ratio = m.columns / m.error
    across = n * (1 + (k - 1) * value) - k * value
    top = (k - 1) * (n - 1) * (k * value * ratio + across) ** 2
    degrees = top / ((n - 1) * (k * value * ratio) ** 2 + across**2)
    above = float(f_distribution.ppf(upper, n - 1, degrees))
    below = float(f_distribution.ppf(upper, degrees, n - 1))
    rest = k * m.columns + (k * n - k - n) * m.error
    lo = n * (m.rows - above * m.error) / (above * rest + n * m.rows)
    hi = n * (below * m.rows - m.error) / (rest + n * below * m.rows)
    return value, lo, hi


def variance_ratio(table_NK: Floats) -> float:
    """An earlier study's "ICC": variance of row means / (itself + mean variance inside rows).

    It is no intraclass correlation: of k ratings of pure noise it expects 1 / (k + 1), not 0.

    Args:
        table_NK: Rated things × ratings. Rows with fewer than two known ratings are dropped.

    Returns:
        Between 0 and 1; NaN for fewer than two rows, or a constant table.
    """
    known = (~np.isnan(table_NK)).sum(axis=1) >= 2
    rows = table_NK[known]
    if rows.shape[0] < 2:
        return NAN
    between = float(np.nanmean(rows, axis=1).var(ddof=1))
    within = float(np.nanvar(rows, axis=1, ddof=1).mean())
    return between / (between + within) if between + within > 0 else NAN
