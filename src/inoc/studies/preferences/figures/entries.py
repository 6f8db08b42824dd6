"""The figures that a study of preferences has, in the order of its report."""

from __future__ import annotations

from inoc.figures.entries import Entry
from inoc.studies.preferences.study import Study

HERE = "inoc.studies.preferences.figures"

ENTRIES: tuple[Entry[Study], ...] = ()
