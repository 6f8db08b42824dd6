"""The analysis: what was measured, and every table that is made of it."""

from __future__ import annotations

from collections.abc import Mapping

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
from inoc.studies.preferences.analyse.steering import Table, imported_tables, steering_tables
from inoc.studies.preferences.inputs import COMPARISONS, RANKINGS, RATINGS, Measured
from inoc.studies.preferences.measure import Everything, everything
from inoc.studies.preferences.released.read import Released, is_imported, read_import
from inoc.studies.preferences.steering_vectors import own_names
from inoc.studies.preferences.study import Study


def analyse(paths: Paths, study: Study, shards: Shards) -> Analysed:
    """Every table of `names.TABLES`, and what is missing from them."""
    if is_imported(paths):
        measured, released = read_import(paths)
        inside = {**probe_tables(study, None, released), **imported_tables(study, released)}
        return tables_of(Everything(measured, Measured(), []), study, inside, released)
    inside = {**probe_tables(study, paths), **steering_tables(study, paths, shards)}
    return tables_of(everything(study, paths, shards), study, inside, paths=paths)


def tables_of(
    found: Everything,
    study: Study,
    inside: Mapping[str, Table],
    released: Released | None = None,
    paths: Paths | None = None,
) -> Analysed:
    """Every table.

    Args:
        found: What was measured.
        study: The study.
        inside: The tables about what is inside the model.
        released: What an import has beside measurements.
        paths: Results of a study that was computed, whose stages say which probes could not be fitted.
    """
    polarity = polarity_rows(found.anchors, study)
    wrong = reversed_pairs(polarity)
    measured = with_status(found.measured, wrong)
    made: dict[str, tuple[pa.Schema, pd.DataFrame]] = {
        "ratings": (RATINGS, measured.ratings),
        "comparisons": (COMPARISONS, measured.comparisons),
        "rankings": (RANKINGS, measured.rankings),
        "polarity": (POLARITY, polarity),
        **statistics(measured.upright(), study, found.history, released),
        **inside,
    }
    tables = {name: frame for name, (_, frame) in made.items()}
    made["planted"] = (PLANTED, planted_rows(study, tables))
    skipped = [
        Skip(f"{instrument} of {rater}", "clearly good and clearly bad tasks were rated the wrong way round")
        for rater, instrument in sorted(wrong)
    ]
    if study.steering is not None:
        steered = set(made["steering_slopes"][1]["vector"])
        text = "the vector was not made: a probe could not be fitted at the site, or too few tasks are refused"
        skipped += [Skip(f"steering by {name}", text) for name in own_names(study.steering) if name not in steered]
    if study.inside.refusal and "refusal" not in set(made["vectors"][1]["vector"]):
        text = "too few tasks are refused, or too few answered, for a direction between them; at least 2 of both"
        skipped.append(Skip("the direction of refusal", text))
    if paths is not None and study.probes:
        found_none = skipped_probes(paths.stage("probe"))
        skipped += [Skip(f"probe {name}", why) for name, why in found_none.items()]
    return Analysed(
        {name: made[name][1] for name in TABLES}, {name: schema for name, (schema, _) in made.items()}, skipped
    )
