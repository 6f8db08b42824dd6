"""The effect of a condition on things that were measured with it and without it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from inoc.stats.clusters import grouped
from inoc.stats.means import Estimate, Floats, check_paired, mean_interval
from inoc.stats.shares import wilson


class PairedEffect(NamedTuple):
    """A mean difference, and the shares of pairs that went up, stayed and went down; the three add up to 1."""

    difference: Estimate
    higher: Estimate
    tie: Estimate
    lower: Estimate


def paired_effect(
    treated: Floats, neutral: Floats, groups: Sequence[str] | None = None, confidence: float = 0.95
) -> PairedEffect:
    """The effect of a condition over pairs.

    P(higher) alone says nothing where ties are frequent: 20 % higher may go with 5 % lower or with 60 %.

    Args:
        treated: A value per pair, measured in the condition.
        neutral: Of the same things, without it. A pair with a NaN on either side is dropped and counted.
        groups: Thing of each pair, if things were measured more than once: they are the units of the intervals.
        confidence: Of the intervals.

    Returns:
        The difference in the unit of the values; positive means that the condition raises them. `n` counts pairs.
    """
    check_paired(treated, neutral)
    difference = treated - neutral
    known = ~np.isnan(difference)
    parts = [difference[known] > 0, difference[known] == 0, difference[known] < 0]
    n, n_nan = int(known.sum()), int((~known).sum())
    names = None if groups is None else [one for one, used in zip(groups, known, strict=True) if used]
    if names is None or len(set(names)) == len(names):
        shares = [wilson(int(part.sum()), n, confidence, n_nan) for part in parts]
        return PairedEffect(mean_interval(difference, confidence), *shares)
    unit = grouped(names)

    def over_units(values: Floats) -> Estimate:
        means = np.bincount(unit.label, values) / np.bincount(unit.label)
        return mean_interval(means, confidence)._replace(n=n, n_nan=n_nan)

    found = [over_units(part.astype(np.float64)) for part in parts]
    shares = [one._replace(lo=float(np.maximum(one.lo, 0)), hi=float(np.minimum(one.hi, 1))) for one in found]
    return PairedEffect(over_units(difference[known]), *shares)


def main_effects(cells_ABN: Floats, neutral: int, confidence: float = 0.95) -> tuple[list[Estimate], list[Estimate]]:
    """Effects of two crossed conditions on the same things, each averaged over the other.

    Args:
        cells_ABN: Levels of the first condition × levels of the second × things. A thing with a NaN in any cell is
            left out of all and counted, so that every cell has the same things.
        neutral: Number of the level, of both, that the others are compared with.
        confidence: Of the intervals.

    Returns:
        Level less neutral level, for each level of the first condition and of the second; exactly 0 for neutral.
    """
    whole = ~np.isnan(cells_ABN).any(axis=(0, 1))
    n_nan = int((~whole).sum())
    found = []
    for axis in (1, 0):
        means = cells_ABN[..., whole].mean(axis=axis)  # levels × things
        moved = means - means[neutral]
        found.append([mean_interval(row, confidence)._replace(n_nan=n_nan) for row in moved])
    return found[0], found[1]
