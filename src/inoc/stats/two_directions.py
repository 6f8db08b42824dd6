"""Directions between two groups of rows: how reliable they are, and how well they tell new rows apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inoc.stats.contrasts import tested
from inoc.stats.directions import FEWEST_GROUPS, SplitHalf, cosine
from inoc.stats.means import NAN, Floats

FOLDS = 5
SHUFFLES = 199
"""Shuffles of the sides of groups, for the test of separability."""


class Apart(NamedTuple):
    """Separability of two groups by a direction made of other rows."""

    auc: float  # chance that a row of the first group lies above one of the second; NaN without folds
    lo: float  # groups are the unit; the directions are taken as given
    hi: float
    p: float  # one-sided, of no difference, by shuffles of the groups' sides; NaN without them
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


class _Rows(NamedTuple):
    """Rows of both sides, and what does not depend on which of them is on which side."""

    gram: Floats  # products of all two rows, after their mean was taken off
    folds: NDArray[np.int64]  # fold of each row
    groups: NDArray[np.int64]


def held_out(
    first: Floats,
    second: Floats,
    groups: tuple[Sequence[str], Sequence[str]],
    seed: int,
    confidence: float = 0.95,
    shuffles: int = SHUFFLES,
) -> Apart:
    """Area under the ROC curve of the difference of means, on groups that had no part in it.

    Rows are projected on the direction of the other folds, from the middle between its two means. The interval is
    that of DeLong and others (1988) with clusters (Obuchowski, 1997). The test does the same with shuffled sides: where
    groups have rows on both, the sides of each are exchanged or not; else groups are dealt anew to both.

    Args:
        first: Rows of one group, rows × width; a row with a NaN is left out.
        second: Rows of the other.
        groups: Group of each row of both; rows of one group are in one fold.
        seed: Seed of folds and shuffles.
        confidence: Level of the interval.
        shuffles: Number of shuffles.
    """
    known = [~np.isnan(rows).any(axis=1) for rows in (first, second)]
    sides = [rows[there].astype(np.float64) for rows, there in zip((first, second), known, strict=True)]
    names = [np.asarray(list(one), dtype=str)[there] for one, there in zip(groups, known, strict=True)]
    every, group = np.unique(np.concatenate(names), return_inverse=True)
    n = sum(len(rows) for rows in sides)
    if every.size < FEWEST_GROUPS or min(len(rows) for rows in sides) < 2:
        return Apart(NAN, NAN, NAN, NAN, n)
    stacked = np.concatenate(sides)
    stacked -= stacked.mean(axis=0)
    folds = np.random.default_rng(seed).permutation(every.size) % FOLDS
    rows = _Rows(stacked @ stacked.T, folds[group], group.astype(np.int64))
    high = np.arange(n) < len(sides[0])
    scores = _scores(rows, high)
    value = _auc(scores, high)
    lo, hi = _bounds(scores, high, rows.groups, confidence)
    null = np.array([_auc(_scores(rows, one), one) for one in _shuffled(high, rows.groups, shuffles, seed)])
    null = null[~np.isnan(null)]
    p = (1 + int((null >= value - 1e-12).sum())) / (1 + null.size) if null.size and value == value else NAN
    return Apart(value, max(0.0, lo), min(1.0, hi), p, n)


def _scores(rows: _Rows, high: NDArray[np.bool_]) -> Floats:
    """Projection of each row on the direction of the other folds, from its middle; NaN if these lack a side."""
    outside = rows.folds[:, None] != np.arange(FOLDS)
    parts = [outside & side[:, None] for side in (high, ~high)]
    with np.errstate(invalid="ignore", divide="ignore"):
        up, down = (part / part.sum(axis=0) for part in parts)
        projected = rows.gram @ (up - down)
        middle = 0.5 * ((up + down) * projected).sum(axis=0)
    found: Floats = (projected - middle)[np.arange(len(high)), rows.folds]
    return found


def _placed(scores: Floats, high: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Share of the other side that each row of the first is above, and that each of the second is below."""
    known = ~np.isnan(scores)
    a, b = scores[known & high], scores[known & ~high]
    if not a.size or not b.size:
        return np.full(a.size, NAN), np.full(b.size, NAN)
    ordered = [np.sort(one) for one in (a, b)]
    below = [np.searchsorted(ordered[1], a, side) for side in ("left", "right")]
    above = [a.size - np.searchsorted(ordered[0], b, side) for side in ("left", "right")]
    return (below[0] + below[1]) / (2 * b.size), (above[0] + above[1]) / (2 * a.size)


def _auc(scores: Floats, high: NDArray[np.bool_]) -> float:
    placed, _ = _placed(scores, high)
    return float(placed.mean()) if placed.size else NAN


def _bounds(
    scores: Floats, high: NDArray[np.bool_], groups: NDArray[np.int64], confidence: float
) -> tuple[float, float]:
    """Interval of the area, from how far each group's rows on both sides move it."""
    known = ~np.isnan(scores)
    parts = _placed(scores, high)
    value = float(parts[0].mean()) if parts[0].size else NAN
    moved = np.zeros(int(groups.max()) + 1)
    for part, side in zip(parts, (known & high, known & ~high), strict=True):
        np.add.at(moved, groups[side], (part - value) / max(1, part.size))
    n = len(np.unique(groups[known]))
    if n < 2:
        return NAN, NAN
    found = tested(value, float(np.sqrt(n / (n - 1) * (moved**2).sum())), n - 1, confidence, (n, 0))
    return found.lo, found.hi


def _shuffled(high: NDArray[np.bool_], groups: NDArray[np.int64], times: int, seed: int) -> Iterator[NDArray[np.bool_]]:
    rng = np.random.default_rng([seed, 1])
    n = int(groups.max()) + 1
    both = np.isin(groups[high], groups[~high]).any()
    side = np.zeros(n, dtype=bool)
    side[groups[high]] = True
    for _ in range(times):
        yield high ^ (rng.random(n) < 0.5)[groups] if both else rng.permutation(side)[groups]
