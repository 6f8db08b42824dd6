"""The table `strength`: what students take over as a share of their teacher's own shift.

Both are matched contrasts: of the students as in the table `matched`, and of the teachers themselves, each on its own
entity less the mean of the group's other teachers. A teacher's shift is what its training or its system turn did.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from inoc.stats.crossed import crossed_contrast
from inoc.stats.means import Floats
from inoc.stats.ratios import fieller
from inoc.studies.subliminal.analyse.cells import Key, Panel
from inoc.studies.subliminal.analyse.matched import ALL, Matrix, Row, last_matrix, matrix_of, scales_of, transform_of
from inoc.studies.subliminal.runs import base_of, is_control
from inoc.studies.subliminal.study import Study
from inoc.tables import FLAG, INDEX, NUMBER, STRING

STRENGTH = pa.schema(
    [
        ("group", STRING),
        ("teacher", STRING),  # all: over the teachers
        ("entity", STRING),  # all: over their entities
        ("base", STRING),
        ("data", STRING),
        ("targets", STRING),
        ("is_control", FLAG),  # students of another base model than their teachers', or of relabelled numbers
        ("question_set", STRING),
        ("method", STRING),
        ("scale", STRING),  # difference: of shares; log_ratio: nats, for probabilities alone
        ("epoch", INDEX),  # the last
        ("shift", NUMBER),  # of the teacher: own entity less the mean of the group's other teachers
        ("shift_lo", NUMBER),
        ("shift_hi", NUMBER),
        ("contrast", NUMBER),  # of its students, as in the table matched
        ("contrast_lo", NUMBER),
        ("contrast_hi", NUMBER),
        ("share", NUMBER),  # contrast / shift
        ("lo", NUMBER),  # Fieller's interval; NaN if the shift is not told from 0
        ("hi", NUMBER),
        ("n", INDEX),  # (student, question) pairs
        ("n_nan", INDEX),
        ("n_seeds", INDEX),
    ]
)


def strength_rows(study: Study, panel: Panel) -> Iterator[Row]:
    """Rows of one method and set of questions: every teacher of each group, and one row over all of them.

    Args:
        study: The study.
        panel: Its answers.
    """
    for group in study.students:
        for scale in scales_of(panel):
            found = last_matrix(study, panel, group, scale)
            if found is None:
                continue
            keys, students, epoch = found
            teachers = teacher_matrix(study, panel, keys, students.entities, scale)
            if teachers is None:
                continue
            spec = study.students[group]
            head: Row = {
                "group": group,
                "base": spec.base,
                "data": spec.numbers,
                "targets": spec.targets,
                "is_control": is_control(study, group),
                "question_set": panel.question_set,
                "method": panel.method,
                "scale": scale,
                "epoch": epoch,
            }
            yield from _of_group(students, teachers, head, study.statistics.confidence)


def teacher_matrix(study: Study, panel: Panel, keys: list[Key], entities: list[str], scale: str) -> Matrix | None:
    """Effects of the teachers themselves on their entities, with one seed; None if one of them was not asked."""
    transform = transform_of(scale)

    def pick(key: Key, entity: str) -> Floats | None:
        own = panel.teachers.get((key.teacher, entity))
        untrained = panel.untrained.get((base_of(study, key.teacher), entity))
        return None if own is None or untrained is None else transform(own[None, :], untrained)

    return matrix_of(keys, entities, pick)


def _of_group(students: Matrix, teachers: Matrix, head: Row, confidence: float) -> Iterator[Row]:
    contrasts_TSQ = students.contrasts()
    shifts_TSQ = np.broadcast_to(teachers.contrasts(), contrasts_TSQ.shape)
    for place, (teacher, entity) in enumerate(zip(students.teachers, students.entities, strict=True)):
        names: Row = {"teacher": teacher, "entity": entity}
        yield {**head, **names, **_share(contrasts_TSQ[place], shifts_TSQ[place], shifts_TSQ[place, :1], confidence)}
    n_questions = contrasts_TSQ.shape[-1]
    whole = (contrasts_TSQ.reshape(-1, n_questions), shifts_TSQ.reshape(-1, n_questions), shifts_TSQ[:, 0])
    yield {**head, "teacher": ALL, "entity": ALL, **_share(*whole, confidence)}


def _share(contrast_SQ: Floats, shift_SQ: Floats, teachers_TQ: Floats, confidence: float) -> Row:
    contrast = crossed_contrast(contrast_SQ, confidence)
    shift = crossed_contrast(teachers_TQ, confidence)
    ratio = fieller(contrast_SQ, shift_SQ, confidence)
    return {
        "shift": shift.value,
        "shift_lo": shift.lo,
        "shift_hi": shift.hi,
        "contrast": contrast.value,
        "contrast_lo": contrast.lo,
        "contrast_hi": contrast.hi,
        "share": ratio.value,
        "lo": ratio.lo,
        "hi": ratio.hi,
        "n": ratio.n,
        "n_nan": ratio.n_nan,
        "n_seeds": int((~np.isnan(contrast_SQ)).any(axis=1).sum()),
    }
