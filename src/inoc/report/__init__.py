"""A page for a paper's appendix: what was done, what was found, and what every number rests on."""

from __future__ import annotations

from inoc.stages import Stage

VERSION = 2

STAGE = Stage("report", VERSION, "write the appendix page", "inoc.report.step", reads_tables=True)
