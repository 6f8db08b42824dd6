"""Figures of a study, drawn from the tables of the analysis."""

from __future__ import annotations

from inoc.stages import Option, Stage

VERSION = 3

STAGE = Stage(
    "figures",
    VERSION,
    "draw the figures",
    "inoc.figures.step",
    reads_tables=True,
    options=(
        Option("jobs", "number of figures to draw in parallel (default: all cores)"),
        Option("only", "draw this figure alone, whether or not the study asks for it", named=True),
    ),
)
