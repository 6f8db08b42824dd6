"""Answer a job's questions and write them as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa

from inoc.engines.identity import ModelIdentity
from inoc.engines.load import load_engine
from inoc.engines.sampling import Block, Engine, answer_blocks
from inoc.jobs.job import Job
from inoc.sample.questions import with_answers
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


def run(job: Job, plan: Plan) -> str:
    """Write the job's completions, as a table of the plan's schema.

    Raises:
        ConfigError: If a chat is steered and never answered without steering.
    """
    _check_zero(plan)
    # Before anything is computed, so that no collection of garbage takes what is found there already.
    job.store.refer(job.study, job.name, units(job, plan))
    with job.progress(plan.doing, len(plan.rows), "completions") as meter:
        answers = answer_blocks(
            job.store,
            plan.model,
            plan.blocks,
            engine_loader(job, plan.model),
            plan.adapters,
            canary=plan.canary,
            advance=meter.advance,
        )
    frame = with_answers(plan.rows, answers)
    write_table(frame, plan.schema, plan.path)
    (what, n), cut = plan.counted, int((frame["finish"] == "length").sum())
    job.record["counts"] = {what: n, "completions": len(frame), "cut": cut}
    return f"{n} {what}, {len(frame)} completions, {cut} of them cut"


def _check_zero(plan: Plan) -> None:
    asked = [(block.adapter, chat) for block in plan.blocks for chat in block.chats]
    steerings = [steering for block in plan.blocks for steering in block.steerings or (None,) * len(block.chats)]
    if any(steerings):
        check_zero(asked, steerings)


def units(job: Job, plan: Plan) -> list[Unit]:
    """The job's units of the store."""
    return [block.unit(plan.model) for block in plan.blocks]


def engine_loader(job: Job, model: ModelIdentity) -> Callable[[str], Engine]:
    """A function that loads the engine of a name, for `answer_blocks`."""

    def load(name: str) -> Engine:
        if name != "api":
            return load_engine(model, name)
        from inoc.engines.api import ApiEngine

        return ApiEngine(model, model.path, job.engine_api)

    return load
