"""Tables of results with their intervals, computed from scores and log-probabilities by the kind of study."""

from __future__ import annotations

from inoc.stages import Stage

VERSION = 1

STAGE = Stage(
    "analyse", VERSION, "compute the tables of results and their intervals", "inoc.analyse.step", reads_tables=True
)
