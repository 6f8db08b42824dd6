"""The table `capability`: closed questions that each student answers right, against its untrained base model."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from inoc.analyse.step import Skip
from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.studies.shared.capability import asked_questions, section_of
from inoc.studies.shared.capability_rows import MEASURED, Compared, Row, capability_rows, read_answers
from inoc.studies.subliminal.capability import capability_bases, measured_files, names_of
from inoc.studies.subliminal.runs import UNTRAINED, Student, students_of
from inoc.studies.subliminal.study import Study
from inoc.tables import INDEX, STRING

CAPABILITY = pa.schema(
    [
        ("student", STRING),  # `untrained` for a base model
        ("base", STRING),
        ("group", STRING),  # empty for `untrained`, as are `teacher` and `part`
        ("teacher", STRING),
        ("part", STRING),  # of a split
        ("seed", INDEX),  # −1 for `untrained`
        ("step", INDEX),  # the last epoch; 0 for `untrained`
        *MEASURED,
    ]
)
"""`capability`. Key: base, student, domain."""


def capability_table_rows(study: Study, paths: Paths, shards: Shards, skips: list[Skip]) -> list[Row]:
    """A row for each model and domain; none for a study that asks no such questions."""
    families = list(_families(study, paths, shards, skips))
    students = {student.name: student for student in students_of(study)}

    def columns(family: Compared, name: str) -> Row:
        own = students[name] if name != UNTRAINED else Student("", "", "", -1)
        return {"student": name, "base": family.family, **own._asdict()}

    return capability_rows(families, columns, study.statistics.confidence)


def _families(study: Study, paths: Paths, shards: Shards, skips: list[Skip]) -> Iterator[Compared]:
    for base in capability_bases(study):
        files = measured_files(study, paths, shards, base)
        if not all(path.exists() for path in files):
            skips.append(Skip(f"capability of students of {base}", "its questions were not asked"))
            continue
        asked = read_answers([path.parent for path in files], asked_questions(section_of(study.name, study.capability)))
        names = names_of(study, base)
        skips += [Skip(f"capability of {name}", "it was not asked") for name in names if name not in asked.answers]
        yield Compared(asked, UNTRAINED, [name for name in names if name in asked.answers], base)
