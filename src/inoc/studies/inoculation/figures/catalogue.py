"""The figures of an inoculation study, in the order of the page. Importing this imports no plotting library."""

from __future__ import annotations

from inoc.figures.entries import Entry
from inoc.studies.inoculation.figures.entries import (
    geometry,
    heuristics,
    prediction,
    rates,
    suppression,
    tokens,
    training,
)
from inoc.studies.inoculation.study import Study

ENTRIES: tuple[Entry[Study], ...] = (
    *suppression.ENTRIES,
    *rates.ENTRIES,
    *prediction.ENTRIES,
    *training.ENTRIES,
    *tokens.ENTRIES,
    *heuristics.ENTRIES,
    *geometry.ENTRIES,
)
