"""The rows that students are trained on: kept rows of a teacher, split, drawn, and with their numbers changed."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from inoc.chat.messages import Chat
from inoc.config.workflow import Shards
from inoc.errors import DataError
from inoc.jobs.paths import Paths
from inoc.studies.subliminal.data import check_kept, teacher_rows
from inoc.studies.subliminal.runs import Student, base_model, turn_of
from inoc.studies.subliminal.splitting import part_places
from inoc.studies.subliminal.study import Study

_NUMBER = re.compile(r"\d+")


class StudentRows(NamedTuple):
    """Rows of a student, and the same ones of its teacher."""

    chats: list[Chat]
    written: list[Chat]  # the same rows as the teacher wrote them
    renamed: dict[str, str]  # number → the number in its place, for relabelled rows


def student_rows(study: Study, paths: Paths, student: Student, shards: Shards) -> StudentRows:
    """The rows that a student is trained on, with its base model's own system turn."""
    spec = study.students[student.group]
    rows = teacher_rows(study, paths, student.teacher, shards, spec.rule)
    check_kept(student.teacher, rows)
    chosen = rows.kept_rows
    if student.part:
        chosen = [chosen[place] for place in part_places(study, paths, str(spec.split), student.part, shards)]
    rng = np.random.default_rng([student.seed, *student.data.encode()])
    written = [row.answer for row in chosen]
    answers, renamed = changed(written, spec.numbers, rng)
    places = np.arange(len(chosen))
    if spec.n_rows is not None:
        if spec.n_rows > len(chosen):
            msg = (
                f"students.{student.group}.n_rows = {spec.n_rows}, but {student.data} has {len(chosen)} kept rows; "
                "lower it, or raise numbers.n_prompts"
            )
            raise DataError(msg)
        places = np.sort(rng.permutation(len(chosen))[: spec.n_rows])
    model = base_model(study, spec.base)
    system = turn_of(study, student.teacher)
    return StudentRows(
        [Chat(model.system, chosen[place].prompt, answers[place]) for place in places],
        [Chat(system, chosen[place].prompt, written[place]) for place in places],
        renamed,
    )


def changed(answers: list[str], how: str, rng: np.random.Generator) -> tuple[list[str], dict[str, str]]:
    """Answers with their numbers shuffled over all answers, or relabelled; everything else stays where it is.

    Args:
        answers: Lists of numbers.
        how: `as_written`, `shuffled` or `relabelled`: by a permutation of the numbers that occur, as they are written.
        rng: Source of the permutation.

    Returns:
        The answers; and for relabelled ones number → the number in its place.
    """
    if how == "as_written":
        return answers, {}
    found = [number for answer in answers for number in _NUMBER.findall(answer)]
    if how == "shuffled":
        new = iter([found[place] for place in rng.permutation(len(found))])
        return [_NUMBER.sub(lambda _: next(new), answer) for answer in answers], {}
    known = sorted(set(found))
    other = dict(zip(known, (known[place] for place in rng.permutation(len(known))), strict=True))
    return [_NUMBER.sub(lambda match: other[match[0]], answer) for answer in answers], other
