"""The contents of the report: its sections and their parts."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from inoc.jobs.paths import Paths
from inoc.report.contents import Contents
from inoc.report.gather import opening, tables_there
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
    tables = tables_there(paths, TABLES)
    return {
        **opening(study, ENTRIES, QUESTION),
        "verdict": front.verdict_words(study, tables),
        "headline": front.headline(study, tables),
        "reading": front.reading(study),
        "glossary": front.glossary(study),
        "results": [*results.sections(study, tables), *persona.sections(study, tables)],
        "methods": methods.sections(study),
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
