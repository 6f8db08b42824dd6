"""Sentences of the verdict on which rule selects the rows that carry a preference."""

from __future__ import annotations

import numpy as np
import pandas as pd

from inoc.report.words import escape, interval

RULES = {
    "lls": "likelihood shift",
    "projection": "projection",
    "paired": "paired projection",
    "paired lls": "paired likelihood shift",
    "paired projection": "paired projection",
}
"""Rule of the table `carriers` → its name."""
_KEY = ["entity", "family", "question_set", "comparison"]


def carrier_words(carriers: pd.DataFrame, method: str) -> list[str]:
    """A sentence for each two rules that divided the same rows.

    Args:
        carriers: The table.
        method: How preferences were measured; without rows of it, the first one of the table is shown.
    """
    if carriers.empty:
        return []
    rows = carriers.fillna({"selector": "", "role": "", "question_set": ""})
    rows = rows[(rows["selector"] == "") & rows["difference"].notna()]
    shown = method if method in set(rows["method"]) else next(iter(rows["method"]), "")
    rows = rows[rows["method"] == shown]
    return [_sentence(own) for _, own in rows.groupby(_KEY, sort=False)]


def _sentence(own: pd.DataFrame) -> str:
    """A comparison of two rules, after taking off what each does to neutral rows where that is known."""
    row = own.sort_values("role").iloc[0]  # the empty role, own less neutral, comes first
    first, second = (RULES.get(one, one) for one in str(row["comparison"]).split("_minus_"))
    value, lo, hi = (100 * float(row[name]) for name in ("difference", "lo", "hi"))
    where = f"rows that carry {escape(str(row['entity']))} ({escape(str(row['family']))})"
    net = "own less neutral rows" if row["role"] == "" else "own rows; neutral rows were not divided by both"
    alone = "; one student stands behind each part, and others may differ" if row["n_seeds"] == 1 else ""
    shift = f"{first} minus {second}, {interval(value, lo, hi, 1)} points"
    numbers = f"students of upper less lower parts, {shift} of {net}{alone}"
    if not (np.isfinite(lo) and np.isfinite(hi)) or lo <= 0 <= hi:
        return f"**Undecided:** whether {first} or {second} selects {where}: {numbers}."
    better, worse = (first, second) if value > 0 else (second, first)
    return f"**Holds:** {better} selects {where} better than {worse}: {numbers}."
