"""The stage `score`: log-probabilities of each response's tokens under the untrained model, behind each prefix.

A unit of the store is one way of asking × one block of examples. The blocks, and within a block the batches, depend
on the examples alone, so another prompt or another shard changes no number.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from inoc.chat.messages import Asked, Chat, Framing
from inoc.chat.rows import BadRow
from inoc.digest import Json, digest
from inoc.engines.identity import ModelIdentity
from inoc.jobs.job import Job
from inoc.score import VERSION
from inoc.score.self_perplexity import plan_alone, score_alone, write_alone
from inoc.store import Unit
from inoc.tables import BAD_ROWS, LOGPROBS, write_row_groups, write_table

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


class Until(NamedTuple):
    """A rule by which cells are scored block by block, all at the same examples, until their means suffice."""

    groups: Sequence[Sequence[int]]  # positions of cells that have the same examples
    enough: Callable[[int, np.ndarray], bool]  # group, means (cells, examples so far) -> whether they suffice


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
        until: When to stop before all examples are scored; default: never. The table then has the examples that were
            scored.
        bad_rows: Dataset → its rows that are left out or cut; for a table beside the log-probabilities.
    """

    model: ModelIdentity
    cells: Sequence[ScoredCell]
    framing: Framing
    alone: Mapping[str, str]
    end_of_turn: EndOfTurn
    batch_tokens: int
    tokens: bool = True
    until: Until | None = None
    bad_rows: Mapping[str, Sequence[BadRow]] = field(default_factory=dict)

    def work(self, cell: ScoredCell) -> Iterator[tuple[Unit, Sequence[Chat]]]:
        """The units of a cell, each with its block of chats."""
        label = f"{cell.dataset} asked {cell.asked.prefix} {cell.asked.prompt}".strip()
        for at in range(0, len(cell.chats), BLOCK):
            block = cell.chats[at : at + BLOCK]
            yield self._unit(block, label), block

    def _unit(self, chats: Sequence[Chat], label: str) -> Unit:
        parts: dict[str, Json] = {
            "model": self.model.as_computed(),
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
    if plan.model.compute != "dtype":
        job.record["compute"] = plan.model.compute
    engine = cache(lambda: _load(plan.model, _missing_responses(job, planned)))
    if plan.until is None:
        # Before anything is computed, so that no collection of garbage takes what is found there already.
        job.store.refer(job.study, job.name, [*(unit for one in planned for unit, _ in one.work), *alone.values()])
        _score_missing(job, plan, planned, engine)
    else:
        planned = score_until(job, plan, planned, plan.until, engine)
    score_alone(job, engine, plan.framing, plan.alone, alone)
    write_alone(job, alone)
    _write_bad_rows(job, plan)
    n_tokens, n_nan = _write(job, plan, planned)
    rows = sum(len(one.cell.ids) for one in planned)
    job.record["counts"] = {"cells": len(plan.cells), "rows": rows, "tokens": n_tokens, "NaN": n_nan}
    asked = {cell.asked for cell in plan.cells}
    return f"{len(asked)} ways of asking, {rows} responses, {n_tokens} tokens, {n_nan} NaN"


def _write_bad_rows(job: Job, plan: Plan) -> None:
    from inoc.chat.fit import bad_counts, bad_table

    if plan.bad_rows:
        write_table(bad_table(plan.bad_rows), BAD_ROWS, job.paths.bad_rows(job.shard))
    if any(plan.bad_rows.values()):
        job.record["bad rows"] = bad_counts(plan.bad_rows)


def units(job: Job, plan: Plan) -> list[Unit]:
    """The job's units of the store; with a rule to stop, those of the blocks that are known to be needed."""
    planned = [Planned(cell, list(plan.work(cell))) for cell in plan.cells]
    if plan.until is not None:
        planned = _known_needed(job, planned, plan.until)
    return [*(unit for one in planned for unit, _ in one.work), *plan.alone_units().values()]


def _known_needed(job: Job, planned: Sequence[Planned], until: Until) -> list[Planned]:
    """The cells up to the block at which a group's means suffice, or which is not scored yet."""
    used: dict[int, int] = {}
    for k, group in enumerate(until.groups):
        total = len(planned[group[0]].work) if group else 0
        n = min(1, total)
        while n < total:
            cells = [_begun(planned[at], n) for at in group]
            absent = any(True for _ in job.store.missing(unit for one in cells for unit, _ in one.work))
            if absent or until.enough(k, _means(job, cells)):
                break
            n += 1
        used |= dict.fromkeys(group, n)
    return [_begun(one, used[at]) for at, one in enumerate(planned)]


def _missing_responses(job: Job, planned: Sequence[Planned]) -> int:
    """Number of responses that are still to be scored."""
    work = {unit.key: (unit, len(block)) for one in planned for unit, block in one.work}
    return sum(work[unit.key][1] for unit in job.store.missing(unit for unit, _ in work.values()))


def score_until(
    job: Job, plan: Plan, planned: Sequence[Planned], until: Until, engine: Callable[[], TransformersEngine]
) -> list[Planned]:
    """Score cells block by block, until each group's means suffice or its examples are used up.

    Which blocks are scored depends on the numbers alone, so that the same command after a crash takes the same way.

    Returns:
        The cells with the examples that were scored.
    """
    used = [0] * len(until.groups)
    going = [k for k, group in enumerate(until.groups) if group and planned[group[0]].work]
    means: dict[int, list[np.ndarray]] = {k: [] for k in going}
    while going:
        fresh = {k: [_blocks(planned[at], used[k], used[k] + 1) for at in until.groups[k]] for k in going}
        for k in going:
            used[k] += 1
        now = [_begun(planned[at], used[k]) for k, group in enumerate(until.groups) for at in group]
        job.store.refer(job.study, job.name, [unit for one in now for unit, _ in one.work])
        _score_missing(job, plan, [one for cells in fresh.values() for one in cells], engine)
        for k, cells in fresh.items():
            means[k].append(_means(job, cells))
        going = [
            k
            for k in going
            if used[k] < len(planned[until.groups[k][0]].work) and not until.enough(k, np.concatenate(means[k], axis=1))
        ]
    blocks = {at: used[k] for k, group in enumerate(until.groups) for at in group}
    job.record["blocks"] = {until_name(planned, group): used[k] for k, group in enumerate(until.groups)}
    return [_begun(one, blocks[at]) for at, one in enumerate(planned)]


def until_name(planned: Sequence[Planned], group: Sequence[int]) -> str:
    """Name of a group in the manifest: that of its dataset."""
    return planned[group[0]].cell.dataset if group else ""


def _begun(one: Planned, blocks: int) -> Planned:
    """A cell with its first blocks only."""
    return _blocks(one, 0, blocks)


def _blocks(one: Planned, first: int, stop: int) -> Planned:
    """A cell with some successive blocks only."""
    rows, cell = slice(first * BLOCK, stop * BLOCK), one.cell
    short = cell._replace(ids=cell.ids[rows], prefixes=cell.prefixes[rows], chats=cell.chats[rows])
    return Planned(short, one.work[first:stop])


def _means(job: Job, cells: Sequence[Planned]) -> np.ndarray:
    """Mean log-probability of each example in each cell: (cells, examples)."""
    return np.array([mean_logprobs(_read_blocks(job, one)) for one in cells])


def _score_missing(job: Job, plan: Plan, planned: Sequence[Planned], engine: Callable[[], TransformersEngine]) -> None:
    """Fill the missing entries; the model is loaded if there are any."""
    work = {unit.key: (unit, block) for one in planned for unit, block in one.work}
    # Two claims are held at a time; in one order everywhere, jobs cannot wait for each other in a circle.
    missing = sorted(job.store.missing(unit for unit, _ in work.values()), key=lambda unit: unit.key)
    todo = [work[unit.key] for unit in missing]
    if todo:
        with job.progress("scoring", sum(len(block) for _, block in todo), "responses") as meter:
            _score_all(job, plan, engine(), todo, meter.advance)
    if work and "rendered_example" not in job.record:
        first = next(iter(work.values()))
        job.record["rendered_example"] = (job.store.folder(first[0]) / "example.txt").read_text(encoding="utf-8")


def _load(model: ModelIdentity, responses: int) -> TransformersEngine:
    from inoc.engines.transformers import TransformersEngine

    engine = TransformersEngine(model, compiled=responses >= COMPILE_FROM)
    if model.compute == "fp8":
        from inoc.engines.eight_bit import round_layers

        round_layers(engine.model)
    return engine


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
            write_block(self.folder, pa.array(self.pending(), type=pa.list_(pa.float32())), self.rendered[0].text)


def write_block(folder: Path, logprobs: pa.ListArray, example: str) -> None:
    """Write the entry of a scored block.

    Args:
        folder: Of the entry.
        logprobs: Log-probabilities of each response's tokens, float32, nats.
        example: A rendered chat, for people.
    """
    pq.write_table(pa.table({"logprobs": logprobs}), folder / "logprobs.parquet", compression="zstd")
    (folder / "example.txt").write_text(example, encoding="utf-8")


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
    if plan.model.dtype == "float32" or "float32" in job.record:
        return
    from inoc.chat.render import render

    chats = [chat for block in blocks for chat in block[:1]][:RECHECKED]
    rendered = render(engine.tokenizer, chats, plan.end_of_turn)
    difference = engine.float32_difference(rendered, engine.submit(rendered, plan.batch_tokens)())
    job.record["float32"] = {"largest_difference": difference, "responses": len(chats)}


def read_block(job: Job, unit: Unit) -> pa.ChunkedArray:
    """Token log-probabilities of a scored block: one float32 list per response."""
    return pq.read_table(job.store.folder(unit) / "logprobs.parquet")["logprobs"]


def _read_blocks(job: Job, one: Planned) -> pa.ListArray:
    """Token log-probabilities of all blocks of a cell, one after the other."""
    chunks = [chunk for unit, _ in one.work for chunk in read_block(job, unit).chunks]
    return pa.concat_arrays(chunks) if chunks else pa.array([], type=pa.list_(pa.float32()))


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
    for one in planned:
        cell = one.cell
        values = _read_blocks(job, one)
        n = len(values)
        columns = [
            pa.array([cell.asked.prompt] * n, type=pa.string()).dictionary_encode(),
            pa.array([cell.asked.prefix] * n, type=pa.string()).dictionary_encode(),
            pa.array([cell.dataset] * n, type=pa.string()).dictionary_encode(),
            pa.array(cell.ids, type=pa.string()),
            pa.array(cell.prefixes, type=pa.string()),
            values.value_lengths(),
            pa.array(mean_logprobs(values), type=pa.float64()),
            values if plan.tokens else pa.nulls(n, type=pa.list_(pa.float32())),
        ]
        yield pa.Table.from_arrays(columns, schema=LOGPROBS)


def mean_logprobs(values: pa.ListArray) -> np.ndarray:
    """Mean log-probability per token of each response, nats; NaN for an empty response."""
    # Each response is added up by itself in float64, so that its mean does not depend on the others.
    flat = values.values.to_numpy().astype(np.float64)
    ends = values.offsets.to_numpy()
    return np.array(
        [flat[start:stop].mean() if stop > start else np.nan for start, stop in itertools.pairwise(ends.tolist())]
    )
