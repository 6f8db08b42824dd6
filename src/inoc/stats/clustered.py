"""Means of values that come in groups, such as several answers to one question: the group is the unit of the error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inoc.stats.contrasts import Contrast, tested
from inoc.stats.means import NAN, Floats


def clustered_mean(values: Floats, groups: Sequence[str], confidence: float = 0.95) -> Contrast:
    """Plain mean of values, with the error of groups that were drawn as wholes.

    The variance is G / (G − 1) · Σ (sum of a group's deviations)² / n², with the t distribution of G − 1 degrees of
    freedom. With groups of one size this is the error of the mean of their means.

    Args:
        values: Shape (n,); NaN are skipped and counted.
        groups: Group of each value.
        confidence: Level of the interval.

    Returns:
        In the unit of the values; its test is that of a mean of zero. Only the mean is known for fewer than two groups.
    """
    known = ~np.isnan(values)
    found = values[known]
    n, n_nan = found.size, values.size - found.size
    if not n:
        return Contrast(NAN, NAN, NAN, NAN, NAN, 0, n_nan)
    mean = float(found.mean())
    _, places = np.unique(np.asarray(groups, dtype=object).astype(str)[known], return_inverse=True)
    sums_G = np.bincount(places, weights=found - mean)
    if sums_G.size < 2:
        return Contrast(mean, NAN, NAN, NAN, NAN, n, n_nan)
    se = float(np.sqrt(sums_G.size / (sums_G.size - 1) * (sums_G**2).sum())) / n
    return tested(mean, se, sums_G.size - 1, confidence, (n, n_nan))
