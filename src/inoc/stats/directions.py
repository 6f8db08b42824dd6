"""Directions that are means of rows: how well they are known, and how alike two of them are.

Rows come in groups, such as the answers to one question, and the group is the unit of every resample. All functions
take the sums of the groups, so that wide rows are read once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from inoc.stats.means import NAN, Floats, t_quantile

FEWEST_GROUPS = 4
"""With fewer groups, halves of them say nothing about the whole."""


class Groups(NamedTuple):
    """Rows summed within their groups."""

    names: tuple[str, ...]
    sums: Floats  # groups × width
    counts: Floats  # shape (groups,)

    @property
    def mean(self) -> Floats:
        """Mean of all rows, shape (width,); NaN without a row."""
        n = float(self.counts.sum())
        found: Floats = self.sums.sum(axis=0) / (n if n else NAN)
        return found


class SplitHalf(NamedTuple):
    """Likeness of the directions that two halves of the groups give."""

    cosine: float  # mean over the splits; NaN for fewer than `FEWEST_GROUPS` groups, or no direction
    lo: float  # range of the middle splits; a spread over splits, not a confidence interval
    hi: float
    reliability: float  # of the whole, 2 c / (1 + c) by Spearman and Brown; NaN if the halves disagree entirely
    n_groups: int


def group_rows(rows_ND: Floats, groups: Sequence[str]) -> Groups:
    """Sum rows within their groups; a row with a NaN is left out, and a group without a row too.

    Args:
        rows_ND: Rows × width.
        groups: Group of each row.
    """
    known = ~np.isnan(rows_ND).any(axis=1)
    names, places = np.unique(np.asarray(groups, dtype=object).astype(str)[known], return_inverse=True)
    sums_GD = np.zeros((len(names), rows_ND.shape[1]))
    np.add.at(sums_GD, places, rows_ND[known].astype(np.float64))
    counts_G = np.bincount(places, minlength=len(names)).astype(np.float64)
    return Groups(tuple(str(name) for name in names), sums_GD, counts_G)


def split_half(groups: Groups, n_splits: int, seed: int, confidence: float = 0.95) -> SplitHalf:
    """Cosine between the means of two random halves of the groups, over many splits.

    Args:
        groups: The rows.
        n_splits: Number of random splits.
        seed: Of the splits.
        confidence: Share of the splits between `lo` and `hi`.
    """
    n = len(groups.names)
    gram_GG = groups.sums @ groups.sums.T
    if n < FEWEST_GROUPS or not gram_GG.any():
        return SplitHalf(NAN, NAN, NAN, NAN, n)
    rng = np.random.default_rng([seed, n])
    first_SG = np.zeros((n_splits, n))
    for split in first_SG:
        split[rng.permutation(n)[: n // 2]] = 1.0
    second_SG = 1.0 - first_SG
    dots = _dots(first_SG, gram_GG, second_SG)
    sizes = _dots(first_SG, gram_GG, first_SG) * _dots(second_SG, gram_GG, second_SG)
    cosines = np.where(sizes > 0, dots / np.sqrt(np.where(sizes > 0, sizes, 1.0)), NAN)
    cosines = np.clip(cosines[~np.isnan(cosines)], -1.0, 1.0)
    if not cosines.size:
        return SplitHalf(NAN, NAN, NAN, NAN, n)
    value = float(cosines.mean())
    lo, hi = np.quantile(cosines, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return SplitHalf(value, float(lo), float(hi), 2 * value / (1 + value) if value > -1 else NAN, n)


def _dots(left_SG: Floats, gram_GG: Floats, right_SG: Floats) -> Floats:
    found: Floats = ((left_SG @ gram_GG) * right_SG).sum(axis=1)
    return found


def cosine(first: Floats, second: Floats) -> float:
    """Cosine of the angle between two vectors, in float64; NaN if one is zero."""
    a, b = first.astype(np.float64), second.astype(np.float64)
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.clip(a @ b / size, -1.0, 1.0)) if size > 0 else NAN


class Cosine(NamedTuple):
    """Likeness of two mean directions."""

    plain: float  # of the means as they are, which their noise pulls towards 0; NaN if one is zero
    corrected: float  # less the noise; can lie beyond 1; NaN if the noise leaves no direction
    lo: float  # jackknife interval of the corrected value
    hi: float
    n_groups: int


def corrected_norm(groups: Groups) -> float:
    """Norm of the mean less what its noise adds; 0 if that is all there is, NaN for fewer than two groups.

    The squared norm is the mean product of two rows of different groups, which noise does not bias.
    """
    square = _Product(groups, groups).whole
    return NAN if np.isnan(square) else float(max(square, 0.0) ** 0.5)


def cosine_of_means(first: Groups, second: Groups, confidence: float = 0.95) -> Cosine:
    """Cosine of two mean directions, as it is, and without the part that noise takes away.

    The corrected value uses products of rows of different groups alone, for norms as for the product; groups of one
    name count as one group on both sides. Its interval is the jackknife's, with groups of one name left out together.

    Args:
        first: Rows of one direction.
        second: Rows of the other, of the same width.
        confidence: Level of the interval.

    Returns:
        Bounds are NaN for fewer than `FEWEST_GROUPS` groups on a side.
    """
    names = sorted({*first.names, *second.names})
    plain = cosine(first.mean, second.mean)
    left, right = _on(first, names), _on(second, names)
    products = [_Product(left, right), _Product(left, left), _Product(right, right)]
    corrected = float(_ratio(*(np.array([one.whole]) for one in products))[0])
    fewest = min(len(first.names), len(second.names))
    if np.isnan(corrected) or fewest < FEWEST_GROUPS:
        return Cosine(plain, corrected, NAN, NAN, len(names))
    without_G = _ratio(*(one.without_each for one in products))
    of_first, of_second = left.counts > 0, right.counts > 0
    variance, degrees = 0.0, 0
    for stratum in (of_first & of_second, of_first & ~of_second, of_second & ~of_first):
        n = int(stratum.sum())
        if n > 1:
            values = without_G[stratum]
            variance += (n - 1) / n * float(((values - values.mean()) ** 2).sum())
            degrees += n - 1
    half = t_quantile(degrees, confidence) * variance**0.5
    return Cosine(plain, corrected, corrected - half, corrected + half, len(names))


def _on(groups: Groups, names: Sequence[str]) -> Groups:
    """The groups on a longer list of names; a group without rows has the sum 0."""
    place = {name: at for at, name in enumerate(names)}
    rows = [place[name] for name in groups.names]
    sums_GD, counts_G = np.zeros((len(names), groups.sums.shape[1])), np.zeros(len(names))
    sums_GD[rows], counts_G[rows] = groups.sums, groups.counts
    return Groups(tuple(names), sums_GD, counts_G)


class _Product:
    """Mean product of a row of one side and a row of another group of the other side, whole and without each group."""

    def __init__(self, first: Groups, second: Groups) -> None:
        values_GG = first.sums @ second.sums.T
        pairs_GG = np.outer(first.counts, second.counts)
        for table_GG in (values_GG, pairs_GG):
            np.fill_diagonal(table_GG, 0.0)
        self.whole = float(_divided(values_GG.sum(), pairs_GG.sum()))
        self.without_each = _divided(_less_each(values_GG), _less_each(pairs_GG))


def _less_each(table_GG: Floats) -> Floats:
    """Sum of a table with zeros on its diagonal, without each row and its column."""
    found: Floats = table_GG.sum() - table_GG.sum(axis=0) - table_GG.sum(axis=1)
    return found


def _divided(values: Floats, pairs: Floats) -> Floats:
    known = np.asarray(pairs) > 0.5
    return np.where(known, values / np.where(known, pairs, 1.0), NAN)


def _ratio(product: Floats, first: Floats, second: Floats) -> Floats:
    known = (first > 0) & (second > 0)
    size = np.sqrt(np.where(known, first, 1.0)) * np.sqrt(np.where(known, second, 1.0))
    found: Floats = np.where(known, product / size, NAN)
    return found
