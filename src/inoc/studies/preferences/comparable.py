"""Numbers of a study of preferences that can be compared with those of another."""

from __future__ import annotations

from typing import Final

from inoc.analyse.comparable import Comparable

_ROWS = "inoc.studies.preferences.analyse.comparing"

COMPARABLE: Final = (
    Comparable(
        "utilities",
        "Utility of an item, linked on the common items",
        "utilities",
        ("fit", "item"),
        "mu",
        n="n_comparisons",
        n_nan="n_refused",
        within=("fit",),
        linked=True,
    ),
    Comparable(
        "ratings",
        "Mean rating over tasks (points of the scale)",
        "ratings",
        ("instrument", "rater", "completer", "when", "context_completion", "context_measurement"),
        within=("instrument",),
        prepare=f"{_ROWS}:mean_ratings",
        units=f"{_ROWS}:rating_units",
        unit="task",
    ),
    Comparable(
        "reliability",
        "Reliability of an instrument",
        "reliability",
        ("instrument", "rater", "completer", "origin", "statistic"),
        where={"origin": ("all",)},
        within=("statistic",),
    ),
    Comparable(
        "contexts",
        "Effect of a context (points of the scale)",
        "contexts",
        (
            *("instrument", "rater", "completer", "origin", "context_completion", "context_measurement"),
            "statistic",
        ),
        where={"origin": ("all",), "statistic": ("main_effect",)},
        within=("instrument",),
        signed=True,
        default=False,
    ),
)
"""In the order of the report."""
