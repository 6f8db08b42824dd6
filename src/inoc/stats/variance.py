"""Variance components of a crossed design: the contribution of each factor, and each pair, to a cell's variance.

Every combination of levels has one value at most. The model is that of random effects,
y = mean + Σ over sets of factors of an effect of their levels, all independent; the effect of all factors together
is the residual.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from inoc.stats.bootstrap import Resampler
from inoc.stats.means import NAN, Estimate, Floats

Effect = frozenset[str]
"""The factors that an effect is of."""


class Components(NamedTuple):
    """Variance of each effect, in the square of the unit of the data."""

    value: dict[Effect, float]  # unbiased, so that it may be negative; NaN if the design does not determine it
    drawn: dict[Effect, Floats]  # draws from its distribution, shape (resamples,); see `crossed_components`
    n: int  # values used
    n_nan: int

    def estimate(self, weights: Mapping[Effect, float], resampler: Resampler) -> Estimate:
        """A weighted sum of components, with its interval; NaN if a component is not known."""
        value = sum(weight * self.value.get(effect, NAN) for effect, weight in weights.items())
        if np.isnan(value):
            return Estimate(NAN, NAN, NAN, self.n, self.n_nan)
        drawn = sum((weight * self.drawn[effect] for effect, weight in weights.items()), np.zeros(resampler.resamples))
        return Estimate(value, *resampler.bounds(drawn), self.n, self.n_nan)

    def not_negative(self) -> Components:
        """The same with 0 in the place of negative estimates and draws, which no variance can be."""
        return self._replace(
            value={effect: float(np.maximum(one, 0.0)) for effect, one in self.value.items()},
            drawn={effect: np.maximum(one, 0.0) for effect, one in self.drawn.items()},
        )


def crossed_components(values: Floats, factors: Sequence[str], resampler: Resampler) -> Components:
    """Moment estimates of the variance components of a crossed design.

    Half the squared difference of two values has as its expectation the sum of the components in which the two differ.
    Averaged over all pairs that share exactly the levels of some factors, for every choice of factors, that is as many
    equations as there are components. In a complete table their solution is the estimates of the analysis of variance;
    here missing values may be anywhere.

    The intervals are generalised confidence intervals (Weerahandi, J. Am. Stat. Assoc. 88, 1993): an expected mean
    square is drawn as degrees of freedom · mean square / χ². With values missing, mean squares are those that the
    components imply for a complete table, and degrees of freedom shrink with the share of values that are known.

    Args:
        values: One axis for each factor; NaN where there is no value.
        factors: Names of the axes.
        resampler: Source of the draws.

    Returns:
        Components of all effects of factors with two levels or more. A factor with one level has none: its effects
        cannot be separated from those without it, in which they are then included.
    """
    several = [axis for axis, n in enumerate(values.shape) if n > 1]
    names = [factors[axis] for axis in several]
    table = values.reshape([values.shape[axis] for axis in several])
    known = ~np.isnan(table)
    n = int(known.sum())
    if not n or not names:
        return Components({}, {}, n, table.size - n)
    covariance = _covariances(np.where(known, table - table[known].mean(), 0), known, names)
    value = {
        effect: sum((-1) ** len(effect - part) * covariance[part] for part in _subsets(effect))
        for effect in _subsets(frozenset(names))
        if effect
    }
    levels = dict(zip(names, table.shape, strict=True))
    return Components(value, _drawn(value, levels, n / table.size, resampler), n, table.size - n)


def _subsets(effect: Effect) -> Iterator[Effect]:
    ordered = sorted(effect)
    return (frozenset(chosen) for size in range(len(ordered) + 1) for chosen in combinations(ordered, size))


def _covariances(y: Floats, known: np.ndarray, names: list[str]) -> dict[Effect, float]:
    """Covariance of two values that share the levels of exactly these factors; NaN if no two values do."""
    sharing: dict[Effect, Floats] = {}
    for shared in _subsets(frozenset(names)):
        others = tuple(axis for axis, name in enumerate(names) if name not in shared)
        count, total, square = (part.sum(axis=others) for part in (known.astype(np.float64), y, y**2))
        sharing[shared] = np.array([(count * square - total**2).sum(), (count**2).sum()])
    half: dict[Effect, float] = {}
    for shared in sharing:
        # Pairs that share these levels and no other: those that share at least these, less those that share more.
        exact = sum(
            ((-1) ** len(more - shared) * pairs for more, pairs in sharing.items() if more >= shared), np.zeros(2)
        )
        half[shared] = float(exact[0] / exact[1]) if exact[1] > 0 else NAN
    nothing: Effect = frozenset()
    half[frozenset(names)] = 0.0
    return {shared: half[nothing] - found for shared, found in half.items()}


def _drawn(
    value: Mapping[Effect, float], levels: Mapping[str, int], share: float, resampler: Resampler
) -> dict[Effect, Floats]:
    rng = np.random.default_rng([resampler.seed, 3, *levels.values()])
    squares: dict[Effect, Floats] = {}
    for effect in sorted(value, key=sorted):
        expected = sum(one * _cells(other, levels) for other, one in value.items() if other >= effect)
        degrees = float(np.prod([levels[name] - 1 for name in effect])) * share
        squares[effect] = max(expected, 0.0) * degrees / rng.chisquare(degrees, resampler.resamples)
    zero = np.zeros(resampler.resamples)
    return {
        effect: sum(((-1) ** len(more - effect) * one for more, one in squares.items() if more >= effect), zero)
        / _cells(effect, levels)
        for effect in value
    }


def _cells(effect: Effect, levels: Mapping[str, int]) -> float:
    """Number of cells of a complete table that have the same level of every factor of an effect."""
    return float(np.prod([n for name, n in levels.items() if name not in effect]))
