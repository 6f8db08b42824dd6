"""The analysis: what was measured, and every table that is made of it."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from inoc.analyse.step import Analysed, Skip
from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.probe.files import skipped_probes
from inoc.studies.preferences.analyse.names import TABLES
from inoc.studies.preferences.analyse.planted import PLANTED, planted_rows
from inoc.studies.preferences.analyse.polarity import POLARITY, polarity_rows, reversed_pairs, with_status
from inoc.studies.preferences.analyse.probed import probe_tables
from inoc.studies.preferences.analyse.statistics import statistics
from inoc.studies.preferences.inputs import COMPARISONS, RANKINGS, RATINGS, Measured
from inoc.studies.preferences.measure import Everything, everything
from inoc.studies.preferences.released.read import Released, is_imported, read_import
from inoc.studies.preferences.study import Study


def analyse(paths: Paths, study: Study, shards: Shards) -> Analysed:
    """Every table of `names.TABLES`, and what is missing from them."""
    if is_imported(paths):
        measured, released = read_import(paths)
        return tables_of(Everything(measured, Measured(), []), study, released)
    return tables_of(everything(study, paths, shards), study, paths=paths)


def tables_of(
    found: Everything, study: Study, released: Released | None = None, paths: Paths | None = None
) -> Analysed:
    """Every table, of what was measured, of what an import has beside that, and of later stages in `paths`."""
    polarity = polarity_rows(found.anchors, study)
    wrong = reversed_pairs(polarity)
    measured = with_status(found.measured, wrong)
    made: dict[str, tuple[pa.Schema, pd.DataFrame]] = {
        "ratings": (RATINGS, measured.ratings),
        "comparisons": (COMPARISONS, measured.comparisons),
        "rankings": (RANKINGS, measured.rankings),
        "polarity": (POLARITY, polarity),
        **statistics(measured.upright(), study, found.history, released),
        **probe_tables(study, paths, released),
    }
    tables = {name: frame for name, (_, frame) in made.items()}
    made["planted"] = (PLANTED, planted_rows(study, tables))
    skipped = [
        Skip(f"{instrument} of {rater}", "clearly good and clearly bad tasks were rated the wrong way round")
        for rater, instrument in sorted(wrong)
    ]
    if paths is not None and study.probes:
        found_none = skipped_probes(paths.stage("probe"))
        skipped += [Skip(f"probe {name}", why) for name, why in found_none.items()]
    return Analysed(
        {name: made[name][1] for name in TABLES}, {name: schema for name, (schema, _) in made.items()}, skipped
    )
