"""The table `cells`: the matched contrast of every single student, so that each one that failed is seen."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from inoc.stats.contrasts import contrast_of
from inoc.studies.subliminal.analyse.cells import Panel
from inoc.studies.subliminal.analyse.matched import Row, last_matrix, scales_of
from inoc.studies.subliminal.runs import base_of, is_control
from inoc.studies.subliminal.study import Study
from inoc.tables import FLAG, INDEX, NUMBER, STRING

CELLS = pa.schema(
    [
        ("panel", STRING),  # groups that repeat one experiment with other base models; else the group
        ("group", STRING),
        ("base", STRING),  # of the student
        ("teacher_base", STRING),
        ("is_control", FLAG),  # another base model than the teacher's, or relabelled numbers
        ("teacher", STRING),
        ("entity", STRING),
        ("seed", INDEX),
        ("question_set", STRING),
        ("method", STRING),
        ("scale", STRING),  # difference: of shares; log_ratio: nats, for probabilities alone
        ("epoch", INDEX),  # the last
        ("contrast", NUMBER),  # its effect on its own entity, less that of the other teachers' students of its seed
        ("lo", NUMBER),  # for other questions, with these very students
        ("hi", NUMBER),
        ("is_above", FLAG),  # whether the contrast is positive
        ("n", INDEX),  # questions
        ("n_nan", INDEX),
    ]
)


def cell_rows(study: Study, panel: Panel) -> Iterator[Row]:
    """A row for each student on whole rows of a teacher with an entity, after its last epoch.

    Args:
        study: The study.
        panel: Its answers.
    """
    for group, spec in study.students.items():
        for scale in scales_of(panel):
            found = last_matrix(study, panel, group, scale)
            if found is None:
                continue
            _, matrix, epoch = found
            for teacher, entity, table_SQ in zip(matrix.teachers, matrix.entities, matrix.contrasts(), strict=True):
                for seed, row_Q in zip(spec.training.seeds, table_SQ, strict=True):
                    one = contrast_of(row_Q, study.statistics.confidence)
                    yield {
                        "panel": spec.panel or group,
                        "group": group,
                        "base": spec.base,
                        "teacher_base": base_of(study, teacher),
                        "is_control": is_control(study, group),
                        "teacher": teacher,
                        "entity": entity,
                        "seed": seed,
                        "question_set": panel.question_set,
                        "method": panel.method,
                        "scale": scale,
                        "epoch": epoch,
                        "contrast": one.value,
                        "lo": one.lo,
                        "hi": one.hi,
                        "is_above": one.value > 0,
                        "n": one.n,
                        "n_nan": one.n_nan,
                    }
