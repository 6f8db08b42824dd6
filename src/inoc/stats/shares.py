"""Shares of counts, and differences between them, with intervals that hold at 0 and 1."""

from __future__ import annotations

from inoc.errors import DataError
from inoc.stats.means import NAN, Estimate, normal_quantile


def wilson(count: float, n: int, confidence: float = 0.95, n_nan: int = 0) -> Estimate:
    """A share with Wilson's score interval.

    Args:
        count: Successes.
        n: Trials with a known result.
        confidence: Level of the interval.
        n_nan: Trials without a result, which are counted only.

    Returns:
        Between 0 and 1; NaN for no trials.

    Raises:
        DataError: If there are more successes than trials, or fewer than none.
    """
    if not 0 <= count <= n:
        raise DataError(f"{count} successes of {n} trials: a count lies between 0 and the number of trials")
    if n == 0:
        return Estimate(NAN, NAN, NAN, 0, n_nan)
    share = count / n
    z2 = normal_quantile(confidence) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = (z2 * (share * (1 - share) + z2 / (4 * n)) / n) ** 0.5 / (1 + z2 / n)
    # At 0 and n the bound is exact; rounding would leave some ulps beside it.
    lo = 0.0 if count == 0 else max(0.0, centre - half)
    hi = 1.0 if count == n else min(1.0, centre + half)
    return Estimate(share, lo, hi, n, n_nan)


def newcombe(minuend: Estimate, subtrahend: Estimate) -> Estimate:
    """Difference of two independent shares with Newcombe's hybrid score interval (1998, method 10).

    Args:
        minuend: A share with Wilson's interval.
        subtrahend: Another, at the same level of confidence.

    Returns:
        Between −1 and 1; positive means that the minuend is larger. `n` and `n_nan` count the trials of both.
    """
    value = minuend.value - subtrahend.value
    below = ((minuend.value - minuend.lo) ** 2 + (subtrahend.hi - subtrahend.value) ** 2) ** 0.5
    above = ((minuend.hi - minuend.value) ** 2 + (subtrahend.value - subtrahend.lo) ** 2) ** 0.5
    n, n_nan = minuend.n + subtrahend.n, minuend.n_nan + subtrahend.n_nan
    return Estimate(value, value - below, value + above, n, n_nan)
