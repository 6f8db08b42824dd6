"""The stage `score`: log-probabilities of each response's tokens under the untrained model, behind each prefix.

A unit of the store is one way of asking × one block of examples. The blocks, and within a block the batches, depend
on the examples alone, so another prompt or another shard changes no number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from inoc.chat.messages import Asked, Chat, Framing
from inoc.digest import Json, digest
from inoc.engines.identity import ModelIdentity
from inoc.jobs.job import Job
from inoc.score import VERSION
from inoc.score.self_perplexity import plan_alone, score_alone, write_alone
from inoc.store import Unit
from inoc.tables import LOGPROBS, write_row_groups

if TYPE_CHECKING:
    from inoc.chat.render import EndOfTurn, Rendered
    from inoc.engines.scoring import Pending
    from inoc.engines.transformers import TransformersEngine

BLOCK = 256
COMPILE_FROM = 5_000  # with fewer responses than this, compiling takes longer than it saves
RECHECKED = 8  # responses that are scored again in float32
T = TypeVar("T")
R = TypeVar("R")


class ScoredCell(NamedTuple):
    """One way of asking over one dataset: a row group of the table."""

    asked: Asked
    dataset: str  # training completions, or controls of one kind
    ids: Sequence[str]
    prefixes: Sequence[str]  # the very prefix before each example
    chats: Sequence[Chat]


@dataclass(frozen=True)
class Plan:
    """Everything that a job scores, before the model is loaded.

    Attributes:
        model: The model.
        cells: Ways of asking over datasets, in the order of the table.
        framing: How a prompt is put into a chat by itself.
        alone: Prompt → text, of those that are scored by themselves.
        end_of_turn: Whether the end-of-turn token is scored too.
        batch_tokens: Maximum number of padded tokens in a batch.
        tokens: Whether the table keeps the log-probability of every token.
    """

    model: ModelIdentity
    cells: Sequence[ScoredCell]
    framing: Framing
    alone: Mapping[str, str]
    end_of_turn: EndOfTurn
    batch_tokens: int
    tokens: bool = True

    def work(self, cell: ScoredCell) -> Iterator[tuple[Unit, Sequence[Chat]]]:
        """The units of a cell, each with its block of chats."""
        label = f"{cell.dataset} asked {cell.asked.prefix} {cell.asked.prompt}".strip()
        for at in range(0, len(cell.chats), BLOCK):
            block = cell.chats[at : at + BLOCK]
            yield self._unit(block, label), block

    def _unit(self, chats: Sequence[Chat], label: str) -> Unit:
        parts: dict[str, Json] = {
            "model": self.model.as_key(),
            "engine": "transformers",
            "chats": digest([chat.as_key() for chat in chats]),
            "n": len(chats),
            "end_of_turn": self.end_of_turn,
            "batch_tokens": self.batch_tokens,
        }
        return Unit("score", VERSION, parts, label)

    def alone_units(self) -> dict[str, Unit]:
        """Prompt → unit, of those that are scored by themselves."""
        return plan_alone(self.model, self.framing, self.alone)


class Planned(NamedTuple):
    """A cell with its units and their blocks."""

    cell: ScoredCell
    work: list[tuple[Unit, Sequence[Chat]]]


def run(job: Job, plan: Plan) -> str:
    """Write the job's log-probabilities; see `inoc.tables.LOGPROBS`."""
    planned = [Planned(cell, list(plan.work(cell))) for cell in plan.cells]
    alone = plan.alone_units()
    # Before anything is computed, so that no collection of garbage takes what is found there already.
    job.store.refer(job.study, job.name, [*(unit for one in planned for unit, _ in one.work), *alone.values()])
    score_alone(job, _score_missing(job, plan, planned), plan.framing, plan.alone, alone)
    write_alone(job, alone)
    n_tokens, n_nan = _write(job, plan, planned)
    rows = sum(len(cell.ids) for cell in plan.cells)
    job.record["counts"] = {"cells": len(plan.cells), "rows": rows, "tokens": n_tokens, "NaN": n_nan}
    asked = {cell.asked for cell in plan.cells}
    return f"{len(asked)} ways of asking, {rows} responses, {n_tokens} tokens, {n_nan} NaN"


def units(job: Job, plan: Plan) -> list[Unit]:
    """The job's units of the store."""
    return [*(unit for cell in plan.cells for unit, _ in plan.work(cell)), *plan.alone_units().values()]


def _score_missing(job: Job, plan: Plan, planned: Sequence[Planned]) -> Callable[[], TransformersEngine]:
    """Fill the missing entries; returns a function that gives the model, which is loaded at its first call."""
    work = {unit.key: (unit, block) for one in planned for unit, block in one.work}
    # Two claims are held at a time; in one order everywhere, jobs cannot wait for each other in a circle.
    missing = sorted(job.store.missing(unit for unit, _ in work.values()), key=lambda unit: unit.key)
    todo = [work[unit.key] for unit in missing]
    responses = sum(len(block) for _, block in todo)
    engine = cache(lambda: _load(plan.model, responses))
    if todo:
        with job.progress("scoring", responses, "responses") as meter:
            _score_all(job, plan, engine(), todo, meter.advance)
    if work:
        first = next(iter(work.values()))
        job.record["rendered_example"] = (job.store.folder(first[0]) / "example.txt").read_text(encoding="utf-8")
    return engine


def _load(model: ModelIdentity, responses: int) -> TransformersEngine:
    from inoc.engines.transformers import TransformersEngine

    return TransformersEngine(model, compiled=responses >= COMPILE_FROM)


def _score_all(
    job: Job,
    plan: Plan,
    engine: TransformersEngine,
    todo: Sequence[tuple[Unit, Sequence[Chat]]],
    advance: Callable[[int], None],
) -> None:
    """Score blocks; while one is computed, the next is tokenised and handed in, and the last is written."""
    from inoc.chat.render import render

    last: Started | None = None
    with ThreadPoolExecutor(1) as executor:
        blocks = ahead(executor, lambda item: render(engine.tokenizer, item[1], plan.end_of_turn), todo)
        try:
            for (unit, chats), rendered in zip(todo, blocks, strict=True):
                with ExitStack() as claim:
                    folder = claim.enter_context(job.store.claim(unit))
                    before, last = last, None
                    if folder is not None:
                        pending = engine.submit(rendered, plan.batch_tokens)
                        last = Started(rendered, pending, folder, claim.pop_all())
                if before is not None:
                    before.finish()
                advance(len(chats))
        finally:
            if last is not None:
                last.finish()
    _note_precision(job, plan, engine, [chats for _, chats in todo])


class Started(NamedTuple):
    """A block that is being scored."""

    rendered: Sequence[Rendered]
    pending: Pending
    folder: Path
    claim: ExitStack

    def finish(self) -> None:
        """Wait for the numbers and write the entry."""
        with self.claim:
            table = pa.table({"logprobs": pa.array(self.pending(), type=pa.list_(pa.float32()))})
            pq.write_table(table, self.folder / "logprobs.parquet", compression="zstd")
            (self.folder / "example.txt").write_text(self.rendered[0].text, encoding="utf-8")


def ahead(executor: Executor, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Results of a function in order, each computed while the caller uses the one before."""
    waiting: Future[R] | None = None
    for item in items:
        following = executor.submit(function, item)
        if waiting is not None:
            yield waiting.result()
        waiting = following
    if waiting is not None:
        yield waiting.result()


def _note_precision(job: Job, plan: Plan, engine: TransformersEngine, blocks: Sequence[Sequence[Chat]]) -> None:
    """Deviation of a few scores from those of the same model in float32, for the manifest."""
    if plan.model.dtype == "float32":
        return
    from inoc.chat.render import render

    chats = [chat for block in blocks for chat in block[:1]][:RECHECKED]
    rendered = render(engine.tokenizer, chats, plan.end_of_turn)
    difference = engine.float32_difference(rendered, engine.submit(rendered, plan.batch_tokens)())
    job.record["float32"] = {"largest_difference": difference, "responses": len(chats)}


def read_block(job: Job, unit: Unit) -> pa.ChunkedArray:
    """Token log-probabilities of a scored block: one float32 list per response."""
    return pq.read_table(job.store.folder(unit) / "logprobs.parquet")["logprobs"]


def _write(job: Job, plan: Plan, planned: Sequence[Planned]) -> tuple[int, int]:
    """Write the table, a row group at a time; returns the number of tokens and of NaN means."""
    counts = np.zeros(2, dtype=np.int64)

    def counted() -> Iterator[pa.Table]:
        for table in _row_groups(job, plan, planned):
            counts[0] += int(np.sum(table["n_tokens"].to_numpy()))
            counts[1] += int(np.isnan(table["mean"].to_numpy()).sum())
            yield table

    write_row_groups(counted(), LOGPROBS, job.paths.logprobs(job.shard))
    return int(counts[0]), int(counts[1])


def _row_groups(job: Job, plan: Plan, planned: Sequence[Planned]) -> Iterator[pa.Table]:
    for cell, work in planned:
        values = [row for unit, _ in work for row in read_block(job, unit).to_pylist()]
        n = len(values)
        columns = [
            pa.array([cell.asked.prompt] * n, type=pa.string()).dictionary_encode(),
            pa.array([cell.asked.prefix] * n, type=pa.string()).dictionary_encode(),
            pa.array([cell.dataset] * n, type=pa.string()).dictionary_encode(),
            pa.array(cell.ids, type=pa.string()),
            pa.array(cell.prefixes, type=pa.string()),
            pa.array([len(row) for row in values], type=pa.int32()),
            pa.array([mean_logprob(row) for row in values], type=pa.float64()),
            pa.array(values if plan.tokens else [None] * n, type=pa.list_(pa.float32())),
        ]
        yield pa.Table.from_arrays(columns, schema=LOGPROBS)


def mean_logprob(values: Sequence[float]) -> float:
    """Mean log-probability per response token, nats; NaN for an empty response."""
    return float(np.mean(np.asarray(values, dtype=np.float64))) if len(values) else float("nan")
