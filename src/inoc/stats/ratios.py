"""Ratios of two means with Fieller's interval (Fieller 1954, J. R. Stat. Soc. B 16, 175).

The interval holds every ratio r for which the mean of numerator − r · denominator is not told from 0. Unlike one from
the ratio's standard error it is right where the denominator is uncertain, and it says so where it has no bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from inoc.stats.crossed import crossed_contrast
from inoc.stats.means import NAN, Floats

_MOST_DOUBLINGS = 60


class Ratio(NamedTuple):
    """A ratio of means with its interval."""

    value: float  # NaN if the denominator is 0, or nothing was measured
    lo: float  # NaN if the denominator is not told from 0: then no ratio is excluded
    hi: float
    n: int  # pairs used
    n_nan: int  # pairs dropped


def fieller(numerator_SI: Floats, denominator_SI: Floats, confidence: float) -> Ratio:
    """The ratio of two means that were measured on the same rows and columns.

    Args:
        numerator_SI: Seeds (or students) × questions; NaN where a value is missing.
        denominator_SI: The same shape.
        confidence: Level of the interval.
    """
    both = ~(np.isnan(numerator_SI) | np.isnan(denominator_SI))
    n = int(both.sum())
    top, below = (np.where(both, one, NAN) for one in (numerator_SI, denominator_SI))
    if n == 0 or np.nanmean(below) == 0:
        return Ratio(NAN, NAN, NAN, n, both.size - n)
    value = float(np.nanmean(top) / np.nanmean(below))

    def excess(ratio: float) -> float:
        """Distance of the interval of numerator − ratio · denominator from 0; at most 0 for a ratio that is held."""
        found = crossed_contrast(top - ratio * below, confidence)
        return max(found.lo, -found.hi)

    clear = crossed_contrast(below, confidence)
    if np.isnan(clear.lo) or clear.lo <= 0 <= clear.hi:
        return Ratio(value, NAN, NAN, n, both.size - n)
    lo, hi = (_bound(excess, value, direction) for direction in (-1.0, 1.0))
    return Ratio(value, lo, hi, n, both.size - n)


def _bound(excess: Callable[[float], float], value: float, direction: float) -> float:
    """The last ratio on one side of the estimate that is not excluded; NaN if there is none."""
    inner, step = value, max(abs(value), 1e-6) * 1e-3
    for _ in range(_MOST_DOUBLINGS):
        outer = inner + direction * step
        if excess(outer) > 0:
            return float(brentq(excess, min(inner, outer), max(inner, outer), xtol=1e-9 * max(1.0, abs(value))))
        inner, step = outer, 2 * step
    return NAN
