"""The measures of a comparison: declarations of the compared kind, changed by the study file."""

from __future__ import annotations

from typing import NamedTuple

from inoc.analyse.comparable import Comparable
from inoc.errors import ConfigError
from inoc.stages import KINDS, kind_named, kinds, load
from inoc.studies.comparison.study import Measure, Study

RESERVED = {
    *("study", "measure", "table", "row", "first", "second", "first_value", "second_value", "difference"),
    *("value", "lo", "hi", "p", "q", "n", "n_nan", "how", "unit"),
}
"""Columns of the tables of a comparison, which no column that identifies rows may be called."""


class Matched(NamedTuple):
    """A measure with the columns by which its rows are matched."""

    of: Comparable
    keys: tuple[str, ...]  # those of the measure but the ignored ones


def comparable_kinds() -> list[str]:
    """Kinds of study that declare what can be compared."""
    return [kind.name for kind in kinds() if kind.compared]


def declared(of: str) -> dict[str, Comparable]:
    """Name → measure of a kind, in its order; none for a kind that cannot be compared."""
    reference = kind_named(of).compared if of in KINDS else ""
    found: tuple[Comparable, ...] = load(reference) if reference else ()
    return {one.name: one for one in found}


def chosen(study: Study) -> list[Matched]:
    """The measures that a study file asks for, in its order; those of the kind if it names none.

    Raises:
        ConfigError: If a measure that the kind does not declare lacks its table or columns; the checks refuse it.
    """
    known = declared(study.of)
    wanted = study.measures or {name: Measure() for name, one in known.items() if one.default}
    return [changed(name, spec, known.get(name)) for name, spec in wanted.items()]


def changed(name: str, spec: Measure, base: Comparable | None) -> Matched:
    """A measure as the study file says it.

    Args:
        name: Of the measure.
        spec: Its settings.
        base: The kind's declaration; None if there is none.
    """
    if base is None:
        if spec.table is None or spec.keys is None or spec.value is None:
            raise ConfigError(f"measure {name} needs `table`, `keys` and `value`")
        base = Comparable(name, name.replace("_", " "), spec.table, spec.keys, spec.value)
    names = ("title", "table", "keys", "value", "lo", "hi", "n", "n_nan", "where", "within")
    changes = {field: value for field in names if (value := getattr(spec, field)) is not None}
    if {"table", "keys", "value"} & set(changes):
        changes = {"units": "", "prepare": "" if "table" in changes else base.prepare, **changes}
    whole = base._replace(**changes)
    return Matched(whole, tuple(key for key in whole.keys if key not in spec.ignore))
