"""Plans of studies whose model is behind an API: the same questions and rows, sent to its server.

The adapter of a question is the name of the fine-tuned model that is asked, as the stage `train` has listed it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pandas as pd

from inoc.choose.api import ApiPlan as ApiChoosePlan
from inoc.choose.tables import Measured
from inoc.config.models import Sampling
from inoc.config.workflow import Shards
from inoc.engines.candidates import Candidate
from inoc.engines.sampling import BASE
from inoc.jobs.job import Job
from inoc.jobs.series import Series
from inoc.sample.answers import Question
from inoc.sample.api import ApiPlan as ApiSamplePlan
from inoc.sample.step import Plan as SamplePlan
from inoc.studies.subliminal.runs import shard_students, shard_teachers, teachers_by
from inoc.studies.subliminal.students import student_rows
from inoc.studies.subliminal.study import ApiTraining, Study
from inoc.studies.subliminal.teachers import teacher_chats
from inoc.train.api import ApiPlan, ApiRun

P = TypeVar("P")
R = TypeVar("R")


def train(study: Study, job: Job, shards: Shards) -> ApiPlan:
    """The fine-tuning jobs of the teachers, or of the students."""
    runs = _teachers(study, job, shards) if job.part == "teachers" else _students(study, job, shards)
    return ApiPlan(study.model.path, list(runs), study.api.checkpoints if study.api is not None else "last")


def _students(study: Study, job: Job, shards: Shards) -> Iterator[ApiRun]:
    for student in shard_students(study, "own", job.shard, shards.get("train", 1)):
        spec = study.students[student.group]
        rows = student_rows(study, job.paths, student, shards)
        columns = _columns(student.name, student.seed, student.data)
        yield ApiRun(columns, rows.chats, spec.epochs, student.seed, *_settings(spec.api))


def _teachers(study: Study, job: Job, shards: Shards) -> Iterator[ApiRun]:
    for key in shard_teachers(teachers_by(study, "finetuned"), job.shard, shards.get("train", 1)):
        spec = study.teachers[key].finetuned
        if spec is not None:
            seed = spec.training.seeds[0]
            epochs = max(1, round(spec.training.epochs))
            yield ApiRun(_columns(key, seed, key), teacher_chats(study, key), epochs, seed, *_settings(spec.api))


def _settings(spec: ApiTraining) -> tuple[int | None, float | None]:
    return spec.batch_size, spec.learning_rate_multiplier


def _columns(run: str, seed: int, data: str) -> Mapping[str, str | int | float]:
    """Columns of the tables; the learning rate is the server's, and not known."""
    return {
        "run": run,
        "prompt": "",
        "prefix": "none",
        "learning_rate": float("nan"),
        "seed": seed,
        "data": data,
    }


def sampled(
    study: Study, questions: Sequence[Question], sampling: Sampling, place: Path
) -> Series[SamplePlan | ApiSamplePlan, pd.DataFrame]:
    """Questions to the study's model and to those that were fine-tuned from it, a plan for each model."""
    plans: list[SamplePlan | ApiSamplePlan] = [
        ApiSamplePlan(model, [one.id for one in own], [one.chat for one in own], sampling, tuned_from)
        for model, tuned_from, own in _by_model(study, questions)
    ]
    return _in_turn(plans, place)


def chosen(
    study: Study, questions: Sequence[Question], names: tuple[Candidate, ...], folder: Path
) -> Series[ApiChoosePlan, list[Measured]]:
    """The same by the probabilities that the API gives with an answer."""
    plans = [
        ApiChoosePlan(
            model,
            [one.id for one in own],
            [one.chat for one in own],
            [names] * len(own),
            folder,
            tuned_from=tuned_from,
        )
        for model, tuned_from, own in _by_model(study, questions)
    ]
    return _in_turn(plans, folder)


def _by_model(study: Study, questions: Sequence[Question]) -> Iterator[tuple[str, str, list[Question]]]:
    """Model, the model that it was fine-tuned from, and its questions."""
    for adapter in dict.fromkeys(one.adapter for one in questions):
        own = [one for one in questions if one.adapter == adapter]
        path = study.model.path
        yield (path, "", own) if adapter == BASE else (adapter, path, own)


def _in_turn(plans: Sequence[P], place: Path) -> Series[P, R]:
    """Plans that do not depend on one another."""
    return Series(lambda found: plans[len(found)] if len(found) < len(plans) else None, place)
