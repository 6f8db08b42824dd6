"""Reads the inputs of the analysis and computes all of its tables."""

from __future__ import annotations

from inoc.analyse.step import Analysed
from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.studies.inoculation.analyse.inputs import read_inputs
from inoc.studies.inoculation.analyse.names import TABLES
from inoc.studies.inoculation.analyse.produce import SCHEMAS, produce
from inoc.studies.inoculation.analyse.rows import frame
from inoc.studies.inoculation.study import Study


def analyse(paths: Paths, study: Study, shards: Shards) -> Analysed:
    """Every table of `names.TABLES`, and what is missing from them."""
    inputs = read_inputs(paths, study, shards)
    made = produce(study, inputs)
    tables = {name: inputs.losses if name == "losses" else frame(made.rows[name], SCHEMAS[name]) for name in TABLES}
    return Analysed(tables, SCHEMAS, made.skipped)
