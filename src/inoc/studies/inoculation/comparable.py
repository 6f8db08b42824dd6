"""Numbers of an inoculation study that can be compared with those of another."""

from __future__ import annotations

from typing import Final

from inoc.analyse.comparable import Comparable

_UNITS = "inoc.studies.inoculation.analyse.compared"
_RUN = ("prompt", "prefix", "learning_rate", "seed")
_POOLED = {"seed": ("all",)}

COMPARABLE: Final = (
    Comparable(
        "scores",
        "Mean score at the last step (points)",
        "scores",
        (*_RUN, "condition", "asked_prompt", "asked_prefix", "trait"),
        where={**_POOLED, "condition": ("default",)},
        within=("trait",),
        prepare=f"{_UNITS}:last_steps",
        units=f"{_UNITS}:score_units",
        unit="instruction",
    ),
    Comparable(
        "suppression",
        "Suppression at the last step (points)",
        "suppression",
        (*_RUN, "trait"),
        "suppression",
        where=_POOLED,
        within=("trait",),
        prepare=f"{_UNITS}:last_steps",
        units=f"{_UNITS}:suppression_units",
        unit="instruction",
        signed=True,
    ),
    Comparable(
        "rates",
        "Rate at the last step (share)",
        "rates",
        ("rate", "questions", *_RUN, "condition", "asked_prompt", "asked_prefix", "data"),
        where={**_POOLED, "condition": ("default",)},
        within=("rate",),
        prepare=f"{_UNITS}:last_steps",
    ),
    Comparable(
        "prediction",
        "Predictor's r with suppression",
        "prediction",
        ("trait", "learning_rate", "prefix", "predictor", "predictor_trait"),
        "r",
        "r_lo",
        "r_hi",
        within=("trait",),
        signed=True,
    ),
    Comparable(
        "elicitation",
        "Elicitation (points)",
        "elicitation",
        ("prompt", "prefix", "trait"),
        within=("trait",),
        signed=True,
        default=False,
    ),
    Comparable(
        "predictors",
        "Predictors",
        "predictors",
        ("prompt", "prefix", "trait", "predictor"),
        within=("predictor", "trait"),
        signed=True,
        default=False,
    ),
)
"""In the order of the report."""
