"""The stage `analyse`: the tables of a study's results."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from inoc.jobs.job import Job
from inoc.store.core import write_text
from inoc.tables import write_table


class Skip(NamedTuple):
    """Something that could not be computed."""

    what: str
    why: str


class Analysed(NamedTuple):
    """The tables of a study, in memory."""

    tables: Mapping[str, pd.DataFrame]
    schemas: Mapping[str, pa.Schema]  # one for each table
    skipped: Sequence[Skip]
    files: Mapping[Path, Callable[[Path], None]] = {}  # further files, each with what writes it


class Plan(NamedTuple):
    """The analysis of a study."""

    analyse: Callable[[], Analysed]  # reads what it needs


def run(job: Job, plan: Plan) -> str:
    """Write every table of the analysis, each with its CSV twin, and `skipped.json`.

    Returns:
        One line for the log.
    """
    tables, schemas, skips, files = plan.analyse()
    for path, write in files.items():
        write(path)
    with job.progress("tables", len(tables), "tables") as meter:
        for name, table in tables.items():
            write_table(table, schemas[name], job.paths.table(name), csv=True)
            meter.advance(1)
    skipped = json.dumps([skip._asdict() for skip in skips], indent=2, ensure_ascii=False)
    write_text(job.paths.stage("analyse") / "skipped.json", f"{skipped}\n")
    counts = {name: len(table) for name, table in tables.items()}
    job.record["counts"] = {**counts, "skipped": len(skips)}
    return f"{len(tables)} tables, {sum(counts.values())} rows, {len(skips)} things skipped"
