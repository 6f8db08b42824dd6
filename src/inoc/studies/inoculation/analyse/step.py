"""The analysis: read its inputs and write all of its tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from inoc.config.workflow import Shards
from inoc.store.core import write_text
from inoc.studies.inoculation.analyse.inputs import read_inputs
from inoc.studies.inoculation.analyse.names import TABLES
from inoc.studies.inoculation.analyse.produce import SCHEMAS, produce
from inoc.studies.inoculation.analyse.rows import frame
from inoc.studies.inoculation.study import Study
from inoc.tables import write_table

if TYPE_CHECKING:
    from inoc.jobs.job import Job


def run(job: Job, study: Study, shards: Shards) -> str:
    """Read, compute and write every table of `names.TABLES`, each with its CSV twin, and `skipped.json`.

    Returns:
        One line for the log.
    """
    inputs = read_inputs(job.paths, study, shards)
    made = produce(study, inputs)
    tables = {name: inputs.losses if name == "losses" else frame(made.rows[name], SCHEMAS[name]) for name in TABLES}
    with job.progress("tables", len(tables), "tables") as meter:
        for name, table in tables.items():
            write_table(table, SCHEMAS[name], job.paths.table(name), csv=True)
            meter.advance(1)
    skipped = json.dumps([skip._asdict() for skip in made.skipped], indent=2, ensure_ascii=False)
    write_text(job.paths.stage("analyse") / "skipped.json", f"{skipped}\n")
    counts = {name: len(table) for name, table in tables.items()}
    job.record["counts"] = {**counts, "skipped": len(made.skipped)}
    return f"{len(tables)} tables, {sum(counts.values())} rows, {len(made.skipped)} things skipped"
