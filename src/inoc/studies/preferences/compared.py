"""Comparisons as fits take them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from inoc.prefer.comparisons import Comparisons, comparisons


def as_comparisons(rows: pd.DataFrame, origins: dict[str, str]) -> Comparisons | None:
    """Rows of `inputs.COMPARISONS` as the fits take them; None without any.

    A question that was measured exactly counts once, however many seeds drew an answer from it: as a share of a win for
    either task.

    Args:
        rows: Those of one instrument, rater and completer, in the order of asking.
        origins: Task → origin.
    """
    if rows.empty:
        return None
    rows = rows.reset_index(drop=True)
    exact = rows["p_a"].notna() & (rows["category"] == "answered")
    once = rows[exact].drop_duplicates(["task_a", "task_b", "completion_seed"])
    refused = rows[rows["p_a"].notna() & ~exact].drop_duplicates(["task_a", "task_b", "completion_seed"])
    known = set(zip(once["task_a"], once["task_b"], once["completion_seed"], strict=True))
    # A question of which some seeds drew a refusal and others an answer was answered.
    again = [key in known for key in zip(refused["task_a"], refused["task_b"], refused["completion_seed"], strict=True)]
    sampled = rows[rows["p_a"].isna()]
    plain = pd.concat([refused[~np.array(again, dtype=bool)], sampled])
    parts = [
        once.assign(result="a", n=once["p_a"]),
        once.assign(result="b", n=1 - once["p_a"]),
        plain.assign(result=plain["choice"].where(plain["category"] == "answered", plain["category"]), n=1.0),
    ]
    frame = pd.concat(parts).sort_index(kind="stable")
    frame = frame[frame["n"] > 0][["task_a", "task_b", "result", "n"]].rename(columns={"result": "choice"})
    question = pd.factorize(frame.index)[0].astype(np.int64)
    ordered = not (rows["order"] == "").any()
    found = comparisons(frame.reset_index(drop=True), "comparisons", None, order_known=ordered)
    known_origins = [origins.get(item, "") for item in found.items]
    return replace(found, origins=known_origins, question=question, exact=bool(exact.any()))
