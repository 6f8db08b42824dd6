"""Figures of what an instrument is worth: polarity, position against content, planted against found."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from inoc.figures.sources import Sources
from inoc.plots.dots import dot_intervals, name_rows, note
from inoc.plots.panels import panel_grid
from inoc.plots.save import Drawing
from inoc.plots.style import BLACK, BLUE, GREEN, GREY, ORANGE, VERMILION, new_figure
from inoc.stats.means import mean_interval
from inoc.studies.preferences.figures import words
from inoc.studies.preferences.study import Study

_VERDICTS = {"upright": BLUE, "undecided": ORANGE, "reversed": VERMILION, "untested": GREY}


def draw_polarity(study: Study, sources: Sources) -> Drawing:
    """A row for each instrument and rater: how far clearly good tasks are put above clearly bad ones."""
    data = sources.table("polarity", ("value", "lo", "hi", "verdict")).copy()
    figure = new_figure(1.3 + 0.26 * max(1, len(data)))
    axes = figure.subplots()
    if data.empty:
        note(axes, "no anchors were asked about")
        return Drawing(figure, data, "No instrument was tested; n = 0, and there is no interval.")
    spots = np.arange(len(data), dtype=float)
    colours = [_VERDICTS[one] for one in data["verdict"]]
    columns = (data[name].to_numpy(dtype=float) for name in ("value", "lo", "hi"))
    dot_intervals(axes, spots, *columns, colours=colours)
    name_rows(axes, [words.who_label(study, one.instrument, one.rater) for one in data.itertuples()])
    axes.axvline(0, color=BLACK, linewidth=1.0)
    axes.set(xlim=(-1.08, 1.08), xlabel="good above bad, as a share of the scale (1: always)")
    for verdict in dict.fromkeys(data["verdict"]):
        axes.scatter([], [], s=30, c=_VERDICTS[verdict], label=verdict)
    figure.legend(loc="outside upper left", ncols=4)
    caption = words.join(
        "How far each instrument puts clearly good tasks above clearly bad ones. An instrument whose interval is "
        "below 0 "
        "is marked as reversed, and is in no mean of this study.",
        f"{words.count_words(data['n_good'] + data['n_bad'], 'anchors')}; bars are {words.level(study)} intervals "
        "over "
        "anchors.",
    )
    return Drawing(figure, data, caption)


def draw_position(study: Study, sources: Sources) -> Drawing:
    """A row for each choice and rater: how often the first task is chosen, and how decided the choice is."""
    data = position_rows(sources.table("comparisons"))
    figure = new_figure(1.4 + 0.3 * max(1, len(data)))
    axes = figure.subplots()
    if data.empty:
        note(axes, "no pair was asked in both orders")
        return Drawing(figure, data, "No pair was asked in both orders; n = 0, and there is no interval.")
    spots = np.arange(len(data), dtype=float)
    for name, colour, shift in (("position", VERMILION, -0.13), ("content", BLUE, 0.13)):
        columns = (data[one].to_numpy(dtype=float) for one in (name, f"{name}_lo", f"{name}_hi"))
        dot_intervals(axes, spots + shift, *columns, colours=[colour] * len(data), label=name)
    name_rows(axes, [words.who_label(study, one.instrument, one.rater, one.completer) for one in data.itertuples()])
    axes.axvline(0, color=BLACK, linewidth=1.0)
    axes.set_xlabel("position: share for the first task less 0.5; content: mean distance of a pair's share from 0.5")
    figure.legend(loc="outside upper left", ncols=2)
    caption = words.join(
        "What decides a choice: the position (above 0: the first task is chosen oftener) and the content (how far a "
        "pair's mean over both orders is from an even choice). Where position is larger than content, single "
        "answers say "
        "more about the order than about the tasks.",
        f"{words.count_words(data['n'], 'pairs that were answered in both orders')}; bars are {words.level(study)} "
        "intervals "
        "over pairs.",
    )
    return Drawing(figure, data, caption)


def position_rows(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Position and content of each instrument, rater and completer, over pairs that were answered in both orders."""
    answered = comparisons[(comparisons["category"] == "answered") & (comparisons["choice"] != "tie")]
    first = answered["p_a"].where(answered["p_a"].notna(), (answered["choice"] == "a").astype(float))
    keys = ["instrument", "rater", "completer"]
    rows = []
    for who, part in answered.assign(first=first).groupby(keys, sort=False):
        both = part.pivot_table(index="pair", columns="order", values="first").dropna()
        if {"ab", "ba"} <= set(both.columns) and len(both) > 1:
            ab, ba = both["ab"].to_numpy(dtype=np.float64), both["ba"].to_numpy(dtype=np.float64)
            position = mean_interval((ab + ba) / 2 - 0.5)
            content = mean_interval(np.abs((ab + 1 - ba) / 2 - 0.5))
            rows.append((*who, *position[:3], *content[:3], len(both)))
    names = [f"{name}{end}" for name in ("position", "content") for end in ("", "_lo", "_hi")]
    return pd.DataFrame(rows, columns=[*keys, *names, "n"])


def draw_planted(study: Study, sources: Sources) -> Drawing:
    """A panel for each fit: utilities that were found against those that were planted."""
    from inoc.studies.preferences.planted import items_of

    utilities = sources.table("utilities", ("fit", "item", "mu", "lo", "hi"))
    fits = sources.table("fits", ("fit", "instrument", "rater")).drop_duplicates(["instrument", "rater", "completer"])
    items = {} if study.planted is None else {one.task.id: one for one in items_of(study, study.planted)}
    grid = panel_grid(max(1, len(fits)), 3, plot_in=2.2, title_lines=2, share_y=False, gap_in=0.55)
    parts = []
    for place, (axes, one) in enumerate(zip(grid.panels, fits.itertuples(), strict=False)):
        own = utilities[utilities["fit"] == one.fit]
        planted = [items[item].utility if item in items else float("nan") for item in own["item"]]
        refused = [item in items and items[item].refused for item in own["item"]]
        own = own[["fit", "item", "mu", "lo", "hi"]].assign(planted=planted, refused=refused)
        parts.append(own)
        _against(axes, own)
        title = f"{words.instrument_label(study, one.instrument)}\n{words.model_label(study, one.rater)}"
        axes.set_title(title, loc="left", parse_math=False)
        axes.set(xlabel="planted utility", ylabel="" if place % 3 else "utility that was found")
    data = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["fit", "item", "mu", "planted"])
    if not len(fits):
        note(grid.panels[0], "there are no utilities")
    for name, colour in (("tasks", BLUE), ("tasks of a refused topic", GREY)):
        grid.panels[0].scatter([], [], s=14, c=colour, label=name)
    grid.figure.legend(loc="upper left", ncols=2)
    caption = words.join(
        "Utilities that were found against those that the miniature model was given; each fit has its own zero.",
        f"{words.count_words([len(part) for part in parts], 'tasks in a panel')}; bars are {words.level(study)} "
        "intervals of "
        "the utilities.",
    )
    return Drawing(grid.figure, data, caption)


def _against(axes: Axes, own: pd.DataFrame) -> None:
    for refused, colour in ((False, BLUE), (True, GREY)):
        part = own[own["refused"] == refused]
        sure = part[np.isfinite(part["lo"]) & np.isfinite(part["hi"])]
        axes.vlines(sure["planted"], sure["lo"], sure["hi"], colors=colour, linewidth=0.6, alpha=0.5)
        axes.scatter(part["planted"], part["mu"], s=14, c=colour, zorder=3)
    plain = own[~own["refused"].astype(bool)]
    if len(plain) > 2 and plain["planted"].nunique() > 1:
        slope, start = np.polyfit(plain["planted"].to_numpy(dtype=float), plain["mu"].to_numpy(dtype=float), 1)
        ends = np.array([plain["planted"].min(), plain["planted"].max()])
        axes.plot(ends, start + slope * ends, color=GREEN, linewidth=1.0, marker="")
