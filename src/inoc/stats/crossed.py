"""The mean of a table of seeds × instructions, and its interval when both were sampled.

The interval is Student's t with the mean squares of seeds, of instructions and of the residual, and Satterthwaite's
degrees of freedom. With two or three seeds the seeds' own mean square says little; it can be steadied by that of other
prompts that were trained with the same seeds (`borrowed_square`). Coverage is in `docs/design/intervals.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from inoc.stats.contrasts import Contrast, contrast_of, tested
from inoc.stats.means import Estimate, Floats, mean_interval, t_quantile

FEWEST_TO_BORROW = 6
"""Prompts from which on their mean squares are pooled."""


class Square(NamedTuple):
    """A mean square: an estimate of a variance that is distributed as χ² over its degrees of freedom."""

    value: float  # the square of the unit of the data, for single values
    degrees: float  # of freedom


class Squares(NamedTuple):
    """Mean squares of a table of seeds × instructions."""

    seeds: Square
    instructions: Square
    residual: Square


def known_part(values_SI: Floats) -> Floats:
    """The table without the seeds and without the instructions that are NaN throughout."""
    known_SI = ~np.isnan(values_SI)
    kept: Floats = values_SI[known_SI.any(axis=1)][:, known_SI.any(axis=0)]
    return kept


def filled(values_SI: Floats, rounds: int = 50) -> Floats:
    """The table with each NaN replaced by what its seed and its instruction lead to expect, seed + instruction − mean.

    Args:
        values_SI: Seeds × instructions; no row or column is NaN throughout.
        rounds: Number of refinements of the replacements.
    """
    gaps = np.isnan(values_SI)
    if not gaps.any():
        return values_SI
    table: Floats = np.where(gaps, values_SI[~gaps].mean(), values_SI)
    for _ in range(rounds):
        expected = table.mean(axis=1, keepdims=True) + table.mean(axis=0, keepdims=True) - table.mean()
        table = np.where(gaps, expected, table)
    return table


def mean_squares(values_SI: Floats) -> Squares:
    """Mean squares of a table with two seeds and two instructions or more.

    Args:
        values_SI: Seeds × instructions, NaN where a value is missing; see `filled`. A missing value costs the residual
            a degree of freedom.
    """
    n_seeds, n_items = values_SI.shape
    table = filled(values_SI)
    by_seed, by_item = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    residuals = table - by_seed - by_item + table.mean()
    free = max(1, (n_seeds - 1) * (n_items - 1) - int(np.isnan(values_SI).sum()))
    return Squares(
        Square(n_items * float(by_seed.var(ddof=1)), n_seeds - 1),
        Square(n_seeds * float(by_item.var(ddof=1)), n_items - 1),
        Square(float((residuals**2).sum()) / free, free),
    )


def borrowed_square(tables: Sequence[Floats]) -> Square | None:
    """The seeds' mean square, averaged over prompts that were trained with the same seeds and asked the same.

    What a seed does to all prompts alike (through the control that they share) has as many degrees of freedom as one
    prompt has; what it does to each prompt has that many for each prompt. Both parts enter with their own. The variance
    between seeds is taken to be one for all prompts.

    Args:
        tables: Of each prompt, seeds × instructions, the same seeds in the same order.

    Returns:
        None for fewer than `FEWEST_TO_BORROW` prompts with a value from two seeds or more.
    """
    means_PS = np.array([filled(table).mean(axis=1) for table in tables if _is_whole(table)])
    n_prompts, n_seeds = means_PS.shape if means_PS.ndim == 2 else (0, 0)
    if n_prompts < FEWEST_TO_BORROW:
        return None
    n_items = float(np.mean([known_part(table).shape[1] for table in tables if _is_whole(table)]))
    by_seed = means_PS.mean(axis=0)
    own = means_PS - by_seed - means_PS.mean(axis=1, keepdims=True) + means_PS.mean()
    free = (n_prompts - 1) * (n_seeds - 1)
    each = n_items * float((own**2).sum()) / free
    shared = max(each, n_items * n_prompts * float(by_seed.var(ddof=1)))
    parts = np.array([shared, (n_prompts - 1) * each]) / n_prompts
    total = float(parts.sum())
    return Square(total, total**2 / float((parts**2 / [n_seeds - 1, free]).sum()) if total > 0 else free)


def _is_whole(table: Floats) -> bool:
    """Whether every seed has a value, of two seeds and two instructions or more."""
    return bool((~np.isnan(table)).any(axis=1).all()) and min(known_part(table).shape, default=0) > 1


def crossed_interval(values_SI: Floats, confidence: float, borrowed: Square | None = None) -> Estimate:
    """Mean over seeds and instructions, with the interval for other seeds and other instructions.

    Its variance is (m_S + m_I − m_R) / n, where m_S and m_I are at least m_R, as their expectations are.

    Args:
        values_SI: Seeds × instructions; NaN where a value is missing.
        confidence: Level of the interval.
        borrowed: `borrowed_square` of several prompts; the larger of it and the table's own is then m_S.

    Returns:
        The mean of all values that are not NaN; `n` and `n_nan` count (seed, instruction) values. One seed alone, or
        one instruction alone, has the t interval of its values, which says nothing of others.
    """
    kept = known_part(values_SI)
    if min(kept.shape) < 2:
        return mean_interval(values_SI, confidence)
    n = int((~np.isnan(kept)).sum())
    mean = float(kept[~np.isnan(kept)].mean())
    error = _error(kept, n, borrowed)
    half = t_quantile(error.degrees, confidence) * error.value if error.value > 0 else 0.0
    return Estimate(mean, mean - half, mean + half, n, values_SI.size - n)


def crossed_contrast(values_SI: Floats, confidence: float) -> Contrast:
    """`crossed_interval` with its standard error and the two-sided t test of a mean of 0."""
    kept = known_part(values_SI)
    if min(kept.shape) < 2:
        return contrast_of(values_SI.ravel(), confidence)
    n = int((~np.isnan(kept)).sum())
    error = _error(kept, n, None)
    counts = (n, values_SI.size - n)
    return tested(float(kept[~np.isnan(kept)].mean()), error.value, error.degrees, confidence, counts)


def crossed_error(values_SI: Floats) -> tuple[float, Square]:
    """The mean of a table, and its standard error with degrees of freedom, as `crossed_contrast` takes them.

    Returns:
        A standard error of NaN for fewer than two values.
    """
    kept = known_part(values_SI)
    if min(kept.shape) < 2:
        found = contrast_of(values_SI.ravel())
        return found.value, Square(found.se, found.n - 1)
    known = kept[~np.isnan(kept)]
    return float(known.mean()), _error(kept, known.size, None)


def _error(kept: Floats, n: int, borrowed: Square | None) -> Square:
    """Standard error of the mean of all values, and its degrees of freedom."""
    found = mean_squares(kept)
    residual = found.residual.value
    seeds = found.seeds
    if borrowed is not None:
        seeds = Square(max(seeds.value, borrowed.value), max(seeds.degrees, borrowed.degrees))
    parts = np.array([max(seeds.value, residual), max(found.instructions.value, residual), residual])
    total = float(parts[0] + parts[1] - parts[2])
    freedom = np.array([seeds.degrees, found.instructions.degrees, found.residual.degrees])
    if total <= 0:
        return Square(0.0, float(freedom.min()))
    return Square((total / n) ** 0.5, total**2 / float((parts**2 / freedom).sum()))


def within(estimate: Estimate, lowest: float, highest: float) -> Estimate:
    """The estimate with bounds that do not leave the range that its values can have; NaN stays NaN."""
    lo, hi = (float(np.clip(bound, lowest, highest)) for bound in (estimate.lo, estimate.hi))
    return estimate._replace(lo=lo, hi=hi)


def stacked(rows: Sequence[Floats]) -> Floats:
    """One array of instructions for each seed as a table, shape (seeds, instructions); empty for none."""
    return np.stack(rows) if len(rows) else np.empty((0, 0))
