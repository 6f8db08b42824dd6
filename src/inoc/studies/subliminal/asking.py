"""Questions about the preference to the untrained model, the teachers, and every checkpoint of the students.

An id is `<subject>/<epoch>/<question set>/<number of the question>`. Every subject is asked the same questions with the
same seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from inoc.chat.messages import Chat
from inoc.config.models import SystemTurn
from inoc.config.workflow import Shards
from inoc.engines.candidates import Candidate, candidate
from inoc.engines.sampling import BASE
from inoc.jobs.paths import Paths
from inoc.jobs.shards import shard_of
from inoc.judge.names import read_names
from inoc.sample.answers import Question
from inoc.studies.subliminal.questions import texts_of
from inoc.studies.subliminal.runs import (
    UNTRAINED,
    Student,
    base_model,
    base_of,
    part_of,
    shard_teachers,
    students_of,
    teachers_by,
    turn_of,
)
from inoc.studies.subliminal.study import Base, Study
from inoc.tables import CHECKPOINTS, read_table

TEACHER = "teacher."
"""Beginning of the subjects that are teachers."""


class Adapter(NamedTuple):
    """An adapter on disk."""

    digest: str
    folder: Path


class Subject(NamedTuple):
    """A model that is asked."""

    name: str  # `untrained`, `teacher.<key>`, or the name of a student
    epoch: int  # 0 for the untrained model and for teachers
    system: SystemTurn
    adapter: Adapter | None


class AskedQuestions(NamedTuple):
    """Questions of a job, and the adapters that they need."""

    questions: list[Question]
    adapters: dict[str, Path]


def question_id(subject: str, epoch: int, question_set: str, number: int) -> str:
    """Id of a question to a subject."""
    return f"{subject}/{epoch}/{question_set}/{number:04d}"


def split_id(one: str) -> tuple[str, int, str, int]:
    """Subject, epoch, question set and number of the question of an id."""
    subject, epoch, question_set, number = one.split("/")
    return subject, int(epoch), question_set, int(number)


def adapters_of_teachers(study: Study, paths: Paths, shards: Shards, base: Base) -> dict[str, Adapter]:
    """Teacher → adapter, of those of a base model that have one: somebody's, or the one that the study trained."""
    found: dict[str, Adapter] = {}
    for key in teachers_by(study, "adapter", base=base):
        from inoc.train.trainer import adapter_digest  # not where no adapter is read, since it loads much

        folder = Path(str(study.teachers[key].adapter))
        found[key] = Adapter(adapter_digest(folder), folder)
    for key in teachers_by(study, "finetuned", base=base):
        path = paths.checkpoints(shard_of(key, shards.get("train", 1)), part_of("teachers", base_of(study, key)))
        table = read_table(path, CHECKPOINTS.names)
        row = table[table["run"] == key].iloc[-1]
        found[key] = Adapter(str(row["digest"]), path.parent / str(row["path"]))
    return found


def subjects_of(study: Study, paths: Paths, base: Base, shard: int, shards: Shards, stage: str) -> list[Subject]:
    """The subjects of a job of a stage that asks.

    Args:
        study: The study.
        paths: Its results.
        base: Base model of the subjects.
        shard: Which job.
        shards: Into how many jobs the stages are split.
        stage: `choose` or `sample`.
    """
    n = shards.get(stage, 1)
    system = base_model(study, base).system
    found = [Subject(UNTRAINED, 0, system, None)] if shard_of(UNTRAINED, n) == shard else []
    adapters = adapters_of_teachers(study, paths, shards, base)
    asked = shard_teachers(teachers_by(study, "system", "adapter", "finetuned", base=base), shard, n)
    found += [Subject(f"{TEACHER}{key}", 0, turn_of(study, key), adapters.get(key)) for key in asked]
    mine = [one for one in students_of(study, base) if shard_of(one.name, n) == shard]
    for student in mine:
        found += checkpoints_of(study, paths, base, student, system, shards)
    return found


def checkpoints_of(
    study: Study, paths: Paths, base: Base, student: Student, system: SystemTurn, shards: Shards
) -> list[Subject]:
    """A student after each epoch, asked under `system`."""
    path = paths.checkpoints(shard_of(student.name, shards.get("train", 1)), base)
    table = read_table(path, CHECKPOINTS.names)
    own = table[table["run"] == student.name].sort_values("step")
    epochs, last = study.students[student.group].epochs, int(own["step"].max())
    return [
        Subject(
            student.name,
            int(step) * epochs // last,
            system,
            Adapter(str(digest), path.parent / str(folder)) if digest != BASE else None,
        )
        for step, digest, folder in zip(own["step"], own["digest"], own["path"], strict=True)
        if int(step) > 0
    ]


def asked_by(study: Study, paths: Paths, base: Base, shard: int, shards: Shards, stage: str) -> AskedQuestions:
    """All questions of a job, subject by subject; arguments as for `subjects_of`."""
    texts = question_texts(study)
    questions: list[Question] = []
    adapters: dict[str, Path] = {}
    for subject in subjects_of(study, paths, base, shard, shards, stage):
        digest = subject.adapter.digest if subject.adapter is not None else BASE
        if subject.adapter is not None:
            adapters[digest] = subject.adapter.folder
        questions += [
            Question(
                question_id(subject.name, subject.epoch, key, number),
                Chat(subject.system, text),
                digest,
                identity=f"{key}/{number:04d}",
            )
            for key, found in texts.items()
            for number, text in enumerate(found)
        ]
    return AskedQuestions(questions, adapters)


def question_texts(study: Study) -> Mapping[str, list[str]]:
    """Question set → its questions."""
    return {key: texts_of(spec.source, spec.n) for key, spec in study.preference.question_sets.items()}


def candidates(study: Study) -> tuple[Candidate, ...]:
    """The names of the table as answers, each with its further forms."""
    names = read_names(Path(study.preference.names))
    return tuple(candidate(name, others=forms) for name, forms in names.items())
