"""Resampling: crossed clusters (instructions × seeds), and simple samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inoc.stats.means import NAN, Estimate, Floats, mean_interval


class CrossedWeights(NamedTuple):
    """How often each seed and each instruction was drawn, in every resample."""

    seeds: Floats  # shape (resamples, seeds)
    items: Floats  # shape (resamples, instructions)


def crossed_weights(n_seeds: int, n_items: int, resamples: int, rng: np.random.Generator) -> CrossedWeights:
    """Draw seeds and, independently of them, instructions, with replacement.

    Of S clusters S − 1 are drawn, which makes the spread of the resampled means that of a mean of S clusters;
    drawing S would make it too small by (S − 1) / S, by half with two seeds. A single cluster is always
    drawn.
    """
    return CrossedWeights(_draws(n_seeds, resamples, rng), _draws(n_items, resamples, rng))


def _draws(n: int, resamples: int, rng: np.random.Generator) -> Floats:
    if n < 2:
        return np.ones((resamples, n))
    draws: Floats = rng.multinomial(n - 1, np.full(n, 1 / n), size=resamples).astype(np.float64)
    return draws


def crossed_means(values_SI: Floats, weights: CrossedWeights) -> Floats:
    """Mean of every resample over the values that are not NaN, shape (resamples,); NaN if it drew none."""
    known_SI = (~np.isnan(values_SI)).astype(np.float64)
    totals_BI = weights.seeds @ np.nan_to_num(values_SI)
    counts_BI = weights.seeds @ known_SI
    total = (totals_BI * weights.items).sum(axis=1)
    count = (counts_BI * weights.items).sum(axis=1)
    means: Floats = np.divide(total, count, out=np.full(total.shape, NAN), where=count > 0)
    return means


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
        self._crossed: dict[tuple[int, int], CrossedWeights] = {}
        self._simple: dict[int, Floats] = {}
        self._orders: dict[int, NDArray[np.int64]] = {}

    def crossed_mean(self, rows: Sequence[Floats]) -> Estimate:
        """Mean over instructions and seeds, with a cluster-bootstrap interval over both.

        Args:
            rows: One array of instructions for each seed, all aligned.

        Returns:
            The mean of all values that are not NaN; `n` and `n_nan` count (seed, instruction) values. A seed
            or an instruction that is NaN throughout is left out of the resampling. One seed alone has the t
            interval.
        """
        values_SI = np.stack(rows) if len(rows) else np.empty((0, 0))
        known_SI = ~np.isnan(values_SI)
        kept_SI = values_SI[known_SI.any(axis=1)][:, known_SI.any(axis=0)]
        if kept_SI.shape[0] < 2:
            return mean_interval(values_SI, self.confidence)
        n = int(known_SI.sum())
        lo, hi = percentile_bounds(crossed_means(kept_SI, self._weights(kept_SI.shape)), self.confidence)
        return Estimate(float(values_SI[known_SI].mean()), lo, hi, n, values_SI.size - n)

    def _weights(self, shape: tuple[int, ...]) -> CrossedWeights:
        key = (shape[0], shape[1])
        if key not in self._crossed:
            rng = np.random.default_rng([self.seed, 0, *key])
            self._crossed[key] = crossed_weights(*key, self.resamples, rng)
        return self._crossed[key]

    def simple_weights(self, n: int) -> Floats:
        """How often each of `n` independent values is drawn when `n` are, shape (resamples, n)."""
        if n not in self._simple:
            rng = np.random.default_rng([self.seed, 1, n])
            draws = rng.multinomial(n, np.full(n, 1 / max(n, 1)), size=self.resamples)
            self._simple[n] = draws.astype(np.float64)
        return self._simple[n]

    def orders(self, n: int) -> NDArray[np.int64]:
        """Random orders of `n` things, shape (resamples, n)."""
        if n not in self._orders:
            rng = np.random.default_rng([self.seed, 2, n])
            self._orders[n] = rng.permuted(np.tile(np.arange(n), (self.resamples, 1)), axis=1)
        return self._orders[n]

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
