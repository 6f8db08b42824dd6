"""Entries of the figures about numbers and preferences."""

from __future__ import annotations

from collections.abc import Callable

from inoc.figures.entries import Entry
from inoc.studies.subliminal.runs import measured_entities, neutral_teacher, students_of
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
        teachers = spec.teachers or tuple(study.teachers)
        entities = {study.teachers[key].entity for key in teachers} & set(measured_entities(study))
        if spec.split is None and len(entities) > 1:
            return ""
    return "no group has students of two teachers with different entities"


def no_splits(study: Study) -> str:
    """Nothing is trained on the parts of a split."""
    has = any(spec.split is not None for spec in study.students.values())
    return "" if has else "no student is trained on a part of a split"


def _without(method: str, other: Callable[[Study], str]) -> Callable[[Study], str]:
    return _Missing(method, other)


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
    core: bool = False,
) -> Entry[Study]:
    labels = {"figure": title, "method": METHODS.get(arguments[0], arguments[0]) if arguments else "both"}
    return Entry(name, title, f"{HERE}.{draws}", needs, category, labels, missing, arguments, core)


def _of_method(method: str) -> tuple[Entry[Study], ...]:
    words = METHODS[method]
    students, pairs = _without(method, no_students), _without(method, no_pairs)
    core = method == "choose"
    return (
        _entry(
            f"preferences_{method}",
            f"Preferences by {words}",
            "bars:draw",
            ("preferences",),
            "Preferences",
            students,
            method,
            core=core,
        ),
        _entry(
            f"epochs_{method}",
            f"Own entity by epoch, by {words}",
            "epochs:draw",
            ("preferences",),
            "Preferences",
            students,
            method,
        ),
        _entry(
            f"matrix_{method}",
            f"Teacher by measured entity, by {words}",
            "matrix:draw",
            ("transfer",),
            "Transfer",
            pairs,
            method,
            core=core,
        ),
        _entry(
            f"matched_{method}",
            f"Matched against unmatched, by {words}",
            "matched:draw",
            ("matched",),
            "Transfer",
            pairs,
            method,
            core=core,
        ),
        _entry(
            f"mechanism_{method}",
            f"Groups of students, by {words}",
            "matched:draw_groups",
            ("mechanism",),
            "Mechanism",
            pairs,
            method,
        ),
        _entry(
            f"splits_{method}",
            f"Students on the parts of splits, by {words}",
            "splits:draw",
            ("split_students",),
            "Splits",
            _without(method, no_splits),
            method,
        ),
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
)
