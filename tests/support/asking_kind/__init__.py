"""A small kind of study whose stages are `sample`, `choose` and `read`."""

from __future__ import annotations

from inoc.stages import Kind

_HERE, _TOY = "support.asking_kind.parts", "support.toy_kind.parts"

KIND = Kind(
    "asking",
    "ask a model a few questions in three ways",
    ("sample", "choose", "read", "analyse", "figures", "report"),
    study=f"{_HERE}:Study",
    problems=f"{_HERE}:problems",
    needs=f"{_HERE}:needs",
    summary=f"{_HERE}:summary",
    work=f"{_HERE}:WORK",
    costs=f"{_HERE}:costs",
    figures=f"{_TOY}:ENTRIES",
    contents=f"{_TOY}:contents",
    tables=f"{_TOY}:TABLES",
    parts={"sample": ("plain",), "choose": ("colours",), "read": ("states", "onto")},
)
