"""Answer a job's questions and write them as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa

from inoc.engines.identity import ModelIdentity
from inoc.engines.load import Kept, load_engine
from inoc.engines.sampling import Block, Engine, answer_blocks
from inoc.jobs.job import Job
from inoc.jobs.series import Series, run_series, series_units
from inoc.sample.api import ApiPlan
from inoc.sample.questions import with_answers
from inoc.sample.tables import ANSWERS
from inoc.store import Unit
from inoc.tables import COMPLETIONS, write_table
from inoc.vectors.steering import check_zero


@dataclass(frozen=True)
class Plan:
    """Everything that a job asks, before any model is loaded.

    Attributes:
        model: The model.
        blocks: The questions.
        rows: Who is asked what, in the order of the blocks: the table without the answers.
        path: Where the table goes.
        doing: Name of the work in the progress.
        counted: What is asked, in words, and how many of it there are.
        adapters: Adapter digest → folder.
        canary: Number of chats per adapter that are first answered greedily, and must be answered right.
        schema: Of the table.
    """

    model: ModelIdentity
    blocks: Sequence[Block]
    rows: pd.DataFrame
    path: Path
    doing: str
    counted: tuple[str, int]
    adapters: Mapping[str, Path] = field(default_factory=dict)
    canary: int = 0
    schema: pa.Schema = COMPLETIONS


def run(job: Job, plan: Plan | Series[Plan | ApiPlan, pd.DataFrame]) -> str:
    """Write the job's completions, as a table of the plan's schema; those of a series as `ANSWERS`.

    Raises:
        ConfigError: If a chat is steered and never answered without steering.
    """
    if isinstance(plan, Plan):
        frame = _answered(job, plan, [], Kept())
        (what, n) = plan.counted
        path, schema = plan.path, plan.schema
    else:
        frame = _series(job, plan)
        what, n = "questions", int(frame["id"].nunique())
        path, schema = plan.place, ANSWERS
    write_table(frame, schema, path)
    cut = int((frame["finish"] == "length").sum())
    job.record["counts"] = {what: n, "completions": len(frame), "cut": cut}
    return f"{n} {what}, {len(frame)} completions, {cut} of them cut"


def _series(job: Job, plan: Series[Plan | ApiPlan, pd.DataFrame]) -> pd.DataFrame:
    known: list[Unit] = []
    kept: Kept[Engine] = Kept()

    def compute(one: Plan | ApiPlan) -> pd.DataFrame:
        return _asked(job, one) if isinstance(one, ApiPlan) else _answered(job, one, known, kept)

    found = run_series(plan, compute)
    return pd.concat(found, ignore_index=True) if found else ANSWERS.empty_table().to_pandas()


def _asked(job: Job, plan: ApiPlan) -> pd.DataFrame:
    from inoc.sample import api

    return api.ask(job.api, plan)


def _answered(job: Job, plan: Plan, known: list[Unit], kept: Kept[Engine]) -> pd.DataFrame:
    """Answers of one plan.

    Args:
        job: The job.
        plan: What it asks.
        known: Units that the job needs besides; the plan's are added.
        kept: The engine that was loaded last.
    """
    _check_zero(plan)
    known += [block.unit(plan.model) for block in plan.blocks]
    # Before anything is computed, so that no collection of garbage takes what is found there already.
    job.store.refer(job.study, job.name, known)
    loader = engine_loader(job, plan.model)
    with job.progress(plan.doing, len(plan.rows), "completions") as meter:
        answers = answer_blocks(
            job.store,
            plan.model,
            plan.blocks,
            lambda name: kept.get((plan.model, name), lambda: loader(name)),
            plan.adapters,
            canary=plan.canary,
            advance=meter.advance,
        )
    return with_answers(plan.rows, answers)


def _check_zero(plan: Plan) -> None:
    asked = [(block.adapter, chat) for block in plan.blocks for chat in block.chats]
    steerings = [steering for block in plan.blocks for steering in block.steerings or (None,) * len(block.chats)]
    if any(steerings):
        check_zero(asked, steerings)


def units(job: Job, plan: Plan | ApiPlan | Series[Plan | ApiPlan, pd.DataFrame]) -> list[Unit]:
    """The job's units of the store; of a series, as far as its answers are there. An API keeps its answers itself."""
    if isinstance(plan, Series):
        return series_units(plan, job.store, partial(units, job), lambda one: _stored(job, one))
    return [block.unit(plan.model) for block in plan.blocks] if isinstance(plan, Plan) else []


def _stored(job: Job, plan: Plan | ApiPlan) -> pd.DataFrame:
    if isinstance(plan, ApiPlan):
        return _asked(job, plan)
    found = answer_blocks(
        job.store, plan.model, plan.blocks, engine_loader(job, plan.model), {}, canary=0, advance=lambda n: None
    )
    return with_answers(plan.rows, found)


def engine_loader(job: Job, model: ModelIdentity) -> Callable[[str], Engine]:
    """A function that loads the engine of a name, for `answer_blocks`."""

    def load(name: str) -> Engine:
        if name != "api":
            return load_engine(model, name)
        from inoc.engines.api import ApiEngine

        return ApiEngine(model, model.path, job.engine_api)

    return load
