"""Names of the tables that the analysis writes, for every study; light, so that a workflow can declare them."""

from __future__ import annotations

from typing import Final

TABLES: Final = (
    "filter",
    "detectability",
    "preferences",
    "rates",
    "transfer",
    "matched",
    "cells",
    "strength",
    "split_students",
    "mechanism",
    "carriers",
    "capability",
    "persona_pairs",
    "persona_scores",
    "vectors",
    "cosines",
    "steering",
    "steering_best",
    "projections",
    "projection_distances",
    "agreement",
    "published_rates",
    "published_contrasts",
    "published_steering",
    "training_logs",
)
