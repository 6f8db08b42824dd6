"""Differences of two studies with their intervals, the clearest first."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from inoc.figures.sources import Sources
from inoc.plots.dots import dot_intervals, name_rows
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, BLUE, GREY, new_figure
from inoc.shorten import shortened
from inoc.studies.comparison.figures.choices import (
    FDR,
    MOST_OF_ROW,
    Panel,
    left_out_words,
    method_words,
    pair_words,
    panels_of,
)
from inoc.studies.comparison.figures.empty import nothing_common
from inoc.studies.comparison.study import Study
from inoc.studies.shared.captions import join, level, rows_words

MOST_ROWS = 12
"""Rows of a panel."""


def draw(study: Study, sources: Sources) -> Drawing:
    """A panel for each measure, and for the first study against each other one."""
    differences = sources.table("differences")
    panels = panels_of(study, differences)
    if not panels.shown:
        return nothing_common(differences)
    parts = [_clearest(panel.rows) for panel in panels.shown]
    heights = [len(part) + 3.0 for part in parts]
    figure = new_figure(0.23 * sum(heights) + 0.4)
    grid = figure.subplots(len(parts), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, panel, part in zip(grid, panels.shown, parts, strict=True):
        _panel(study, axes, panel, part)
    data = pd.concat(parts, ignore_index=True)
    hidden = sum(len(panel.rows) for panel in panels.shown) - len(data)
    caption = join(
        f"Differences with {level(study)} intervals; filled: q ≤ {FDR:g} over all rows of the measure and the two "
        "studies. Rows are those furthest from 0 in units of their intervals.",
        f"{hidden} more rows are in the table." if hidden else "",
        f"{method_words(data)}. {rows_words(data, 'measurements behind each difference')}",
        left_out_words(panels),
    )
    return Drawing(figure, data, caption)


def _clearest(rows: pd.DataFrame) -> pd.DataFrame:
    width = (rows["hi"] - rows["lo"]).where(lambda found: found > 0)
    clear = (rows["difference"].abs() / width).fillna(-1.0)
    chosen = clear.sort_values(ascending=False, kind="stable").index[:MOST_ROWS]
    return rows.loc[chosen].sort_values("difference", ascending=False, kind="stable").reset_index(drop=True)


def _panel(study: Study, axes: Axes, panel: Panel, rows: pd.DataFrame) -> None:
    columns = (rows[name].to_numpy(dtype=float) for name in ("difference", "lo", "hi"))
    sure = rows["q"].to_numpy(dtype=float) <= FDR
    colours = [BLUE if one else GREY for one in sure]
    dot_intervals(axes, np.arange(len(rows), dtype=float), *columns, colours=colours, filled=sure)
    name_rows(axes, [shortened(str(name), MOST_OF_ROW) for name in rows["row"]])
    axes.axvline(0, color=BLACK, linewidth=0.8)
    axes.set_title(f"{panel.one.of.title}: {pair_words(study, panel)}", loc="left")
