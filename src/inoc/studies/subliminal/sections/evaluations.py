"""The table of a report on evaluations that a release brought: rates of its students, by both ways to read answers."""

from __future__ import annotations

import pandas as pd

from inoc.report.words import Table, counted, escape, interval

MOST_ROWS = 60
EVALUATION_WORDS = (
    "Per cent of the answers that name the entity after the last epoch, with {level} intervals: by the bare word, as "
    "releases count, and by all forms of the name, such as plurals. Best: the epoch with the highest rate by all "
    "forms, chosen on these very answers."
)


def evaluation_table(rates: pd.DataFrame) -> Table:
    """A row for each student and entity.

    Args:
        rates: The table `rates` of an import; empty if it is missing.
    """
    head = ["students", "teacher", "part", "entity", "epoch", "bare word", "all forms", "best epoch", "n"]
    out = []
    for (student, entity), own in rates.groupby(["student", "entity"], sort=False) if len(rates) else ():
        last = own[own["is_last"].astype(bool)].set_index("method")
        if last.empty:
            continue
        row = last.iloc[0]
        forms = own[own["method"] == "sample"].sort_values("rate", ascending=False, kind="stable")
        out.append(
            [
                escape(str(row["group"]) or str(student)),
                escape(str(row["teacher"])),
                escape(str(row["part"])) or "–",
                escape(str(entity)),
                str(int(row["epoch"])),
                *(_rate(last[last.index == method]) for method in ("exact", "sample")),
                f"{_rate(forms)}, epoch {int(forms['epoch'].iloc[0])}" if len(forms) else "–",
                counted(int(row["n"])),
            ]
        )
    return Table(head, out[:MOST_ROWS])


def _rate(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "–"
    row = rows.iloc[0]
    return interval(100 * row["rate"], 100 * row["lo"], 100 * row["hi"])
