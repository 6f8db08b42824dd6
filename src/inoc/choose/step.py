"""The stage `choose`: probabilities of the answers of a closed set, from one forward pass per question.

A unit of the store is one block of questions. The blocks, and within a block the batches, depend on the questions
alone, so other questions or another shard change no number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from inoc.choose.plan import BLOCK, Block, Plan
from inoc.engines.candidates import Candidate, Choice
from inoc.jobs.fill import Filling, fill, missing_blocks
from inoc.jobs.job import Job
from inoc.store import Unit
from inoc.tables import INDEX, NUMBER, STRING, to_arrow, write_row_groups

if TYPE_CHECKING:
    from inoc.engines.choices import Question

COMPILE_FROM = 5_000  # with fewer questions than this, compiling takes longer than it saves
ENTRY = "choices.parquet"

CHOICES = pa.schema(
    [
        ("id", STRING),
        ("n_candidates", INDEX),
        ("mass", NUMBER),  # probability of all candidates together; NaN if it was not measured
        ("best", STRING),  # the likeliest candidate; empty where nothing is covered
        ("expectation", NUMBER),  # of the candidates' values, given that one of them is answered; NaN without values
        ("reason", STRING),  # why it was not measured; empty if it was
    ]
)
"""`choose/choices.parquet`. Key: id."""

CANDIDATES = pa.schema(
    [
        ("id", STRING),
        ("candidate", STRING),
        ("value", NUMBER),  # NaN for none
        ("logprob", NUMBER),  # nats, summed over its spellings
        ("share", NUMBER),  # of the covered mass
    ]
)
"""`choose/candidates.parquet`. Key: id, candidate."""

Measured = tuple[Sequence[str], Sequence[Choice], Sequence[tuple[Candidate, ...]]]
"""Ids of questions, their choices, and their candidates."""

_STORED = pa.schema([("logprobs", pa.list_(pa.float64())), ("mass", NUMBER), ("reason", STRING)])


def run(job: Job, plan: Plan) -> str:
    """Write `choices.parquet`, a row per question, and `candidates.parquet`, a row per question and candidate."""
    plan.check()
    work = list(plan.work())
    made = [unit for unit, _ in work]
    # Before anything is computed, so that no collection of garbage takes what is found there already.
    job.store.refer(plan.study, job.name, made)
    _fill_missing(job, plan, work)
    if made:
        example = job.store.folder(made[0]) / "example.txt"
        job.record["rendered_example"] = example.read_text(encoding="utf-8")
    return write_tables(job, plan.folder, list(_blocks(job, plan, made)))


def write_tables(job: Job, folder: Path, blocks: Sequence[Measured]) -> str:
    """Write both tables, a row group for each block; returns a summary, and counts for the manifest."""
    for schema, rows, name in ((CHOICES, choice_rows, "choices"), (CANDIDATES, candidate_rows, "candidates")):
        path = folder / f"{name}.parquet"
        write_row_groups((to_arrow(rows(*block), schema, path) for block in blocks), schema, path)
    masses = [choice.mass for _, found, _ in blocks for choice in found]
    measured = [mass for mass in masses if not math.isnan(mass)]
    n_nan = len(masses) - len(measured)
    job.record["counts"] = {"questions": len(masses), "NaN": n_nan}
    mean = sum(measured) / len(measured) if measured else float("nan")
    return f"{len(masses)} questions, mean covered mass {mean:.3f}, {n_nan} NaN"


def units(job: Job, plan: Plan) -> list[Unit]:
    """The job's units of the store."""
    return [unit for unit, _ in plan.work()]


def _fill_missing(job: Job, plan: Plan, work: Sequence[tuple[Unit, Block]]) -> None:
    todo = missing_blocks(job.store, work)
    if not todo:
        return
    questions = sum(len(block.chats) for _, block in todo)
    with job.progress("choosing", questions, "questions") as meter:
        fill(job.store, todo, _filling(plan, questions), lambda block: meter.advance(len(block.chats)))


def _filling(plan: Plan, questions: int) -> Filling[Block, tuple[list[Question], str, Block], list[Choice]]:
    from inoc.chat.template import prompt_text
    from inoc.engines.choices import Chooser, Questions
    from inoc.engines.transformers import TransformersEngine
    from inoc.vectors.steering import check_steering

    engine = TransformersEngine(plan.model, compiled=questions >= COMPILE_FROM)
    engine.use_adapter(plan.adapter_folder)
    chooser = Chooser(engine.causal, engine.stops, compiled=engine.compiled)
    asking = Questions(engine.tokenizer)
    for steering in plan.steerings:
        if steering is not None:
            check_steering(steering, plan.model, chooser.layers, plan.adapter)

    def prepare(block: Block) -> tuple[list[Question], str, Block]:
        return asking.ask(block.chats, block.candidates), prompt_text(engine.tokenizer, block.chats[0]), block

    return Filling(
        prepare=prepare,
        submit=lambda prepared: chooser.submit(
            prepared[0], plan.batch_tokens, whole=plan.whole, steerings=prepared[2].steerings
        ),
        write=lambda folder, prepared, found: write_choices(folder, found, prepared[1]),
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


def _blocks(job: Job, plan: Plan, made: Sequence[Unit]) -> Iterator[Measured]:
    for at, unit in enumerate(made):
        rows = slice(at * BLOCK, (at + 1) * BLOCK)
        yield plan.ids[rows], read_choices(job.store.folder(unit)), plan.candidates[rows]


def choice_rows(ids: Sequence[str], found: Sequence[Choice], candidates: Sequence[Sequence[Candidate]]) -> pd.DataFrame:
    """Rows of `CHOICES`."""
    rows = [
        (
            name,
            len(answers),
            choice.mass,
            answers[choice.best()].name if choice.best() >= 0 else "",
            choice.expectation(answers),
            choice.reason,
        )
        for name, choice, answers in zip(ids, found, candidates, strict=True)
    ]
    return pd.DataFrame(rows, columns=CHOICES.names)


def candidate_rows(
    ids: Sequence[str], found: Sequence[Choice], candidates: Sequence[Sequence[Candidate]]
) -> pd.DataFrame:
    """Rows of `CANDIDATES`."""
    rows = [
        (name, answer.name, answer.value, logprob, share)
        for name, choice, answers in zip(ids, found, candidates, strict=True)
        for answer, logprob, share in zip(answers, choice.logprobs, choice.shares(), strict=True)
    ]
    return pd.DataFrame(rows, columns=CANDIDATES.names)
