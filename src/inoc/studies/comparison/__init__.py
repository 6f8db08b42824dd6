"""Comparisons of finished studies of one kind: how far their numbers agree, and by how much they differ."""

from __future__ import annotations

from inoc.stages import Kind

_HERE = "inoc.studies.comparison"

KIND = Kind(
    "comparison",
    "compare the tables of finished studies of one kind: differences with intervals, and agreement",
    ("analyse", "figures", "report"),
    study=f"{_HERE}.study:Study",
    problems=f"{_HERE}.checks:study_problems",
    needs=f"{_HERE}.needs:needs",
    summary=f"{_HERE}.needs:summary",
    work=f"{_HERE}.work:WORK",
    costs=f"{_HERE}.needs:costs",
    figures=f"{_HERE}.figures.entries:ENTRIES",
    contents=f"{_HERE}.sections:contents",
    tables=f"{_HERE}.analyse.names:TABLES",
)
