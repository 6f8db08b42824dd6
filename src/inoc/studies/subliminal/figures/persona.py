"""Entries of the figures about persona vectors."""

from __future__ import annotations

from inoc.figures.entries import Entry
from inoc.studies.subliminal.study import Study

ENTRIES: tuple[Entry[Study], ...] = ()
