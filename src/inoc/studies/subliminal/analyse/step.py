"""The analysis: read what the stages wrote, and compute all tables."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pyarrow as pa

from inoc.analyse.step import Analysed, Skip
from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.studies.subliminal.analyse import persona_tables, published
from inoc.studies.subliminal.analyse.capability import CAPABILITY, capability_table_rows
from inoc.studies.subliminal.analyse.carriers import CARRIERS, carrier_rows
from inoc.studies.subliminal.analyse.cells import keys_of, panels
from inoc.studies.subliminal.analyse.detectability import DETECTABILITY, detectability_rows
from inoc.studies.subliminal.analyse.divided import divided
from inoc.studies.subliminal.analyse.each_cell import CELLS, cell_rows
from inoc.studies.subliminal.analyse.filter import FILTER, filter_table_rows
from inoc.studies.subliminal.analyse.imported import imported_rows
from inoc.studies.subliminal.analyse.inputs import shares
from inoc.studies.subliminal.analyse.matched import MATCHED, matched_rows
from inoc.studies.subliminal.analyse.mechanism import MECHANISM, mechanism_rows
from inoc.studies.subliminal.analyse.names import TABLES
from inoc.studies.subliminal.analyse.preferences import PREFERENCES, preference_rows
from inoc.studies.subliminal.analyse.rates import RATES, rate_frame
from inoc.studies.subliminal.analyse.split_students import SPLIT_STUDENTS, split_student_rows
from inoc.studies.subliminal.analyse.strength import STRENGTH, strength_rows
from inoc.studies.subliminal.analyse.transfer import TRANSFER, transfer_rows
from inoc.studies.subliminal.data import TeacherRows, teacher_rows
from inoc.studies.subliminal.imported import is_import
from inoc.studies.subliminal.study import Study

Row = dict[str, object]

SCHEMAS: dict[str, pa.Schema] = {
    "filter": FILTER,
    "detectability": DETECTABILITY,
    "preferences": PREFERENCES,
    "rates": RATES,
    "transfer": TRANSFER,
    "matched": MATCHED,
    "cells": CELLS,
    "strength": STRENGTH,
    "split_students": SPLIT_STUDENTS,
    "mechanism": MECHANISM,
    "carriers": CARRIERS,
    "capability": CAPABILITY,
    **persona_tables.SCHEMAS,
    **published.SCHEMAS,
}


def analyse(paths: Paths, study: Study, shards: Shards) -> Analysed:
    """Every table of `names.TABLES`, and what is missing from them."""
    skips: list[Skip] = []
    if is_import(paths):
        made = imported_rows(study, paths, skips)
        given = {name: pd.DataFrame(made.get(name, []), columns=SCHEMAS[name].names) for name in TABLES}
        return Analysed(given, SCHEMAS, skips)
    written = {key: teacher_rows(study, paths, key, shards) for key in study.teachers}
    rows: dict[str, list[Row]] = {
        "filter": [row for key, found in written.items() for row in filter_table_rows(key, found)],
        "detectability": detectability_rows(study, written, skips),
        "capability": capability_table_rows(study, paths, shards, skips),
        **preference_tables(study, shares(study, paths, shards), dict(_kept(study, paths, shards, written))),
    }
    tables = {name: pd.DataFrame(found, columns=SCHEMAS[name].names) for name, found in rows.items()}
    tables |= persona_tables.persona_tables(study, paths, shards, skips)
    tables |= {name: pd.DataFrame(columns=schema.names) for name, schema in published.SCHEMAS.items()}
    files = persona_tables.vector_files(study, paths, shards, skips)
    return Analysed({name: tables[name] for name in TABLES}, SCHEMAS, skips, files)


def preference_tables(study: Study, found: pd.DataFrame, kept: dict[tuple[str, str], int]) -> dict[str, list[Row]]:
    """Rows of the tables that follow from answers about preferences.

    Args:
        study: The study.
        found: Columns of `inputs.SHARES`.
        kept: Group and teacher → rows that the filter keeps.
    """
    each = list(panels(study, found))
    matched = [row for panel in each for row in matched_rows(study, panel)]
    preferences = preference_rows(study, found)
    rates = rate_frame(study, pd.DataFrame(preferences, columns=PREFERENCES.names), found)
    return {
        "preferences": preferences,
        "rates": [{str(name): value for name, value in row.items()} for row in rates.to_dict("records")],
        "transfer": [row for panel in each for row in transfer_rows(study, panel)],
        "matched": matched,
        "cells": [row for panel in each for row in cell_rows(study, panel)],
        "strength": [row for panel in each for row in strength_rows(study, panel)],
        "split_students": split_student_rows(study, found),
        "mechanism": mechanism_rows(study, matched, kept),
        "carriers": carrier_rows(divided(study, found), study.statistics.confidence),
    }


def _kept(
    study: Study, paths: Paths, shards: Shards, written: dict[str, TeacherRows]
) -> Iterator[tuple[tuple[str, str], int]]:
    for key in keys_of(study):
        rule = study.students[key.group].rule
        rows = written[key.teacher] if rule is None else teacher_rows(study, paths, key.teacher, shards, rule)
        yield (key.group, key.teacher), len(rows.kept)
