"""Studies of subliminal learning: whether a preference travels through meaning-free numbers, and what carries it."""

from __future__ import annotations

from inoc.stages import Kind

_HERE = "inoc.studies.subliminal"
_FURTHER = ("other", "third", "fourth")  # base models beside the study's own one
_ASKED = ("own", *_FURTHER)

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
    limits=f"{_HERE}.small:limits",
    imports=f"{_HERE}.commands:add_imports",
    compared=f"{_HERE}.comparable:COMPARABLE",
    parts={
        "world": _FURTHER,
        "sample": ("numbers", *(f"numbers_{one}" for one in _FURTHER), *_ASKED, "persona", "steering"),
        "train": ("teachers", *(f"teachers_{one}" for one in _FURTHER), *_ASKED),
        "choose": (*_ASKED, "capability", *(f"capability_{one}" for one in _FURTHER)),
        "judge": (*_ASKED, "persona", "steering"),
        "read": ("persona", "projections"),
    },
)
