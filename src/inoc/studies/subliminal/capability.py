"""Closed questions to the untrained models and to the last checkpoint of every student."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from inoc.config.workflow import Shards
from inoc.engines.sampling import BASE
from inoc.jobs.job import Job
from inoc.jobs.paths import Paths
from inoc.jobs.shards import shard_of
from inoc.jobs.work import Settings, Work, plain
from inoc.studies.shared.capability import answer_id, asked_questions, question_chat, section_of
from inoc.studies.subliminal.asking import Subject, checkpoints_of
from inoc.studies.subliminal.runs import (
    BASES,
    UNTRAINED,
    base_model,
    base_of_part,
    further_bases,
    part_of,
    students_of,
)
from inoc.studies.subliminal.study import Base, Study

if TYPE_CHECKING:
    from inoc.choose.plan import Plan

PART = "capability"
PARTS = tuple(part_of(PART, base) for base in BASES)


def capability_bases(study: Study) -> list[Base]:
    """Base models whose students are asked; none without the section."""
    return [base for base in BASES if study.capability is not None and students_of(study, base)]


def names_of(study: Study, base: Base) -> list[str]:
    """Models that are asked: the untrained one, and every student of it."""
    return [UNTRAINED, *(student.name for student in students_of(study, base))]


def subjects(study: Study, paths: Paths, base: Base, shard: int, shards: Shards) -> list[Subject]:
    """The models that a job asks, each under the base model's own system turn."""
    n, system = shards.get("choose", 1), base_model(study, base).system
    found = [Subject(UNTRAINED, 0, system, None)] if shard_of(UNTRAINED, n) == shard else []
    for student in students_of(study, base):
        if shard_of(student.name, n) == shard:
            found += checkpoints_of(study, paths, base, student, system, shards)[-1:]
    return found


def choose(study: Study, job: Job, shards: Shards) -> Plan:
    """Every question to the models of a job."""
    from inoc.choose.plan import Plan

    base, spec = base_of_part(job.part), section_of(study.name, study.capability)
    questions = asked_questions(spec)
    asked = subjects(study, job.paths, base, job.shard, shards)
    pairs = [(subject, question) for subject in asked for question in questions]
    return Plan(
        study=study.name,
        model=job.model(base_model(study, base), "" if base == "own" else base),
        ids=[answer_id(subject.name, subject.epoch, question.id) for subject, question in pairs],
        chats=[question_chat(question, spec, subject.system) for subject, question in pairs],
        folder=job.paths.part("choose", job.part, job.shard),
        adapter=[subject.adapter.digest if subject.adapter else BASE for subject, _ in pairs],
        adapters={one.adapter.digest: one.adapter.folder for one in asked if one.adapter},
        candidates=[question.candidates for _, question in pairs],
    )


def measured_files(study: Study, paths: Paths, shards: Shards, base: Base) -> list[Path]:
    """Probabilities of all jobs of a base model."""
    part = part_of(PART, base)
    return [paths.part("choose", part, shard) / "candidates.parquet" for shard in range(shards.get("choose", 1))]


def _settings(base: Base, study: Study, shard: int, shards: Shards) -> Settings:
    n = shards.get("choose", 1)
    return {
        "model": plain(base_model(study, base), late=("quantization",)),
        "capability": plain(study.capability),
        "subjects": [name for name in names_of(study, base) if shard_of(name, n) == shard],
    }


def _to_ask(base: Base, study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    n, n_train = shards.get("choose", 1), shards.get("train", 1)
    mine = [one for one in students_of(study, base) if shard_of(one.name, n) == shard]
    other = further_bases(study).get(base)
    world = [paths.world(base) / "world.json"] if other is not None and other.model.path == "world" else []
    return [*world, *(paths.checkpoints(k, base) for k in sorted({shard_of(one.name, n_train) for one in mine}))]


def _outputs(base: Base, study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    folder = paths.part("choose", part_of(PART, base), shard)
    return [folder / name for name in ("choices.parquet", "candidates.parquet")]


def _work(base: Base) -> Work:
    return Work(
        "choose",
        partial(_settings, base),
        "inoc.studies.subliminal.capability:choose",
        partial(_outputs, base),
        partial(_to_ask, base),
        given=("capability", "model.chat_template", "other", "bases"),
        wanted=lambda study: base in capability_bases(study),
        part=part_of(PART, base),
        loads_model=True,
    )


CAPABILITY = tuple(_work(base) for base in BASES)
