"""Equivalence: whether a mean is shown to lie within a bound of zero. A large p of a test of zero shows no such thing.

Two one-sided tests (Schuirmann 1987, J. Pharmacokinet. Biopharm. 15, 657): that the mean is not above the bound, and
not below its negative. Both reject at level α just if the interval of level 1 − 2 α lies inside the bounds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import stdtr

from inoc.stats.crossed import crossed_error
from inoc.stats.means import NAN, Floats, t_quantile


class Equivalence(NamedTuple):
    """An interval of level 1 − 2 α, and the larger p of the two one-sided tests."""

    lo: float  # NaN without a standard error
    hi: float
    p: float  # at most α just if the interval is inside the bounds; NaN without a standard error


def equivalence(values_SI: Floats, bound: float, alpha: float = 0.05) -> Equivalence:
    """Whether the mean of a table is within a bound of 0, for other rows and other columns.

    Args:
        values_SI: Seeds (or students) × questions; NaN where a value is missing. See `crossed_error`.
        bound: Largest distance from 0 that is of no interest, in the unit of the values; above 0.
        alpha: Level of the tests.
    """
    mean, error = crossed_error(values_SI)
    if np.isnan(error.value):
        return Equivalence(NAN, NAN, NAN)
    half = t_quantile(error.degrees, 1 - 2 * alpha) * error.value if error.value > 0 else 0.0
    distance = abs(mean) - bound  # of the one-sided test that is harder to reject
    exact = 0.0 if distance < 0 else 1.0  # without any spread
    p = float(stdtr(error.degrees, distance / error.value)) if error.value > 0 else exact
    return Equivalence(mean - half, mean + half, max(p, float(np.finfo(np.float64).tiny)))
