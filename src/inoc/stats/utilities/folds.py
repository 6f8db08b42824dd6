"""The strength of a penalty, chosen by how well held-out comparisons are foreseen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from inoc.stats.means import Floats
from inoc.stats.utilities.fit import Settings, fit, problem_of
from inoc.stats.utilities.outcomes import Ints, Outcomes


class Held(NamedTuple):
    """The fit of a penalty to held-out comparisons."""

    penalty: float
    loss: float  # nats per held-out comparison
    accuracy: float  # share of held-out comparisons whose winner was the likelier one
    n: int


def held_out(outcomes: Sequence[Outcomes], settings: Settings, penalties: Sequence[float]) -> list[Held]:
    """The loss of each penalty on held-out folds.

    Args:
        outcomes: The comparisons of each fold, over the same items.
        settings: Those of the fit, but for the penalty.
        penalties: Strengths to try.
    """
    found = []
    for penalty in penalties:
        one = replace(settings, penalty=penalty)
        losses, right, total = 0.0, 0.0, 0.0
        for held in range(len(outcomes)):
            fitted = fit(joined([fold for at, fold in enumerate(outcomes) if at != held]), one)
            test = replace(problem_of(outcomes[held], one), clip=0.0, positioned=fitted.problem.positioned)
            losses += test.loss(fitted.at)
            ahead = np.sign(test.difference(fitted.at))
            untied = test.outcomes.weight * ~test.outcomes.tie
            right += float(untied @ np.where(ahead == 0, 0.5, ahead > 0))
            total += test.outcomes.total
        found.append(Held(penalty, losses / total, right / total, int(total)))
    return found


def joined(parts: Sequence[Outcomes]) -> Outcomes:
    """The outcomes of several parts over the same items."""
    names = ("winner", "loser", "order", "tie", "weight")
    whole = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    order = np.argsort(whole["winner"], kind="stable")
    return Outcomes(parts[0].n_items, **{name: values[order] for name, values in whole.items()})


def best(tried: Sequence[Held]) -> float:
    """The penalty with the smallest loss; the strongest of equals."""
    return min(tried, key=lambda one: (one.loss, -one.penalty)).penalty


def first_appearance(pair: Ints) -> Ints:
    """Numbers pairs by where they first appear: one number per comparison."""
    _, at, where = np.unique(pair, return_index=True, return_inverse=True)
    rank = np.empty(at.size, dtype=np.int64)
    rank[np.argsort(at)] = np.arange(at.size)
    return rank[where]


def majority_share(pair: Ints, first_won: np.ndarray, weight: Floats) -> float:
    """Mean over pairs with two comparisons or more of the share of the more frequent winner; NaN without one.

    Args:
        pair: Number of the pair, one per comparison; ties and refusals are not among them.
        first_won: Whether the item with the smaller number won.
        weight: How often.
    """
    if not pair.size:
        return float("nan")
    _, where = np.unique(pair, return_inverse=True)
    total = np.bincount(where, weight)
    won = np.bincount(where, weight * first_won)
    twice = total >= 2
    return float(np.mean(np.maximum(won, total - won)[twice] / total[twice])) if twice.any() else float("nan")
