"""Outcomes of comparisons, in the form that fits use, and the graph that they span."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from inoc.stats.means import Floats

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Outcomes:
    """Outcomes with their frequencies, sorted by winner; all arrays have one entry per outcome."""

    n_items: int
    winner: Ints  # item; of a tie, the one shown first
    loser: Ints
    order: Floats  # 1 if the winner was shown first, -1 if second, 0 if that is not known
    tie: NDArray[np.bool_]
    weight: Floats  # how often

    @property
    def pair(self) -> Ints:
        """A number for each pair of items, whichever won."""
        return np.minimum(self.winner, self.loser) * self.n_items + np.maximum(self.winner, self.loser)

    @property
    def total(self) -> float:
        """Number of comparisons."""
        return float(self.weight.sum())

    def weighted(self, weight: Floats) -> Outcomes:
        """The same outcomes with other frequencies; those that never happen are left out."""
        there = weight > 0
        return Outcomes(
            self.n_items, self.winner[there], self.loser[there], self.order[there], self.tie[there], weight[there]
        )

    def without_ties(self) -> Outcomes:
        """The outcomes with a winner."""
        return self.weighted(np.where(self.tie, 0.0, self.weight)) if self.tie.any() else self


def tally(n_items: int, first: Ints, second: Ints, result: Ints, weight: Floats, *, ordered: bool) -> Outcomes:
    """Count equal outcomes together, in an order that does not depend on that of the comparisons.

    Args:
        n_items: Number of items.
        first: Item shown first, one per comparison.
        second: The other item.
        result: 1 if the first won, -1 if the second did, 0 for a tie.
        weight: How often each was seen.
        ordered: Whether it is known which was shown first.
    """
    winner = np.where(result >= 0, first, second)
    loser = np.where(result >= 0, second, first)
    if not ordered:  # ties have no direction then
        tied = (result == 0) & (winner > loser)
        winner, loser = np.where(tied, loser, winner), np.where(tied, winner, loser)
    code = (winner * n_items + loser) * 3 + result + 1
    distinct, where = np.unique(code, return_inverse=True)
    counts = np.bincount(where, weight, distinct.size).astype(np.float64)
    kind = distinct % 3 - 1
    items = distinct // 3
    order = np.where(kind >= 0, 1.0, -1.0) if ordered else np.zeros(distinct.size)
    found = Outcomes(n_items, items // n_items, items % n_items, order, kind == 0, counts)
    if ordered:
        return found
    return _merged(found)


def _merged(outcomes: Outcomes) -> Outcomes:
    """One entry where the same item won from either place."""
    code = (outcomes.winner * outcomes.n_items + outcomes.loser) * 2 + outcomes.tie
    distinct, at, where = np.unique(code, return_index=True, return_inverse=True)
    counts = np.bincount(where, outcomes.weight, distinct.size).astype(np.float64)
    order = np.zeros(distinct.size)
    return Outcomes(outcomes.n_items, outcomes.winner[at], outcomes.loser[at], order, outcomes.tie[at], counts)


def component_of(outcomes: Outcomes) -> Ints:
    """The component of each item: items that no chain of comparisons links have no common scale.

    Numbered from 0, the largest first, and among equals that of the earliest item.
    """
    n = outcomes.n_items
    graph = coo_matrix((np.ones(outcomes.winner.size), (outcomes.winner, outcomes.loser)), shape=(n, n))
    count, label = connected_components(graph, directed=False)
    sizes = np.bincount(label, minlength=count)
    earliest = np.full(count, n)
    np.minimum.at(earliest, label, np.arange(n))
    rank = np.empty(count, dtype=np.int64)
    rank[np.lexsort((earliest, -sizes))] = np.arange(count)
    return np.asarray(rank[label])


def n_strong(outcomes: Outcomes) -> int:
    """Number of groups in which every item has beaten every other through a chain; ties count both ways.

    Without a penalty, differences of utility between two such groups are infinite (Ford 1957).
    """
    n, tied = outcomes.n_items, outcomes.tie
    start = np.concatenate([outcomes.winner, outcomes.loser[tied]])
    end = np.concatenate([outcomes.loser, outcomes.winner[tied]])
    graph = coo_matrix((np.ones(start.size), (start, end)), shape=(n, n))
    return int(connected_components(graph, directed=True, connection="strong")[0])


def always_won(outcomes: Outcomes) -> Ints:
    """1 for an item that won every comparison, -1 for one that lost every one, 0 for the others."""
    n = outcomes.n_items
    untied = outcomes.weight * ~outcomes.tie
    wins = np.bincount(outcomes.winner, untied, n)
    losses = np.bincount(outcomes.loser, untied, n)
    ties = outcomes.weight * outcomes.tie
    tied = np.bincount(outcomes.winner, ties, n) + np.bincount(outcomes.loser, ties, n)
    only_won = ((wins > 0) & (losses + tied == 0)).astype(np.int64)
    only_lost = ((losses > 0) & (wins + tied == 0)).astype(np.int64)
    return np.asarray(only_won - only_lost)
