"""Numbers of a study of subliminal learning that can be compared with those of another."""

from __future__ import annotations

from typing import Final

from inoc.analyse.comparable import Comparable

COMPARABLE: Final = (
    Comparable(
        "transfer",
        "Change of the rate by training (share)",
        "transfer",
        ("group", "teacher", "part", "entity", "base", "data", "targets", "question_set", "method", "reference"),
        "difference",
        where={"choice": ("last",)},
        within=("question_set", "method", "reference"),
        signed=True,
    ),
    Comparable(
        "preferences",
        "Rate after the last epoch (share)",
        "preferences",
        ("student", "group", "teacher", "part", "base", "seed", "entity", "question_set", "method"),
        "rate",
        n_nan="",
        where={"is_last": ("true",)},
        within=("question_set", "method"),
    ),
    Comparable(
        "matched",
        "Rate of the own entity above that of the others (share)",
        "matched",
        ("group", "teacher", "entity", "base", "data", "targets", "question_set", "method", "scale"),
        "contrast",
        where={"choice": ("each",), "is_last": ("true",)},
        within=("question_set", "method", "scale"),
        signed=True,
        default=False,
    ),
)
"""In the order of the report."""
