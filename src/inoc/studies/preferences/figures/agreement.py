"""Figures of what two instruments have in common: correlations, slopes, and refusals against preference."""

from __future__ import annotations

import numpy as np
import pandas as pd

from inoc.figures.sources import Sources
from inoc.plots.dots import dot_intervals, name_rows, note
from inoc.plots.heatmap import Scale, heatmap
from inoc.plots.panels import panel_grid
from inoc.plots.save import Drawing
from inoc.plots.scatter import scatter_intervals
from inoc.plots.style import BLACK, BLUE, GREEN, VERMILION, new_figure
from inoc.studies.preferences.figures import words
from inoc.studies.preferences.study import Study

MOST = 24
"""Measures in a heatmap; with more, numbers cannot be read."""


def measure_label(study: Study, name: object) -> str:
    """Name of a measure: instrument and rater."""
    parts = str(name).split("/")
    if len(parts) >= 2 and parts[0] in study.instruments:
        return words.who_label(study, parts[0], parts[1], parts[2] if len(parts) > 2 else "")
    return words.shortened(name)


def draw_correlations(study: Study, sources: Sources) -> Drawing:
    """Every two measures: Pearson's r over all tasks, and less the means of origins."""
    table = sources.table("instrument_correlations", ("first", "second", "origin", "statistic", "value"))
    table = table[table["statistic"] == "pearson"]
    often = pd.concat([table["first"], table["second"]]).value_counts()
    kept = set(often.index[:MOST])  # those with the most others to compare with
    names = [one for one in dict.fromkeys([*table["first"], *table["second"]]) if one in kept]
    figure = new_figure(1.6 + 0.27 * max(4, len(names)))
    left, right = figure.subplots(1, 2, sharey=True)
    data = table[table["origin"].isin(["all", "within"])]
    if len(names) < 2:
        note(left, "there are no two measures of the same tasks")
        return Drawing(figure, data, "There are no two measures of the same tasks; n = 0, and there is no interval.")
    labels = [measure_label(study, one) for one in names]
    numbers = [str(place + 1) for place in range(len(names))]
    for axes, origin, title in ((left, "all", "all tasks"), (right, "within", "within origins")):
        grid = _square(data[data["origin"] == origin], names)
        text = [[f"{value:.2f}".replace("0.", ".") if np.isfinite(value) else "" for value in row] for row in grid]
        rows = [f"{label} {number}" for label, number in zip(labels, numbers, strict=True)]
        heatmap(axes, grid, Scale(-1, 1), rows=rows, columns=numbers, words=text if len(names) <= 12 else None)
        axes.set_title(title, loc="left")
    left_out = len(set(table["first"]) | set(table["second"])) - len(names)
    caption = words.join(
        "Correlations of instruments over common tasks. Left: over all tasks, which mixes differences between "
        "origins "
        "with those within; right: each measure less the mean of the task's origin. Grey: too few common tasks.",
        f"{left_out} more measures are in the table." if left_out > 0 else "",
        f"{words.count_words(data['n'], 'tasks')}; intervals are in the table.",
    )
    return Drawing(figure, data, caption)


def _square(rows: pd.DataFrame, names: list[str]) -> np.ndarray:
    place = {name: number for number, name in enumerate(names)}
    grid = np.full((len(names), len(names)), np.nan)
    known = rows[rows["first"].isin(names) & rows["second"].isin(names)]
    for first, second, value in zip(known["first"], known["second"], known["value"], strict=True):
        grid[place[first], place[second]] = grid[place[second], place[first]] = value
    return grid


def draw_slopes(study: Study, sources: Sources) -> Drawing:
    """The slope of the reduced major axis of two ratings against their correlation."""
    table = sources.table("instrument_correlations", ("first", "second", "kinds", "statistic", "value"))
    table = table[(table["origin"] == "all") & (table["kinds"] == "rating-rating")]
    keys = ["first", "second"]
    parts = [table[table["statistic"] == one].set_index(keys) for one in ("pearson", "rma_slope")]
    data = parts[0][["value", "lo", "hi", "n"]].join(parts[1][["value", "lo", "hi"]], rsuffix="_slope", how="inner")
    data = data.reset_index().dropna(subset=["value", "value_slope"])
    figure = new_figure(3.4)
    axes = figure.subplots()
    if data.empty:
        note(axes, "there are no two ratings of the same tasks")
        return Drawing(figure, data, "There are no two ratings of the same tasks; n = 0, and there is no interval.")
    # A negative slope is one of mirrored scales, whose ratio is that of the sizes.
    slopes = data[["lo_slope", "value_slope", "hi_slope"]].abs()
    data["smaller"], data["ratio"], data["larger"] = slopes.min(axis=1), slopes["value_slope"], slopes.max(axis=1)
    places = (("value", "lo", "hi"), ("ratio", "smaller", "larger"))
    scatter_intervals(axes, words.spread_points(data, *places, [BLUE] * len(data)), size=16)
    axes.axhline(1, color=BLACK, linewidth=0.8)
    axes.set_yscale("log")
    words.plain_ticks(axes.yaxis, (0.1, 0.2, 0.5, 1, 2, 5, 10))
    axes.set(xlabel="Pearson's r of two ratings", ylabel="ratio of their spreads (second to first)")
    caption = words.join(
        "How much wider one rating is spread than another, against their correlation: the slope of the reduced "
        "major axis, "
        "which is the ratio of their standard deviations. The slope of least squares is r times that, and so rises "
        "with r "
        "by algebra alone.",
        f"{words.count_words(data['n'], 'tasks')}; bars are {words.level(study)} intervals over tasks.",
    )
    return Drawing(figure, data, caption)


def draw_refusals(study: Study, sources: Sources) -> Drawing:
    """Correlation of refusal with each measure, over all tasks and less the means of origins."""
    table = sources.table("refusals", ("measure", "of", "source", "origin", "statistic", "value", "lo", "hi"))
    data = table[
        (table["statistic"] == "pearson") & table["origin"].isin(["all", "adjusted"]) & (table["measure"] != "")
    ]
    keys = ["measure", "of", "source"]
    who = data[keys].drop_duplicates().head(40).reset_index(drop=True)
    figure = new_figure(1.4 + 0.3 * max(1, len(who)))
    axes = figure.subplots()
    if who.empty:
        note(axes, "nothing was refused, or all of it")
        return Drawing(figure, data, "Nothing was refused, or all of it; n = 0, and there is no interval.")
    for origin, colour, shift, label in (
        ("all", VERMILION, -0.13, "over all tasks"),
        ("adjusted", BLUE, 0.13, "less the means of origins"),
    ):
        part = who.merge(data[data["origin"] == origin], on=keys, how="left")
        columns = (part[one].to_numpy(dtype=float) for one in ("value", "lo", "hi"))
        dot_intervals(axes, np.arange(len(who)) + shift, *columns, colours=[colour] * len(who), label=label)
    asked = {"task": "task refused", "question": "question refused"}
    name_rows(axes, [f"{measure_label(study, one.measure)} ({asked[str(one.of)]})" for one in who.itertuples()])
    axes.axvline(0, color=BLACK, linewidth=1.0)
    axes.set_xlabel("r of refusal with preference (above 0: refused ones are liked more)")
    figure.legend(loc="outside upper left", ncols=2)
    caption = words.join(
        "Whether refused tasks, and tasks about which questions are refused, are liked less or more. Differences "
        "between "
        "origins are in the red dots and not in the blue ones.",
        f"{words.count_words(data['n'], 'tasks')}; bars are {words.level(study)} intervals over tasks.",
    )
    return Drawing(figure, data, caption)


def draw_quartiles(study: Study, sources: Sources) -> Drawing:
    """A panel for each source of refusals: the rate in each quarter of each measure."""
    table = sources.table("refusals", ("measure", "of", "source", "origin", "statistic", "value", "lo", "hi"))
    data = table[table["statistic"].str.startswith("rate_q") & (table["origin"] == "all")]
    panels = list(dict.fromkeys(zip(data["measure"], data["source"], strict=True)))[:12]
    grid = panel_grid(max(1, len(panels)), 3, plot_in=1.5, title_lines=2)
    for place, (axes, (measure, source)) in enumerate(zip(grid.panels, panels, strict=False)):
        own = data[(data["measure"] == measure) & (data["source"] == source)]
        spots = own["statistic"].str[-1].astype(int).to_numpy()
        value, lo, hi = (own[one].to_numpy(dtype=float) for one in ("value", "lo", "hi"))
        axes.bar(spots, value, color=GREEN, width=0.7)
        axes.errorbar(spots, value, [value - lo, hi - value], fmt="none", ecolor=BLACK, capsize=2, linewidth=1)
        axes.set_title(words.wrapped(measure_label(study, measure), 28), loc="left", parse_math=False)
        axes.set(xlabel="quarter, the least liked first", xlim=(0.4, 4.6), ylim=(0, 1))
        axes.set_ylabel("" if place % 3 else "share refused")
        axes.set_xticks([1, 2, 3, 4])
    if not panels:
        note(grid.panels[0], "nothing was refused, or all of it")
    caption = words.join(
        "Share of refused tasks in each quarter of a measure.",
        f"{words.count_words(data['n'], 'tasks in a quarter')}; bars are {words.level(study)} intervals (Wilson).",
    )
    return Drawing(grid.figure, data, caption)
