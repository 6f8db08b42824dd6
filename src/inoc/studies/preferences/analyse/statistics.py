"""All tables of statistics, from what was measured."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import pyarrow as pa

from inoc.prefer.selection import Round
from inoc.prefer.tables import POSITIONS
from inoc.studies.preferences.analyse.consistency import CONSISTENCY, consistency_rows
from inoc.studies.preferences.analyse.contexts import CONTEXTS, context_rows
from inoc.studies.preferences.analyse.fits import (
    FITS,
    UTILITIES,
    fits_of,
    fits_table,
    positions_table,
    utilities_table,
)
from inoc.studies.preferences.analyse.instrument_correlations import INSTRUMENT_CORRELATIONS, correlation_rows
from inoc.studies.preferences.analyse.measures import measures_of
from inoc.studies.preferences.analyse.refusals import REFUSALS, refusal_rows, task_refusals
from inoc.studies.preferences.analyse.reliability import RELIABILITY, reliability_rows
from inoc.studies.preferences.analyse.selection_history import SELECTION_HISTORY, history_rows
from inoc.studies.preferences.inputs import Measured
from inoc.studies.preferences.selecting import Track
from inoc.studies.preferences.study import Study

Table = tuple[pa.Schema, pd.DataFrame]


def statistics(measured: Measured, study: Study, history: Iterable[tuple[Track, Round]]) -> dict[str, Table]:
    """Table → its schema and rows.

    Args:
        measured: What was measured, without reversed instruments.
        study: The study.
        history: Rounds of the active selections.
    """
    level, fewest = study.statistics.confidence, study.reliability.min_tasks
    fits = fits_of(measured, study)
    measures = measures_of(measured, fits, fewest)
    refused = task_refusals(measured.completions)
    return {
        "reliability": (RELIABILITY, reliability_rows(measured, fits, study)),
        "utilities": (UTILITIES, utilities_table(fits)),
        "fits": (FITS, fits_table(fits)),
        "positions": (POSITIONS, positions_table(fits)),
        "selection_history": (SELECTION_HISTORY, history_rows(history)),
        "instrument_correlations": (
            INSTRUMENT_CORRELATIONS,
            correlation_rows(measures, measured.origins, fewest, level),
        ),
        "refusals": (REFUSALS, refusal_rows(measured, measures, refused, level)),
        "contexts": (CONTEXTS, context_rows(measured, level, drop_mentions=study.contexts.filter_mentions)),
        "consistency": (CONSISTENCY, consistency_rows(measured)),
    }
