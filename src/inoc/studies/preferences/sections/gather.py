"""The contents of the report: its sections and their parts."""

from __future__ import annotations

from inoc.jobs.paths import Paths
from inoc.report.contents import Contents
from inoc.report.gather import opening, tables_there
from inoc.report.words import escape
from inoc.studies.preferences.analyse.names import TABLES
from inoc.studies.preferences.figures import words
from inoc.studies.preferences.figures.entries import ENTRIES
from inoc.studies.preferences.sections import front, methods, results
from inoc.studies.preferences.study import Study

QUESTION = "What do the models say they like, and what is each way of asking them worth?"


def gather(study: Study, paths: Paths) -> Contents:
    """Contents of the report.

    Args:
        study: The study.
        paths: Its results; what is not there is said to be missing.
    """
    tables = tables_there(paths, TABLES)
    return {
        **opening(study, ENTRIES, QUESTION),
        "verdict": front.verdict_words(study, tables),
        "headline": front.headline(study, tables),
        "reading": front.reading(study),
        "glossary": front.glossary(study),
        "results": results.sections(study, tables),
        "methods": methods.methods(study),
        "seeds": methods.seed_table(study),
        "failed": [
            f"{escape(words.who_label(study, one.instrument, one.rater))}: found reversed, and in no mean"
            for one in front.worths(study, tables)
            if one.verdict == "reversed"
        ],
    }
