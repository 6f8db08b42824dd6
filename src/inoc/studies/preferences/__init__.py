"""Studies of preferences: what a model says it likes, measured so that the number means something."""

from __future__ import annotations

from inoc.stages import Kind

_HERE = "inoc.studies.preferences"
_ASKED = ("completions", "answers", "open", "selected")

KIND = Kind(
    "preferences",
    "measure what models say they like: ratings, choices, rankings, and what each of these instruments is worth",
    ("world", "sample", "choose", "judge", "read", "probe", "analyse", "figures", "report"),
    study=f"{_HERE}.study:Study",
    problems=f"{_HERE}.checks:study_problems",
    needs=f"{_HERE}.needs:needs",
    summary=f"{_HERE}.costs:summary",
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
        "sample": (*_ASKED, *(f"api_{part}" for part in _ASKED), "concepts", "steering"),
        "choose": ("answers", "selected", "api_answers", "api_selected", "parsed", "steering"),
        "judge": ("completions", "open", "steering"),
        "read": ("prompts", "completions", "contrasts"),
    },
)
