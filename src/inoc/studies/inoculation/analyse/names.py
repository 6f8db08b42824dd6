"""Names of the tables that the analysis writes, for every study; light, so that a workflow can declare them."""

from __future__ import annotations

from typing import Final

TABLES: Final = (
    "elicitation",
    "scores",
    "suppression",
    "predictors",
    "components",
    "coordinates",
    "angles",
    "pairwise_angles",
    "dimension_tests",
    "cross_angles",
    "cross_angle_tests",
    "fixed_mix",
    "heuristics",
    "embeddings",
    "token_shifts",
    "token_summary",
    "rates",
    "heuristic_values",
    "outcomes",
    "classifier",
    "classifier_predictions",
    "classifier_roc",
    "gate",
    "prediction",
    "verdict",
    "capability",
    "losses",
    "steps",
    "step_counts",
    "variance",
    "power",
)
