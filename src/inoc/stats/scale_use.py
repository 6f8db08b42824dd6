"""Use of a declared scale by answers: entropy, and divergence from the uniform distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import xlogy

from inoc.errors import DataError
from inoc.stats.clusters import grouped
from inoc.stats.means import NAN, Estimate, Floats, t_quantile


class ScaleUse(NamedTuple):
    """Use of the K values of a scale."""

    kl: Estimate  # KL divergence from uniform, nats: 0 if all values are as frequent, ln K if one alone is used
    share: Estimate  # the same as a share of ln K, between 0 and 1, comparable between scales
    entropy: Estimate  # ln K − kl, nats
    n_off_scale: int  # answers that are no value of the scale; they are left out
    most_frequent: float  # share of the most frequent value


def scale_use(values: Floats, scale: Floats, groups: Sequence[str] | None = None, confidence: float = 0.95) -> ScaleUse:
    """Divergence of answers from the uniform distribution over the declared scale.

    Bins are the values that the scale declares, used or not: bins from the observed range would let one stray answer
    change them. The plug-in value is too large by about (K − 1) / (2 n); the jackknife over groups removes that and
    gives the interval.

    Args:
        values: Answers; NaN are skipped and counted.
        scale: The values that an answer may have, at least two.
        groups: Rated thing of each answer, which is the unit of the interval; default: every answer for itself.
        confidence: Of the two-sided interval.

    Returns:
        `n` counts answers on the scale. NaN without any; no interval for fewer than ten groups.

    Raises:
        DataError: If the scale has fewer than two values, or one twice.
    """
    levels = np.unique(scale)
    if levels.size < 2 or levels.size != scale.size:
        raise DataError(f"a scale has at least two different values, not {scale.tolist()}")
    known = ~np.isnan(values)
    on = known & np.isin(values, levels)
    n, n_nan, off = int(on.sum()), int((~known).sum()), int((known & ~on).sum())
    top = float(np.log(levels.size))
    if n == 0:
        none = Estimate(NAN, NAN, NAN, 0, n_nan)
        return ScaleUse(none, none, none, off, NAN)
    place = np.searchsorted(levels, values[on])
    names = np.arange(values.size).astype(str) if groups is None else np.asarray(groups, dtype=object)
    unit = grouped(list(names[on]))
    counts_GK = np.bincount(unit.label * levels.size + place, minlength=unit.n * levels.size).reshape(unit.n, -1)
    kl = _jackknifed(counts_GK.astype(np.float64), top, confidence, n_nan)
    share = Estimate(kl.value / top, kl.lo / top, kl.hi / top, n, n_nan)
    entropy = Estimate(top - kl.value, top - kl.hi, top - kl.lo, n, n_nan)
    return ScaleUse(kl, share, entropy, off, float(counts_GK.sum(axis=0).max() / n))


def _divergence(counts: Floats) -> Floats:
    """KL from uniform of counts in the last axis, nats."""
    p = counts / counts.sum(axis=-1, keepdims=True)
    return np.asarray(np.log(counts.shape[-1]) + xlogy(p, p).sum(axis=-1))


def _jackknifed(counts_GK: Floats, top: float, confidence: float, n_nan: int) -> Estimate:
    total, groups = counts_GK.sum(axis=0), counts_GK.shape[0]
    plain = float(_divergence(total))
    n = int(total.sum())
    if groups < 10:
        return Estimate(plain, NAN, NAN, n, n_nan)
    without = _divergence(total - counts_GK)
    value = float(np.clip(groups * plain - (groups - 1) * without.mean(), 0, top))
    half = t_quantile(groups - 1, confidence) * float(
        np.sqrt((groups - 1) / groups * ((without - without.mean()) ** 2).sum())
    )
    return Estimate(value, max(0.0, value - half), min(top, value + half), n, n_nan)


def kl_observed_range(values: Floats) -> float:
    """An earlier study's KL from uniform, nats: bins are the integers from the least to the greatest rounded answer.

    One stray answer widens the range, and so the value can exceed ln K of the scale.
    """
    found = np.round(values[~np.isnan(values)]).astype(np.int64)
    if not found.size:
        return NAN
    counts = np.bincount(found - found.min()).astype(np.float64)
    p = np.maximum(counts / counts.sum(), 1e-10)
    return float((p * np.log(p * counts.size)).sum())
