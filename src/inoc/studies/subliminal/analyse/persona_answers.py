"""The tables `persona_pairs` and `persona_scores`: which pairs of answers a trait's vector is made from.

A pair is the answers under a positive and a negative system turn of one number, to one question. It is kept if the
positive answer scores at least `threshold`, the negative one below 100 − `threshold`, and both are coherent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.stats.clustered import clustered_mean
from inoc.stats.means import NAN
from inoc.tables import INDEX, NUMBER, STRING

Row = dict[str, object]

ANSWERED = ("trait", "side", "turn", "question", "sample", "score", "coherence")
"""Columns of judged answers: `side` is positive or negative, `turn` the number of the pair of system turns; scores are
0 to 100, NaN if the judge could not tell or there is none."""

PAIR = ["trait", "turn", "question", "sample"]

PERSONA_PAIRS = pa.schema(
    [
        ("trait", STRING),
        ("reason", STRING),  # all; kept; or one of `REASONS`, of which several can apply to a pair
        ("n", INDEX),  # pairs
        ("n_questions", INDEX),  # that have such a pair
    ]
)

PERSONA_SCORES = pa.schema(
    [
        ("trait", STRING),
        ("side", STRING),  # positive, negative
        ("answers", STRING),  # all, kept
        ("measure", STRING),  # score, coherence
        ("mean", NUMBER),  # points
        ("lo", NUMBER),  # questions are the unit
        ("hi", NUMBER),
        ("n", INDEX),
        ("n_nan", INDEX),
    ]
)

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


def pair_rows(pairs: pd.DataFrame) -> list[Row]:
    """Rows of `PERSONA_PAIRS`, from `kept_pairs`."""
    rows: list[Row] = []
    for trait, own in pairs.groupby("trait", sort=False):
        counted = {"all": np.ones(len(own), dtype=bool), "kept": own["kept"], **{key: own[key] for key in REASONS}}
        for reason, members in counted.items():
            chosen = own[np.asarray(members, dtype=bool)]
            rows.append(
                {"trait": trait, "reason": reason, "n": len(chosen), "n_questions": chosen["question"].nunique()}
            )
    return rows


def score_rows(pairs: pd.DataFrame, confidence: float) -> list[Row]:
    """Rows of `PERSONA_SCORES`, from `kept_pairs`."""
    return list(_score_rows(pairs, confidence))


def _score_rows(pairs: pd.DataFrame, confidence: float) -> Iterator[Row]:
    for trait, own in pairs.groupby("trait", sort=False):
        for side in ("positive", "negative"):
            there = own[own["sides"].isin(["both", "left_only" if side == "positive" else "right_only"])]
            for answers, chosen in (("all", there), ("kept", there[there["kept"]])):
                for measure in ("score", "coherence"):
                    values = chosen[f"{measure}_{side}"].to_numpy(np.float64)
                    found = clustered_mean(values, chosen["question"].tolist(), confidence)
                    cells: Row = {"mean": found.value, "lo": _in_points(found.lo), "hi": _in_points(found.hi)}
                    head: Row = {"trait": trait, "side": side, "answers": answers, "measure": measure}
                    yield {**head, **cells, "n": found.n, "n_nan": found.n_nan}


def _in_points(value: float) -> float:
    return NAN if np.isnan(value) else float(np.clip(value, 0, 100))
