"""The tables `persona_pairs` and `persona_scores`: which pairs of answers a trait's vector is made from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.stats.clustered import clustered_mean
from inoc.stats.means import NAN
from inoc.studies.subliminal.persona_pairs import REASONS
from inoc.tables import INDEX, NUMBER, STRING

Row = dict[str, object]

PERSONA_PAIRS = pa.schema(
    [
        ("trait", STRING),
        ("reason", STRING),  # all; kept; or one of `persona_pairs.REASONS`, of which several can apply to a pair
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
