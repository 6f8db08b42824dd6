"""Effect sizes: differences in units of the standard deviation, with their intervals."""

from __future__ import annotations

from scipy.special import nctdtrinc

from inoc.stats.means import NAN, Estimate, Floats, normal_quantile

_LARGE = 200
"""From this number of pairs on, the large-sample variance of d serves."""

_LARGE_D = 5
"""Beyond this the inversion of the noncentral t distribution becomes unstable."""


def cohens_d(first: Floats, second: Floats, confidence: float) -> Estimate:
    """Difference of two means in pooled standard deviations (ddof 1), with the interval of its large-sample variance.

    The variance is (n + m) / (n m) + d² / (2 (n + m)), as Hedges and Olkin give it.

    Args:
        first: Without NaN.
        second: Without NaN.
        confidence: Level of the interval.

    Returns:
        Positive means that the first is larger; NaN for fewer than two values on a side, or without spread.
    """
    n, m = first.size, second.size
    unknown = Estimate(NAN, NAN, NAN, n + m, 0)
    if min(n, m) < 2:
        return unknown
    pooled = ((n - 1) * float(first.var(ddof=1)) + (m - 1) * float(second.var(ddof=1))) / (n + m - 2)
    if pooled <= 0:
        return unknown
    d = float(first.mean() - second.mean()) / pooled**0.5
    half = normal_quantile(confidence) * ((n + m) / (n * m) + d**2 / (2 * (n + m))) ** 0.5
    return Estimate(d, d - half, d + half, n + m, 0)


def paired_d(differences: Floats, confidence: float = 0.95) -> Estimate:
    """Mean of paired differences in units of their standard deviation (ddof 1).

    The interval inverts the noncentral t distribution; for 200 pairs or more, or a d beyond 5, it uses the large-sample
    variance 1 / n + d² / (2 n), as Hedges and Olkin give it.

    Args:
        differences: Shape (pairs,); NaN are skipped and counted.
        confidence: Level of the interval.

    Returns:
        Positive means that the first of each pair is larger; NaN for fewer than two pairs, or without spread.
    """
    found = differences[differences == differences]
    n, n_nan = found.size, differences.size - found.size
    unknown = Estimate(NAN, NAN, NAN, n, n_nan)
    if n < 2:
        return unknown
    sd = float(found.std(ddof=1))
    if sd <= 0:
        return unknown
    d = float(found.mean()) / sd
    if n >= _LARGE or abs(d) > _LARGE_D:
        half = normal_quantile(confidence) * (1 / n + d**2 / (2 * n)) ** 0.5
        return Estimate(d, d - half, d + half, n, n_nan)
    # Solved for a positive t, where the inversion is stable in both tails.
    t, sign = abs(d) * n**0.5, -1.0 if d < 0 else 1.0
    upper = float(nctdtrinc(n - 1, 0.5 - confidence / 2, t)) / n**0.5
    lower = float(nctdtrinc(n - 1, 0.5 + confidence / 2, t)) / n**0.5
    lo, hi = sorted((sign * lower, sign * upper))
    return Estimate(d, lo, hi, n, n_nan)
