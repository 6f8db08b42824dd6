"""The agreement of two halves of the comparisons about the utilities."""

from __future__ import annotations

import numpy as np

from inoc.prefer.comparisons import WON, Comparisons
from inoc.prefer.order import Statistic
from inoc.stats.correlation import pearson
from inoc.stats.reliability import spearman_brown
from inoc.stats.utilities.fit import Settings, fit
from inoc.stats.utilities.folds import first_appearance
from inoc.stats.utilities.outcomes import Ints, component_of


def split_halves(used: Comparisons, settings: Settings) -> list[Statistic]:
    """Pearson correlations of the utilities of two halves, over items of the largest component of each.

    `split_pairs` halves the pairs, which says how well another choice of pairs would agree. `split_samples` halves the
    questions about each pair, and so leaves out what depends on the choice of pairs. `_full` is Spearman and Brown's
    value for the whole from the halves, 2 r / (1 + r), bounds included.

    Args:
        used: The comparisons, in the order of the file.
        settings: Those of the fit.
    """
    answered = used.answered()
    pair = first_appearance(used.pair)[used.result <= WON]
    question = np.arange(pair.size) if answered.question is None else answered.question
    found = []
    for name, number in (("split_pairs", pair), ("split_samples", _within(pair, question))):
        halves = [answered.taken(number % 2 == half).outcomes() for half in (0, 1)]
        if min(half.without_ties().weight.size for half in halves) == 0:
            continue
        fits = [fit(half, settings) for half in halves]
        linked = np.all([component_of(one.problem.outcomes) == 0 for one in fits], axis=0)
        one = pearson(fits[0].mu[linked], fits[1].mu[linked])
        found.append(Statistic(name, one.value, one.lo, one.hi, one.n))
        full = [spearman_brown(value, 2) for value in (one.value, one.lo, one.hi)]
        found.append(Statistic(f"{name}_full", full[0], full[1], full[2], one.n))
    return found


def _within(group: Ints, question: Ints) -> Ints:
    """The number of each comparison's question within its pair."""
    _, first, number = np.unique(question, return_index=True, return_inverse=True)
    own = group[first]  # pair of each question
    order = np.lexsort((first, own))
    starts = np.r_[0, np.flatnonzero(np.diff(own[order])) + 1]
    sizes = np.diff(np.r_[starts, own.size])
    within = np.empty(own.size, dtype=np.int64)
    within[order] = np.arange(own.size) - np.repeat(starts, sizes)
    return np.asarray(within[number])
