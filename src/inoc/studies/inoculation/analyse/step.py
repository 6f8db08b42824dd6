"""The analysis: read its inputs and compute all of its tables."""

from __future__ import annotations

from inoc.analyse.step import Analysed
from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.studies.inoculation.analyse.inputs import read_inputs
from inoc.studies.inoculation.analyse.names import TABLES
from inoc.studies.inoculation.analyse.produce import SCHEMAS, produce
from inoc.studies.inoculation.analyse.rows import frame, joined
from inoc.studies.inoculation.study import Study


def analyse(paths: Paths, study: Study, shards: Shards) -> Analysed:
    """Every table of `names.TABLES`, and what is missing from them."""
    inputs = read_inputs(paths, study, shards)
    made = produce(study, inputs)
    frames = {name: joined(parts, SCHEMAS[name]) for name, parts in made.frames.items()} | {"losses": inputs.losses}
    tables = {name: frames[name] if name in frames else frame(made.rows[name], SCHEMAS[name]) for name in TABLES}
    return Analysed(tables, SCHEMAS, made.skipped)
