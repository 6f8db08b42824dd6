"""The table `mechanism`: what carries the preference, as one table of groups of students."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from inoc.studies.subliminal.analyse.matched import ALL
from inoc.studies.subliminal.study import Study
from inoc.tables import FLAG, INDEX, NUMBER, STRING

MECHANISM = pa.schema(
    [
        ("group", STRING),
        ("base", STRING),  # own or other: the control of another initialisation
        ("data", STRING),  # as_written, shuffled or relabelled
        ("targets", STRING),  # samples or distribution
        ("rule", STRING),  # of the filter
        ("loss_on", STRING),
        ("n_rows", INDEX),  # of each student; the fewest, where teachers have different numbers
        ("n_rows_most", INDEX),  # the most
        ("epoch", INDEX),
        ("is_last", FLAG),
        ("question_set", STRING),
        ("method", STRING),
        ("scale", STRING),
        ("contrast", NUMBER),  # matched minus unmatched, over all teachers: see the table `matched`
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("p", NUMBER),
        ("null_bound", NUMBER),  # a contrast as near to 0 as this counts as none
        ("null_lo", NUMBER),
        ("null_hi", NUMBER),
        ("null_p", NUMBER),  # of two one-sided tests that the contrast is inside the bounds
        ("n_above", INDEX),
        ("n_cells", INDEX),
        ("n_teachers", INDEX),
        ("n_seeds", INDEX),
    ]
)

Row = dict[str, object]


def mechanism_rows(study: Study, matched: Sequence[Row], kept: Mapping[tuple[str, str], int]) -> list[Row]:
    """A row for each group, epoch, set of questions, method and scale.

    Args:
        study: The study.
        matched: Rows of the table `matched`.
        kept: Group and teacher → rows that the filter keeps.
    """
    rows: list[Row] = []
    for row in matched:
        if row["teacher"] != ALL or row["choice"] != "each":
            continue
        group = str(row["group"])
        spec = study.students[group]
        known = [n for (one, _), n in kept.items() if one == group] or [0]
        most = spec.n_rows if spec.n_rows is not None else max(known)
        settings: Row = {
            "rule": spec.rule or study.numbers.rule,
            "loss_on": spec.training.loss_on,
            "n_rows": min(*known, most),
            "n_rows_most": min(max(known), most),
        }
        rows.append({name: {**row, **settings}[name] for name in MECHANISM.names})
    return rows
