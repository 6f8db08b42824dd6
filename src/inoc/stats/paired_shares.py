"""The difference of two shares of the same things, such as the questions that two models answer right."""

from __future__ import annotations

import numpy as np
from scipy.special import bdtr

from inoc.stats.contrasts import Contrast
from inoc.stats.means import NAN, Floats, check_paired, normal_quantile


def paired_share_difference(first: Floats, second: Floats, confidence: float = 0.95) -> Contrast:
    """Share of the second less that of the first, over pairs.

    The interval is that of Agresti and Min (2005): Wald's after half a pair has been added to each of the four cells,
    so that it has a width also where no pair differs. p is McNemar's mid-p, which is about right where the exact one
    rejects too rarely.

    Args:
        first: 0 or 1 for each thing, shape (pairs,); NaN for a measurement that failed.
        second: The same of the other.
        confidence: Level of the interval.

    Returns:
        The difference of the shares; positive means that the second is larger. `se` is that of the interval.
    """
    check_paired(first, second)
    known = ~(np.isnan(first) | np.isnan(second))
    apart = second[known] - first[known]
    n, n_nan = int(known.sum()), int((~known).sum())
    if not n:
        return Contrast(NAN, NAN, NAN, NAN, NAN, 0, n_nan)
    up, down = int((apart > 0).sum()), int((apart < 0).sum())
    middle = (up - down) / (n + 2)
    se = float(np.sqrt((up + down + 1) / (n + 2) - middle**2) / np.sqrt(n + 2))
    half = normal_quantile(confidence) * se
    lo, hi = max(middle - half, -1.0), min(middle + half, 1.0)
    return Contrast((up - down) / n, se, lo, hi, mid_p(up, down), n, n_nan)


def mid_p(up: int, down: int) -> float:
    """McNemar's two-sided mid-p of the numbers of pairs that went up and down; 1 if none did."""
    changed, fewer = up + down, min(up, down)
    if not changed:
        return 1.0
    below = float(bdtr(fewer - 1, changed, 0.5)) if fewer else 0.0
    # Twice the probability of fewer, of which that of just as few counts half.
    return min(1.0, below + float(bdtr(fewer, changed, 0.5)))
