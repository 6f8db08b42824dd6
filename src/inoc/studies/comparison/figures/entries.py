"""The figures of a comparison, in the order of its report."""

from __future__ import annotations

from inoc.figures.entries import Entry
from inoc.studies.comparison.study import Study

_HERE = "inoc.studies.comparison.figures"


def _always(study: Study) -> str:
    del study
    return ""


def _entry(name: str, title: str, draws: str, *needs: str) -> Entry[Study]:
    return Entry(name, title, f"{_HERE}.{draws}", needs, "Comparison", {"figure": title}, _always, core=True)


ENTRIES = (
    _entry("scatter", "One study against another", "scatter:draw", "compared", "agreement"),
    _entry("differences", "Differences with their intervals", "forest:draw", "differences"),
    _entry("heatmap", "Differences as a matrix", "matrix:draw", "differences"),
)
