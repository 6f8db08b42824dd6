"""The tables of `inoc prefer fit`."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from scipy.special import xlogy

from inoc.stats.utilities.outcomes import Outcomes
from inoc.tables import FLAG, INDEX, NUMBER, STRING

UTILITIES = pa.schema(
    [
        ("fit", STRING),
        ("item", STRING),
        ("mu", NUMBER),
        ("lo", NUMBER),  # -inf for an item that lost every comparison; NaN: not computed
        ("hi", NUMBER),
        ("sigma", NUMBER),  # NaN in logistic models
        ("n_comparisons", INDEX),  # refused ones included
        ("n_refused", INDEX),
        ("component", INDEX),  # 0 is the largest; utilities of two components have no common scale
        ("always", STRING),  # won, lost, or empty
    ]
)
"""`utilities.parquet`. Key: fit, item."""

FITS = pa.schema(
    [
        ("fit", STRING),
        ("model", STRING),
        ("lambda", NUMBER),
        ("loss", NUMBER),  # negative log-likelihood, nats
        ("null_loss", NUMBER),  # of the same comparisons, if every item were equal
        ("position", NUMBER),  # NaN without a position term
        ("position_lo", NUMBER),
        ("position_hi", NUMBER),
        ("converged", FLAG),
        ("n_items", INDEX),
        ("n_pairs", INDEX),
        ("n_comparisons", INDEX),  # that the fit used
        ("n_ties", INDEX),
        ("n_refused", INDEX),
        ("n_unread", INDEX),
        ("n_components", INDEX),
        ("objective", NUMBER),  # loss and penalties
        ("objective_worst_start", NUMBER),
        ("gradient_norm", NUMBER),
        ("pair_agreement", NUMBER),  # mean share of the more frequent winner, over pairs seen twice or more
    ]
)
"""`fits.parquet`. Key: fit."""

ORDER = pa.schema([("statistic", STRING), ("value", NUMBER), ("lo", NUMBER), ("hi", NUMBER), ("n", INDEX)])
"""`order.parquet`. Key: statistic."""

POSITIONS = pa.schema(
    [
        ("fit", STRING),
        ("origin_a", STRING),
        ("origin_b", STRING),
        ("position", NUMBER),  # gain of utility from being shown first, among pairs of these two origins
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("n", INDEX),  # comparisons
    ]
)
"""`positions.parquet`, with a position term for each pair of origins. Key: fit, origin_a, origin_b."""

PENALTIES = pa.schema(
    [
        ("fit", STRING),
        ("folds", STRING),  # pairs; or comparisons, in which a pair is in several folds
        ("lambda", NUMBER),
        ("loss", NUMBER),  # nats per held-out comparison
        ("accuracy", NUMBER),
        ("n", INDEX),
    ]
)
"""`penalties.parquet`. Key: fit, folds, lambda."""

RELIABILITY = pa.schema(
    [("fit", STRING), ("statistic", STRING), ("value", NUMBER), ("lo", NUMBER), ("hi", NUMBER), ("n", INDEX)]
)
"""`reliability.parquet`. Key: fit, statistic."""


def null_loss(outcomes: Outcomes) -> float:
    """Negative log-likelihood of equal items in nats, with the frequency of ties that was seen."""
    total, ties = outcomes.total, float(outcomes.weight @ outcomes.tie)
    wins = total - ties
    return float(wins * np.log(2) - xlogy(wins, wins / total) - xlogy(ties, ties / total))
