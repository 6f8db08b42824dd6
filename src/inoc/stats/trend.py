"""Trend of a rate over ordered parts: slope, difference of the ends, and the test of Cochran and Armitage."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from inoc.stats.contrasts import Contrast
from inoc.stats.means import NAN, Floats, normal_quantile


def slopes(rates: Floats) -> Floats:
    """Least-squares slope over the last axis, per part; NaN where a part is.

    Args:
        rates: Shape (…, parts), parts in their order.
    """
    x = np.arange(rates.shape[-1]) - (rates.shape[-1] - 1) / 2
    found: Floats = rates @ x / (x**2).sum()
    return found


def slope_of_counts(hits: Floats, totals: Floats, confidence: float) -> Contrast:
    """Slope of a rate per part, for independent answers.

    Its error adds up each part's binomial variance, with two successes and two failures added (Agresti and Coull), so
    that a rate of 0 or 1 is not taken for certain.

    Args:
        hits: Shape (parts,).
        totals: Answers of each part.
        confidence: Level of the interval, by the normal distribution.

    Returns:
        Share per part; p is that of `cochran_armitage`.
    """
    n = int(totals.sum())
    if hits.size < 2 or (totals == 0).any():
        return Contrast(NAN, NAN, NAN, NAN, NAN, n, 0)
    value = float(slopes(hits / totals))
    near = (hits + 2) / (totals + 4)
    x = np.arange(hits.size) - (hits.size - 1) / 2
    se = float(((x**2 * near * (1 - near) / (totals + 4)).sum()) ** 0.5 / (x**2).sum())
    half = normal_quantile(confidence) * se
    return Contrast(value, se, value - half, value + half, cochran_armitage(hits, totals)[1], n, 0)


def cochran_armitage(hits: Floats, totals: Floats) -> tuple[float, float]:
    """The test of Cochran and Armitage for a trend in rates over equally spaced parts.

    Args:
        hits: Shape (parts,).
        totals: Answers of each part.

    Returns:
        z, positive for a rising rate, and its two-sided p; NaN if no answer, or every answer, is a hit.
    """
    n, rate = totals.sum(), hits.sum() / max(totals.sum(), 1)
    if not 0 < rate < 1:
        return NAN, NAN
    x = np.arange(hits.size, dtype=np.float64)
    score = (x * (hits - totals * rate)).sum()
    variance = rate * (1 - rate) * ((totals * x**2).sum() - (totals * x).sum() ** 2 / n)
    if variance <= 0:
        return NAN, NAN
    z = float(score / variance**0.5)
    return z, max(2 * float(ndtr(-abs(z))), float(np.finfo(np.float64).tiny))
