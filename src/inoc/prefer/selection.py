"""Active selection of pairs: which to ask next, and when to stop. It asks nothing itself.

The caller asks the pairs of `first_pairs`, calls `choose` with everything that was answered so far, asks the pairs it
returns, and so on until it returns none. Every choice depends on the items, the answers, the settings and the seed
alone, so that a job that was resumed makes the same choices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from inoc.errors import DataError
from inoc.prefer.comparisons import Comparisons
from inoc.prefer.graph import Pairs, regular_pairs
from inoc.prefer.reliability import split_halves
from inoc.prefer.rules import by_information, by_percentile, unmeasured
from inoc.stats.correlation import spearman
from inoc.stats.means import NAN, Floats
from inoc.stats.utilities.fit import Settings, fit
from inoc.stats.utilities.intervals import information_intervals

Stop = Literal["", "reliability", "width", "rounds", "pairs"]


@dataclass(frozen=True)
class Selection:
    """The settings of a selection."""

    rule: Literal["information", "percentile"] = "information"
    degree: int = 5  # partners of each item in the first round
    batch: int = 500  # pairs of a later round
    max_rounds: int = 20  # the first one included
    target: Literal["split_half", "width"] = "split_half"
    reliability: float = 0.9  # by halves of pairs, stepped up to the whole
    width: float = 1.0  # mean width of the intervals, in units of utility
    seed: int = 0


class Round(NamedTuple):
    """A row of the table `selection_history`: the state of knowledge after a round."""

    round: int
    n_pairs: int  # asked in this round
    n_pairs_total: int
    n_comparisons: int  # answered so far
    reliability: float  # of halves of pairs, after Spearman and Brown; NaN if it cannot be computed
    mean_width: float  # of the 95 % intervals of the utilities that have both ends
    rank_correlation: float  # Spearman with the fit before; it rises however unreliable both are, and stops nothing
    distance: float  # largest difference of utilities among the next pairs; NaN without any
    degree_sum: float  # largest number of partners, both items together, among the next pairs
    stop: Stop  # why there are no next pairs; empty if there are


class Choice(NamedTuple):
    """The next pairs, shape (pairs, 2), and the row of the history; no pairs if the selection ends."""

    pairs: Pairs
    row: Round
    mu: Floats  # utilities of the items, for the next call


def first_pairs(n_items: int, selection: Selection) -> Pairs:
    """The pairs of the first round: a random regular graph.

    Items are numbered in an order that does not depend on when they were met, such as that of their ids.
    """
    return regular_pairs(n_items, selection.degree, selection.seed)


def choose(
    found: Comparisons,
    asked: list[Pairs],
    selection: Selection,
    settings: Settings,
    previous: Floats | None = None,
) -> Choice:
    """The pairs of the next round, or the reason why there is none.

    It stops at the reliability of halves of the pairs, or at the mean width of the intervals. The correlation of two
    fits of which one has the comparisons of the other is in the history and stops nothing: it approaches 1 by itself.

    Args:
        found: All comparisons so far, over the items in their numbering (`Comparisons.over`).
        asked: The pairs of every round so far, refused and unread ones included.
        selection: What is selected, and when it ends.
        settings: Those of the fit; it is fitted from scratch.
        previous: Utilities of the choice before.

    Raises:
        DataError: If nothing was asked.
    """
    if not asked:
        raise DataError("nothing was asked yet; the first round asks first_pairs")
    outcomes = found.outcomes()
    n_items, measured = len(found.items), np.concatenate(asked)
    number = len(asked) - 1
    row = Round(number, len(asked[-1]), len(measured), round(outcomes.total), NAN, NAN, NAN, NAN, NAN, "")
    if not outcomes.without_ties().weight.size:
        return _ended(row, np.zeros(n_items), "rounds" if len(asked) >= selection.max_rounds else "pairs")
    fitted = fit(outcomes, settings)
    halves = {one.statistic: one.value for one in split_halves(found, replace(settings, starts=1))}
    bounds = information_intervals(fitted)
    width = (bounds.hi - bounds.lo)[np.isfinite(bounds.hi - bounds.lo)]
    row = row._replace(
        reliability=halves.get("split_pairs_full", NAN),
        mean_width=float(width.mean()) if width.size else NAN,
        rank_correlation=NAN if previous is None else spearman(previous, fitted.mu).value,
    )
    if selection.target == "split_half" and row.reliability >= selection.reliability:
        return _ended(row, fitted.mu, "reliability")
    if selection.target == "width" and row.mean_width <= selection.width:
        return _ended(row, fitted.mu, "width")
    if len(asked) >= selection.max_rounds:
        return _ended(row, fitted.mu, "rounds")
    rng = np.random.default_rng([selection.seed, len(asked)])
    degree = np.bincount(measured.ravel(), minlength=n_items)
    left = unmeasured(n_items, measured, rng)
    if not len(left):
        return _ended(row, fitted.mu, "pairs")
    if selection.rule == "percentile":
        pairs = by_percentile(fitted.mu, degree, left, selection.batch, rng).pairs
    else:
        pairs = by_information(outcomes, left, selection.batch, rng)
    apart = np.abs(fitted.mu[pairs[:, 0]] - fitted.mu[pairs[:, 1]])
    together = degree[pairs[:, 0]] + degree[pairs[:, 1]]
    row = row._replace(distance=float(apart.max()), degree_sum=float(together.max()))
    return Choice(pairs, row, fitted.mu)


def _ended(row: Round, mu: Floats, why: Stop) -> Choice:
    return Choice(np.zeros((0, 2), dtype=np.int64), row._replace(stop=why), mu)
