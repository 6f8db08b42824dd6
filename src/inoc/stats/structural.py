"""The line between two measurements of which neither predicts the other: reduced major axis."""

from __future__ import annotations

import numpy as np

from inoc.errors import DataError
from inoc.stats.correlation import pearson
from inoc.stats.means import NAN, Estimate, Floats, check_paired, t_quantile


def reduced_major_axis(x: Floats, y: Floats, confidence: float = 0.95) -> Estimate:
    """Slope of the reduced major axis, sd(y) / sd(x) with the sign of r (Warton and others 2006).

    It says how much wider the scale of y is used than that of x, and turns into its inverse when the two change
    places. The slope of least squares is r times as steep, so it correlates with r by algebra alone.

    Args:
        x: One measurement per thing.
        y: Another one; things with a NaN on either side are dropped and counted.
        confidence: Of the interval, which is exact for normal values.

    Returns:
        Unit of y per unit of x. NaN for fewer than three things, if a side is constant, or if r is exactly 0.
    """
    check_paired(x, y)
    r = pearson(x, y)
    if np.isnan(r.value) or r.value == 0:
        return Estimate(NAN, NAN, NAN, r.n, r.n_nan)
    known = ~(np.isnan(x) | np.isnan(y))
    value = float(np.sign(r.value) * y[known].std() / x[known].std())
    if r.n < 4:
        return Estimate(value, NAN, NAN, r.n, r.n_nan)
    b = t_quantile(r.n - 2, confidence) ** 2 * (1 - r.value**2) / (r.n - 2)
    ends = sorted((value * ((b + 1) ** 0.5 - b**0.5), value * ((b + 1) ** 0.5 + b**0.5)))
    return Estimate(value, ends[0], ends[1], r.n, r.n_nan)


def weighted_pearson(x: Floats, y: Floats, weight: Floats) -> float:
    """Pearson's r with a weight for each thing; NaN if a side is constant.

    Args:
        x: One measurement per thing; things with a NaN on either side are dropped.
        y: Another one.
        weight: Not negative. An earlier study took 1 / (sigma² + sigma²) of the item's two spreads.

    Raises:
        DataError: If a weight is negative or no number.
    """
    check_paired(x, y)
    known = ~(np.isnan(x) | np.isnan(y))
    w = weight[known]
    if not (np.isfinite(w) & (w >= 0)).all():
        raise DataError("weights are numbers of 0 or more")
    if w.sum() == 0:
        return NAN
    w = w / w.sum()
    u, v = x[known] - w @ x[known], y[known] - w @ y[known]
    spread = float((w @ u**2) * (w @ v**2))
    return float(w @ (u * v) / spread**0.5) if spread > 0 else NAN
