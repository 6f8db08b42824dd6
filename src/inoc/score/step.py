"""The stage `score`: how likely the untrained model finds each response, token by token, behind each prefix.

A unit of the store is one way of asking × one block of examples. The blocks, and within a block the batches, depend
on the examples alone, so another prompt or another shard changes no number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from inoc.chat.messages import Chat, compose, prefix_texts
from inoc.chat.pools import Pools, read_pools
from inoc.config.models import Study
from inoc.digest import Json, digest
from inoc.engines.identity import ModelIdentity, identify
from inoc.jobs.job import Job
from inoc.score import VERSION
from inoc.score.self_perplexity import plan_alone, score_alone, write_alone
from inoc.store import Unit
from inoc.studies.inoculation.runs import PLAIN, Asked, prompt_texts, shard_of
from inoc.tables import LOGPROBS, kept_examples, read_table, write_row_groups

if TYPE_CHECKING:
    from inoc.chat.render import Rendered
    from inoc.engines.scoring import Pending
    from inoc.engines.transformers import TransformersEngine

BLOCK = 256
COMPILE_FROM = 5_000  # with fewer responses than this, compiling takes longer than it saves
RECHECKED = 8  # responses that are scored again in float32
T = TypeVar("T")
R = TypeVar("R")


class Examples(NamedTuple):
    """Responses to score: training completions, or controls of one kind."""

    dataset: str
    ids: list[str]
    instructions: list[str]
    responses: list[str]


class Cell(NamedTuple):
    """One way of asking over one dataset: a row group of the table."""

    asked: Asked
    examples: Examples
    prefixes: list[str]
    units: list[Unit]
    blocks: list[list[Chat]]


def run(job: Job) -> str:
    """Write the shard's log-probabilities; see `inoc.tables.LOGPROBS`."""
    model, cells = plan(job)
    alone = plan_alone(job, model)
    score_alone(job, _score_missing(job, model, cells), alone)
    job.store.refer(job.study.name, job.name, [*(unit for cell in cells for unit in cell.units), *alone.values()])
    write_alone(job, alone)
    n_tokens, n_nan = _write(job, cells)
    job.record["model"] = {"path": job.study.model.path, **model.as_key()}
    rows = sum(len(cell.examples.ids) for cell in cells)
    job.record["counts"] = {"cells": len(cells), "rows": rows, "tokens": n_tokens, "NaN": n_nan}
    return f"{len({cell.asked for cell in cells})} ways of asking, {rows} responses, {n_tokens} tokens, {n_nan} NaN"


def units(job: Job) -> list[Unit]:
    """The shard's units of the store."""
    model, cells = plan(job)
    return [*(unit for cell in cells for unit in cell.units), *plan_alone(job, model).values()]


def plan(job: Job) -> tuple[ModelIdentity, list[Cell]]:
    """The model, and everything that the shard scores with it, before it is loaded."""
    study = job.study
    model = identify(study, job.paths, job.store)
    texts, pools, scored = prompt_texts(study), read_pools(job.paths.pools), datasets(job)
    asked = ways(study, job.shard, job.shards.score)
    return model, [make_cell(study, model, way, examples, texts, pools) for way in asked for examples in scored]


def ways(study: Study, shard: int, shards: int) -> list[Asked]:
    """How one shard asks: shard 0 also without a prefix."""
    prompts = [key for key in prompt_texts(study) if shard_of(key, shards) == shard]
    asked = [Asked(prompt, prefix) for prompt in prompts for prefix in study.scoring.prefixes]
    return [PLAIN, *asked] if shard == 0 else asked


def datasets(job: Job) -> list[Examples]:
    """What is scored: a sample of the kept training completions, and each kind of control completion."""
    spec = job.study.scoring
    train = kept_examples(job.paths.examples)
    n = min(spec.n_examples, len(train))
    chosen = np.sort(np.random.default_rng(spec.seed).choice(len(train), n, replace=False))
    controls = read_table(job.paths.controls)
    return [_examples("train", train.iloc[chosen])] + [
        _examples(str(name), rows) for name, rows in controls.groupby("dataset", sort=False)
    ]


def _examples(dataset: str, rows: pd.DataFrame) -> Examples:
    return Examples(dataset, list(rows["example_id"]), list(rows["instruction"]), list(rows["completion"]))


def make_cell(
    study: Study,
    model: ModelIdentity,
    asked: Asked,
    examples: Examples,
    texts: dict[str, str],
    pools: Pools,
) -> Cell:
    """Chats and units of one way of asking over one dataset."""
    prefixes = scoring_prefixes(study, asked, examples, texts, pools)
    columns = zip(prefixes, examples.instructions, examples.responses, strict=True)
    chats = [compose(study, prefix, instruction, response) for prefix, instruction, response in columns]
    blocks = [chats[at : at + BLOCK] for at in range(0, len(chats), BLOCK)]
    label = f"{examples.dataset} asked {asked.prefix} {asked.prompt}".strip()
    return Cell(asked, examples, prefixes, [_unit(study, model, block, label) for block in blocks], blocks)


def scoring_prefixes(study: Study, asked: Asked, examples: Examples, texts: dict[str, str], pools: Pools) -> list[str]:
    """The prefix before each example.

    From a pool: by `scoring.mix`, the very rephrasing that the first training seed puts before that example, or the
    k-th of the pool for the k-th example.
    """
    if asked in pools and study.scoring.mix == "index_matched":
        pool = pools[asked]
        return [pool[k % len(pool)] for k in range(len(examples.ids))]
    return prefix_texts(asked, texts, pools, examples.ids, study.training.seeds[0])


def _unit(study: Study, model: ModelIdentity, chats: Sequence[Chat], label: str) -> Unit:
    parts: dict[str, Json] = {
        "model": model.as_key(),
        "engine": "transformers",
        "chats": digest([chat.as_key() for chat in chats]),
        "n": len(chats),
        "end_of_turn": study.scoring.end_of_turn,
        "batch_tokens": study.scoring.batch_tokens,
    }
    return Unit("score", VERSION, parts, label)


def _score_missing(job: Job, model: ModelIdentity, cells: Sequence[Cell]) -> Callable[[], TransformersEngine]:
    """Fill the entries that are not there; returns what gives the model, which is loaded when it is first asked for."""
    work = {unit.key: (unit, block) for cell in cells for unit, block in zip(cell.units, cell.blocks, strict=True)}
    # Two claims are held at a time; in one order everywhere, jobs cannot wait for each other in a circle.
    missing = sorted(job.store.missing(unit for unit, _ in work.values()), key=lambda unit: unit.key)
    todo = [work[unit.key] for unit in missing]
    responses = sum(len(block) for _, block in todo)
    engine = cache(lambda: _load(model, responses))
    if todo:
        with job.progress("scoring", responses, "responses") as meter:
            _score_all(job, engine(), todo, meter.advance)
    if work:
        first = next(iter(work.values()))
        job.record["rendered_example"] = (job.store.folder(first[0]) / "example.txt").read_text(encoding="utf-8")
    return engine


def _load(model: ModelIdentity, responses: int) -> TransformersEngine:
    from inoc.engines.transformers import TransformersEngine

    return TransformersEngine(model, compiled=responses >= COMPILE_FROM)


def _score_all(
    job: Job, engine: TransformersEngine, todo: Sequence[tuple[Unit, list[Chat]]], advance: Callable[[int], None]
) -> None:
    """Score blocks; while one is computed, the next is tokenised and handed in, and the last is written."""
    from inoc.chat.render import render

    spec = job.study.scoring
    last: Started | None = None
    with ThreadPoolExecutor(1) as executor:
        blocks = ahead(executor, lambda item: render(engine.tokenizer, item[1], spec.end_of_turn), todo)
        try:
            for (unit, chats), rendered in zip(todo, blocks, strict=True):
                with ExitStack() as claim:
                    folder = claim.enter_context(job.store.claim(unit))
                    before, last = last, None
                    if folder is not None:
                        pending = engine.submit(rendered, spec.batch_tokens)
                        last = Started(rendered, pending, folder, claim.pop_all())
                if before is not None:
                    before.finish()
                advance(len(chats))
        finally:
            if last is not None:
                last.finish()
    _note_precision(job, engine, [chats for _, chats in todo])


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


def _note_precision(job: Job, engine: TransformersEngine, blocks: Sequence[Sequence[Chat]]) -> None:
    """For the manifest: how far a few scores are from those of the same model in float32."""
    if job.study.model.dtype == "float32":
        return
    from inoc.chat.render import render

    spec = job.study.scoring
    chats = [chat for block in blocks for chat in block[:1]][:RECHECKED]
    rendered = render(engine.tokenizer, chats, spec.end_of_turn)
    difference = engine.float32_difference(rendered, engine.submit(rendered, spec.batch_tokens)())
    job.record["float32"] = {"largest_difference": difference, "responses": len(chats)}


def read_block(job: Job, unit: Unit) -> pa.ChunkedArray:
    """Token log-probabilities of a scored block: one float32 list per response."""
    return pq.read_table(job.store.folder(unit) / "logprobs.parquet")["logprobs"]


def _write(job: Job, cells: Sequence[Cell]) -> tuple[int, int]:
    """Write the table, a row group at a time; returns the number of tokens and of NaN means."""
    counts = np.zeros(2, dtype=np.int64)

    def counted() -> Iterator[pa.Table]:
        for table in _row_groups(job, cells):
            counts[0] += int(np.sum(table["n_tokens"].to_numpy()))
            counts[1] += int(np.isnan(table["mean"].to_numpy()).sum())
            yield table

    write_row_groups(counted(), LOGPROBS, job.paths.logprobs(job.shard))
    return int(counts[0]), int(counts[1])


def _row_groups(job: Job, cells: Sequence[Cell]) -> Iterator[pa.Table]:
    for cell in cells:
        values = [row for unit in cell.units for row in read_block(job, unit).to_pylist()]
        n = len(values)
        columns = [
            pa.array([cell.asked.prompt] * n, type=pa.string()).dictionary_encode(),
            pa.array([cell.asked.prefix] * n, type=pa.string()).dictionary_encode(),
            pa.array([cell.examples.dataset] * n, type=pa.string()).dictionary_encode(),
            pa.array(cell.examples.ids, type=pa.string()),
            pa.array(cell.prefixes, type=pa.string()),
            pa.array([len(row) for row in values], type=pa.int32()),
            pa.array([mean_logprob(row) for row in values], type=pa.float64()),
            pa.array(values if job.study.scoring.tokens else [None] * n, type=pa.list_(pa.float32())),
        ]
        yield pa.Table.from_arrays(columns, schema=LOGPROBS)


def mean_logprob(values: Sequence[float]) -> float:
    """Mean log-probability per response token, nats; NaN for an empty response."""
    return float(np.mean(np.asarray(values, dtype=np.float64))) if len(values) else float("nan")
