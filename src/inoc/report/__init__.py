"""A page for a paper's appendix: methods, results, and the provenance of every number."""

from __future__ import annotations

from inoc.stages import Stage

VERSION = 3

STAGE = Stage("report", VERSION, "write the report page", "inoc.report.step", reads_tables=True)
