"""Declarations in which a kind of study says which numbers of its analysis can be compared between studies.

A comparison knows no other kind: it reads these declarations through `inoc.stages`. Nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from inoc.stats.means import Floats

NOTHING: Mapping[str, tuple[str, ...]] = {}


class Comparable(NamedTuple):
    """Numbers of one table, each with its interval, that can be matched between two studies.

    Attributes:
        name: As a study file says it.
        title: In figures and the report.
        table: Table of the analysis.
        keys: Columns that identify a row; rows of two studies match if all of them are equal.
        value: Column of the number.
        lo: Column of the lower bound of its interval.
        hi: Column of the upper bound.
        n: Column of the number of measurements.
        n_nan: Column of the number of failed ones; empty if the table has none.
        where: Column → accepted values, as text, of the rows that are compared by default.
        within: Columns whose values are not mixed in a correlation, such as a statistic with a unit of its own.
        prepare: Reference to `(frame, confidence) -> frame` that makes the rows from the table; empty for the table as
            it is.
        units: Reference to `(study, paths, shards) -> iterator of Units`: the single measurements whose means the rows
            are, by which two studies are paired; empty if they cannot be paired.
        unit: One such measurement in words.
        signed: Whether the sign of the number means something.
        linked: Whether the number has no scale of its own within `within`, so that it is linked on the common rows.
        default: Whether it is compared if a study file names nothing.
    """

    name: str
    title: str
    table: str
    keys: tuple[str, ...]
    value: str = "value"
    lo: str = "lo"
    hi: str = "hi"
    n: str = "n"
    n_nan: str = "n_nan"
    where: Mapping[str, tuple[str, ...]] = NOTHING
    within: tuple[str, ...] = ()
    prepare: str = ""
    units: str = ""
    unit: str = "measurement"
    signed: bool = False
    linked: bool = False
    default: bool = True


class Units(NamedTuple):
    """The single measurements behind one row."""

    key: Mapping[str, object]  # column → value, for the columns of `Comparable.keys`
    names: Sequence[str]  # each is the same in two studies only for the same thing; rows may share the list
    values: Floats  # shape (names,), NaN for a measurement that failed
