"""Figures of the teachers' rows: what the filter rejects, and whether a classifier tells teachers apart."""

from __future__ import annotations

import numpy as np

from inoc.figures.sources import Sources
from inoc.plots.bars import Series, grouped_bars, height_of
from inoc.plots.dots import ROW_IN, dot_intervals, name_rows
from inoc.plots.save import Drawing
from inoc.plots.style import BLUE, GREEN, GREY, ORANGE, new_figure
from inoc.studies.shared.captions import interval_words, join, missing_words, spread_words
from inoc.studies.subliminal.figures import choices
from inoc.studies.subliminal.study import Study

FILTER = ("teacher", "kind", "reason", "n", "share")
DETECTABILITY = ("teacher", "features", "auc", "lo", "hi", "null_hi", "p", "n", "n_neutral", "n_pairs")
COLOURS = (ORANGE, GREY, "#9ecae1", GREEN, BLUE, "#8c6bb1", "#fdae6b")


def draw_filter(study: Study, sources: Sources) -> Drawing:
    """Share of each teacher's rows that is not kept, and the share for each reason that applies to any."""
    table = sources.table("filter", FILTER)
    reasons = table[table["kind"] == "reason"]
    named = [one for one in dict.fromkeys(reasons["reason"]) if reasons[reasons["reason"] == one]["n"].sum() > 0]
    teachers = list(dict.fromkeys(table["teacher"]))
    kept = table[(table["kind"] == "total") & (table["reason"] == "kept")].set_index("teacher")["share"]
    unknown = np.full(len(teachers), np.nan)
    series = [Series("rejected", 100 * (1 - kept.reindex(teachers).to_numpy(float)), unknown, unknown, "#404040")]
    for reason, colour in zip(named, COLOURS, strict=False):
        shares = reasons[reasons["reason"] == reason].set_index("teacher")["share"].reindex(teachers).to_numpy(float)
        series.append(Series(reason.replace("_", " "), 100 * shares, unknown, unknown, colour))
    figure = new_figure(0.7 + height_of(len(teachers), len(series)))
    axes = figure.subplots()
    grouped_bars(axes, [choices.teacher_label(study, one) for one in teachers], series)
    axes.set_xlabel("rows (%)")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4)
    data = table[table["kind"].isin(["reason", "total"])].reset_index(drop=True)
    written = table[(table["kind"] == "total") & (table["reason"] == "written")]
    caption = join(
        "Share of each teacher's rows that the filter rejects, and share to which each reason applies; a row may have "
        "several reasons. Code and trailing text are details of format.",
        f"n = {spread_words(written['n'])} rows for each teacher, all of which are counted (n_nan = 0); shares of all "
        "rows have no interval.",
    )
    return Drawing(figure, data, caption)


def draw_detectability(study: Study, sources: Sources) -> Drawing:
    """Area under the curve of a classifier between each teacher's rows and the neutral teacher's, by features."""
    table = sources.table("detectability", DETECTABILITY).reset_index(drop=True)
    if table.empty:
        return choices.empty(study, table, "no teacher has rows to compare with the neutral one's")
    names = [
        f"{choices.teacher_label(study, str(teacher))}: {str(features).replace('_', ' ')}"
        for teacher, features in zip(table["teacher"], table["features"], strict=True)
    ]
    figure = new_figure(0.7 + ROW_IN * len(table))
    axes = figure.subplots()
    spots = np.arange(len(table), dtype=float)
    colours = [BLUE if one != "all" else "#202020" for one in table["features"]]
    middle, lo, hi, null = (table[name].to_numpy(float) for name in ("auc", "lo", "hi", "null_hi"))
    dot_intervals(axes, spots, middle, lo, hi, colours=colours)
    axes.plot(null, spots, "|", color=GREY, markersize=9)
    axes.axvline(0.5, color=GREY, linewidth=0.8)
    name_rows(axes, names)
    axes.set_xlabel("area under the ROC curve")
    found = table[(table["features"] == "all") & (table["p"] <= 0.05)]
    of = int((table["features"] == "all").sum())
    caption = join(
        "How well a linear classifier tells a teacher's kept rows from the neutral teacher's, cross-validated; 0.5 is "
        f"not at all. By all features together, {len(found)} of {of} teachers are told apart with p ≤ 0.05.",
        f"Bars: {interval_words(study)}. Grey ticks: 95th percentile with permuted labels.",
        f"n = {spread_words(table['n'])} rows of a teacher and {spread_words(table['n_neutral'])} neutral ones; "
        f"n_nan = {int(table['auc'].isna().sum())}.",
        missing_words([names[place] for place in np.flatnonzero(table["auc"].isna())]),
    )
    return Drawing(figure, table, caption)
