"""The figures that a study of subliminal learning has, in the order of its report."""

from __future__ import annotations

from inoc.figures.entries import Entry
from inoc.studies.subliminal.figures import persona, preference
from inoc.studies.subliminal.study import Study

ENTRIES: tuple[Entry[Study], ...] = (*preference.ENTRIES, *persona.ENTRIES)
