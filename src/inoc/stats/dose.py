"""Dose and response: how answers move with a coefficient, per item and then over items.

An item is a task, or two tasks in one order. Each is compared with itself alone: its slope uses the coefficients at
which it has an answer, so items that lose their answers at some coefficient are not mixed with others. Items that share
a task are not independent, and the errors say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from inoc.stats.contrasts import Contrast, tested
from inoc.stats.means import NAN, Floats

FEWEST = 3
"""Coefficients at which an item must have answers, where as many were asked."""


class Doses(NamedTuple):
    """Mean answers of items at coefficients."""

    items: list[tuple[str, ...]]  # the tasks of each item
    coefficients: Floats  # shape (coefficients,), ascending
    values: Floats  # items × coefficients; NaN where an item has no answer


def doses_of(items: Sequence[tuple[str, ...]], coefficients: Floats, values: Floats) -> Doses:
    """Answers as a table of means; items keep the order in which they first come.

    Args:
        items: Item of each answer, such as `(task,)` or `(first, second)`.
        coefficients: Coefficient of each answer, shape (answers,).
        values: The answers; NaN for one that is lost.
    """
    known = list(dict.fromkeys(items))
    row_of = {item: at for at, item in enumerate(known)}
    doses, columns = np.unique(coefficients, return_inverse=True)
    rows = np.array([row_of[item] for item in items], dtype=np.int64)
    there = ~np.isnan(values)
    sums, counts = np.zeros((len(known), doses.size)), np.zeros((len(known), doses.size))
    np.add.at(sums, (rows[there], columns[there]), values[there])
    np.add.at(counts, (rows[there], columns[there]), 1.0)
    return Doses(known, doses, np.where(counts > 0, sums / np.where(counts > 0, counts, 1.0), NAN))


def item_slopes(doses: Doses) -> Floats:
    """Least-squares slope of each item's means on the coefficient.

    Returns:
        Shape (items,), units of the answers per unit of the coefficient; NaN for an item with answers at fewer than
        `FEWEST` coefficients, or than there are.
    """
    there = ~np.isnan(doses.values)
    n = there.sum(axis=1)
    x = np.where(there, doses.coefficients, 0.0)
    y = np.where(there, doses.values, 0.0)
    mean_x, mean_y = (np.where(n > 0, part.sum(axis=1) / np.maximum(n, 1), 0.0) for part in (x, y))
    moved = np.where(there, doses.coefficients - mean_x[:, None], 0.0)
    spread = (moved**2).sum(axis=1)
    product = (moved * np.where(there, doses.values - mean_y[:, None], 0.0)).sum(axis=1)
    enough = (n >= min(FEWEST, doses.coefficients.size)) & (spread > 0)
    found: Floats = np.where(enough, product / np.where(spread > 0, spread, 1.0), NAN)
    return found


def linked_mean(values: Floats, items: Sequence[tuple[str, ...]], confidence: float = 0.95) -> Contrast:
    """Mean over items, with the error of tasks that were drawn and that several items may share.

    Deviations are multiplied for all two items that share a task (the estimator of Fafchamps and Gubert, 2007), times
    G / (G − 1) for G tasks, with the t distribution of G − 1 degrees of freedom. For items of one task each that is the
    error of values clustered by task. The error is never less than if items of different tasks were independent.

    Args:
        values: Shape (items,); NaN are skipped and counted.
        items: The tasks of each.
        confidence: Level of the interval.

    Returns:
        In the unit of the values; its test is that of a mean of zero. Only the mean is known for fewer than two tasks.
    """
    known = ~np.isnan(values)
    found = values[known]
    own = [tuple(sorted(set(item))) for item, there in zip(items, known.tolist(), strict=True) if there]
    n, n_nan = found.size, values.size - found.size
    if not n:
        return Contrast(NAN, NAN, NAN, NAN, NAN, 0, n_nan)
    mean = float(found.mean())
    by_task: dict[str, float] = {}
    by_item: dict[tuple[str, ...], float] = {}
    for item, deviation in zip(own, (found - mean).tolist(), strict=True):
        by_item[item] = by_item.get(item, 0.0) + deviation
        for task in item:
            by_task[task] = by_task.get(task, 0.0) + deviation
    if len(by_item) < 2:
        return Contrast(mean, NAN, NAN, NAN, NAN, n, n_nan)
    apart = sum(one**2 for one in by_item.values())
    # Two items of the same tasks were counted once for each of them.
    linked = sum(one**2 for one in by_task.values()) - sum(
        (len(item) - 1) * one**2 for item, one in by_item.items()
    )  # fmt: skip
    factor_apart, factor_linked = (size / (size - 1) for size in (len(by_item), len(by_task)))
    se = float(max(factor_apart * apart, factor_linked * linked) ** 0.5) / n
    return tested(mean, se, len(by_task) - 1, confidence, (n, n_nan))


def slope_over(doses: Doses, confidence: float = 0.95) -> Contrast:
    """Mean of the slopes of all items; `n` counts items with a slope."""
    return linked_mean(item_slopes(doses), doses.items, confidence)


def usable(coefficients: Sequence[float], kept: Sequence[float], least: float) -> tuple[float, float]:
    """The largest coefficients on both sides of 0 up to which answers stay usable.

    Args:
        coefficients: Ascending, with 0.
        kept: Share of the answers at each that are coherent and were read.
        least: Lowest such share, of that at 0: what is lost without steering, such as refusals, is not its doing.

    Returns:
        The lowest and the highest coefficient such that it and all between it and 0 keep that share; 0 on a side where
        the nearest does not. NaN if nothing is kept even at 0.
    """
    plain = dict(zip(coefficients, kept, strict=True)).get(0.0, NAN)
    if not plain > 0:
        return NAN, NAN
    share = {one: value / plain for one, value in zip(coefficients, kept, strict=True)}
    ends = [0.0, 0.0]
    for at, side in enumerate((-1, 1)):
        for one in sorted((each for each in share if each * side > 0), key=abs):
            if not share[one] >= least:
                break
            ends[at] = one
    return ends[0], ends[1]


def rank_p(value: float, null: Floats) -> float:
    """Two-sided p of a value among those of random vectors: never 0; NaN without any.

    Args:
        value: Of the vector.
        null: Of the random vectors; NaN are left out.
    """
    found = null[~np.isnan(null)]
    if not found.size or np.isnan(value):
        return NAN
    return (1 + int((np.abs(found) >= abs(value)).sum())) / (1 + found.size)
