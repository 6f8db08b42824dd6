"""Numbers of one study against those of another, with their intervals and the line on which they are equal."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from inoc.figures.sources import Sources
from inoc.plots.panels import panel_grid
from inoc.plots.save import Drawing
from inoc.plots.scatter import Points, correlation_text, scatter_intervals, statistics_box
from inoc.plots.style import BLUE, GREY, colours_of
from inoc.studies.comparison.figures.choices import Panel, left_out_words, panels_of, short_label
from inoc.studies.comparison.figures.empty import nothing_common
from inoc.studies.comparison.study import Study
from inoc.studies.shared.captions import join, level, spread_words

MOST_COLOURS = 7


def draw(study: Study, sources: Sources) -> Drawing:
    """A panel for each measure, and for the first study against each other one."""
    differences, compared = sources.table("differences"), sources.table("compared")
    panels = panels_of(study, differences)
    if not panels.shown:
        return nothing_common(differences)
    across = min(3, len(panels.shown))
    figure, axes = panel_grid(
        len(panels.shown), across, plot_in=2.6, title_lines=3, legend_lines=0, share_y=False, gap_in=0.75
    )
    agreement = sources.table("agreement")
    parts = [_panel(study, place, panel, compared, agreement) for place, panel in zip(axes, panels.shown, strict=True)]
    data = pd.concat(parts, ignore_index=True)
    caption = join(
        f"Each point is one row of both studies; bars are {level(study)} intervals of the single numbers, and on the "
        "grey line both studies have the same. r is given where all rows may be mixed; otherwise colours are the "
        "groups whose correlations are in the table of agreement.",
        f"n = {spread_words(data['n'])} measurements behind each difference; n_nan = {int(data['n_nan'].sum())}.",
        left_out_words(panels),
    )
    return Drawing(figure, data, caption)


def _panel(study: Study, axes: Axes, panel: Panel, compared: pd.DataFrame, agreement: pd.DataFrame) -> pd.DataFrame:
    rows = panel.rows.copy()
    keys = list(panel.one.keys)
    for key, ending in ((panel.first, "_x"), (panel.second, "_y")):
        at = (compared["study"] == key) & (compared["measure"] == panel.one.of.name)
        sides = compared.loc[at, [*keys, "lo", "hi"]].rename(columns={"lo": f"lo{ending}", "hi": f"hi{ending}"})
        rows = rows.merge(sides, on=keys, how="left")
    if panel.one.of.linked:
        # Their bounds are on a scale of their own.
        rows[["lo_y", "hi_y"]] = np.nan
    groups = _groups(panel, rows)
    names = list(dict.fromkeys(groups))
    colours = colours_of(names) if 1 < len(names) <= MOST_COLOURS else dict.fromkeys(names, BLUE)
    columns = ("first_value", "lo_x", "hi_x", "second_value", "lo_y", "hi_y")
    x, x_lo, x_hi, y, y_lo, y_hi = (rows[name].to_numpy(dtype=float) for name in columns)
    shades = [colours[group] for group in groups]
    points = Points(x, x_lo, x_hi, y, y_lo, y_hi, shades, ["o"] * len(rows), np.ones(len(rows), bool))
    scatter_intervals(axes, points, size=16)
    values = np.concatenate([x, y])
    lowest, highest = float(np.nanmin(values)), float(np.nanmax(values))
    pad = 0.06 * (highest - lowest) or 0.5
    limits = (lowest - pad, highest + pad)
    axes.plot(limits, limits, color=GREY, linewidth=1.0, zorder=1)
    axes.set(xlim=limits, ylim=limits, xlabel=short_label(study, panel.first), ylabel=short_label(study, panel.second))
    statistics_box(axes, [panel.one.of.title, _correlation(panel, agreement), f"{len(rows)} rows"])
    return rows


def _groups(panel: Panel, rows: pd.DataFrame) -> list[str]:
    within = [key for key in panel.one.of.within if key in panel.one.keys]
    return [" · ".join(row) for row in rows[within].to_numpy(dtype=str)] if within else ["all"] * len(rows)


def _correlation(panel: Panel, agreement: pd.DataFrame) -> str:
    at = (agreement["first"] == panel.first) & (agreement["second"] == panel.second)
    found = agreement[at & (agreement["measure"] == panel.one.of.name) & (agreement["statistic"] == "pearson")]
    if len(found) != 1:
        known = found["value"].dropna()
        return f"r {known.min():.2f} to {known.max():.2f} in {len(found)} groups" if len(known) else "r: not computable"
    one = found.iloc[0]
    return correlation_text("r", float(one["value"]), float(one["lo"]), float(one["hi"]))
