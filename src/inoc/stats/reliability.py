"""Agreement of repeated measurements: correlations between seeds, and Spearman and Brown's formula."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from inoc.errors import DataError
from inoc.stats.correlation import FEWEST_FOR_INTERVAL, pearson
from inoc.stats.means import NAN, Estimate, Floats, t_quantile


def spearman_brown(r: float, times: float) -> float:
    """The reliability of a measurement that is `times` as long (Spearman 1910, Brown 1910).

    Args:
        r: Reliability of the measurement at hand.
        times: Factor of its length; 5 takes one sample to the mean of five, 1/5 goes back.

    Returns:
        times r / (1 + (times − 1) r). NaN where that has no meaning, which is below r = −1 / (times − 1).
    """
    if times <= 0:
        raise DataError(f"a measurement cannot be {times} times as long; give a factor above 0")
    below = 1 + (times - 1) * r
    return times * r / below if below > 0 else NAN


def needed_length(r: float, target: float) -> float:
    """The factor of length at which a reliability of r becomes `target`; NaN unless both are between 0 and 1."""
    if not (0 < r < 1 and 0 < target < 1):
        return NAN
    return target * (1 - r) / (r * (1 - target))


def stepped(estimate: Estimate, times: float) -> Estimate:
    """`spearman_brown` of a reliability and of the bounds of its interval."""
    value, lo, hi = (spearman_brown(one, times) for one in estimate[:3])
    return estimate._replace(value=value, lo=lo, hi=hi)


class SeedCorrelation(NamedTuple):
    """Pearson's r between seeds, averaged over pairs of seeds."""

    mean: Estimate  # its n counts things; n_nan those that fewer than two seeds measured
    pairs: list[float]  # r of each pair of seeds, in the order (0, 1), (0, 2) …; NaN where one has none
    n_unknown: int  # pairs of seeds without an r: fewer than ten things in common, or one that does not vary


def seed_correlation(table_NS: Floats, confidence: float = 0.95, fewest: int = 10) -> SeedCorrelation:
    """The mean correlation between seeds, whatever was answered.

    The interval takes the things as a sample, by a jackknife of Fisher's z of the mean: pairs of seeds share their
    things, and so are no sample of anything. It is NaN if a pair of seeds has no r, for then the rest is a choice.

    Args:
        table_NS: Things × seeds; NaN where a seed has no measurement.
        confidence: Of the two-sided interval.
        fewest: Things that two seeds must have in common.
    """
    pairs = list(itertools.combinations(range(table_NS.shape[1]), 2))
    found = [pearson(table_NS[:, a], table_NS[:, b]) for a, b in pairs]
    each = [one.value if one.n >= fewest else NAN for one in found]
    measured = (~np.isnan(table_NS)).sum(axis=1) >= 2
    n, n_nan = int(measured.sum()), int((~measured).sum())
    unknown = int(np.isnan(each).sum())
    if unknown == len(pairs):
        return SeedCorrelation(Estimate(NAN, NAN, NAN, n, n_nan), each, unknown)
    mean = float(np.nanmean(each))
    lo, hi = (NAN, NAN) if unknown else _jackknifed(table_NS[measured], pairs, mean, confidence)
    return SeedCorrelation(Estimate(mean, lo, hi, n, n_nan), each, unknown)


def _jackknifed(table_NS: Floats, pairs: list[tuple[int, int]], mean: float, confidence: float) -> tuple[float, float]:
    n = table_NS.shape[0]
    if n < FEWEST_FOR_INTERVAL:
        return NAN, NAN
    if abs(mean) >= 1 - 1e-12:
        return mean, mean
    without = np.mean([_without_each(table_NS[:, a], table_NS[:, b]) for a, b in pairs], axis=0)
    if np.isnan(without).any():
        return NAN, NAN
    z = np.arctanh(np.clip(without, -1 + 1e-12, 1 - 1e-12))
    error = float(np.sqrt((n - 1) / n * ((z - z.mean()) ** 2).sum()))
    half = t_quantile(n - 1, confidence) * error
    centre = np.arctanh(mean)
    return float(np.tanh(centre - half)), float(np.tanh(centre + half))


def _without_each(x: Floats, y: Floats) -> Floats:
    """Pearson's r without each of the things; a thing that one side lacks changes nothing."""
    known = ~(np.isnan(x) | np.isnan(y))
    n = int(known.sum())
    u, v = np.where(known, x - x[known].mean(), 0.0), np.where(known, y - y[known].mean(), 0.0)
    left = n - known
    sums = [float(one.sum()) - one for one in (u, v, u * u, v * v, u * v)]
    with np.errstate(invalid="ignore", divide="ignore"):
        cross = sums[4] - sums[0] * sums[1] / left
        spread = (sums[2] - sums[0] ** 2 / left) * (sums[3] - sums[1] ** 2 / left)
        return np.where(spread > 1e-24, cross / np.sqrt(np.maximum(spread, 1e-300)), np.nan)


class Informative(NamedTuple):
    """An earlier study's "informative" correlation of two seeds."""

    r: float  # over the things of which not both seeds gave the most frequent value
    kept: float  # share of things that are kept, which it called the rate of discrimination
    n: int


def informative_correlation(first: Floats, second: Floats) -> Informative:
    """Pearson's r after dropping things of which both seeds gave the most frequent value of all.

    Dropping by the answer biases r downwards. Two independent seeds with two answers, of which the more frequent has
    the share m, correlate 0 and have an informative correlation of −m. It is here to repeat what was published.

    Args:
        first: Ratings by one seed.
        second: Of the same things by another; things that either lacks are dropped.
    """
    known = ~(np.isnan(first) | np.isnan(second))
    a, b = first[known], second[known]
    if not a.size:
        return Informative(NAN, NAN, 0)
    values, counts = np.unique(np.round(np.concatenate([a, b])), return_counts=True)
    mode = values[counts.argmax()]
    kept = (np.round(a) != mode) | (np.round(b) != mode)
    return Informative(pearson(a[kept], b[kept]).value, float(kept.mean()), int(kept.sum()))


def disattenuated(r: Estimate, first: float, second: float) -> Estimate:
    """A correlation freed of the noise of its two sides: r / √(reliability × reliability) (Spearman 1904).

    The reliabilities are taken as known, so the interval is that of r, stretched. It may pass ±1, which says that the
    reliabilities are too low or the sample is too small; it is not cut.

    Args:
        r: The correlation of the measurements.
        first: Reliability of one of them, above 0 and up to 1.
        second: Of the other.

    Returns:
        NaN if a reliability is unknown or not above 0.
    """
    if not (0 < first <= 1 and 0 < second <= 1):
        return r._replace(value=NAN, lo=NAN, hi=NAN)
    scale = (first * second) ** 0.5
    return r._replace(value=r.value / scale, lo=r.lo / scale, hi=r.hi / scale)
