"""The contents of the report: its sections and their parts."""

from __future__ import annotations

import pandas as pd

from inoc.jobs.paths import Paths
from inoc.report.contents import EMPTY, Block, Contents, Section
from inoc.report.gather import opening, tables_there
from inoc.studies.likelihood_shift.figures.entries import ENTRIES
from inoc.studies.likelihood_shift.sections import front, methods, results
from inoc.studies.likelihood_shift.study import Study

ANALYSIS = (
    *("cells", "contrasts", "columns", "decomposition", "controls", "confounds", "splits", "students"),
    "rates",
    *("dose_response", "precision", "row_counts", "divergence"),
)


def gather(study: Study, paths: Paths) -> Contents:
    """Contents of the report.

    Args:
        study: The study.
        paths: Its results; what is not there is said to be missing.
    """
    tables = tables_there(paths, ANALYSIS)
    return {
        **opening(study, ENTRIES, QUESTION),
        "verdict": front.verdict_words(study, tables),
        "headline": front.headline(study, tables),
        "reading": front.reading(study),
        "glossary": front.glossary(study),
        "results": results.sections(study, tables, paths),
        "methods": _methods(study, tables),
        "seeds": methods.seed_table(study),
        "failed": results.failed_words(tables),
    }


QUESTION = (
    "How much does each system prompt move the probability of each dataset, and can the prompt under which a "
    "dataset was "
    "written be told from it?"
)


def _methods(study: Study, tables: dict[str, pd.DataFrame]) -> list[Section]:
    counts, splits = tables.get("row_counts", pd.DataFrame()), tables.get("splits", pd.DataFrame())
    rows = results.row_table(study, counts)
    duplicates = "Duplicates are kept and counted; rows counted for another reason are not scored." if rows.rows else ""
    blocks = [
        Block("Model and base turn", methods.model_words(study)),
        Block("Likelihood shift", methods.definition_words(study)),
        Block("Prompts", "", methods.prompts_table(study)),
        Block("Datasets", "", methods.datasets_table(study)),
        Block("Rows", methods.scoring_words(study, tables), rows, duplicates, always=False),
        Block("Contrasts and statistics", methods.contrast_words(study)),
        Block(
            "Splits",
            methods.split_words(study),
            methods.split_table(study, splits) if len(splits) else EMPTY,
            always=False,
        ),
        Block("Students", methods.student_words(study)),
    ]
    return [Section("Methods", blocks)]
