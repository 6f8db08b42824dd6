"""Everything that the asking kind brings; its tables, figures and report are those of the toy kind."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from inoc.analyse.step import Analysed
from inoc.analyse.step import Plan as AnalysePlan
from inoc.chat.messages import Chat
from inoc.choose.plan import Plan as ChoosePlan
from inoc.config.document import Problem
from inoc.config.models import ModelStudy, Sampling
from inoc.config.needs import Needs, SampleUse
from inoc.config.workflow import Shards
from inoc.engines.candidates import candidate
from inoc.figures.step import Plan as FiguresPlan
from inoc.jobs.costs import CostRow, Rates
from inoc.jobs.job import Job
from inoc.jobs.paths import Paths
from inoc.jobs.shards import shard_of
from inoc.jobs.work import Settings, Work, plain
from inoc.read.plan import Plan as ReadPlan
from inoc.report.contents import Contents
from inoc.sample.answers import Question, answers_plan
from inoc.sample.step import Plan as SamplePlan
from inoc.tables import read_table
from inoc.vectors.vector import Vector
from support.toy_kind.parts import ENTRIES, POOL_SIZES, TABLES, contents


class Study(ModelStudy):
    """A few questions."""

    asked: dict[str, str]
    colours: tuple[str, ...] = ("red", "green")
    sampling: Sampling = Sampling(max_tokens=4)


def problems(study: Study, sections: Collection[str] | None = None) -> list[Problem]:
    return []


def needs(study: Study) -> Needs:
    return Needs(study.model, samples=(SampleUse("sampling", "sample", study.sampling),))


def summary(study: Study) -> str:
    return f"{len(study.asked)} questions"


def costs(study: Study, shards: Shards, rates: Rates) -> list[CostRow]:
    return [CostRow(stage, 1, f"{len(study.asked)} questions") for stage in ("sample", "choose", "read")]


def _own(study: Study, stage: str, shard: int, shards: Shards) -> dict[str, Chat]:
    n = shards.get(stage, 1)
    return {key: Chat(study.model.system, text) for key, text in study.asked.items() if shard_of(key, n) == shard}


def plan_answers(study: Study, job: Job, shards: Shards) -> SamplePlan:
    own = _own(study, "sample", job.shard, shards)
    questions = [Question(key, chat) for key, chat in own.items()]
    return answers_plan(
        job.model(study.model), questions, study.sampling, _answers(study, job.paths, shards)[job.shard]
    )


def plan_choices(study: Study, job: Job, shards: Shards) -> ChoosePlan:
    own = _own(study, "choose", job.shard, shards)
    colours = tuple(candidate(text) for text in study.colours)
    return ChoosePlan(
        study=study.name,
        model=job.model(study.model),
        ids=list(own),
        chats=list(own.values()),
        folder=job.paths.part("choose", "colours", job.shard),
        candidates=[colours] * len(own),
    )


def plan_reading(study: Study, job: Job, shards: Shards) -> ReadPlan:
    """The sampled answers, read at a site (part `states`) or projected onto two vectors (part `onto`)."""
    tables = [read_table(path) for path in _answers(study, job.paths, shards)]
    answers = pd.concat(tables, ignore_index=True)
    model = job.model(study.model)
    chats = [Chat(study.model.system, one.instruction, one.completion) for one in answers.itertuples()]
    vectors = [Vector(f"v{k}", np.random.default_rng(k).standard_normal(64), "embed", model.weights) for k in (0, 1)]
    return ReadPlan(
        study=study.name,
        model=model,
        ids=[f"{one.id}#{one.sample}" for one in answers.itertuples()],
        chats=chats,
        folder=job.paths.part("read", job.part, job.shard),
        readouts=("prompt_last", "response_mean"),
        **({"sites": ("resid_post.0",)} if job.part == "states" else {"vectors": vectors}),
    )


def _answers(study: Study, paths: Paths, shards: Shards, shard: int = 0) -> list[Path]:
    return [paths.part("sample", "plain", one) / "answers.parquet" for one in range(shards.get("sample", 1))]


def _measured(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    choices = [paths.part("choose", "colours", one) / "choices.parquet" for one in range(shards.get("choose", 1))]
    read = [paths.part("read", "states", 0) / "rows.parquet", paths.part("read", "onto", 0) / "projections.parquet"]
    return [*_answers(study, paths, shards), *choices, *read]


def plan_analysis(study: Study, job: Job, shards: Shards) -> AnalysePlan:
    def sizes() -> Analysed:
        files = _measured(study, job.paths, shards, 0)
        counts = [("/".join(path.parts[-4:-1]), len(read_table(path))) for path in files]
        return Analysed({"pool_sizes": pd.DataFrame(counts, columns=["prompt", "n"])}, {"pool_sizes": POOL_SIZES}, [])

    return AnalysePlan(sizes)


def plan_figures(study: Study, job: Job, shards: Shards) -> FiguresPlan[Study]:
    return FiguresPlan(study, ENTRIES)


def plan_report(study: Study, job: Job, shards: Shards) -> Contents:
    return contents(study, job.paths)


def _sampled(study: Study, shard: int, shards: Shards) -> Settings:
    return {"asked": dict(study.asked), "model": plain(study.model), "sampling": plain(study.sampling)}


def _chosen(study: Study, shard: int, shards: Shards) -> Settings:
    return {"asked": dict(study.asked), "model": plain(study.model), "colours": list(study.colours)}


def _states(study: Study, shard: int, shards: Shards) -> Settings:
    return {"model": plain(study.model), "sites": ["resid_post.0"]}


def _onto(study: Study, shard: int, shards: Shards) -> Settings:
    return {"model": plain(study.model), "vectors": 2}


def _tables(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    return [paths.stage("analyse") / "skipped.json", *(paths.table(name) for name in TABLES)]


_HERE = "support.asking_kind.parts"
WORK = (
    Work(
        "sample",
        _sampled,
        f"{_HERE}:plan_answers",
        lambda study, paths, shards, shard: [_answers(study, paths, shards)[shard]],
        part="plain",
        loads_model=True,
    ),
    Work(
        "choose",
        _chosen,
        f"{_HERE}:plan_choices",
        lambda study, paths, shards, shard: [paths.part("choose", "colours", shard) / "choices.parquet"],
        part="colours",
        loads_model=True,
    ),
    Work(
        "read",
        _states,
        f"{_HERE}:plan_reading",
        lambda study, paths, shards, shard: [paths.part("read", "states", shard) / "rows.parquet"],
        _answers,
        part="states",
        loads_model=True,
    ),
    Work(
        "read",
        _onto,
        f"{_HERE}:plan_reading",
        lambda study, paths, shards, shard: [paths.part("read", "onto", shard) / "projections.parquet"],
        _answers,
        part="onto",
        loads_model=True,
    ),
    Work("analyse", _sampled, f"{_HERE}:plan_analysis", _tables, _measured),
    Work(
        "figures",
        _sampled,
        f"{_HERE}:plan_figures",
        lambda study, paths, shards, shard: [paths.stage("figures") / "done.json"],
        _tables,
    ),
    Work(
        "report",
        _sampled,
        f"{_HERE}:plan_report",
        lambda study, paths, shards, shard: [paths.stage("report") / "appendix.html"],
        lambda study, paths, shards, shard: [paths.stage("figures") / "done.json"],
    ),
)
