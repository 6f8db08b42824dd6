"""Differences of two studies as a matrix, which shows where they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from inoc.figures.sources import Sources
from inoc.plots.heatmap import Scale, heatmap
from inoc.plots.save import Drawing
from inoc.plots.style import minus, new_figure
from inoc.shorten import shortened
from inoc.studies.comparison.figures.choices import (
    MOST_OF_ROW,
    Panel,
    left_out_words,
    pair_words,
    panels_of,
)
from inoc.studies.comparison.figures.empty import nothing_common
from inoc.studies.comparison.study import Study
from inoc.studies.shared.captions import join, level, rows_words

MOST_ROWS = 24
MOST_COLUMNS = 12
COLUMN, ROW = "matrix_column", "matrix_row"


def draw(study: Study, sources: Sources) -> Drawing:
    """A panel for each measure, and for the first study against each other one."""
    differences = sources.table("differences")
    panels = panels_of(study, differences)
    if not panels.shown:
        return nothing_common(differences)
    parts = [_placed(panel) for panel in panels.shown]
    heights = [part[ROW].nunique() + 3.0 for part in parts]
    figure = new_figure(0.25 * sum(heights) + 0.4)
    grid = figure.subplots(len(parts), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, panel, part in zip(grid, panels.shown, parts, strict=True):
        _panel(axes, part, f"{panel.one.of.title}: {pair_words(study, panel)}")
    data = pd.concat(parts, ignore_index=True)
    hidden = sum(len(panel.rows) for panel in panels.shown) - len(data)
    caption = join(
        "Differences of each measure on a scale of its own, from white at 0. In brackets: the interval holds 0, or is "
        "not known. Grey: one of the two studies lacks the row.",
        f"{hidden} more rows are in the table." if hidden else "",
        f"{level(study)} intervals are in the table. {rows_words(data, 'measurements behind each difference')}",
        left_out_words(panels),
    )
    return Drawing(figure, data, caption)


def _placed(panel: Panel) -> pd.DataFrame:
    """Rows with their place: in the columns stands what has few values, in the rows all else."""
    rows, keys = panel.rows, list(panel.one.keys)
    counts = {key: rows[key].nunique() for key in keys if rows[key].nunique() > 1}
    fit = {key: n for key, n in counts.items() if n <= MOST_COLUMNS}
    across = max(fit, key=lambda key: fit[key]) if len(counts) > 1 and fit else ""
    down = [key for key in counts if key != across]
    names = [" · ".join(one for one in row if one) or "all" for row in rows[down].to_numpy(dtype=str)]
    placed = rows.assign(**{COLUMN: rows[across] if across else "", ROW: names})
    shown = list(dict.fromkeys(placed[ROW]))[:MOST_ROWS]
    return placed[placed[ROW].isin(shown)]


def _panel(axes: Axes, rows: pd.DataFrame, title: str) -> None:
    names, columns = list(dict.fromkeys(rows[ROW])), list(dict.fromkeys(rows[COLUMN]))
    values = np.full((len(names), len(columns)), np.nan)
    words = [["" for _ in columns] for _ in names]
    digits = _digits(rows["difference"].to_numpy(dtype=float))
    for one in rows.to_dict("records"):
        row, column = names.index(one[ROW]), columns.index(one[COLUMN])
        values[row, column] = one["difference"]
        words[row][column] = _words(float(one["difference"]), float(one["lo"]), float(one["hi"]), digits)
    largest = float(np.nanmax(np.abs(values))) or 1.0
    heatmap(
        axes,
        values,
        Scale(-largest, largest),
        rows=[shortened(name, MOST_OF_ROW) for name in names],
        columns=[shortened(str(column), 14) or "" for column in columns],
        words=words,
    )
    axes.set_title(title, loc="left")


def _digits(values: np.ndarray) -> int:
    """Digits after the point with which the largest number has three in all, within reason."""
    largest = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 0.0
    return int(np.clip(2 - np.floor(np.log10(largest)), 0, 6)) if largest > 0 else 0


def _words(value: float, lo: float, hi: float, digits: int) -> str:
    if not np.isfinite(value):
        return ""
    text = minus(f"{value:+.{digits}f}")
    return text if lo > 0 or hi < 0 else f"({text})"
