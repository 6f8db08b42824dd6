"""Folds of groups, and splits by origin. A group, and a text that occurs twice, never sits on both sides of a split."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


class Split(NamedTuple):
    """Rows to train on and rows to predict."""

    name: str
    train: Indices
    test: Indices


def codes(labels: Sequence[str]) -> Indices:
    """Numbers of labels, from 0, in the order of the sorted labels."""
    _, found = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    return found.astype(np.int64)


def merged(groups: Sequence[str], texts: Sequence[str]) -> Indices:
    """Groups of rows, joined wherever two of them share a text.

    Args:
        groups: A label per row.
        texts: Text of each row; spaces and case do not make two texts different.

    Returns:
        A number per row, from 0.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    group = codes(groups)
    text = codes([" ".join(one.casefold().split()) for one in texts])
    n, offset = len(group), int(group.max(initial=-1)) + 1
    links = coo_array((np.ones(n), (group, text + offset)), shape=(offset + n, offset + n))
    _, component = connected_components(links, directed=False)
    return codes([str(one) for one in component[group]])


def fold_numbers(groups: Indices, folds: int, seed: int) -> Indices:
    """Fold of each row, from 0: shuffled groups, each to the fold that has the fewest rows so far.

    Larger groups come first, so that folds are as even as groups allow. With fewer groups than folds, each group is a
    fold of its own.
    """
    found, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(found))
    order = order[np.argsort(-sizes[order], kind="stable")]
    filled = np.zeros(min(folds, len(found)), dtype=np.int64)
    fold_of = np.empty(len(found), dtype=np.int64)
    for one in order:
        fold = int(np.argmin(filled))
        fold_of[one] = fold
        filled[fold] += sizes[one]
    numbers: Indices = fold_of[inverse]
    return numbers


def parts(numbers: Indices) -> list[Indices]:
    """The rows of each fold."""
    return [np.flatnonzero(numbers == fold) for fold in range(int(numbers.max(initial=-1)) + 1)]


def within_splits(groups: Indices, folds: int, seed: int) -> list[Split]:
    """Splits by folds of groups; none if there is one group only."""
    numbers = fold_numbers(groups, folds, seed)
    if int(numbers.max(initial=-1)) < 1:
        return []
    return [
        Split(str(fold), np.flatnonzero(numbers != fold), test) for fold, test in enumerate(parts(numbers), start=0)
    ]


def held_out_splits(origins: Sequence[str], groups: Indices) -> list[Split]:
    """Splits that train on all origins but one; groups that are also in the held-out origin are not trained on."""
    names = np.asarray(origins, dtype=str)
    found = sorted(set(names.tolist()))
    return [_apart(name, names != name, groups) for name in found] if len(found) > 1 else []


def train_k_splits(origins: Sequence[str], groups: Indices, k: int, maximum: int, seed: int) -> list[Split]:
    """Splits that train on k origins and test on all others; at most `maximum` of them, drawn with the seed."""
    names = np.asarray(origins, dtype=str)
    found = sorted(set(names.tolist()))
    if k >= len(found):
        return []
    chosen = list(_combinations(found, k, maximum, seed))
    return [_apart("+".join(some), np.isin(names, some), groups) for some in chosen]


def _combinations(names: Sequence[str], k: int, maximum: int, seed: int) -> list[tuple[str, ...]]:
    from math import comb

    if comb(len(names), k) <= maximum:
        return list(combinations(names, k))
    rng = np.random.default_rng(seed)
    drawn: dict[tuple[str, ...], None] = {}
    for _ in range(100 * maximum):
        if len(drawn) == maximum:
            break
        drawn[tuple(sorted(rng.choice(np.asarray(names), k, replace=False).tolist()))] = None
    return sorted(drawn)


def _apart(name: str, trains: NDArray[np.bool_], groups: Indices) -> Split:
    shared = np.isin(groups, groups[~trains])
    return Split(name, np.flatnonzero(trains & ~shared), np.flatnonzero(~trains))
