"""Medians and means of upper tails, with intervals."""

from __future__ import annotations

import numpy as np
from scipy.special import bdtr

from inoc.stats.means import NAN, Estimate, Floats, normal_quantile, t_quantile


def cut_point(values: Floats, share: float) -> float:
    """The linear percentile above which a share of the values lies; NaN for no values.

    Args:
        values: Without NaN.
        share: Between 0 and 1; 0.2 gives the 80th percentile.
    """
    # 80 rather than 1 − 0.2: a percentile that is a row must be that row to the last bit.
    return float(np.percentile(values, 100 - 100 * share)) if values.size else NAN


def tail_mean(values: Floats, share: float, confidence: float = 0.95) -> Estimate:
    """Mean of the values at or above the linear percentile that leaves a share above it, with its t interval.

    Args:
        values: NaN are skipped and counted.
        share: Share of the values that make the tail.
        confidence: Level of the interval.

    Returns:
        In the unit of the values; `n` counts all values that are known, not those of the tail. Bounds are NaN for fewer
        than two values. The standard error includes that the cut point is estimated: it is that of the mean of
        `tail_parts`.
    """
    found = values[~np.isnan(values)]
    n, n_nan = found.size, values.size - found.size
    if n == 0:
        return Estimate(NAN, NAN, NAN, 0, n_nan)
    cut = cut_point(found, share)
    value = float(found[found >= cut].mean())
    if n == 1:
        return Estimate(value, NAN, NAN, 1, n_nan)
    error = float(tail_parts(found, share).std(ddof=1)) / n**0.5
    half = t_quantile(max(n * share - 1, 1), confidence) * error
    return Estimate(value, value - half, value + half, n, n_nan)


def tail_parts(values: Floats, share: float) -> Floats:
    """Each value's part in the mean of the upper tail. Their mean is nearly that mean; their spread gives its error.

    For a cut point c, max(x − c, 0) / share + c; the influence function of the tail's mean plus a constant.

    Args:
        values: Shape (…, rows), without NaN; each row of the array has a tail of its own.
        share: Share of the values that make the tail.
    """
    cut = np.percentile(values, 100 - 100 * share, axis=-1, keepdims=True)
    parts: Floats = np.maximum(values - cut, 0) / share + cut
    return parts


def median_interval(values: Floats, confidence: float = 0.95) -> Estimate:
    """Median with the distribution-free interval between two of the sorted values.

    Args:
        values: NaN are skipped and counted.
        confidence: The interval holds the median at least that often.

    Returns:
        In the unit of the values. Bounds are NaN where even the smallest and the largest value hold it less often.
    """
    found = np.sort(values[~np.isnan(values)])
    n, n_nan = found.size, values.size - found.size
    if n == 0:
        return Estimate(NAN, NAN, NAN, 0, n_nan)
    median = float(np.median(found))
    # The largest k with P(fewer than k of n coins show heads) ≤ (1 − confidence) / 2.
    start = int(n / 2 - normal_quantile(confidence) * n**0.5 / 2)
    near = np.arange(max(0, start - 4), min(n, start + 6))
    allowed = near[bdtr(near.astype(np.float64), n, 0.5) <= (1 - confidence) / 2]
    if not allowed.size:
        return Estimate(median, NAN, NAN, n, n_nan)
    below = int(allowed[-1])
    return Estimate(median, float(found[below]), float(found[n - 1 - below]), n, n_nan)
