"""The difference of two independent estimates of which only the values and their intervals are known."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr

from inoc.stats.contrasts import Contrast
from inoc.stats.means import NAN, Estimate, normal_quantile


def difference_of_estimates(first: Estimate, second: Estimate, confidence: float = 0.95) -> Contrast:
    """The second estimate less the first, with the interval that their intervals give.

    The method of variance estimates recovery (Zou and Donner 2008): on each side, the distances from the values to the
    bounds that face it are added in squares. It keeps the skew of intervals of shares and of correlations, and is the
    normal interval where both are symmetric.

    Args:
        first: The subtrahend, with its interval at the level `confidence`.
        second: The minuend, independent of the first, with its interval at the same level.
        confidence: Level of all intervals.

    Returns:
        The difference; positive means that the second is larger. `se` is half the interval in units of the normal's,
        and p that of the normal with the side of the interval that faces 0. `n` is the smaller of the two, and `n_nan`
        the sum. Without an interval of one of them, there is none of the difference.
    """
    value = second.value - first.value
    n, n_nan = min(first.n, second.n), first.n_nan + second.n_nan
    lo = value - math.hypot(second.value - second.lo, first.hi - first.value)
    hi = value + math.hypot(second.hi - second.value, first.value - first.lo)
    if not (math.isfinite(lo) and math.isfinite(hi)):
        return Contrast(value, NAN, NAN, NAN, NAN, n, n_nan)
    quantile = normal_quantile(confidence)
    facing = (value - lo if value > 0 else hi - value) / quantile
    return Contrast(value, (hi - lo) / 2 / quantile, lo, hi, _two_sided(value, facing), n, n_nan)


def _two_sided(value: float, se: float) -> float:
    """p of the normal; 1 for no difference, and never 0."""
    if value == 0:
        return 1.0
    smallest = float(np.finfo(np.float64).tiny)
    return smallest if se == 0 else max(2 * float(ndtr(-abs(value) / se)), smallest)
