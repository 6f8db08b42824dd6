"""The table `detectability`: how well a classifier tells each teacher's kept rows from the neutral teacher's."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from inoc.analyse.step import Skip
from inoc.errors import InocError
from inoc.numbers.detect import detectability
from inoc.studies.subliminal.data import TeacherRows
from inoc.studies.subliminal.runs import base_of, neutral_teacher
from inoc.studies.subliminal.study import Study
from inoc.tables import INDEX, NUMBER, STRING

DETECTABILITY = pa.schema(
    [
        ("teacher", STRING),
        ("features", STRING),  # digits, first_digits, length, format, or all
        ("auc", NUMBER),  # cross-validated; 0.5 is no difference; NaN without rows of both in a fold
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("null_mean", NUMBER),  # of the same with permuted labels
        ("null_hi", NUMBER),  # its 95th percentile
        ("p", NUMBER),  # one-sided
        ("n", INDEX),  # rows of the teacher
        ("n_neutral", INDEX),
        ("n_pairs", INDEX),  # prompts that both answered
    ]
)

MOST_ROWS = 4_000
"""Rows of each teacher that are compared, the first ones: enough for intervals of about ± 0.02."""
Row = dict[str, object]


def detectability_rows(study: Study, written: Mapping[str, TeacherRows], skips: list[Skip]) -> list[Row]:
    """Rows of every teacher but the neutral one.

    Args:
        study: The study.
        written: Rows of each teacher.
        skips: Gets what cannot be compared.
    """
    if not any(study.teachers[key].neutral for key in written):
        skips.append(Skip("table detectability", "the study has no neutral teacher to compare with"))
        return []
    rows: list[Row] = []
    alone: dict[str, list[str]] = {}
    for teacher, found in written.items():
        neutral = neutral_teacher(study, base_of(study, teacher))
        if teacher == neutral:
            continue
        if neutral not in written:
            alone.setdefault(base_of(study, teacher), []).append(teacher)
            continue
        reference = written[neutral].kept_rows[:MOST_ROWS]
        if not reference or not found.kept:
            skips.append(Skip(f"detectability of {teacher}", "it or the neutral teacher has no kept row"))
            continue
        try:
            separations = detectability(reference, found.kept_rows[:MOST_ROWS], study.statistics.seed)
        except InocError as error:
            skips.append(Skip(f"detectability of {teacher}", str(error)))
            continue
        for features, one in separations:
            values = {name: getattr(one, name) for name in ("auc", "lo", "hi", "null_mean", "null_hi", "p", "n_pairs")}
            counts = {"n": one.n_second, "n_neutral": one.n_first}
            rows.append({"teacher": teacher, "features": features, **values, **counts})
    for base, teachers in alone.items():
        why = f"their base model, {base}, has no neutral teacher to compare them with"
        skips.append(Skip(f"detectability of {', '.join(teachers)}", why))
    return rows
