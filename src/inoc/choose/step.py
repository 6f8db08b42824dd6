"""The stage `choose`: probabilities of the answers of a closed set, from one forward pass per question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Union

import pyarrow as pa
import pyarrow.parquet as pq

from inoc.choose.plan import Block, Plan
from inoc.choose.tables import Measured, write_tables
from inoc.engines.candidates import Choice
from inoc.engines.load import Kept
from inoc.jobs.chats import Computer, compute
from inoc.jobs.fill import Filling
from inoc.jobs.job import Job
from inoc.jobs.series import Series, run_series, series_units
from inoc.store import Unit
from inoc.tables import NUMBER, STRING

if TYPE_CHECKING:
    from inoc.choose.api import ApiPlan
    from inoc.engines.choices import Question
    from inoc.engines.transformers import TransformersEngine

Planned = Union["Plan", "ApiPlan"]
ENTRY = "choices.parquet"

_STORED = pa.schema([("logprobs", pa.list_(pa.float64())), ("mass", NUMBER), ("reason", STRING)])


def run(job: Job, plan: Planned | Series[Planned, list[Measured]]) -> str:
    """Write `choices.parquet`, a row per question, and `candidates.parquet`, a row per question and candidate."""
    if not isinstance(plan, Series):
        return write_tables(job, plan.folder, _computed(job, plan, [], Kept()))
    known: list[Unit] = []
    kept: Kept[TransformersEngine] = Kept()
    found = run_series(plan, lambda one: _computed(job, one, known, kept))
    return write_tables(job, plan.place, [block for blocks in found for block in blocks])


def measure(job: Job, plan: Plan) -> list[Choice]:
    """Choices of a plan's questions, in their order; what is not in the store is computed. No table is written."""
    return [choice for _, found, _ in _computed(job, plan, [], Kept()) for choice in found]


def units(job: Job, plan: Planned | Series[Planned, list[Measured]]) -> list[Unit]:
    """The job's units of the store, of a series as far as its results are there; none through an API, whose answers
    are kept with its requests.
    """
    if isinstance(plan, Series):
        return series_units(plan, job.store, partial(units, job), lambda one: _stored(job, one))
    return [unit for unit, _ in plan.work()] if isinstance(plan, Plan) else []


def _computed(job: Job, plan: Planned, known: list[Unit], kept: Kept[TransformersEngine]) -> list[Measured]:
    """Choices of one plan, block by block.

    Args:
        job: The job.
        plan: What it asks.
        known: Units that the job needs besides; the plan's are added.
        kept: The engine that was loaded last.
    """
    if not isinstance(plan, Plan):
        return _asked(job, plan)
    plan.check()
    work = list(plan.work())
    compute(job, plan, work, ("choosing", "questions"), lambda n: _filling(plan, n, kept), known)
    known += [unit for unit, _ in work]
    return list(_blocks(job, plan, work))


def _asked(job: Job, plan: ApiPlan) -> list[Measured]:
    from inoc.choose import api

    return [(plan.ids, api.ask(job.api, plan), plan.candidates)]


def _stored(job: Job, plan: Planned) -> list[Measured]:
    return list(_blocks(job, plan, list(plan.work()))) if isinstance(plan, Plan) else _asked(job, plan)


def _filling(
    plan: Plan, n: int, kept: Kept[TransformersEngine]
) -> Filling[Block, tuple[list[Question], Block], list[Choice]]:
    from inoc.chat.template import prompt_text
    from inoc.engines.choices import Chooser, Questions

    computer = Computer(plan, n, lambda engine: Chooser(engine.causal, engine.stops, compiled=engine.compiled), kept)
    tokenizer = computer.engine.tokenizer
    asking = Questions(tokenizer)

    def prepare(block: Block) -> tuple[list[Question], Block]:
        return asking.ask(block.chats, block.candidates, block.steerings), block

    return Filling(
        prepare=prepare,
        submit=lambda prepared: computer.through(prepared[1].adapter).submit(
            prepared[0], plan.batch_tokens, whole=plan.whole, steerings=prepared[1].steerings
        ),
        write=lambda folder, prepared, found, rows: write_choices(
            folder, found[rows], prompt_text(tokenizer, prepared[1].chats[rows][0])
        ),
    )


def write_choices(folder: Path, found: Sequence[Choice], example: str) -> None:
    """Write the entry of a block."""
    columns = list(zip(*found, strict=True))
    pq.write_table(pa.table([list(column) for column in columns], schema=_STORED), folder / ENTRY)
    (folder / "example.txt").write_text(example, encoding="utf-8")


def read_choices(folder: Path) -> list[Choice]:
    """Read the entry of a block."""
    rows = pq.read_table(folder / ENTRY).to_pylist()
    return [Choice(tuple(row["logprobs"]), row["mass"], row["reason"]) for row in rows]


def _blocks(job: Job, plan: Plan, work: Sequence[tuple[Unit, Block]]) -> Iterator[Measured]:
    for unit, block in work:
        yield plan.ids[block.rows], read_choices(job.store.folder(unit)), block.candidates
