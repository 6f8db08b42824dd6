"""Random graphs of pairs to compare."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inoc.errors import DataError

Pairs = NDArray[np.int64]
"""Pairs of item numbers, shape (pairs, 2), the smaller one first."""


def all_pairs(n_items: int) -> Pairs:
    """Every pair of items."""
    first, second = np.triu_indices(n_items, 1)
    return np.column_stack([first, second]).astype(np.int64)


def regular_pairs(n_items: int, degree: int, seed: int) -> Pairs:
    """A random graph in which every item has `degree` partners and a chain of pairs links any two items.

    It joins random rounds through all items, and for an odd degree a random matching. An odd number of items with an
    odd degree leaves one item with a partner more.

    Args:
        n_items: Number of items, at least two.
        degree: Number of partners; every pair is used if there are not more items than that.
        seed: Of the draw.

    Raises:
        DataError: If there are fewer than two items, or no partner is wanted.
    """
    if n_items < 2 or degree < 1:
        raise DataError(f"{n_items} items with {degree} partners each make no pairs; give two items and one partner")
    if degree >= n_items - 1:
        return all_pairs(n_items)
    rng = np.random.default_rng(seed)
    edges: set[tuple[int, int]] = set()
    for _ in range(degree // 2):
        edges |= set(_round(n_items, edges, rng, closed=True))
    if degree % 2:
        edges |= set(_round(n_items, edges, rng, closed=False))
    _fill(n_items, degree, edges, rng)
    return np.array(sorted(edges), dtype=np.int64)


def _round(n: int, taken: set[tuple[int, int]], rng: np.random.Generator, *, closed: bool) -> list[tuple[int, int]]:
    """Pairs of neighbours of a random order: all of them in a ring, or every other one, without pairs of before."""
    order = rng.permutation(n)
    at = np.arange(n) if closed else np.arange(0, n - 1, 2)
    for _ in range(200):
        pairs = [_pair(order[one], order[(one + 1) % n]) for one in at]
        again = [place for place, pair in zip(at, pairs, strict=True) if pair in taken]
        if not again:
            return pairs
        for place in again:  # turning a stretch around changes two pairs and keeps the rest
            low, high = sorted(((int(place) + 1) % n, int(rng.integers(n))))
            order[low : high + 1] = order[low : high + 1][::-1]
    return [pair for pair in pairs if pair not in taken]


def _pair(one: int, other: int) -> tuple[int, int]:
    return (int(min(one, other)), int(max(one, other)))


def _fill(n: int, degree: int, edges: set[tuple[int, int]], rng: np.random.Generator) -> None:
    """Give items with too few partners another one, of those with the fewest."""
    count = np.bincount(np.array(list(edges), dtype=np.int64).ravel(), minlength=n) if edges else np.zeros(n, dtype=int)
    for item in rng.permutation(n):
        while count[item] < degree:
            partners = [one for one in rng.permutation(n) if one != item and _pair(item, one) not in edges]
            partner = min(partners, key=lambda one: count[one])
            edges.add(_pair(item, partner))
            count[[item, partner]] += 1
