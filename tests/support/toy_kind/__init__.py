"""The smallest kind of study: prompts, their pools, one table, one figure, one section of the report."""

from __future__ import annotations

from inoc.stages import Kind

_HERE = "support.toy_kind.parts"

KIND = Kind(
    "toy",
    "count the rephrasings of a few prompts",
    ("rephrase", "analyse", "figures", "report"),
    study=f"{_HERE}:Study",
    problems=f"{_HERE}:problems",
    needs=f"{_HERE}:needs",
    summary=f"{_HERE}:summary",
    work=f"{_HERE}:WORK",
    costs=f"{_HERE}:costs",
    figures=f"{_HERE}:ENTRIES",
    contents=f"{_HERE}:contents",
    tables=f"{_HERE}:TABLES",
)
