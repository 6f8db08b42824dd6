"""Names of the tables that the analysis writes, for every study; light, so that a workflow can declare them."""

from __future__ import annotations

from typing import Final

TABLES: Final = (
    "ratings",
    "comparisons",
    "rankings",
    "polarity",
    "reliability",
    "utilities",
    "fits",
    "positions",
    "penalties",
    "selection_history",
    "instrument_correlations",
    "refusals",
    "contexts",
    "consistency",
    "probes",
    "probe_predictions",
    "probe_cosines",
    "vectors",
    "vector_cosines",
    "dose_response",
    "steering_slopes",
    "planted",
    "released",
)
