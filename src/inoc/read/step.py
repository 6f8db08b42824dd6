"""The stage `read`: activations of chats, or their projections onto vectors.

A unit of the store is one block of chats with all its sites and read-outs, which one pass gives. The blocks, and within
a block the batches, depend on the chats alone, so other chats or another shard change no number.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.chat.messages import Chat
from inoc.jobs.fill import Filling, fill, missing_blocks
from inoc.jobs.job import Job
from inoc.read.plan import BLOCK, Block, Plan
from inoc.store import Unit
from inoc.tables import INDEX, NUMBER, STRING, to_arrow, write_row_groups, write_table

if TYPE_CHECKING:
    from inoc.chat.render import Rendered
    from inoc.engines.reading import Activations, Pending, Reader
    from inoc.engines.transformers import TransformersEngine

SHARD_BLOCKS = 16  # blocks in one file of activations
COMPILE_FROM = 5_000  # with fewer chats than this, compiling takes longer than it saves
ENTRY = "activations.safetensors"

ROWS = pa.schema([("id", STRING), ("shard", INDEX), ("row", INDEX)])
"""`read/rows.parquet`: the file and the row of each chat's activations. Key: id."""

PROJECTIONS = pa.schema(
    [
        ("id", STRING),
        ("vector", STRING),
        ("site", STRING),
        ("readout", STRING),
        ("dot", NUMBER),  # activation · vector; NaN where the read-out has no token
        ("projection", NUMBER),  # the same over the vector's norm, in activation units
        ("cosine", NUMBER),  # NaN for a vector or an activation without a direction
    ]
)
"""`read/projections.parquet`. Key: id, vector, readout."""


def run(job: Job, plan: Plan) -> str:
    """Write the shards of activations and `rows.parquet`, or `projections.parquet`."""
    plan.check()
    work = list(plan.work())
    units = [unit for unit, _ in work]
    # Before anything is computed, so that no collection of garbage takes what is found there already.
    job.store.refer(plan.study, job.name, units)
    _fill_missing(job, plan, work)
    if units:
        example = job.store.folder(units[0]) / "example.txt"
        job.record["rendered_example"] = example.read_text(encoding="utf-8")
    n_nan = _write_projections(job, plan, units) if plan.vectors else _write_activations(job, plan, units)
    job.record["counts"] = {"chats": len(plan.ids), "read-outs": len(plan.readouts), "NaN": n_nan}
    onto = f"projected onto {len(plan.vectors)} vectors" if plan.vectors else f"at {len(plan.sites)} sites"
    return f"{len(plan.ids)} chats {onto}, {len(plan.readouts)} read-outs, {n_nan} NaN"


def units(job: Job, plan: Plan) -> list[Unit]:
    """The job's units of the store."""
    return [unit for unit, _ in plan.work()]


def _fill_missing(job: Job, plan: Plan, work: Sequence[tuple[Unit, Block]]) -> None:
    todo = missing_blocks(job.store, work)
    if not todo:
        return
    chats = sum(len(block.chats) for _, block in todo)
    with job.progress("reading", chats, "chats") as meter:
        fill(job.store, todo, _filling(plan, chats), lambda block: meter.advance(len(block.chats)))


def _filling(plan: Plan, chats: int) -> Filling[Block, tuple[list[Rendered], Block], Activations]:
    from inoc.engines.reading import Reader
    from inoc.engines.transformers import TransformersEngine
    from inoc.vectors.steering import check_steering

    engine = TransformersEngine(plan.model, compiled=chats >= COMPILE_FROM)
    engine.use_adapter(plan.adapter_folder)
    reader = Reader(engine.causal, compiled=engine.compiled)
    for steering in plan.steerings:
        if steering is not None:
            check_steering(steering, plan.model, reader.layers, plan.adapter)
    return Filling(
        prepare=lambda block: (_render(engine, block.chats), block),
        submit=lambda prepared: _submit(reader, plan, *prepared),
        write=lambda folder, prepared, found: _write_entry(folder, plan, prepared[0][0], found),
    )


def _render(engine: TransformersEngine, chats: Sequence[Chat]) -> list[Rendered]:
    from inoc.chat.render import render

    return render(engine.tokenizer, chats, "exclude")


def _submit(reader: Reader, plan: Plan, rendered: Sequence[Rendered], block: Block) -> Pending:
    if plan.vectors:
        return reader.project(rendered, plan.vectors, plan.readouts, plan.batch_tokens, steerings=block.steerings)
    return reader.submit(rendered, plan.sites, plan.readouts, plan.batch_tokens, steerings=block.steerings)


def _write_entry(folder: Path, plan: Plan, first: Rendered, found: Activations) -> None:
    from safetensors.numpy import save_file

    save_file(_by_name(found, plan.readouts), folder / ENTRY)
    (folder / "example.txt").write_text(first.text, encoding="utf-8")


def _by_name(found: Activations, readouts: Sequence[str]) -> dict[str, np.ndarray]:
    return {
        f"{site}/{readout}": np.ascontiguousarray(values[:, at])
        for site, values in found.items()
        for at, readout in enumerate(readouts)
    }


def read_entry(job: Job, unit: Unit) -> dict[str, np.ndarray]:
    """Stored arrays of a block: `site/read-out` → float32, shape (chats, width), or (chats, vectors + 1)."""
    from safetensors.numpy import load_file

    found: dict[str, np.ndarray] = load_file(job.store.folder(unit) / ENTRY)
    return found


def _write_activations(job: Job, plan: Plan, units: Sequence[Unit]) -> int:
    """Write the shards, a file at a time; returns the number of read-outs that are NaN."""
    from safetensors.numpy import save_file

    n_nan = 0
    plan.folder.mkdir(parents=True, exist_ok=True)
    for old in plan.folder.glob("activations-*.safetensors"):  # an earlier plan may have had more
        old.unlink()
    for shard, at in enumerate(range(0, len(units), SHARD_BLOCKS)):
        entries = [read_entry(job, unit) for unit in units[at : at + SHARD_BLOCKS]]
        whole = {name: np.concatenate([entry[name] for entry in entries]) for name in entries[0]}
        n_nan += sum(int(np.isnan(values[:, 0]).sum()) for values in whole.values())
        ids = list(plan.ids[at * BLOCK : (at + SHARD_BLOCKS) * BLOCK])
        path = shard_path(plan.folder, shard)
        save_file(whole, path.with_suffix(".part"), {"ids": json.dumps(ids)})
        path.with_suffix(".part").rename(path)
    rows = pd.DataFrame({"id": list(plan.ids)})
    numbers = np.arange(len(rows))
    rows["shard"], rows["row"] = numbers // (SHARD_BLOCKS * BLOCK), numbers % (SHARD_BLOCKS * BLOCK)
    write_table(rows, ROWS, plan.folder / "rows.parquet")
    return n_nan


def shard_path(folder: Path, shard: int) -> Path:
    """A file of activations."""
    return folder / f"activations-{shard:05d}.safetensors"


def load_activations(folder: Path, site: str, readout: str) -> tuple[list[str], np.ndarray]:
    """All activations of one site and read-out.

    Args:
        folder: Where `run` wrote them.
        site: Name of the site.
        readout: Name of the read-out.

    Returns:
        Ids, and float32 activations of shape (ids, width).

    Raises:
        DataError: If they were not read.
    """
    from safetensors import safe_open

    from inoc.errors import DataError

    ids: list[str] = []
    parts: list[np.ndarray] = []
    for path in sorted(folder.glob("activations-*.safetensors")):
        with safe_open(path, framework="numpy") as stream:
            names = sorted(stream.keys())
            if f"{site}/{readout}" not in names:
                msg = f"{path} has no {site}/{readout}; it has {', '.join(names)}"
                raise DataError(msg)
            ids += json.loads(stream.metadata()["ids"])
            parts.append(stream.get_tensor(f"{site}/{readout}"))
    if not parts:
        msg = f"{folder} has no activations-*.safetensors. Run the stage `read` first"
        raise DataError(msg)
    return ids, np.concatenate(parts)


def _write_projections(job: Job, plan: Plan, units: Sequence[Unit]) -> int:
    n_nan = 0
    path = plan.folder / "projections.parquet"

    def tables() -> Iterator[pa.Table]:
        nonlocal n_nan
        for at, unit in enumerate(units):
            table = _projections(plan, list(plan.ids[at * BLOCK : (at + 1) * BLOCK]), read_entry(job, unit))
            n_nan += int(table["dot"].isna().sum())
            yield to_arrow(table, PROJECTIONS, path)

    write_row_groups(tables(), PROJECTIONS, path)
    return n_nan


def _projections(plan: Plan, ids: Sequence[str], entry: dict[str, np.ndarray]) -> pd.DataFrame:
    parts = []
    columns: dict[str, int] = {}
    for vector in plan.vectors:
        column = columns[vector.site] = columns.get(vector.site, -1) + 1
        for readout in plan.readouts:
            values = entry[f"{vector.site}/{readout}"].astype(np.float64)
            dot, norm = values[:, column], vector.norm or float("nan")
            sizes = np.where(values[:, -1] > 0, values[:, -1], np.nan)
            part = {"id": ids, "vector": vector.name, "site": vector.site, "readout": readout}
            parts.append(pd.DataFrame({**part, "dot": dot, "projection": dot / norm, "cosine": dot / norm / sizes}))
    return pd.concat(parts, ignore_index=True)
