"""Plans: what the stages are to do for a study of subliminal learning, in their own plain values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from inoc.chat.messages import PLAIN, Asked, Chat, Framing
from inoc.config.judge_spec import JudgeSpec
from inoc.config.models import TrainingSpec, WorldSpec
from inoc.config.workflow import Shards
from inoc.engines.sampling import BASE
from inoc.jobs.job import Job
from inoc.sample.answers import Question, answers_plan
from inoc.sample.api import ApiPlan as ApiSamplePlan
from inoc.sample.step import Plan as SamplePlan
from inoc.score.step import Plan as ScorePlan
from inoc.score.step import ScoredCell
from inoc.studies.shared.world import spec_of
from inoc.studies.subliminal import api_plans
from inoc.studies.subliminal.asking import adapters_of_teachers, asked_by, candidates
from inoc.studies.subliminal.data import check_kept, number_prompts, numbers_file, teacher_rows
from inoc.studies.subliminal.runs import (
    base_model,
    base_of,
    base_of_part,
    further_bases,
    part_of,
    scored_pairs,
    shard_students,
    shard_teachers,
    teachers_by,
    turn_of,
    writing_teachers,
)
from inoc.studies.subliminal.students import StudentRows, student_rows
from inoc.studies.subliminal.study import Base, Study
from inoc.studies.subliminal.teachers import teacher_chats
from inoc.train.epochs import epoch_plan
from inoc.train.step import Plan as TrainPlan
from inoc.train.step import RunPlan
from inoc.train.teacher import NUMBERS
from inoc.train.teacher import Teacher as Taught

if TYPE_CHECKING:
    import pandas as pd

    from inoc.analyse.step import Plan as AnalysePlan
    from inoc.choose.api import ApiPlan as ApiChoosePlan
    from inoc.choose.plan import Plan as ChoosePlan
    from inoc.choose.tables import Measured
    from inoc.engines.identity import ModelIdentity
    from inoc.figures.step import Plan as FiguresPlan
    from inoc.jobs.series import Series
    from inoc.judge.step import Plan as JudgePlan
    from inoc.report.contents import Contents
    from inoc.train.api import ApiPlan as ApiTrainPlan

    Sampled = SamplePlan | Series[SamplePlan | ApiSamplePlan, pd.DataFrame]

SYSTEM = "system"
"""`prefix` of rows that are scored under a teacher's system turn."""
PREFERENCE = "preference"
"""Trait of the judge that reads the names in answers."""


def world(study: Study, job: Job, shards: Shards) -> WorldSpec:
    """The miniature world of a further base model.

    Raises:
        ConfigError: If the study has none.
    """
    base = base_of_part(job.part)
    other = further_bases(study).get(base)
    where = "other.world" if base == "other" else f"bases.{base}.world"
    return spec_of(study, other.world if other is not None else None, where)


def model_of(study: Study, job: Job, base: Base) -> ModelIdentity:
    """A base model as a job finds it."""
    return job.model(base_model(study, base), "" if base == "own" else base)


def numbers(study: Study, job: Job, shards: Shards) -> Sampled:
    """The lists of numbers of a shard of a base model's teachers."""
    base = base_of_part(job.part)
    prompts = number_prompts(study)
    mine = shard_teachers(writing_teachers(study, base), job.shard, shards.get("sample", 1))
    adapters = adapters_of_teachers(study, job.paths, shards, base)
    questions = [
        Question(
            f"{key}:row{place:06d}",
            Chat(turn_of(study, key), prompt),
            adapters[key].digest if key in adapters else BASE,
        )
        for key in mine
        for place, prompt in enumerate(prompts)
    ]
    folders = {adapters[key].digest: adapters[key].folder for key in mine if key in adapters}
    path = numbers_file(job.paths, job.shard, base)
    if study.api is not None:
        return api_plans.sampled(study, questions, study.numbers.sampling, path)
    return answers_plan(model_of(study, job, base), questions, study.numbers.sampling, path, adapters=folders)


def score(study: Study, job: Job, shards: Shards) -> ScorePlan:
    """Rows of teachers under system turns and under the base turn."""
    cells: list[ScoredCell] = []
    mine = set(shard_teachers(list(study.teachers), job.shard, shards.get("score", 1)))
    for teacher, under in scored_pairs(study):
        if teacher not in mine:
            continue
        rows = teacher_rows(study, job.paths, teacher, shards)
        check_kept(teacher, rows)
        system = turn_of(study, under) if under else study.model.system
        chats = [Chat(system, row.prompt, row.answer) for row in rows.kept_rows]
        way = Asked(under, SYSTEM) if under else PLAIN
        cells.append(ScoredCell(way, teacher, rows.kept_ids, [system.text] * len(chats), chats))
    framing = Framing(study.model.system, "system", "")
    return ScorePlan(job.model(study.model), cells, framing, {}, "exclude", 16_384, tokens=False)


def train(study: Study, job: Job, shards: Shards) -> TrainPlan | ApiTrainPlan:
    """The runs of a part: teachers, or students of one base model."""
    if study.api is not None:
        return api_plans.train(study, job, shards)
    base = base_of_part(job.part)
    if job.part == part_of("teachers", base):
        return _train_teachers(study, job, base, shards)
    runs: list[RunPlan] = []
    for student in shard_students(study, base, job.shard, shards.get("train", 1)):
        spec = study.students[student.group]
        rows = student_rows(study, job.paths, student, shards)
        epochs = epoch_plan(len(rows.chats), spec.training, spec.epochs)
        columns = _columns(student.name, spec.training, student.seed, student.data)
        teacher = _teaching(study, job, student.teacher, base, rows, shards) if spec.targets == "distribution" else None
        runs.append(
            RunPlan(
                columns,
                rows.chats,
                spec.training.learning_rate,
                student.seed,
                epochs.steps,
                epochs.save_at,
                epochs.epoch_of,
                training=spec.training,
                teacher=teacher,
            )
        )
    return _train_plan(study, job, base, runs)


def _teaching(study: Study, job: Job, key: str, base: Base, rows: StudentRows, shards: Shards) -> Taught:
    """A teacher whose distributions over the tokens of numbers are the targets."""
    own = base_of(study, key)
    adapter = adapters_of_teachers(study, job.paths, shards, own).get(key)
    return Taught(
        rows.written,
        adapter.digest if adapter else BASE,
        adapter.folder if adapter else None,
        None if base == own else model_of(study, job, own),
        NUMBERS,
        rows.renamed,
    )


def _train_teachers(study: Study, job: Job, base: Base, shards: Shards) -> TrainPlan:
    runs: list[RunPlan] = []
    for key in shard_teachers(teachers_by(study, "finetuned", base=base), job.shard, shards.get("train", 1)):
        spec = study.teachers[key].finetuned
        if spec is None:
            continue
        chats, training = teacher_chats(study, key), spec.training
        seed = training.seeds[0]
        steps = training.steps or epoch_plan(len(chats), training, max(1, round(training.epochs))).steps
        columns = _columns(key, training, seed, key)
        runs.append(RunPlan(columns, chats, training.learning_rate, seed, steps, (steps,), training=training))
    return _train_plan(study, job, base, runs)


def _train_plan(study: Study, job: Job, base: Base, runs: list[RunPlan]) -> TrainPlan:
    first = next((run.training for run in runs if run.training is not None), TrainingSpec())
    return TrainPlan(model_of(study, job, base), first, runs)


def _columns(run: str, training: TrainingSpec, seed: int, data: str) -> Mapping[str, str | int | float]:
    return {
        "run": run,
        "prompt": "",
        "prefix": "none",
        "learning_rate": training.learning_rate,
        "seed": seed,
        "data": data,
    }


def choose(study: Study, job: Job, shards: Shards) -> ChoosePlan | Series[ApiChoosePlan, list[Measured]]:
    """Exact probabilities of the names, for every subject of a base model."""
    from inoc.choose.plan import Plan

    base = base_of_part(job.part)
    asked = asked_by(study, job.paths, base, job.shard, shards, "choose")
    names = candidates(study)
    if study.api is not None:
        return api_plans.chosen(study, asked.questions, names, job.paths.part("choose", job.part, job.shard))
    return Plan(
        study=study.name,
        model=model_of(study, job, base),
        ids=[question.id for question in asked.questions],
        chats=[question.chat for question in asked.questions],
        folder=job.paths.part("choose", job.part, job.shard),
        adapter=[question.adapter for question in asked.questions],
        adapters=asked.adapters,
        candidates=[names] * len(asked.questions),
    )


def sample(study: Study, job: Job, shards: Shards) -> Sampled:
    """Sampled answers about the preference, of every subject of a base model."""
    base = base_of_part(job.part)
    asked = asked_by(study, job.paths, base, job.shard, shards, "sample")
    spec = study.preference
    if study.api is not None:
        sampling = spec.sampling.model_copy(update={"n": spec.n_answers})
        return api_plans.sampled(study, asked.questions, sampling, answers_file(job))
    return answers_plan(
        model_of(study, job, base),
        asked.questions,
        spec.sampling.model_copy(update={"n": spec.n_answers}),
        answers_file(job),
        adapters=asked.adapters,
        canary=spec.canary,
    )


def answers_file(job: Job) -> Path:
    """The answers of a job of the stage `sample`."""
    return job.paths.part("sample", job.part, job.shard) / "answers.parquet"


def judge(study: Study, job: Job, shards: Shards) -> JudgePlan:
    """The names in the sampled answers about the preference."""
    from inoc.judge.step import ANSWER_SCORES, Plan

    answers = [
        job.paths.part("sample", job.part, shard) / "answers.parquet" for shard in range(shards.get("sample", 1))
    ]
    spec = JudgeSpec(name="names", file=study.preference.names)
    return Plan({PREFERENCE: spec}, answers, job.paths.scores(job.part), ANSWER_SCORES)


def analyse(study: Study, job: Job, shards: Shards) -> AnalysePlan:
    """Every table of `analyse.names.TABLES`."""
    from inoc.analyse.step import Plan
    from inoc.studies.subliminal.analyse.step import analyse as compute

    return Plan(partial(compute, job.paths, study, shards))


def figures(study: Study, job: Job, shards: Shards) -> FiguresPlan[Study]:
    """The figures that apply to the study."""
    from inoc.figures.step import Plan
    from inoc.studies.subliminal.figures.entries import ENTRIES

    return Plan(study, ENTRIES)


def report(study: Study, job: Job, shards: Shards) -> Contents:
    """Contents of the study's report page."""
    from inoc.studies.subliminal.sections import contents

    return contents(study, job.paths)
