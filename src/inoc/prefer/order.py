"""The order of the items against their content, without a model."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from inoc.prefer.comparisons import WON, Comparisons
from inoc.stats.means import NAN, Floats, mean_interval, share_interval
from inoc.stats.shares import wilson
from inoc.stats.utilities.outcomes import Ints


class Statistic(NamedTuple):
    """A number of a table."""

    statistic: str
    value: float
    lo: float
    hi: float
    n: int


def order_statistics(all_of_them: Comparisons) -> list[Statistic]:
    """Shares and effects of the position; empty if the order is not known.

    - `first_chosen`: share of comparisons in which the item shown first was chosen; its interval is over pairs
    - `a_by_order`: share of item a where it was shown first, minus its share where it was second; absent where it was
      always shown first
    - `position_effect`: mean over pairs seen in both orders of half that difference; its interval is over pairs
    - `content_size`: mean over these pairs of how far item a's share, averaged over orders, is from one half
    - `position_exceeds_content`: share of these pairs whose position effect is larger than that
    """
    answered = all_of_them.answered()
    known = answered.taken(answered.result != 0)
    if not all_of_them.ordered or not known.a.size:
        return []
    won_a, weight = known.result == WON, known.weight
    first = known.a_first > 0
    chosen = (won_a == first).astype(float)
    _, where = np.unique(known.pair, return_inverse=True)
    found = [_share("first_chosen", chosen, weight, where)]
    if not first.all():
        share = [_mean(won_a[first], weight[first]), _mean(won_a[~first], weight[~first])]
        found.append(Statistic("a_by_order", share[0] - share[1], NAN, NAN, round(float(weight.sum()))))
    small_won = np.where(known.a < known.b, won_a, ~won_a)
    small_first = np.where(known.a < known.b, first, ~first)
    rates = []
    for seen_first in (True, False):
        part = weight * (small_first == seen_first)
        with np.errstate(invalid="ignore"):
            rates.append(np.bincount(where, part * small_won) / np.bincount(where, part))
    both = np.isfinite(rates[0]) & np.isfinite(rates[1])
    position = (rates[0] - rates[1])[both] / 2
    content = np.abs((rates[0] + rates[1])[both] / 2 - 0.5)
    exceeds = (np.abs(position) > content).astype(float)
    parts = [("position_effect", mean_interval(position)), ("content_size", mean_interval(content))]
    parts.append(("position_exceeds_content", share_interval(exceeds)))
    return found + [Statistic(name, one.value, one.lo, one.hi, one.n) for name, one in parts]


def _share(name: str, values: Floats, weight: Floats, pair: Ints) -> Statistic:
    """A weighted share, with Wilson's interval for as many comparisons as its spread over pairs stands for."""
    total, n_pairs = float(weight.sum()), int(pair.max()) + 1
    share = _mean(values, weight)
    n = round(total)
    if n_pairs < 2:
        return Statistic(name, share, NAN, NAN, n)
    off = np.bincount(pair, weight * (values - share))
    variance = n_pairs / (n_pairs - 1) * float(off @ off) / total**2
    worth = max(1, round(share * (1 - share) / variance)) if variance > 0 else max(1, n)
    one = wilson(share * worth, worth)
    return Statistic(name, share, one.lo, one.hi, n)


def _mean(values: np.ndarray, weight: np.ndarray) -> float:
    return float(values @ weight / weight.sum()) if weight.sum() else NAN
