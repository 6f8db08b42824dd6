"""The contents of the report: its sections and their parts."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from inoc.figures.entries import figure_names
from inoc.figures.sources import Sources
from inoc.jobs.paths import Paths
from inoc.report.contents import Contents, ListedFigure
from inoc.report.words import code, escape
from inoc.studies.subliminal.analyse.names import TABLES
from inoc.studies.subliminal.figures.entries import ENTRIES
from inoc.studies.subliminal.sections import front, methods, persona, results
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
        "verdict": front.verdict_words(study, tables),
        "headline": front.headline(study, tables),
        "reading": front.reading(study),
        "glossary": front.glossary(study),
        "results": [*results.sections(study, tables), *persona.sections(study, tables)],
        "methods": methods.sections(study),
        "figures": [ListedFigure(entry.name, entry.title, entry.category, entry.core) for entry in figures],
        "absent": [(entry.title, why) for entry in ENTRIES if (why := entry.missing(study))],
        "seeds": methods.seed_table(study),
        "failed": failed_words(tables),
    }


def failed_words(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Sentences on what failed: questions whose probabilities could not be measured, and students without a value."""
    table = tables.get("preferences")
    if table is None or table.empty:
        return []
    chosen = table[table["method"] == "choose"]
    unmeasured, gone = int(chosen["n_unclear"].sum()), int(table["rate"].isna().sum())
    words = [f"{unmeasured:,} probabilities of names could not be measured."] if unmeasured else []
    return [*words, *([f"{gone:,} rates are not known."] if gone else [])]
