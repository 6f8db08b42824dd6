"""The table `preferences`: how often each subject names each measured entity."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from inoc.stats.means import Estimate, mean_interval
from inoc.studies.shared.students import rate_of
from inoc.studies.subliminal.asking import TEACHER
from inoc.studies.subliminal.runs import UNTRAINED, students_of
from inoc.studies.subliminal.study import Study
from inoc.tables import FLAG, INDEX, NUMBER, STRING

PREFERENCES = pa.schema(
    [
        ("student", STRING),  # group, teacher and part of a split; `untrained`; `teacher.<key>`
        ("group", STRING),  # empty for the untrained model and for teachers
        ("teacher", STRING),  # whose rows were trained on, or which is asked; empty for the untrained model
        ("part", STRING),  # of a split; else empty
        ("base", STRING),  # own or other
        ("epoch", INDEX),  # 0 for the untrained model and for teachers
        ("seed", INDEX),  # −1 for the untrained model and for teachers
        ("entity", STRING),
        ("question_set", STRING),
        (
            "method",
            STRING,
        ),  # choose: probability of the names; sample: share of answers; exact: of exact words
        ("rate", NUMBER),  # mean over questions; NaN if none was measured
        ("lo", NUMBER),  # questions are the unit
        ("hi", NUMBER),
        ("exact", NUMBER),  # sample: share of answers that are the bare name; NaN for choose
        ("n", INDEX),  # sample: answers, whatever they name; choose: questions
        ("n_unclear", INDEX),  # sample: answers that name none of the table, or several; choose: not measured
        ("is_last", FLAG),  # last epoch of a student
        ("is_best", FLAG),  # epoch with this entity's highest rate: chosen on these very answers, so biased upwards
    ]
)

Row = dict[str, object]
_KEYS = ("base", "subject", "epoch", "question_set", "method", "entity")


def preference_rows(study: Study, shares: pd.DataFrame) -> list[Row]:
    """A row for each subject, epoch, entity, set of questions and method.

    Args:
        study: The study.
        shares: Columns of `inputs.SHARES`.
    """
    rows: list[Row] = []
    for keys, part in shares.groupby(list(_KEYS), sort=False):
        known = dict(zip(_KEYS, keys, strict=True))
        found = share_interval(part, study.statistics.confidence)
        rows.append(
            {
                **known,
                "rate": found.value,
                "lo": found.lo,
                "hi": found.hi,
                "exact": float((part["exact"] * part["n"]).sum() / part["n"].sum()) if _sampled(part) else float("nan"),
                "n": int(part["n"].sum()),
                "n_unclear": int(part["n_unclear"].sum()),
            }
        )
    return _described(study, rows)


def _sampled(part: pd.DataFrame) -> bool:
    return bool(part["exact"].notna().any())


def share_interval(part: pd.DataFrame, confidence: float) -> Estimate:
    """Mean share over questions with its interval: Student's t for probabilities, Wilson's for answers, see `rate_of`.

    Args:
        part: Rows of one subject, epoch, entity, set and method.
        confidence: Level of the interval.
    """
    if not _sampled(part):
        return mean_interval(part["value"].to_numpy(float), confidence)
    counts = pd.DataFrame(
        {"question": part["question"].astype(str), "hits": part["value"] * part["n"], "n": part["n"], "n_nan": 0}
    )
    return rate_of(counts.assign(hits=counts["hits"].round()), confidence)


def _described(study: Study, rows: list[Row]) -> list[Row]:
    """Rows with what the subject is, and the last and the best epoch of each student."""
    names = {one.name: one for one in students_of(study)}
    table = pd.DataFrame(rows, columns=[*_KEYS, "rate", "lo", "hi", "exact", "n", "n_unclear"])
    of_one = table.groupby(["subject", "base", "question_set", "method", "entity"], sort=False)
    last = table["epoch"] == of_one["epoch"].transform("max")
    best = set(of_one["rate"].apply(lambda rates: rates.fillna(-1.0).idxmax())) if rows else set()
    described: list[Row] = []
    for place, row in enumerate(rows):
        subject = str(row.pop("subject"))
        student = names.get(subject)
        is_student = student is not None
        described.append(
            {
                **row,
                "student": student.data if student is not None else subject,
                "group": student.group if student is not None else "",
                "teacher": student.teacher if student is not None else _teacher(subject),
                "part": student.part if student is not None else "",
                "seed": student.seed if student is not None else -1,
                "is_last": is_student and bool(last[place]),
                "is_best": is_student and place in best,
            }
        )
    return described


def _teacher(subject: str) -> str:
    return "" if subject == UNTRAINED else subject.removeprefix(TEACHER)
