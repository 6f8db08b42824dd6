"""Resampling with one seed for all draws, and the level of confidence that goes with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from inoc.stats.crossed import Square, crossed_interval, stacked, within
from inoc.stats.means import NAN, Estimate, Floats


def percentile_bounds(resampled: Floats, confidence: float) -> tuple[float, float]:
    """The middle share of resampled values; NaN values are skipped, and none known gives NaN bounds."""
    known = resampled[~np.isnan(resampled)]
    if not known.size:
        return NAN, NAN
    lo, hi = np.quantile(known, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(lo), float(hi)


def each_percentile_bounds(resampled_BK: Floats, confidence: float) -> list[tuple[float, float]]:
    """`percentile_bounds` of every column."""
    if np.isnan(resampled_BK).any() or not resampled_BK.size:
        return [percentile_bounds(column, confidence) for column in resampled_BK.T]
    lo_K, hi_K = np.quantile(resampled_BK, [0.5 - confidence / 2, 0.5 + confidence / 2], axis=0)
    return list(zip(lo_K.tolist(), hi_K.tolist(), strict=True))


class Resampler:
    """Bootstrap intervals from one seed.

    The draws depend on the seed and on the shape of the data only. So an interval does not depend on what
    else is analysed, and two cells of one shape see the same draws.
    """

    def __init__(self, resamples: int, seed: int, confidence: float = 0.95) -> None:
        self.resamples, self.seed, self.confidence = resamples, seed, confidence
        self._simple: dict[int, Floats] = {}

    def crossed_mean(self, rows: Sequence[Floats], borrowed: Square | None = None) -> Estimate:
        """`crossed_interval` of one array of instructions for each seed, all aligned, at this level of confidence."""
        return crossed_interval(stacked(rows), self.confidence, borrowed)

    def crossed_score(self, rows: Sequence[Floats]) -> Estimate:
        """`crossed_mean` of scores, whose interval stays between 0 and 100."""
        return within(self.crossed_mean(rows), 0, 100)

    def simple_weights(self, n: int) -> Floats:
        """Number of times that each of `n` independent values is drawn when `n` are, shape (resamples, n)."""
        if n not in self._simple:
            rng = np.random.default_rng([self.seed, 1, n])
            draws = rng.multinomial(n, np.full(n, 1 / max(n, 1)), size=self.resamples)
            self._simple[n] = draws.astype(np.float64)
        return self._simple[n]

    def bounds(self, resampled: Floats) -> tuple[float, float]:
        """Percentile interval of resampled values."""
        return percentile_bounds(resampled, self.confidence)

    def each_bounds(self, resampled_BK: Floats) -> list[tuple[float, float]]:
        """Percentile interval of every column of resampled values."""
        return each_percentile_bounds(resampled_BK, self.confidence)


class Spread(NamedTuple):
    """Standard deviation of a sample, and its mean in units of it."""

    sigma: Estimate
    ratio: Estimate  # mean / sigma; NaN if sigma is 0


def spread(values: Floats, resampler: Resampler) -> Spread:
    """Standard deviation (ddof 1) and mean / standard deviation, with bootstrap intervals.

    Args:
        values: NaN are skipped and counted.
        resampler: Source of the draws.

    Returns:
        NaN for fewer than two values; a constant sample has sigma 0 and no ratio.
    """
    found = values[~np.isnan(values)]
    n, n_nan = found.size, values.size - found.size
    if n < 2:
        unknown = Estimate(NAN, NAN, NAN, n, n_nan)
        return Spread(unknown, unknown)
    centre = float(found.mean())
    weights_BN = resampler.simple_weights(n)
    shifted = found - centre
    mean_B = weights_BN @ shifted / n
    sigma_B = np.sqrt(np.maximum(weights_BN @ shifted**2 - n * mean_B**2, 0) / (n - 1))
    ratio_B = np.divide(mean_B + centre, sigma_B, out=np.full(sigma_B.shape, NAN), where=sigma_B > 0)
    sigma = float(found.std(ddof=1))
    ratio = centre / sigma if sigma > 0 else NAN
    return Spread(
        Estimate(sigma, *resampler.bounds(sigma_B), n, n_nan),
        Estimate(ratio, *(resampler.bounds(ratio_B) if sigma > 0 else (NAN, NAN)), n, n_nan),
    )
