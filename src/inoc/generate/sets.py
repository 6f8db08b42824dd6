"""Names of the sets of evaluation questions."""

from __future__ import annotations

from inoc.config.models import DataSpec

HELD_OUT = "held_out"
"""The one set of a study that names none."""


def set_names(data: DataSpec) -> list[str]:
    """The sets of evaluation questions, in the file's order."""
    return list(data.questions) or [HELD_OUT]


def held_out_set(data: DataSpec) -> str | None:
    """The set whose questions are held out from the training data; None if there is none."""
    if not data.questions:
        return HELD_OUT
    return next((key for key, spec in data.questions.items() if spec.source is None), None)
