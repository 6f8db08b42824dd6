"""The analysis: what was measured, and every table that is made of it."""

from __future__ import annotations

import pyarrow as pa

from inoc.analyse.step import Analysed, Skip
from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.studies.preferences.analyse.names import TABLES
from inoc.studies.preferences.analyse.polarity import POLARITY, marked, polarity_rows, reversed_pairs
from inoc.studies.preferences.analyse.statistics import statistics
from inoc.studies.preferences.inputs import COMPARISONS, RANKINGS, RATINGS, Measured, empty
from inoc.studies.preferences.measure import Everything, everything
from inoc.studies.preferences.released.read import Released, is_imported, read_import
from inoc.studies.preferences.study import Study


def analyse(paths: Paths, study: Study, shards: Shards) -> Analysed:
    """Every table of `names.TABLES`, and what is missing from them."""
    if is_imported(paths):
        measured, released = read_import(paths)
        return tables_of(Everything(measured, Measured(), []), study, released)
    return tables_of(everything(study, paths, shards), study)


def tables_of(found: Everything, study: Study, released: Released | None = None) -> Analysed:
    """Every table, of what was measured, and of what an import has beside that."""
    polarity = polarity_rows(found.anchors, study)
    wrong = reversed_pairs(polarity)
    measured = Measured(
        marked(found.measured.ratings, wrong),
        marked(found.measured.comparisons, wrong),
        marked(found.measured.rankings, wrong),
        found.measured.completions,
        found.measured.origins,
    )
    schemas: dict[str, pa.Schema] = {
        "ratings": RATINGS,
        "comparisons": COMPARISONS,
        "rankings": RANKINGS,
        "polarity": POLARITY,
    }
    tables = {
        "ratings": measured.ratings,
        "comparisons": measured.comparisons,
        "rankings": measured.rankings,
        "polarity": polarity,
    }
    upright = measured.upright()
    for name, (schema, rows) in statistics(upright, study, found.history, released).items():
        schemas[name], tables[name] = schema, rows
    skipped: list[Skip] = [
        Skip(f"{instrument} of {rater}", "the anchors were rated the wrong way round; it is in no mean")
        for rater, instrument in sorted(wrong)
    ]
    for name in TABLES:
        if name not in tables:
            schemas[name] = pa.schema([("name", pa.string())])
            tables[name] = empty(schemas[name])
            skipped.append(Skip(f"table {name}", "is not made yet"))
    return Analysed({name: tables[name] for name in TABLES}, schemas, skipped)
