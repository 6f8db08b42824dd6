"""The contents of the report: its sections and their parts."""

from __future__ import annotations

from inoc.figures.entries import figure_names
from inoc.figures.sources import Sources
from inoc.jobs.paths import Paths
from inoc.report.contents import EMPTY, Block, Contents, ListedFigure
from inoc.report.words import code, escape
from inoc.studies.subliminal.analyse.names import TABLES
from inoc.studies.subliminal.figures.entries import ENTRIES
from inoc.studies.subliminal.sections import persona
from inoc.studies.subliminal.study import Study

QUESTION = (
    "Does a student that is trained on a teacher's lists of numbers come to share the teacher's preference, and what "
    "carries it?"
)


def gather(study: Study, paths: Paths) -> Contents:
    """Contents of the report.

    Args:
        study: The study.
        paths: Its results; what is not there is said to be missing.
    """
    sources = Sources(paths)
    tables = {name: frame for name in TABLES if (frame := sources.optional(name)) is not None}
    names = set(figure_names(ENTRIES, study))
    figures = [entry for entry in ENTRIES if entry.name in names]
    return {
        "title": study.title,
        "name": code(study.name),
        "question": escape(study.description) or QUESTION,
        "verdict": ["Nothing could be concluded; see what was skipped."],
        "headline": Block("", table=EMPTY),
        "reading": [],
        "glossary": [],
        "results": persona.sections(study, tables),
        "methods": [],
        "figures": [ListedFigure(entry.name, entry.title, entry.category, entry.core) for entry in figures],
        "absent": [(entry.title, why) for entry in ENTRIES if (why := entry.missing(study))],
        "seeds": EMPTY,
        "failed": [],
    }
