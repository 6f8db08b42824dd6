"""Choices that figures and report share: names, and the first set of questions."""

from __future__ import annotations

import textwrap

import pandas as pd
from matplotlib.figure import Figure

from inoc.plots.dots import note
from inoc.plots.save import Drawing
from inoc.plots.style import new_figure
from inoc.shorten import shortened
from inoc.studies.shared.captions import interval_words, join
from inoc.studies.shared.labels import label_of
from inoc.studies.subliminal.study import Study

MOST_CHARACTERS = 28
"""Of a line with a name in a figure; what is longer ends in an ellipsis. Data files have the whole key."""
WIDE_CHARACTERS = 56
"""The same where a name has the width of a figure."""


def short(text: str, most: int = MOST_CHARACTERS) -> str:
    """A name that fits beside a panel."""
    return shortened(text, most)


def teacher_name(study: Study, key: str) -> str:
    """Name of a teacher."""
    return label_of(key, study.teachers[key].label if key in study.teachers else None)


def teacher_label(study: Study, key: str) -> str:
    """Name of a teacher, as long as fits in a figure."""
    return short(teacher_name(study, key))


def group_label(study: Study, key: str) -> str:
    """Name of a group of students, short enough for the width of a figure."""
    return short(group_name(study, key), WIDE_CHARACTERS)


def group_lines(study: Study, key: str) -> str:
    """Name of a group of students in one line or two, short enough for one of several panels beside each other."""
    return "\n".join(textwrap.wrap(group_name(study, key), MOST_CHARACTERS, max_lines=2, placeholder="…"))


def group_name(study: Study, key: str) -> str:
    """Name of a group of students, in full."""
    return label_of(key, study.students[key].label if key in study.students else None)


def first_set(study: Study) -> str:
    """The first set of questions: the one that figures show."""
    return next(iter(study.preference.question_sets))


def set_words(study: Study) -> str:
    """A sentence that says which questions are shown."""
    keys = list(study.preference.question_sets)
    label = label_of(keys[0], study.preference.question_sets[keys[0]].label)
    others = f"; the tables have {len(keys) - 1} more" if len(keys) > 1 else ""
    return f"Set of questions: {label}{others}."


def shown(study: Study, table: pd.DataFrame, method: str) -> pd.DataFrame:
    """Rows of a method and of the first set of questions.

    Args:
        study: The study.
        table: With columns method and question_set.
        method: `choose` or `sample`.
    """
    found: pd.DataFrame = table[(table["method"] == method) & (table["question_set"] == first_set(study))]
    return found


def empty(study: Study, data: pd.DataFrame, why: str) -> Drawing:
    """A figure that says why it has nothing to show."""
    figure: Figure = new_figure(2.4)
    note(figure.subplots(), why)
    return Drawing(figure, data, join(f"{why.capitalize()}; n = 0, and there is no {interval_words(study)}."))
