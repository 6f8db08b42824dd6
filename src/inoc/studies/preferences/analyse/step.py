"""The analysis: what was measured, and every table that is made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from inoc.analyse.step import Analysed, Skip
from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.studies.preferences.analyse.names import TABLES
from inoc.studies.preferences.inputs import COMPARISONS, RANKINGS, RATINGS, Measured, empty
from inoc.studies.preferences.study import Study

Rows = Callable[[Measured, Study], pd.DataFrame]


class Maker(NamedTuple):
    """How a table is made: of everything upright that was measured."""

    schema: pa.Schema
    rows: Rows


def makers() -> dict[str, Maker]:
    """Table → how it is made, in the order of `names.TABLES`, for those that need the measurements alone."""
    return {}


def analyse(paths: Paths, study: Study, shards: Shards) -> Analysed:
    """Every table of `names.TABLES`, and what is missing from them."""
    measured = Measured()
    schemas: dict[str, pa.Schema] = {"ratings": RATINGS, "comparisons": COMPARISONS, "rankings": RANKINGS}
    tables = {"ratings": measured.ratings, "comparisons": measured.comparisons, "rankings": measured.rankings}
    upright = measured.upright()
    for name, maker in makers().items():
        schemas[name] = maker.schema
        tables[name] = maker.rows(upright, study)
    skipped: list[Skip] = []
    for name in TABLES:
        if name not in tables:
            schemas[name] = pa.schema([("name", pa.string())])
            tables[name] = empty(schemas[name])
            skipped.append(Skip(f"table {name}", "is not made yet"))
    return Analysed({name: tables[name] for name in TABLES}, schemas, skipped)
