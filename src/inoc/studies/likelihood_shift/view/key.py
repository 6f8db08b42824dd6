"""The numbers of the overview of a likelihood-shift study."""

from __future__ import annotations

import pandas as pd

from inoc.figures.sources import Sources
from inoc.jobs.paths import Paths
from inoc.studies.likelihood_shift.study import Study
from inoc.view.declare import KeyNumber

_DIGITS = 3


def key_numbers(study: Study, paths: Paths) -> tuple[KeyNumber, ...]:
    """For how many datasets the own prompt is the largest, the ends of their contrasts, and the students' rates."""
    sources = Sources(paths)
    found: list[KeyNumber] = []
    columns = sources.optional("columns")
    if columns is not None and len(columns):
        found += _own(columns)
    students = sources.optional("students")
    if students is not None and len(students):
        found += _students(students)
    return tuple(found[:5])


def _own(columns: pd.DataFrame) -> list[KeyNumber]:
    own = columns[(columns["statistic"] == "mean") & (columns["dataset"] != "all")].dropna(subset=["contrast"])
    if own.empty:
        return []
    first = int((own["own_rank"] == 1).sum())
    found = [
        KeyNumber(
            "Datasets whose own prompt shifts most",
            float(first),
            unit=f"of {len(own)}",
            note="mean shift of the log-probability of their rows",
            link="/runs/rows",
            digits=0,
        )
    ]
    ends = own.sort_values("contrast")
    for label, row in (("Largest own contrast", ends.iloc[-1]), ("Smallest own contrast", ends.iloc[0])):
        found.append(
            KeyNumber(
                label,
                float(row["contrast"]),
                float(row["lo"]),
                float(row["hi"]),
                "nats per token",
                f"dataset {row['dataset']}, prompt {row['prompt']}, against the mean of the other candidates",
                f"/rows/rows?dataset={row['dataset']}&sort=-score.{row['prompt']}",
                _DIGITS,
            )
        )
    return found


def _students(students: pd.DataFrame) -> list[KeyNumber]:
    last = students[students["is_last"].astype(bool) & (students["seed"].astype(str) == "all")]
    last = (last if len(last) else students[students["is_last"].astype(bool)]).dropna(subset=["rate"])
    if last.empty:
        return []
    ends = last.sort_values("rate")
    return [
        KeyNumber(
            label,
            100 * float(row["rate"]),
            100 * float(row["lo"]),
            100 * float(row["hi"]),
            "%",
            f"answers that show {row['target']}, student {row['student']}",
            f"/rows/answers?student={row['student']}&sort=-score.{row['target']}",
        )
        for label, row in (("Highest rate of a student", ends.iloc[-1]), ("Lowest rate of a student", ends.iloc[0]))
    ]
