"""Rows of the tables of a fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from inoc.prefer.comparisons import REFUSED, UNREAD, Comparisons
from inoc.prefer.tables import null_loss
from inoc.stats.utilities.fit import Fit, Settings, origin_pair_names
from inoc.stats.utilities.folds import Held, majority_share
from inoc.stats.utilities.intervals import Intervals
from inoc.stats.utilities.outcomes import Outcomes, always_won, component_of


def utility_rows(found: Comparisons, fitted: Fit, intervals: Intervals, model: str) -> pd.DataFrame:
    """Rows of `UTILITIES`.

    Args:
        found: The comparisons as they were read, refused ones included.
        fitted: Their fit.
        intervals: Its intervals.
        model: What the fit is called.
    """

    def per_item(weight: np.ndarray) -> np.ndarray:
        n = len(found.items)
        return np.round(np.bincount(found.a, weight, n) + np.bincount(found.b, weight, n)).astype(np.int64)

    return pd.DataFrame(
        {
            "fit": model,
            "item": found.items,
            "mu": fitted.mu,
            "lo": intervals.lo,
            "hi": intervals.hi,
            "sigma": fitted.sigma,
            "n_comparisons": per_item(found.weight * (found.result != UNREAD)),
            "n_refused": per_item(found.weight * (found.result == REFUSED)),
            "component": component_of(fitted.problem.outcomes),
            "always": pd.Series(always_won(fitted.problem.outcomes)).map({1: "won", -1: "lost", 0: ""}),
        }
    )


def fit_row(
    used: Comparisons, outcomes: Outcomes, fitted: Fit, intervals: Intervals, model: str, settings: Settings
) -> dict[str, object]:
    """A row of `FITS`.

    Args:
        used: The comparisons as they were used, which may count refusals otherwise.
        outcomes: Their outcomes.
        fitted: The fit.
        intervals: Its intervals.
        model: What the fit is called.
        settings: Those of the fit.
    """
    answered = used.answered()
    won = answered.taken(answered.result != 0)
    small_won = np.where(won.a < won.b, won.result, -won.result) > 0
    own = fitted.problem.outcomes
    return {
        "fit": model,
        "model": model,
        "lambda": settings.strength,
        "loss": fitted.loss,
        "null_loss": null_loss(own),
        "position": fitted.position,
        "position_lo": intervals.position_lo,
        "position_hi": intervals.position_hi,
        "converged": fitted.converged,
        "n_items": own.n_items,
        "n_pairs": np.unique(own.pair).size,
        "n_comparisons": round(own.total),
        "n_ties": round(outcomes.total - outcomes.without_ties().total),
        "n_refused": round(float(used.weight[used.result == REFUSED].sum())),
        "n_unread": round(float(used.weight[used.result == UNREAD].sum())),
        "n_components": int(component_of(own).max()) + 1,
        "objective": fitted.value,
        "objective_worst_start": max(fitted.values),
        "gradient_norm": fitted.gradient_norm,
        "pair_agreement": majority_share(won.pair, small_won, won.weight),
    }


def position_rows(
    fitted: Fit, intervals: Intervals, name: str, origins: Sequence[str] | None
) -> list[dict[str, object]]:
    """Position terms by pair of origins, as `POSITIONS` has them; none for a fit with one term or without.

    Args:
        fitted: The fit.
        intervals: Its intervals.
        name: What the fit is called.
        origins: Origin of each item.
    """
    if fitted.problem.group is None or origins is None:
        return []
    count = np.bincount(fitted.problem.group, fitted.problem.outcomes.weight, fitted.problem.n_groups)
    pairs = origin_pair_names(sorted(set(origins)))
    bounds = zip(fitted.positions, intervals.positions_lo, intervals.positions_hi, count, strict=True)
    return [
        {"fit": name, "origin_a": a, "origin_b": b, "position": value, "lo": lo, "hi": hi, "n": round(n)}
        for (a, b), (value, lo, hi, n) in zip(pairs, bounds, strict=True)
        if n
    ]


def penalty_row(fit: str, folds: str, one: Held) -> dict[str, object]:
    """A row of `PENALTIES`."""
    return {"fit": fit, "folds": folds, "lambda": one.penalty, "loss": one.loss, "accuracy": one.accuracy, "n": one.n}
