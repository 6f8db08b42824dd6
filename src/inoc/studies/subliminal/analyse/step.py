"""The analysis: read what the stages wrote, and compute all tables."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from inoc.analyse.step import Analysed, Skip
from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.studies.subliminal.analyse import persona_tables
from inoc.studies.subliminal.analyse.filter import FILTER, Row, filter_table_rows
from inoc.studies.subliminal.analyse.names import TABLES
from inoc.studies.subliminal.data import teacher_rows
from inoc.studies.subliminal.study import Study

SCHEMAS: dict[str, pa.Schema] = {"filter": FILTER, **persona_tables.SCHEMAS}


def analyse(paths: Paths, study: Study, shards: Shards) -> Analysed:
    """Every table of `names.TABLES`, and what is missing from them."""
    skips: list[Skip] = []
    written = {key: teacher_rows(study, paths, key, shards) for key in study.teachers}
    rows: dict[str, list[Row]] = {
        "filter": [row for key, found in written.items() for row in filter_table_rows(key, found)],
    }
    tables = {name: pd.DataFrame(found, columns=SCHEMAS[name].names) for name, found in rows.items()}
    tables |= persona_tables.persona_tables(study, paths, shards, skips)
    return Analysed({name: tables[name] for name in TABLES}, SCHEMAS, skips)
