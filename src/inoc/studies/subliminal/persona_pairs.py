"""Pairs of answers under a trait's positive and negative system turns, and the rule by which they are kept.

A pair is the answers under a positive and a negative system turn of one number, to one question. It is kept if the
positive answer scores at least `threshold`, the negative one below 100 − `threshold`, and both are coherent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

ANSWERED = ("trait", "side", "turn", "question", "sample", "score", "coherence")
"""Columns of judged answers: `side` is positive or negative, `turn` the number of the pair of system turns; scores are
0 to 100, NaN if the judge could not tell or there is none."""

PAIR = ["trait", "turn", "question", "sample"]

STEERED = ("trait", "vector", "site", "coefficient", "question", "sample", "score", "coherence")
"""Columns of judged answers under steering. `vector` is `trait` for the trait's own, or the name of a random one; the
answers with a coefficient of 0 are given once, with the vector `none`, and belong to every vector and site."""

OWN, NONE = "trait", "none"

REASONS = ("low_positive", "high_negative", "incoherent", "not_judged", "no_partner")
"""Reasons for which a pair is lost."""


class Rule(NamedTuple):
    """The rule by which pairs are kept."""

    threshold: float  # points; NaN: the score of the trait does not matter
    min_coherence: float  # points; NaN: coherence does not matter


def paired(answers: pd.DataFrame) -> pd.DataFrame:
    """One row for each pair: columns of `PAIR`, then `score` and `coherence` with `_positive` and `_negative`.

    Args:
        answers: Columns of `ANSWERED`.
    """
    sides = [answers[answers["side"] == side].drop(columns="side") for side in ("positive", "negative")]
    found: pd.DataFrame = sides[0].merge(
        sides[1], on=PAIR, how="outer", suffixes=("_positive", "_negative"), indicator="sides", validate="one_to_one"
    )
    return found


def reasons_of(pairs: pd.DataFrame, rule: Rule) -> pd.DataFrame:
    """Whether each reason of `REASONS` applies to each pair of `paired`."""
    positive, negative = pairs["score_positive"], pairs["score_negative"]
    coherent = [pairs["coherence_positive"], pairs["coherence_negative"]]
    judged = np.zeros(len(pairs), dtype=bool)
    if not np.isnan(rule.threshold):
        judged |= (positive.isna() | negative.isna()).to_numpy()
    if not np.isnan(rule.min_coherence):
        judged |= (coherent[0].isna() | coherent[1].isna()).to_numpy()
    alone = pairs["sides"] != "both"
    return pd.DataFrame(
        {
            "low_positive": positive < rule.threshold,
            "high_negative": negative >= 100 - rule.threshold,
            "incoherent": (coherent[0] < rule.min_coherence) | (coherent[1] < rule.min_coherence),
            "not_judged": judged & ~alone,
            "no_partner": alone,
        }
    )


def kept_pairs(answers: pd.DataFrame, rules: Mapping[str, Rule]) -> pd.DataFrame:
    """The pairs of every trait with a column `kept` and one for each reason.

    Args:
        answers: Columns of `ANSWERED`.
        rules: Trait → its rule.
    """
    parts = []
    for trait, rule in rules.items():
        pairs = paired(answers[answers["trait"] == trait]).reset_index(drop=True)
        reasons = reasons_of(pairs, rule)
        parts.append(pd.concat([pairs, reasons, (~reasons.any(axis=1)).rename("kept")], axis=1))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*PAIR, "kept", *REASONS])
