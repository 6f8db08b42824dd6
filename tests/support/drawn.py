"""Figures that are drawn without a table: one that shows something, and one that says why it shows nothing."""

from __future__ import annotations

import pandas as pd

from inoc.figures.entries import Entry
from inoc.plots.dots import note
from inoc.plots.save import Drawing
from inoc.plots.style import new_figure

WHY = "nothing was <b>measured</b>"


def draw_line(study: object, sources: object) -> Drawing:
    """A figure with a line, and a panel that says why it is empty."""
    figure = new_figure(1.6)
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1])
    note(right, "this panel has nothing")
    return Drawing(figure, pd.DataFrame({"x": [0, 1]}), "A line; n = 2.")


def draw_nothing(study: object, sources: object) -> Drawing:
    """A figure with two panels, of which neither shows anything."""
    figure = new_figure(1.6)
    for axes in figure.subplots(1, 2):
        note(axes, WHY)
    return Drawing(figure, pd.DataFrame({"x": []}), "Nothing; n = 0.")


def always(study: object) -> str:
    """Every study has the figure."""
    return ""


def never(study: object) -> str:
    """No study has the figure."""
    return "no study has it"


def entry(name: str, *, core: bool = True, draws: str = "draw_line", missing: object = always) -> Entry:
    """An entry of one of these figures."""
    return Entry(name, f"Figure {name}", f"support.drawn:{draws}", (), "Category", {"figure": name}, missing, core=core)


ENTRIES = (
    entry("line"),
    entry("nothing", draws="draw_nothing"),
    entry("further", core=False),
    entry("absent", missing=never),
)
