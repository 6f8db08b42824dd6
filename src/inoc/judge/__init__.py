"""Scores of completions, 0 to 100 per trait, by named and versioned judges."""

from __future__ import annotations

from inoc.called import make_callable
from inoc.stages import Stage

VERSION = 2

STAGE = Stage(
    "judge",
    VERSION,
    "score completions with the study's judges",
    "inoc.judge.step",
)

make_callable(__name__, "inoc.python.compute:judge")
