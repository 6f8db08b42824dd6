"""The table `split_students`: how often students of the parts of a split name an entity, and how that rises."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from inoc.studies.shared.students import dose_rows
from inoc.studies.subliminal.runs import students_of
from inoc.studies.subliminal.study import Study
from inoc.tables import INDEX, NUMBER, STRING

SPLIT_STUDENTS = pa.schema(
    [
        ("group", STRING),
        ("split", STRING),
        ("teacher", STRING),
        ("by", STRING),  # lls or projection
        ("entity", STRING),
        ("question_set", STRING),
        ("method", STRING),
        ("statistic", STRING),  # rate, slope, trend, top_minus_bottom
        ("part", STRING),  # of a rate; else empty
        ("value", NUMBER),  # share; slope: share per part; trend: t
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("p", NUMBER),  # two-sided; NaN for a rate
        ("n", INDEX),  # (seed, question) pairs
        ("n_nan", INDEX),
        ("n_seeds", INDEX),
    ]
)

Row = dict[str, object]


def split_student_rows(study: Study, shares: pd.DataFrame) -> list[Row]:
    """Rows of every group that is trained on a split, from the last epoch of each student.

    Args:
        study: The study.
        shares: Columns of `inputs.SHARES`.
    """
    names = {one.name: one for one in students_of(study) if study.students[one.group].split is not None}
    own = shares[shares["subject"].isin(list(names))]
    rows: list[Row] = []
    for (method, question_set), table in own.groupby(["method", "question_set"], sort=False):
        students = [names[str(one)] for one in table["subject"]]
        counts = pd.DataFrame(
            {
                "student": [one.data for one in students],
                "split": [one.group for one in students],
                "part": [one.part for one in students],
                "dataset": [one.teacher for one in students],
                "epoch": table["epoch"].to_numpy(),
                "step": table["epoch"].to_numpy(),
                "seed": [one.seed for one in students],
                "target": table["entity"].to_numpy(),
                "question": table["question"].astype(str).to_numpy(),
                "hits": (table["value"] * table["n"]).to_numpy(float),
                "n": table["n"].to_numpy(),
                "n_nan": 0,
            }
        )
        drawn = bool(table["exact"].notna().any())
        for row in dose_rows(counts, study.statistics.confidence, answers=drawn):
            group, entity = str(row.pop("split")), row.pop("target")
            split = str(study.students[group].split)
            known = {"group": group, "split": split, "teacher": study.splits[split].teacher, "entity": entity}
            by = {"by": study.splits[split].by, "question_set": question_set, "method": method}
            rows.append({**known, **by, **row})
    return rows
