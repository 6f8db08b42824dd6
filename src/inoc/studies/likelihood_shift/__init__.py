"""Likelihood-shift studies: how much each system prompt moves the probability of each dataset."""

from __future__ import annotations

from inoc.stages import Kind

_HERE = "inoc.studies.likelihood_shift"

KIND = Kind(
    "likelihood_shift",
    "measure how much each system prompt moves the probability of each dataset, and train on the parts that it moves",
    ("world", "sample", "score", "train", "evaluate", "judge", "analyse", "figures", "report"),
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
    verbs=f"{_HERE}.commands:add_verbs",
    imports=f"{_HERE}.commands:add_imports",
    compared=f"{_HERE}.comparable:COMPARABLE",
    parts={"sample": ("datasets",), "judge": ("evaluate",)},
)
