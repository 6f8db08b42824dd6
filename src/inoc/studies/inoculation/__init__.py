"""Inoculation studies: fine-tune behind a prefix, and measure how far the unwanted trait still leaks."""

from __future__ import annotations

from inoc.stages import Kind, Stage

_HERE = "inoc.studies.inoculation"

KIND = Kind(
    "inoculation",
    "fine-tune behind a prefix on data that shows two traits, and measure how far the unwanted one still leaks",
    (
        "world",
        "generate",
        "rephrase",
        "embed",
        "elicit",
        "score",
        "train",
        "evaluate",
        "choose",
        "judge",
        "analyse",
        "figures",
        "report",
    ),
    study=f"{_HERE}.study:Study",
    problems=f"{_HERE}.checks:study_problems",
    needs=f"{_HERE}.needs:needs",
    summary=f"{_HERE}.runs:summary",
    work=f"{_HERE}.work:WORK",
    costs=f"{_HERE}.costs:costs",
    figures=f"{_HERE}.figures.catalogue:ENTRIES",
    contents=f"{_HERE}.sections:contents",
    tables=f"{_HERE}.analyse.names:TABLES",
    view=f"{_HERE}.view:view",
    limits=f"{_HERE}.small:limits",
    commands=f"{_HERE}.commands:add_commands",
    imports=f"{_HERE}.commands:add_imports",
    compared=f"{_HERE}.comparable:COMPARABLE",
    stages=(
        Stage(
            "elicit",
            1,
            "sample the untrained model with and without each prefix",
            "inoc.sample.step",
            shards="elicit",
            computes=True,
        ),
        Stage(
            "evaluate", 1, "sample completions from every checkpoint", "inoc.sample.step", shards="train", computes=True
        ),
    ),
    parts={"choose": ("capability",), "judge": ("elicit", "evaluate")},
)
