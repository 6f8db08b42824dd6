"""Directions between two groups of rows: how reliable they are, and how well they tell new rows apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from inoc.stats.clustered import clustered_mean
from inoc.stats.directions import FEWEST_GROUPS, SplitHalf, cosine
from inoc.stats.means import NAN, Floats

FOLDS = 5


class Apart(NamedTuple):
    """Separability of two groups by a direction made of other rows."""

    auc: float  # chance that a row of the first group lies above one of the second; NaN without folds
    lo: float  # groups are the unit
    hi: float
    n: int  # rows


def split_half_of_two(first: Floats, second: Floats, n_splits: int, seed: int, confidence: float = 0.95) -> SplitHalf:
    """Cosine between the differences of means from two random halves of the rows, each group halved by itself.

    Args:
        first: Rows of one group, rows × width.
        second: Rows of the other.
        n_splits: Number of random splits.
        seed: Of the splits.
        confidence: Share of the splits between `lo` and `hi`.

    Returns:
        NaN for fewer than `FEWEST_GROUPS` rows in a group.
    """
    n = min(len(first), len(second))
    if n < FEWEST_GROUPS:
        return SplitHalf(NAN, NAN, NAN, NAN, n)
    rng = np.random.default_rng([seed, len(first), len(second)])
    groups = [one.astype(np.float64) for one in (first, second)]
    found = []
    for _ in range(n_splits):
        halves = [np.zeros(groups[0].shape[1]), np.zeros(groups[0].shape[1])]
        for rows, sign in zip(groups, (1.0, -1.0), strict=True):
            order = rng.permutation(len(rows))
            for at, part in enumerate((order[: len(rows) // 2], order[len(rows) // 2 :])):
                halves[at] += sign * rows[part].mean(axis=0)
        found.append(cosine(halves[0], halves[1]))
    cosines = np.array(found)
    cosines = cosines[~np.isnan(cosines)]
    if not cosines.size:
        return SplitHalf(NAN, NAN, NAN, NAN, n)
    value = float(cosines.mean())
    lo, hi = np.quantile(cosines, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return SplitHalf(value, float(lo), float(hi), 2 * value / (1 + value) if value > -1 else NAN, n)


def held_out(
    first: Floats,
    second: Floats,
    groups: tuple[Sequence[str], Sequence[str]],
    seed: int,
    confidence: float = 0.95,
) -> Apart:
    """Area under the ROC curve of the difference of means, on groups that had no part in it.

    Rows are projected on the direction of the other folds, from the middle between its two means. The interval is that
    of the mean placement of the first group's rows among the second's, clustered by group.

    Args:
        first: Rows of one group, rows × width; a row with a NaN is left out.
        second: Rows of the other.
        groups: Group of each row of both; rows of one group are in one fold.
        seed: Of the folds.
        confidence: Level of the interval.
    """
    known = [~np.isnan(rows).any(axis=1) for rows in (first, second)]
    sides = [rows[there].astype(np.float64) for rows, there in zip((first, second), known, strict=True)]
    names = [np.asarray(list(one), dtype=str)[there] for one, there in zip(groups, known, strict=True)]
    every = np.unique(np.concatenate(names))
    n = sum(len(rows) for rows in sides)
    if every.size < FEWEST_GROUPS or min(len(rows) for rows in sides) < 2:
        return Apart(NAN, NAN, NAN, n)
    fold_of = dict(zip(every, np.random.default_rng(seed).permutation(every.size) % FOLDS, strict=True))
    folds = [np.array([fold_of[name] for name in own]) for own in names]
    scores = [np.full(len(rows), NAN) for rows in sides]
    for fold in range(FOLDS):
        train = [rows[own != fold] for rows, own in zip(sides, folds, strict=True)]
        if min(len(rows) for rows in train) == 0:
            continue
        high, low = (rows.mean(axis=0) for rows in train)
        for at, (rows, own) in enumerate(zip(sides, folds, strict=True)):
            scores[at][own == fold] = (rows[own == fold] - (high + low) / 2) @ (high - low)
    placed = [
        float(np.mean((scores[1] < one) + 0.5 * (scores[1] == one))) if not np.isnan(one) else NAN for one in scores[0]
    ]
    found = clustered_mean(np.array(placed), names[0].tolist(), confidence)
    return Apart(found.value, max(0.0, found.lo), min(1.0, found.hi), n)
