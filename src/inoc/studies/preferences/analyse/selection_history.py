"""The table `selection_history`: how the pairs of active selections were chosen, and why they ended."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import pyarrow as pa

from inoc.prefer.selection import Round
from inoc.studies.preferences.analyse.fits import fit_name
from inoc.studies.preferences.selecting import Track
from inoc.tables import INDEX, NUMBER, STRING

SELECTION_HISTORY = pa.schema(
    [
        ("fit", STRING),
        ("instrument", STRING),
        ("rater", STRING),
        ("completer", STRING),
        ("round", INDEX),
        ("n_pairs", INDEX),  # asked in the round
        ("n_pairs_total", INDEX),
        ("n_comparisons", INDEX),  # answered so far
        ("reliability", NUMBER),  # of halves of pairs, after Spearman and Brown
        ("mean_width", NUMBER),  # of the intervals of the utilities
        ("rank_correlation", NUMBER),  # Spearman with the fit before; of nested fits, so it is no reliability
        ("distance", NUMBER),  # largest difference of utilities among the next pairs
        ("degree_sum", NUMBER),  # largest number of partners of both tasks among the next pairs
        ("stop", STRING),  # reliability, width, rounds, pairs; empty if it went on
    ]
)
"""Key: fit, round."""


def history_rows(history: Iterable[tuple[Track, Round]]) -> pd.DataFrame:
    """Rows of `SELECTION_HISTORY`."""
    rows = [
        {"fit": fit_name(track), "instrument": track.instrument, "rater": track.rater, "completer": track.completer}
        | row._asdict()
        for track, row in history
    ]
    return pd.DataFrame(rows, columns=SELECTION_HISTORY.names)
