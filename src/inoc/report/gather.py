"""The beginning of a report's contents, which is alike for every kind of study."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypedDict, TypeVar

import pandas as pd

from inoc.config.models import BaseStudy
from inoc.figures.entries import Entry, chosen_figures, figure_names, is_core
from inoc.figures.sources import Sources
from inoc.jobs.paths import Paths
from inoc.report.contents import ListedFigure
from inoc.report.words import code, escape

K = TypeVar("K", bound=BaseStudy)


class Opening(TypedDict):
    """The part of a report's contents that follows from the study file alone."""

    title: str
    name: str
    question: str
    figures: list[ListedFigure]
    absent: list[tuple[str, str]]
    unasked: list[ListedFigure]


def opening(study: K, entries: Sequence[Entry[K]], question: str = "") -> Opening:
    """Title, question and figures of a study.

    Args:
        study: The study.
        entries: Figures of its kind.
        question: Question of its kind, for a study file without a description.
    """
    asked, names = set(chosen_figures(entries, study)), set(figure_names(entries, study))
    listed = [ListedFigure(one.name, one.title, one.category, is_core(one, study)) for one in entries]
    return {
        "title": study.title,
        "name": code(study.name),
        "question": escape(study.description) or question,
        "figures": [one for one in listed if one.name in asked],
        "absent": [(entry.title, why) for entry in entries if (why := entry.missing(study))],
        "unasked": [one for one in listed if one.name in names - asked],
    }


def tables_there(paths: Paths, names: Iterable[str]) -> dict[str, pd.DataFrame]:
    """The tables of the analysis that exist, by name.

    Args:
        paths: Results of the study.
        names: Tables to look for.
    """
    sources = Sources(paths)
    return {name: frame for name in names if (frame := sources.optional(name)) is not None}
