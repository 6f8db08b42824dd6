"""Closed questions to the untrained model and to the last checkpoint of every run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from inoc.config.workflow import Shards
from inoc.engines.sampling import BASE
from inoc.jobs.job import Job
from inoc.jobs.paths import Paths
from inoc.jobs.shards import shard_of
from inoc.jobs.work import Settings, plain
from inoc.studies.inoculation.runs import Run, study_runs
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.capability import (
    answer_id,
    asked_questions,
    question_chat,
    section_of,
)
from inoc.tables import CHECKPOINTS, read_table

if TYPE_CHECKING:
    from inoc.choose.plan import Plan

PART = "capability"
UNTRAINED = "base"


class Subject(NamedTuple):
    """A model that is asked."""

    name: str  # of the run; `base` for the untrained model
    run: Run | None
    step: int
    digest: str  # of the adapter
    folder: Path


def settings(study: Study, shard: int, shards: Shards) -> Settings:
    """The slice of `choose`: the questions, and which runs are asked by a shard."""
    n = shards.get("choose", 1)
    names = [UNTRAINED, *(run.name for run in study_runs(study))]
    return {
        "model": plain(study.model, late=("quantization",)),
        "capability": plain(study.capability),
        "subjects": [name for name in names if shard_of(name, n) == shard],
    }


def subjects(study: Study, paths: Paths, shards: Shards) -> list[Subject]:
    """The untrained model, and the last checkpoint of every run, in the order of the study."""
    found: dict[str, Subject] = {}
    for shard in range(shards.get("train", 1)):
        path = paths.checkpoints(shard)
        table = read_table(path, CHECKPOINTS.names)
        for row in table.sort_values("step").to_dict("records"):
            run = Run(
                str(row["prompt"]), str(row["prefix"]), float(row["learning_rate"]), int(row["seed"]), str(row["data"])
            )
            found[run.name] = Subject(
                run.name, run, int(row["step"]), str(row["digest"]), path.parent / str(row["path"])
            )
    untrained = Subject(UNTRAINED, None, 0, BASE, Path())
    return [untrained, *(found[run.name] for run in study_runs(study) if run.name in found)]


def choose(study: Study, job: Job, shards: Shards) -> Plan:
    """Every question to the subjects of a shard."""
    from inoc.choose.plan import Plan

    spec = section_of(study.name, study.capability)
    questions = asked_questions(spec)
    n = shards.get("choose", 1)
    asked = [one for one in subjects(study, job.paths, shards) if shard_of(one.name, n) == job.shard]
    pairs = [(subject, question) for subject in asked for question in questions]
    return Plan(
        study=study.name,
        model=job.model(study.model),
        ids=[answer_id(subject.name, subject.step, question.id) for subject, question in pairs],
        chats=[question_chat(question, spec, study.model.system) for _, question in pairs],
        folder=job.paths.part("choose", PART, job.shard),
        adapter=[subject.digest for subject, _ in pairs],
        adapters={one.digest: one.folder for one in asked if one.digest != BASE},
        candidates=[question.candidates for _, question in pairs],
    )


def outputs(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    """Files of a job of `choose`."""
    return [paths.part("choose", PART, shard) / name for name in ("choices.parquet", "candidates.parquet")]


def measured_files(study: Study, paths: Paths, shards: Shards) -> list[Path]:
    """Probabilities of all jobs; none for a study without the section."""
    if study.capability is None:
        return []
    return [paths.part("choose", PART, shard) / "candidates.parquet" for shard in range(shards.get("choose", 1))]


def to_ask(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    """Adapters of all runs."""
    return [paths.checkpoints(k) for k in range(shards.get("train", 1))] if study.runs else []
