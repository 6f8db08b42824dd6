"""The stage `read`: activations of chats, or their projections onto vectors.

A unit of the store is one block of chats with all its sites and read-outs, which one pass gives.
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
from inoc.jobs.chats import Block, Computer, compute
from inoc.jobs.fill import Filling
from inoc.jobs.job import Job
from inoc.read.plan import Plan
from inoc.store import Unit
from inoc.tables import INDEX, NUMBER, STRING, to_arrow, write_row_groups, write_table

if TYPE_CHECKING:
    from inoc.chat.render import Rendered
    from inoc.engines.reading import Activations, Pending, Reader
    from inoc.engines.transformers import TransformersEngine

SHARD_BLOCKS = 16  # blocks in one file of activations
ENTRY = "activations.safetensors"

ROWS = pa.schema([("id", STRING), ("shard", INDEX), ("row", INDEX)])
"""`read/<part>/<shard>/rows.parquet`: the file and the row of each chat's activations. Key: id."""

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
"""`read/<part>/<shard>/projections.parquet`. Key: id, vector, readout."""


def run(job: Job, plan: Plan) -> str:
    """Write the shards of activations and `rows.parquet`, or `projections.parquet`."""
    plan.check()
    work = list(plan.work())
    compute(job, plan, work, ("reading", "chats"), lambda n: _filling(plan, n))
    n_nan = _write_projections(job, plan, work) if plan.vectors else _write_activations(job, plan, work)
    job.record["counts"] = {"chats": len(plan.ids), "read-outs": len(plan.readouts), "NaN": n_nan}
    onto = f"projected onto {len(plan.vectors)} vectors" if plan.vectors else f"at {len(plan.sites)} sites"
    return f"{len(plan.ids)} chats {onto}, {len(plan.readouts)} read-outs, {n_nan} NaN"


def units(job: Job, plan: Plan) -> list[Unit]:
    """The job's units of the store."""
    return [unit for unit, _ in plan.work()]


def _filling(plan: Plan, n: int) -> Filling[Block, tuple[list[Rendered], Block], Activations]:
    from inoc.engines.reading import Reader

    computer = Computer(plan, n, lambda engine: Reader(engine.causal, compiled=engine.compiled))
    return Filling(
        prepare=lambda block: (_render(computer.engine, block.chats), block),
        submit=lambda prepared: _submit(computer.through(prepared[1].adapter), plan, *prepared),
        write=lambda folder, prepared, found, rows: _write_entry(
            folder, plan, prepared[0][rows][0], {site: values[rows] for site, values in found.items()}
        ),
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


def _write_activations(job: Job, plan: Plan, work: Sequence[tuple[Unit, Block]]) -> int:
    """Write the shards, a file at a time; returns the number of read-outs that are NaN."""
    from safetensors.numpy import save_file

    n_nan = 0
    plan.folder.mkdir(parents=True, exist_ok=True)
    for old in plan.folder.glob("activations-*.safetensors"):  # an earlier plan may have had more
        old.unlink()
    shards, numbers = [], []
    for shard, at in enumerate(range(0, len(work), SHARD_BLOCKS)):
        own = work[at : at + SHARD_BLOCKS]
        entries = [read_entry(job, unit) for unit, _ in own]
        whole = {name: np.concatenate([entry[name] for entry in entries]) for name in entries[0]}
        n_nan += sum(int(np.isnan(values[:, 0]).sum()) for values in whole.values())
        ids = list(plan.ids[own[0][1].rows.start : own[-1][1].rows.stop])
        path = shard_path(plan.folder, shard)
        save_file(whole, path.with_suffix(".part"), {"ids": json.dumps(ids), "model": plan.model.weights})
        path.with_suffix(".part").rename(path)
        shards += [shard] * len(ids)
        numbers += list(range(len(ids)))
    rows = pd.DataFrame({"id": list(plan.ids), "shard": shards, "row": numbers})
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


def model_of_activations(folder: Path) -> str:
    """Digest of the weights that activations were read with; empty where the files do not say, or there are none."""
    from safetensors import safe_open

    for path in sorted(folder.glob("activations-*.safetensors")):
        with safe_open(path, framework="numpy") as stream:
            return str(stream.metadata().get("model", ""))
    return ""


def _write_projections(job: Job, plan: Plan, work: Sequence[tuple[Unit, Block]]) -> int:
    n_nan = 0
    path = plan.folder / "projections.parquet"

    def tables() -> Iterator[pa.Table]:
        nonlocal n_nan
        for unit, block in work:
            table = _projections(plan, list(plan.ids[block.rows]), read_entry(job, unit))
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
