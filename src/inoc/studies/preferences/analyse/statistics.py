"""All tables of statistics, from what was measured."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import pyarrow as pa

from inoc.prefer.selection import Round
from inoc.prefer.tables import PENALTIES, POSITIONS
from inoc.studies.preferences.analyse.consistency import CONSISTENCY, consistency_rows
from inoc.studies.preferences.analyse.contexts import CONTEXTS, context_rows
from inoc.studies.preferences.analyse.fits import (
    FITS,
    UTILITIES,
    fits_of,
    fits_table,
    penalties_table,
    positions_table,
    utilities_table,
)
from inoc.studies.preferences.analyse.instrument_correlations import INSTRUMENT_CORRELATIONS, correlation_rows
from inoc.studies.preferences.analyse.measures import measures_of, stored_measures
from inoc.studies.preferences.analyse.refusals import REFUSALS, refusal_rows, task_refusals
from inoc.studies.preferences.analyse.released import RELEASED, released_rows
from inoc.studies.preferences.analyse.reliability import RELIABILITY, reliability_rows
from inoc.studies.preferences.analyse.selection_history import SELECTION_HISTORY, history_rows
from inoc.studies.preferences.analyse.stored import (
    joined,
    stored_consistency,
    stored_fits,
    stored_rates,
    stored_rounds,
    stored_utilities,
)
from inoc.studies.preferences.inputs import Measured
from inoc.studies.preferences.released.read import Released
from inoc.studies.preferences.selecting import Track
from inoc.studies.preferences.study import Study

Table = tuple[pa.Schema, pd.DataFrame]


def statistics(
    measured: Measured, study: Study, history: Iterable[tuple[Track, Round]], released: Released | None = None
) -> dict[str, Table]:
    """Table → its schema and rows.

    Args:
        measured: What was measured, without reversed instruments.
        study: The study.
        history: Rounds of the active selections.
        released: What an import has beside measurements; None for a study that was computed.
    """
    level, fewest = study.statistics.confidence, study.reliability.min_tasks
    fits = fits_of(measured, study)
    given = released or Released({})
    stored = stored_measures(given.frame("fits"), given.frame("utilities"))
    measures = [*measures_of(measured, fits, fewest), *stored]
    refused = task_refusals(measured.completions)
    return {
        "reliability": (RELIABILITY, reliability_rows(measured, fits, study)),
        "utilities": (UTILITIES, joined(utilities_table(fits), stored_utilities(given))),
        "fits": (FITS, joined(fits_table(fits), stored_fits(given))),
        "positions": (POSITIONS, positions_table(fits)),
        "penalties": (PENALTIES, penalties_table(fits)),
        "selection_history": (SELECTION_HISTORY, joined(history_rows(history), stored_rounds(given))),
        "instrument_correlations": (
            INSTRUMENT_CORRELATIONS,
            correlation_rows(measures, measured.origins, fewest, level),
        ),
        "refusals": (REFUSALS, refusal_rows(measured, measures, refused, level, stored_rates(given))),
        "contexts": (CONTEXTS, context_rows(measured, level, drop_mentions=study.contexts.filter_mentions)),
        "consistency": (CONSISTENCY, joined(consistency_rows(measured), stored_consistency(given))),
        "released": (RELEASED, released_rows(given, measured.ratings, level)),
    }
