"""The contents of the report: its sections and their parts."""

from __future__ import annotations

from inoc.figures.entries import figure_names
from inoc.jobs.paths import Paths
from inoc.report.contents import EMPTY, Block, Contents, ListedFigure
from inoc.report.words import code, escape
from inoc.studies.preferences.figures.entries import ENTRIES
from inoc.studies.preferences.study import Study

QUESTION = "What do the models say they like, and what is each way of asking worth?"


def gather(study: Study, paths: Paths) -> Contents:
    """Contents of the report.

    Args:
        study: The study.
        paths: Its results; what is not there is said to be missing.
    """
    names = set(figure_names(ENTRIES, study))
    return {
        "title": study.title,
        "name": code(study.name),
        "question": escape(study.description) or QUESTION,
        "verdict": [],
        "headline": Block("Instruments"),
        "reading": [],
        "glossary": [],
        "results": [],
        "methods": [],
        "figures": [ListedFigure(one.name, one.title, one.category, one.core) for one in ENTRIES if one.name in names],
        "absent": [(entry.title, why) for entry in ENTRIES if (why := entry.missing(study))],
        "seeds": EMPTY,
        "failed": [],
    }
