"""Entries of the figures about numbers and preferences."""

from __future__ import annotations

from collections.abc import Callable

from inoc.figures.entries import Entry
from inoc.studies.subliminal.runs import group_teachers, measured_entities, neutral_teacher, students_of
from inoc.studies.subliminal.study import Study

HERE = "inoc.studies.subliminal.figures"
METHODS = {"choose": "exact probabilities", "sample": "sampled answers"}


def always(study: Study) -> str:
    """Every study has the figure."""
    del study
    return ""


def no_neutral(study: Study) -> str:
    """Rows are compared with the neutral teacher's."""
    return "" if neutral_teacher(study) else "the study has no neutral teacher"


def no_students(study: Study) -> str:
    """Nothing is trained, or no preference is measured."""
    if not students_of(study):
        return "the study trains no students"
    return "" if measured_entities(study) else "the study measures no entity"


def no_pairs(study: Study) -> str:
    """A matched contrast needs students of two teachers with different entities."""
    for spec in study.students.values():
        entities = {study.teachers[key].entity for key in group_teachers(study, spec)} & set(measured_entities(study))
        if spec.split is None and len(entities) > 1:
            return ""
    return "no group has students of two teachers with different entities"


def no_splits(study: Study) -> str:
    """Nothing is trained on the parts of a split."""
    has = any(spec.split is not None for spec in study.students.values())
    return "" if has else "no student is trained on a part of a split"


def no_capability(study: Study) -> str:
    """No closed questions are asked."""
    return "" if study.capability is not None else "the study has no section `capability`"


class _Main:
    """Whether a figure of a method shows a main result: where both methods are used, that of probabilities does."""

    def __init__(self, method: str) -> None:
        self._method = method

    def __call__(self, study: Study) -> bool:
        return self._method == "choose" or "choose" not in study.preference.methods


class _Missing:
    """Reason why a study lacks a figure of a method. A class, so that an entry can be pickled."""

    def __init__(self, method: str, other: Callable[[Study], str]) -> None:
        self._method, self._other = method, other

    def __call__(self, study: Study) -> str:
        if self._method not in study.preference.methods:
            return f"preferences are not measured by {METHODS[self._method]}"
        return self._other(study)


def _both_methods(study: Study) -> str:
    missing = [METHODS[one] for one in METHODS if one not in study.preference.methods]
    return f"preferences are not measured by {missing[0]}" if missing else ""


def _entry(
    name: str,
    title: str,
    draws: str,
    needs: tuple[str, ...],
    category: str,
    missing: Callable[[Study], str],
    *arguments: str,
    core: bool | _Main = False,
) -> Entry[Study]:
    labels = {"figure": title, "method": METHODS.get(arguments[0], arguments[0]) if arguments else "both"}
    return Entry(name, title, f"{HERE}.{draws}", needs, category, labels, missing, arguments, core)


_OF_METHOD: tuple[tuple[str, str, str, str, str, Callable[[Study], str], bool], ...] = (
    ("mechanism", "Groups of students", "matched:draw_groups", "mechanism", "Mechanism", no_pairs, True),
    ("preferences", "Preferences", "bars:draw", "rates", "Preferences", no_students, False),
    ("epochs", "Own entity by epoch", "epochs:draw", "rates", "Preferences", no_students, False),
    ("matrix", "Teacher by measured entity", "matrix:draw", "transfer", "Transfer", no_pairs, True),
    ("matched", "Matched against unmatched", "matched:draw", "matched", "Transfer", no_pairs, True),
    ("cells", "Every student", "each_cell:draw", "cells", "Transfer", no_pairs, False),
    ("strength", "Share of the teacher's shift", "strength:draw", "strength", "Transfer", no_pairs, False),
    ("splits", "Students on the parts of splits", "splits:draw", "split_students", "Splits", no_splits, False),
)
"""Name, title, function, table, category, reason of absence, and whether it shows a main result."""


def _of_method(method: str) -> tuple[Entry[Study], ...]:
    return tuple(
        _entry(
            f"{name}_{method}",
            f"{title}, by {METHODS[method]}",
            draws,
            (table,),
            category,
            _Missing(method, missing),
            method,
            core=core and _Main(method),
        )
        for name, title, draws, table, category, missing, core in _OF_METHOD
    )


ENTRIES: tuple[Entry[Study], ...] = (
    *_of_method("choose"),
    *_of_method("sample"),
    _entry(
        "methods",
        "Probabilities beside sampled answers",
        "methods:draw",
        ("preferences",),
        "Preferences",
        _both_methods,
    ),
    _entry("filter", "Rows by reason of the filter", "rows:draw_filter", ("filter",), "Numbers", always),
    _entry(
        "detectability",
        "Teachers told from the neutral one",
        "rows:draw_detectability",
        ("detectability",),
        "Numbers",
        no_neutral,
    ),
    _entry(
        "capability",
        "Capability after training",
        "capability:draw",
        ("capability",),
        "Capability",
        no_capability,
    ),
)
