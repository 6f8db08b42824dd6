"""A yes or no against a number: point-biserial correlation, Mann and Whitney's test, rates by quartile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, stdtr
from scipy.stats import mannwhitneyu

from inoc.errors import DataError
from inoc.stats.clusters import centred, grouped
from inoc.stats.correlation import FEWEST_FOR_INTERVAL, Correlation, pearson
from inoc.stats.means import NAN, Estimate, Floats, normal_quantile, t_quantile
from inoc.stats.shares import wilson

Bools = NDArray[np.bool_]
FEWEST = 5
"""Things in either group from which on there is a test of their difference."""
FEWEST_FOR_AUC = 10
"""Things in either group from which on the AUC has an interval."""


class RankTest(NamedTuple):
    """Mann and Whitney's test."""

    u: float  # pairs in which the thing with the mark is higher, ties counting one half; NaN for a group of none
    p: float  # two-sided; NaN if a group has fewer than `FEWEST`
    auc: Estimate  # u as a share of all pairs: 0.5 means no difference; no interval at 0 and 1, or below ten things
    n_with: int
    n_without: int


def point_biserial(marked: Bools, values: Floats) -> Correlation:
    """Pearson's r of a yes (1) or no (0) with a number; positive means that things with the mark are higher."""
    return pearson(marked.astype(np.float64), values)


def rank_test(marked: Bools, values: Floats, confidence: float = 0.95) -> RankTest:
    """Whether things with a mark are higher or lower than the others.

    Args:
        marked: Whether each thing has the mark.
        values: Its value; NaN are dropped.
        confidence: Of the interval.
    """
    known = ~np.isnan(values)
    n_nan = int((~known).sum())
    yes, no = values[known & marked], values[known & ~marked]
    n = yes.size + no.size
    if not yes.size or not no.size:
        return RankTest(NAN, NAN, Estimate(NAN, NAN, NAN, n, n_nan), yes.size, no.size)
    found = mannwhitneyu(yes, no, alternative="two-sided")
    u = float(found.statistic)
    above = (yes[:, None] > no) + 0.5 * (yes[:, None] == no)
    p = float(found.pvalue) if min(yes.size, no.size) >= FEWEST else NAN
    lo, hi = _auc_bounds(above, confidence)
    return RankTest(u, p, Estimate(u / (yes.size * no.size), lo, hi, n, n_nan), yes.size, no.size)


def _auc_bounds(above_YN: Floats, confidence: float) -> tuple[float, float]:
    """DeLong's interval (1988) on the logit scale, with Welch's degrees of freedom.

    Args:
        above_YN: 1 where a thing with the mark is above one without, 0.5 for a tie, with × without.
    """
    value = float(above_YN.mean())
    if min(above_YN.shape) < FEWEST_FOR_AUC or not 0 < value < 1:
        return NAN, NAN
    parts = [above_YN.mean(axis=axis) for axis in (1, 0)]
    variances = np.array([part.var(ddof=1) / part.size for part in parts])
    total = float(variances.sum())
    if total == 0:
        return NAN, NAN
    degrees = total**2 / float((variances**2 / np.array([part.size - 1 for part in parts])).sum())
    centre = float(logit(value))
    half = t_quantile(degrees, confidence) * total**0.5 / (value * (1 - value))
    return float(expit(centre - half)), float(expit(centre + half))


def rates_by_quartile(marked: Bools, values: Floats, confidence: float = 0.95) -> list[Estimate]:
    """Share of things with the mark in each quarter of the values, the lowest first.

    Edges are the 25th, 50th and 75th percentile (linear); a thing at an edge belongs below it.
    """
    known = ~np.isnan(values)
    if not known.any():
        return [Estimate(NAN, NAN, NAN, 0, 0)] * 4
    quarter = np.searchsorted(np.percentile(values[known], [25, 50, 75]), values[known], side="left")
    parts = [marked[known][quarter == one] for one in range(4)]
    return [wilson(int(part.sum()), part.size, confidence) for part in parts]


def adjusted(x: Floats, y: Floats, strata: Sequence[str], confidence: float = 0.95) -> Correlation:
    """Pearson's r of two numbers, each less the mean of its stratum.

    It is the partial correlation given the stratum: differences between strata do not enter. A stratum in which either
    side is constant adds nothing to it but its rows.

    Args:
        x: One number per row, shape (rows,).
        y: The other; rows with a NaN on either side are dropped and counted.
        strata: Stratum of each row, such as the origin of a task.
        confidence: Of the interval, whose degrees of freedom are fewer by the strata but one.

    Raises:
        DataError: If the lengths differ.
    """
    if not x.shape == y.shape == (len(strata),):
        raise DataError(f"{x.size} and {y.size} values and {len(strata)} strata: give one of each per row")
    known = ~(np.isnan(x) | np.isnan(y))
    n, n_nan = int(known.sum()), int((~known).sum())
    if n < 3:
        return Correlation(NAN, NAN, NAN, NAN, n, n_nan)
    groups = grouped([one for one, used in zip(strata, known, strict=True) if used])
    left, right = centred(x[known], groups), centred(y[known], groups)
    whole = pearson(left, right, confidence)
    if groups.n == 1 or np.isnan(whole.value):
        return whole._replace(n_nan=n_nan)
    return _with_fewer_degrees(whole.value, n, groups.n - 1, n_nan, confidence)


def _with_fewer_degrees(r: float, n: int, fewer: int, n_nan: int, confidence: float) -> Correlation:
    degrees = n - 2 - fewer
    if n - fewer < FEWEST_FOR_INTERVAL or abs(r) >= 1:
        return Correlation(r, NAN, NAN, NAN, n, n_nan)
    p = 2 * float(stdtr(degrees, -abs(r) * (degrees / (1 - r**2)) ** 0.5))
    half = normal_quantile(confidence) / (degrees - 1) ** 0.5
    return Correlation(r, float(np.tanh(np.arctanh(r) - half)), float(np.tanh(np.arctanh(r) + half)), p, n, n_nan)


def within_each(x: Floats, y: Floats, strata: Sequence[str], confidence: float = 0.95) -> dict[str, Correlation]:
    """Pearson's r in every stratum, by its name; NaN where one side does not vary."""
    names = np.asarray(strata, dtype=object).astype(str)
    return {str(one): pearson(x[names == one], y[names == one], confidence) for one in np.unique(names)}
