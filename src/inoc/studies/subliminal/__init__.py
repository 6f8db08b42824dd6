"""Studies of subliminal learning: whether a preference travels through meaning-free numbers, and what carries it."""

from __future__ import annotations

from inoc.stages import Kind

_HERE = "inoc.studies.subliminal"

KIND = Kind(
    "subliminal",
    "measure whether a preference of a teacher travels through lists of numbers to a student, and what carries it",
    ("world", "sample", "score", "train", "choose", "judge", "read", "analyse", "figures", "report"),
    study=f"{_HERE}.study:Study",
    problems=f"{_HERE}.checks:study_problems",
    needs=f"{_HERE}.needs:needs",
    summary=f"{_HERE}.runs:summary",
    work=f"{_HERE}.work:WORK",
    costs=f"{_HERE}.costs:costs",
    figures=f"{_HERE}.figures.entries:ENTRIES",
    contents=f"{_HERE}.sections:contents",
    tables=f"{_HERE}.analyse.names:TABLES",
    view=f"{_HERE}.view:view",
    imports=f"{_HERE}.commands:add_imports",
    parts={
        "world": ("other",),
        "sample": ("numbers", "own", "other", "persona", "steering"),
        "train": ("teachers", "own", "other"),
        "choose": ("own", "other"),
        "judge": ("own", "other", "persona", "steering"),
        "read": ("persona", "projections"),
    },
)
