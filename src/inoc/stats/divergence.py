"""Jensen–Shannon divergence between two samples, by histograms over their pooled range."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from inoc.stats.means import NAN, Floats, normal_quantile

BINS = 100
FEWEST_ROWS = 300
"""Rows of each sample from which on there is a jackknife interval; that of fewer is too narrow in simulations."""


class Divergence(NamedTuple):
    """Jensen–Shannon divergence in bits, between 0 and 1."""

    plain: float  # of the histograms as they are; NaN if a sample is empty
    corrected: float  # less its bias, not below 0
    lo: float  # jackknife interval of the corrected value; NaN with fewer than `FEWEST_ROWS` rows in a sample
    hi: float
    bootstrap_lo: float  # bootstrap interval of the corrected value
    bootstrap_hi: float


class Jackknifed(NamedTuple):
    """A divergence in bits, without its bias."""

    value: float  # can be below 0, as an unbiased estimate of 0 must
    se: float


def binned(first_sorted: Floats, second_sorted: Floats, bins: int = BINS) -> tuple[Floats, Floats]:
    """Counts of two samples in equal bins over their pooled range, the last bin closed; as `numpy.histogram` counts.

    Args:
        first_sorted: Ascending, without NaN, not empty.
        second_sorted: The same.
        bins: Number of bins.
    """
    lowest = min(first_sorted[0], second_sorted[0])
    highest = max(first_sorted[-1], second_sorted[-1])
    if lowest == highest:  # numpy.histogram then widens the range
        lowest, highest = lowest - 0.5, highest + 0.5
    edges = np.linspace(lowest, highest, bins + 1)
    return _counts(first_sorted, edges), _counts(second_sorted, edges)


def _counts(ascending: Floats, edges: Floats) -> Floats:
    below = np.searchsorted(ascending, edges)
    below[-1] = ascending.size
    counts: Floats = np.diff(below).astype(np.float64)
    return counts


def js_divergence(first: Floats, second: Floats) -> Floats:
    """Jensen–Shannon divergence in bits: half of each distribution's Kullback–Leibler divergence from their mean.

    Args:
        first: Counts or probabilities, shape (…, bins).
        second: The same.
    """
    p = first / first.sum(axis=-1, keepdims=True)
    q = second / second.sum(axis=-1, keepdims=True)
    middle = (p + q) / 2
    found: Floats = (_relative(p, middle) + _relative(q, middle)) / 2
    return np.maximum(found, 0)


def _relative(p: Floats, middle: Floats) -> Floats:
    ratio = np.divide(p, middle, out=np.ones_like(p), where=p > 0)
    total: Floats = (p * np.log2(ratio)).sum(axis=-1)
    return total


def jackknifed(first: Floats, second: Floats) -> Jackknifed:
    """Divergence less its bias, and its standard error, as the jackknife tells them; a sample loses one row at a time.

    With few rows in a bin this removes more of the excess than a correction to first order in 1/n would.

    Args:
        first: Counts, shape (bins,), of two rows or more.
        second: The same bins.
    """
    plain = float(js_divergence(first, second))
    n, m = first.sum(), second.sum()
    without_first, without_second = _without_one(first), _without_one(second)
    lost_first = js_divergence(without_first, np.broadcast_to(second, without_first.shape))
    lost_second = js_divergence(np.broadcast_to(first, without_second.shape), without_second)
    value, variance = plain, 0.0
    for rows, size, lost in ((first, n, lost_first), (second, m, lost_second)):
        mean = rows @ lost / size
        value -= (size - 1) * (mean - plain)
        variance += (size - 1) / size * (rows @ (lost - mean) ** 2)
    return Jackknifed(float(value), float(variance**0.5))


def _without_one(counts: Floats) -> Floats:
    """The counts less one row of each bin in turn, shape (bins, bins); an empty bin stays empty."""
    fewer: Floats = counts - np.diag(np.minimum(counts, 1))
    return fewer


def divergence(
    first: Floats, second: Floats, rng: np.random.Generator, resamples: int, confidence: float
) -> Divergence:
    """Divergence of two samples, with its bias-corrected value and two intervals of that.

    The bins stay those of the samples. The jackknife interval is the corrected value ± a normal quantile of standard
    errors. The bootstrap gives the spread and the shape of the error; its interval is moved to the corrected value,
    since resamples are biased as the sample is, and once more.

    Args:
        first: Counts, shape (bins,).
        second: The same bins.
        rng: Source of the draws.
        resamples: Number of resamples.
        confidence: Level of the interval.

    Returns:
        All NaN if a sample has fewer than two rows.
    """
    n, m = int(first.sum()), int(second.sum())
    if min(n, m) < 2:
        return Divergence(NAN, NAN, NAN, NAN, NAN, NAN)
    used = (first + second) > 0
    first, second = first[used], second[used]
    plain, (corrected, se) = float(js_divergence(first, second)), jackknifed(first, second)
    drawn_first = rng.multinomial(n, first / n, size=resamples).astype(np.float64)
    drawn_second = rng.multinomial(m, second / m, size=resamples).astype(np.float64)
    drawn = js_divergence(drawn_first, drawn_second)
    lower, upper = np.quantile(drawn - drawn.mean(), [0.5 - confidence / 2, 0.5 + confidence / 2])
    half = normal_quantile(confidence) * se if min(n, m) >= FEWEST_ROWS else NAN
    ends = [corrected, corrected - half, corrected + half, corrected - upper, corrected - lower]
    return Divergence(plain, *(float(np.clip(end, 0, 1)) for end in ends))
